"""The machine: QEMU's command line, the report channel, and whether hardware virtualisation works here."""

import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field

from .errors import UsageError
from .root import INIT

QEMU = "qemu-system-x86_64"
COMMAND_LINE_MAX = 511            # tk_boot_info.command_line, with its NUL
EXIT_LINE = re.compile(rb"^tessera: exit (\d+)\s*$", re.MULTILINE)
PROBE_SECONDS = 10
UNSAFE = re.compile(rb"[^A-Za-z0-9_@+=:,./^~{}\[\]-]")


def percent_encode(word):
    """One word of the command line: the shim decodes %XX, and everything but plain characters is sent so."""
    data = os.fsencode(word)
    return UNSAFE.sub(lambda m: b"%%%02X" % m.group()[0], data).decode("ascii") or "%00"  # which ends the word at once


def command_line(program):
    """`init=/path -- arguments`: the launcher's first process, and behind it the program; its output is not mixed with the core's log."""
    text = " ".join(["quiet"] * bool(program) + [f"init=/{INIT}"] + ["--"] * bool(program) + [percent_encode(word) for word in program])
    if len(text) > COMMAND_LINE_MAX:
        raise UsageError(f"the program's arguments are too long: {len(text)} characters, at most {COMMAND_LINE_MAX}")
    return text


@dataclass
class Machine:
    """What QEMU is told; `report` is the file of the report channel (port 0xe9)."""

    image: str
    initrd: str
    report: str
    smp: int = 1
    memory: str = "256M"
    cpu: str = "max"
    accel: str = "tcg"
    append: str = ""
    icount: bool = False
    gdb: bool = False
    serial: str = "mon:stdio"
    memory_file: str = ""             # holds the guest's memory, if somebody else reads it
    extra: list = field(default_factory=list)

    def command(self):
        # The host gives the guest's memory page by page, so a machine may have more than the host would promise.
        backend = f"memory-backend-file,mem-path={self.memory_file},share=on" if self.memory_file else "memory-backend-ram,reserve=off"
        words = [QEMU, "-machine", "q35,memory-backend=ram", "-object", f"{backend},id=ram,size={self.memory}",
                 "-accel", self.accel, "-cpu", "host" if self.accel == "kvm" else self.cpu,
                 "-smp", str(self.smp), "-m", self.memory, "-kernel", self.image, "-display", "none", "-vga", "none",
                 "-serial", self.serial, "-nic", "none", "-no-reboot", "-debugcon", f"file:{self.report}"]
        if self.initrd:
            words += ["-initrd", self.initrd]
        if self.append:
            words += ["-append", self.append]
        if self.icount:
            words += ["-icount", "shift=0,sleep=off"]
        if self.gdb:
            words += ["-s", "-S"]
        if "mon" not in self.serial:
            words += ["-monitor", "none"]
        return words + self.extra + options_of_environment()


def options_of_environment():
    """Options for every QEMU that is started: how tests/coverage puts all machines of the tests under its plugin."""
    return shlex.split(os.environ.get("TESSERA_QEMU_OPTIONS", ""))


def report_status(path):
    """The status that the core reported at power-off, None if it reported none."""
    try:
        with open(path, "rb") as source:
            found = EXIT_LINE.findall(source.read())
    except OSError:
        return None
    return min(int(found[-1]), 255) if found else None


def report_tail(path, lines=12):
    """The last lines of the report channel, for a machine that ended badly."""
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read().splitlines()[-lines:]
    except OSError:
        return []


def memory_check(text):
    match = re.fullmatch(r"(\d+)([MmGg]?)", text)
    if not match or not 0 < int(match.group(1)) <= 1 << 20:
        raise UsageError(f"--memory: {text!r} is no size like 256M or 2G")
    return text if match.group(2) else text + "M"


def _kvm_boots(image, report):
    """Boots the image under KVM and waits for the first sign of life on the report channel."""
    machine = Machine(image, None, report, accel="kvm", serial="null", append="probe")
    with subprocess.Popen(machine.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PROBE_SECONDS
        alive = False
        while not alive and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            alive = bool(report_tail(report))
        process.kill()
    return alive or bool(report_tail(report))


def accel_choose(wanted, image, build):
    """tcg or kvm; auto takes kvm only where a probe boot has shown that it works (kept until the host boots again)."""
    if wanted == "tcg":
        return "tcg"
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    if wanted == "kvm":
        if not usable:
            raise UsageError("--accel kvm: /dev/kvm can't be used here")
        return "kvm"
    if not usable:
        return "tcg"
    memory = os.path.join(build, "accel-probe")
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as source:
        key = source.read().strip() + " "
    try:
        with open(memory, encoding="utf-8") as source:
            known = source.read()
        if known.startswith(key):
            return known[len(key):].strip()
    except OSError:
        pass
    accel = "kvm" if _kvm_boots(image, os.path.join(build, "accel-probe.log")) else "tcg"
    with open(memory, "w", encoding="utf-8") as output:
        output.write(key + accel + "\n")
    return accel


def qemu_check():
    if not shutil.which(QEMU):
        raise UsageError(f"{QEMU} is missing: run make setup")
