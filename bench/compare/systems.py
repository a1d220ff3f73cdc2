"""The systems that are compared, the program and the archive that all of them boot, and the machine of each."""

import functools
import glob
import os
import subprocess
from dataclasses import dataclass

import cpio
from tesseratools import linux, machine, root
from tesseratools.errors import UsageError

OUT = "build/bench"
ROWS = f"{OUT}/rows"
MEMORY_MIB = 512
CPU = "max,-erms"          # QEMU counts each byte of a byte-wise string instruction: neither side is to choose it
STRICT, DEFAULT = "linux_strict", "linux_default"
LINUX_OPTIONS = {STRICT: "mitigations=off init_on_alloc=0", DEFAULT: ""}


@dataclass(frozen=True)
class Row:
    """As `rows --list` prints it."""

    name: str
    group: str
    operation: str
    flags: int

    TWO, SCALES, SELF_TIMED = 2, 4, 8   # enum row_flags of bench/rows/row.h

    @property
    def needs_two(self):
        return bool(self.flags & Row.TWO)

    @property
    def scales(self):
        return bool(self.flags & Row.SCALES)

    @property
    def self_timed(self):
        return bool(self.flags & Row.SELF_TIMED)


# What a machine's start costs: the program's order `boot`, not a row that it repeats.
BOOT = (Row("boot_first_instruction", "boot", "boot", 0), Row("boot_prompt", "boot", "boot", 0),
        Row("memory_at_prompt", "footprint", "KiB", 0))


def run(*words, what):
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror}: run make setup") from error
    if done.returncode:
        raise UsageError(f"{what} failed: {(done.stdout.strip().splitlines() or ['no output'])[-1]}")
    return done.stdout


def rows_all():
    """Builds the program and the plugin; all rows in the program's order."""
    os.makedirs(OUT, exist_ok=True)
    run("make", "-s", "-C", "bench/rows", what="building bench/rows")
    run("clang-14", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", f"{OUT}/count.so", "bench/plugin/count.c",
        what="building bench/plugin")
    listed = (line.split("\t") for line in run(f"./{ROWS}", "--list", what="listing the rows").splitlines())
    return [Row(name, group, operation, int(flags)) for name, group, operation, flags in listed] + list(BOOT)


@functools.cache
def image_find(system):
    """What the system boots: a kernel of Debian's, or a profile's image, built here."""
    if system in LINUX_OPTIONS:
        try:
            return linux.kernel_find(os.path.abspath("build/linux"))
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"{linux.PACKAGE} is not on this host and cannot be fetched: {error}") from error
    run("tools/compose", system, what=f"composing {system}")
    return f"build/{system}/tessera.elf"


def archive_write(path, limits, rows):
    """The initramfs, the same on each system: busybox, the program, and the list of rows that it obeys."""
    with open(ROWS, "rb") as source:
        program = source.read()
    orders = [f"limits {limits}", *["boot"] * any(row in BOOT for row in rows), *(f"row {row.name}" for row in rows if row not in BOOT)]
    entries = root.default_entries() + [cpio.file("bin/nothing", program, 0o755), cpio.file("init", program, 0o755),
                                        cpio.file("bench.rows", "".join(f"{order}\n" for order in orders).encode())]
    return root.archive_write(path, entries)


def command(system, archive, name, processors):
    """QEMU's command line and the files that it fills: console and marks. processors 0: one, counted."""
    console, marks = f"{OUT}/{name}.console", f"{OUT}/{name}.marks"
    for path in glob.glob(f"{OUT}/{name}.*"):
        if not path.endswith(".cpio"):
            os.unlink(path)
    append = f"console=ttyS0 quiet panic=-1 rdinit=/init {LINUX_OPTIONS[system]}".strip() if system in LINUX_OPTIONS else "quiet init=/init"
    described = machine.Machine(image_find(system), archive, f"{OUT}/{name}.log", smp=processors or 1, memory=f"{MEMORY_MIB}M", cpu=CPU,
                                append=append, icount=not processors, serial=f"file:{console}")
    described.extra = ["-plugin", f"{OUT}/count.so,out={marks},exits=1"] * (not processors)
    return described.command(), console, marks
