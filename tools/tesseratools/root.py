"""The root of a machine: a directory or archive of the user's, or the default one made of Debian's static busybox.

To each the launcher's first process is added, /.tessera-init, which runs the program or the shell (tools/init/init.c).
"""

import os
import subprocess
import sys

from .errors import UsageError

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cpio  # noqa: E402

BUSYBOX = "/bin/busybox"
INIT = ".tessera-init"
INIT_SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "init", "init.c")
INIT_COMMAND = ["clang-14", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-stack-protector", "-fno-pie",
                "-nostdlib", "-static", "-fuse-ld=lld", "-Wl,-z,noexecstack,--build-id=none,-s"]
FOLDERS = ("bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var/log", "var/tmp")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hostname": "tessera\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/shells": "/bin/sh\n",
    "etc/profile": "export PATH=/bin:/sbin:/usr/bin:/usr/sbin\nexport PS1='\\w \\$ '\n",
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


def init_entry(build):
    """The first process, compiled when its source is newer."""
    path = os.path.join(build, "tessera-init")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(INIT_SOURCE):
        os.makedirs(build, exist_ok=True)
        try:
            subprocess.run(INIT_COMMAND + ["-o", path, INIT_SOURCE], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"{INIT_SOURCE} cannot be compiled: run make setup") from error
    with open(path, "rb") as source:
        return cpio.file(INIT, source.read(), 0o755)


def default(build):
    return archive_write(os.path.join(build, "root.cpio"), default_entries() + [init_entry(build)])


def given(path, build):
    """The archive of what --root names: a directory is packed, an archive follows the one of the first process."""
    own = [init_entry(build)]
    output = os.path.join(build, f"root-{os.getpid()}.cpio")
    if os.path.isdir(path):
        try:
            return archive_write(output, cpio.console_devices() + cpio.tree(path) + own)
        except OSError as error:
            raise UsageError(f"--root: {error.filename}: {error.strerror}") from error
    try:
        with open(path, "rb") as source:
            data = source.read()
    except OSError as error:
        raise UsageError(f"--root: {path}: {error.strerror}") from error
    if not data.startswith(ARCHIVE_MAGICS):
        raise UsageError(f"--root: {path} is neither a directory nor a cpio archive")
    with open(output, "wb") as combined:
        combined.write(cpio.archive(own) + data)
    return output
