#!/usr/bin/env python3
"""Runs the programs of tests/abi on Debian's Linux kernel in QEMU: a test that fails there is wrong."""

import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

import cpio  # noqa: E402
import tap  # noqa: E402
from tesseratools import linux  # noqa: E402
from tesseratools.errors import UsageError  # noqa: E402

ABI = os.path.join(TOP, "build", "abi")
BUILD = os.path.join(TOP, "build", "linux")
BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "cat", "ls", "mount", "true", "false", "echo", "sleep", "ps", "top", "free", "uptime")


def programs_select(names):
    """The command lines to run: those asked for, or all programs that are built."""
    built = sorted(name for name in os.listdir(ABI) if os.access(os.path.join(ABI, name), os.X_OK)
                   and os.path.isfile(os.path.join(ABI, name))) if os.path.isdir(ABI) else []
    if not built:
        raise UsageError("no programs in build/abi: run make -C tests/abi first")
    for name in names:
        if not name.split() or name.split()[0] not in built:
            raise UsageError(f"no program '{name}' in build/abi")
    return names or built


def image_build(programs):
    """An initramfs of busybox, the guest's init and the programs; returns its path."""
    def content(path):
        with open(path, "rb") as source:
            return source.read()

    entries = cpio.console_devices()
    entries += [cpio.directory(name) for name in ("proc", "sys", "dev", "tmp", "bin", "etc")]
    entries.append(cpio.file("bin/busybox", content(BUSYBOX), 0o755))
    entries += [cpio.symlink(f"bin/{name}", "busybox") for name in APPLETS]
    entries.append(cpio.file("init", content(os.path.join(TOP, "tests", "guest", "init")), 0o755))
    names = sorted({command.split()[0] for command in programs})
    entries += [cpio.file(f"abi/{name}", content(os.path.join(ABI, name)), 0o755) for name in names]
    entries.append(cpio.file("tests.list", "".join(f"/abi/{command}\n" for command in programs).encode()))
    os.makedirs(BUILD, exist_ok=True)
    path = os.path.join(BUILD, f"abi-{os.getpid()}.cpio")
    with open(path, "wb") as output:
        output.write(cpio.archive(entries))
    return path


def machine_run(options, kernel, image):
    """Boots the machine; returns its console text and whether it powered off in time."""
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", options.memory,
               "-smp", str(options.smp), "-display", "none", "-nographic", "-no-reboot", "-nic", "none",
               "-kernel", kernel, "-initrd", image, "-append", "console=ttyS0 quiet panic=-1 rdinit=/init"]
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=options.timeout, check=False)
        return run.stdout.decode("utf-8", "replace"), True
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode("utf-8", "replace"), False


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def options_read():
    parser = OneLineParser(description=__doc__)
    parser.add_argument("--smp", type=int, default=2, metavar="N", help="processors (default 2)")
    parser.add_argument("--memory", default="512", metavar="SIZE", help="memory, as QEMU's -m (default 512)")
    parser.add_argument("--timeout", type=float, default=240, metavar="S",
                        help="seconds until the run counts as hung (default 240)")
    parser.add_argument("--kernel", metavar="FILE", help="kernel image (default: Debian's newest cloud kernel)")
    parser.add_argument("--console", metavar="FILE", help="keep the machine's console text here")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM",
                        help="programs to run, 'name argument' too (default: all)")
    options = parser.parse_args()
    if options.smp < 1:
        parser.error("--smp must be at least 1")
    if options.kernel and not os.path.isfile(options.kernel):
        parser.error(f"no kernel {options.kernel}")
    return options


def main():
    options = options_read()
    try:
        programs = programs_select(options.programs)
        kernel = options.kernel or linux.kernel_find(BUILD)
    except (UsageError, OSError, subprocess.CalledProcessError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    image = image_build(programs)
    started = time.monotonic()
    try:
        console, finished = machine_run(options, kernel, image)
    finally:
        os.unlink(image)
    if options.console:
        with open(options.console, "w", encoding="utf-8") as output:
            output.write(console)
    results = tap.parse(console)
    print(f"# {os.path.basename(kernel)}, {options.smp} processors, {time.monotonic() - started:.1f} s"
          f"{'' if finished else ', hung'}")
    if not results:
        print("".join(f"# console: {line}\n" for line in console.splitlines()[-20:]), end="")
    return 0 if tap.report(tap.add_missing(results, [command.split()[0] for command in programs]), print) else 1


if __name__ == "__main__":
    sys.exit(main())
