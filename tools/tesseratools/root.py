"""The root of a machine: a directory or archive of the user's, or the default one made of Debian's static busybox."""

import os
import subprocess
import sys

from .errors import UsageError

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cpio  # noqa: E402

BUSYBOX = "/bin/busybox"
FOLDERS = ("bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var/log", "var/tmp")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hostname": "tessera\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/shells": "/bin/sh\n",
    "etc/profile": "export PATH=/bin:/sbin:/usr/bin:/usr/sbin\nexport PS1='\\w \\$ '\n"
                   "[ -e /proc/self ] || mount -t proc proc /proc 2>/dev/null\n",
}
ARCHIVE_MAGICS = (b"070701", b"070702", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")


def busybox_entries():
    """busybox with a link for each applet, where Debian's list puts it."""
    if not os.access(BUSYBOX, os.X_OK):
        raise UsageError(f"{BUSYBOX} is missing: run make setup")
    with open(BUSYBOX, "rb") as source:
        entries = [cpio.file("bin/busybox", source.read(), 0o755)]
    listed = subprocess.run([BUSYBOX, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    entries += [cpio.symlink(name, "/bin/busybox") for name in listed if name not in ("bin/busybox", "linuxrc")]
    return entries


def default_entries():
    entries = cpio.console_devices() + [cpio.directory(name) for name in FOLDERS if name not in ("tmp", "var/tmp")]
    entries += [cpio.directory(name, 0o1777) for name in ("tmp", "var/tmp")] + busybox_entries()
    return entries + [cpio.file(name, text.encode()) for name, text in FILES.items()]


def archive_write(path, entries):
    """Writes an archive unless it has this content already."""
    data = cpio.archive(entries)
    if os.path.exists(path) and os.path.getsize(path) == len(data):
        with open(path, "rb") as old:
            if old.read() == data:
                return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as output:
        output.write(data)
    os.replace(path + ".new", path)
    return path


def default(build):
    return archive_write(os.path.join(build, "root.cpio"), default_entries())


def given(path, build):
    """The archive of what --root names: a directory is packed, an archive is taken as it is."""
    if os.path.isdir(path):
        try:
            return archive_write(os.path.join(build, f"root-{os.getpid()}.cpio"), cpio.console_devices() + cpio.tree(path))
        except OSError as error:
            raise UsageError(f"--root: {error.filename}: {error.strerror}") from error
    try:
        with open(path, "rb") as source:
            magic = source.read(6)
    except OSError as error:
        raise UsageError(f"--root: {path}: {error.strerror}") from error
    if not magic.startswith(ARCHIVE_MAGICS):
        raise UsageError(f"--root: {path} is neither a directory nor a cpio archive")
    return path
