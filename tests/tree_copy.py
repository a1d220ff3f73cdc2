"""A copy of the tree, to build what the tree itself should not be built as."""

import os
import shutil
import subprocess


def _same(source, target):
    if not os.path.isfile(target):
        return False
    with open(source, "rb") as one, open(target, "rb") as other:
        return one.read() == other.read()


def update(top, folder):
    """Brings the copy up to date; files that did not change keep their times, so that builds stay incremental."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=top, capture_output=True, text=True, check=True)
    for path in listed.stdout.splitlines():
        source, target = os.path.join(top, path), os.path.join(folder, path)
        if os.path.isfile(source) and not _same(source, target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)
    for parent, _, names in os.walk(folder): # what was deleted since must not be compiled
        for name in names:
            path = os.path.relpath(os.path.join(parent, name), folder)
            if not path.startswith("build" + os.sep) and not os.path.exists(os.path.join(top, path)):
                os.unlink(os.path.join(folder, path))
