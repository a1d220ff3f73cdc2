#!/usr/bin/env python3
"""Writes cpio archives of the "newc" format, the format of a Linux initramfs.

An archive is a list of entries: files of a directory tree, and entries that are not on disk (device nodes, generated
files). The order is by path, so the same input gives the same bytes. Files that are hard links of each other stay so.
Files of a tree keep their times, and their owners if root packs it; everything else is root's, and of 1970.
"""

import argparse
import os
import stat
import sys
from dataclasses import dataclass

MAGIC = b"070701"
TRAILER = "TRAILER!!!"


@dataclass
class Entry:
    """One name in the archive; `link` groups the names of one file, `device` is (major, minor)."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple = (0, 0)
    link: tuple = None
    owner: tuple = (0, 0)  # user and group
    time: int = 0          # seconds since 1970


def directory(path, mode=0o755):
    return Entry(path, stat.S_IFDIR | mode)


def file(path, data, mode=0o644):
    return Entry(path, stat.S_IFREG | mode, data)


def symlink(path, target):
    return Entry(path, stat.S_IFLNK | 0o777, os.fsencode(target))


def character_device(path, major, minor, mode=0o600):
    return Entry(path, stat.S_IFCHR | mode, device=(major, minor))


def console_devices():
    """The two nodes a kernel and a first program want before any device file system is mounted."""
    return [character_device("dev/console", 5, 1), character_device("dev/null", 1, 3, 0o666)]


def _entry_of_file(root, path):
    full = os.path.join(root, path)
    status = os.lstat(full)
    entry = Entry(path, status.st_mode, time=min(max(int(status.st_mtime), 0), 0xffffffff))
    if os.geteuid() == 0:
        entry.owner = (status.st_uid, status.st_gid)
    if stat.S_ISREG(status.st_mode):
        with open(full, "rb") as source:
            entry.data = source.read()
        if status.st_nlink > 1:
            entry.link = (status.st_dev, status.st_ino)
    elif stat.S_ISLNK(status.st_mode):
        entry.data = os.fsencode(os.readlink(full))
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        entry.device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return entry


def tree(root):
    """The entries of everything below the directory `root`."""
    entries = []
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            entries.append(_entry_of_file(root, os.path.relpath(os.path.join(folder, name), root)))
    return entries


def _pad(data):
    return data + b"\0" * (-len(data) % 4)


def _record(entry, inode, links, data):
    name = os.fsencode(entry.path) + b"\0"
    fields = (inode, entry.mode, *entry.owner, links, entry.time, len(data), 0, 0, *entry.device, len(name), 0)
    header = MAGIC + b"".join(b"%08X" % field for field in fields)
    return _pad(header + name) + _pad(data)


def _with_parents(entries):
    """Sorts the entries by path and adds the directories nobody named."""
    by_path = {entry.path.strip("/"): entry for entry in entries}
    for path in list(by_path):
        parent = os.path.dirname(path)
        while parent and parent not in by_path:
            by_path[parent] = directory(parent)
            parent = os.path.dirname(parent)
    for path, entry in by_path.items():
        entry.path = path
    # Component by component, so that a directory always stands before what is in it.
    return sorted(by_path.values(), key=lambda entry: entry.path.split("/"))


def archive(entries):
    """The bytes of an archive of these entries; a later entry of the same path replaces an earlier one."""
    entries = _with_parents(entries)
    names = {}
    for entry in entries:
        if entry.link:
            names.setdefault(entry.link, []).append(entry.path)
    records = []
    inodes = {}
    for number, entry in enumerate(entries, 1):
        group = names.get(entry.link, [entry.path]) if entry.link else [entry.path]
        inode = inodes.setdefault(group[0], number)
        links = 2 if stat.S_ISDIR(entry.mode) else len(group)
        # The last name of a hard-linked file carries the data: that is where the kernel's unpacker expects it.
        data = entry.data if entry.path == group[-1] else b""
        records.append(_record(entry, inode, links, data))
    records.append(_record(Entry(TRAILER, 0), 0, 1, b""))
    data = b"".join(records)
    return data + b"\0" * (-len(data) % 512)


def main():
    parser = argparse.ArgumentParser(description="Pack a directory tree into a newc cpio archive.")
    parser.add_argument("tree", help="directory to pack")
    parser.add_argument("output", help="archive to write")
    parser.add_argument("--devices", action="store_true", help="add dev/console and dev/null")
    options = parser.parse_args()
    if not os.path.isdir(options.tree):
        sys.exit(f"{parser.prog}: {options.tree} is not a directory")
    data = archive(tree(options.tree) + (console_devices() if options.devices else []))
    with open(options.output, "wb") as output:
        output.write(data)


if __name__ == "__main__":
    main()
