"""The machines of the fuzzers: image, run with a watch for silence, and what a run's console and log say about the system."""

import os
import re
import select
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

import cpio  # noqa: E402
from tesseratools import linux, machine, root  # noqa: E402

BUILD = os.path.join(TOP, "build", "fuzz")
CRASHES = os.path.join(BUILD, "crashes")
LINUX_CPU = "max,la57=off,pku=off"   # what Tessera does not use shows in the errors
SIZES = {"calls": "512M", "gates": "128M"}   # the latter is used up, page by page
SILENCE = 90               # seconds without a line until a machine counts as hung
LEAK_KIB_A_ROUND = 24      # what may be gone for each round, in the long run
LEAK_ROUNDS = 100          # rounds that are looked at for it, at least
COVERAGE = re.compile(r"^([CE]) (\S+) (\d+) (\d+)((?: \d+(?::\d+)?)*)\s*$", re.MULTILINE)
MEMORY = re.compile(r"^M (\d+) (\d+)\s*$", re.MULTILINE)
ROUND = re.compile(r"^R (\d+)\s*$", re.MULTILINE)
BAD_LOG = re.compile(r"panic|^unit \S+ failed|assert|is restarted|stays down|hung", re.MULTILINE)
AUDIT = re.compile(r"^audit: .*; (\d+) mistakes", re.MULTILINE)


@dataclass(frozen=True)
class Configuration:
    """Where a fuzzer runs. counted: time is instructions, so that a run can be repeated exactly; on one processor only."""

    profile: str
    smp: int
    pks: bool = True

    def __str__(self):
        return f"{self.profile}/{self.smp}{'' if self.pks else '/nopks'}"

    @property
    def counted(self):
        return self.smp == 1

    @property
    def patience(self):
        """Milliseconds without a step until a child is killed: where time is the host's, others may have its processors."""
        return 30 if self.counted else 300


@dataclass
class Run:
    """One machine and what it did."""

    kind: str
    configuration: Configuration
    settings: dict
    console: str = ""
    log: str = ""
    hung: bool = False
    troubles: list = field(default_factory=list)

    @property
    def last_round(self):
        found = ROUND.findall(self.console)
        return int(found[-1]) if found else 0

    def coverage(self, wanted="C"):
        """Name -> [tries, successes, errors]: of all calls (C), or of those of sequences as they stand (E). An error has a count, or 1."""
        return {name: [int(tries), int(good), {int(error): int(count or 1) for error, _, count in (e.partition(":") for e in errors.split())}]
                for what, name, tries, good, errors in COVERAGE.findall(self.console) if what == wanted}


def words(settings):
    return " ".join(f"{name}={value}" for name, value in settings.items())


def calls_build():
    subprocess.run(["make", "-s", "-C", os.path.join(HERE, "calls")], check=True)


def calls_image():
    """An initramfs whose first process is the fuzzer; what it needs beside is busybox, to execute it."""
    entries = cpio.console_devices() + [cpio.directory(name) for name in ("proc", "sys", "dev", "bin")] + [cpio.directory("tmp", 0o1777)]
    for name, path in (("bin/busybox", root.BUSYBOX), ("fuzz", os.path.join(BUILD, "calls", "fuzz"))):
        with open(path, "rb") as source:
            entries.append(cpio.file(name, source.read(), 0o755))
    return root.archive_write(os.path.join(BUILD, "calls.cpio"), entries)


def watch(command, limit):
    """Runs a machine; (console, whether it hung): it has when it says nothing for SILENCE seconds."""
    console, end = b"", time.monotonic() + limit
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while True:
            ready, _, _ = select.select([process.stdout], [], [], min(SILENCE, max(0, end - time.monotonic())))
            data = os.read(process.stdout.fileno(), 65536) if ready else b""
            console += data
            if not data:
                break
        if not ready:
            process.kill()
    return console.decode("utf-8", "replace").replace("\r", ""), not ready


def tessera_run(run, image, initrd, append, limit):
    report = os.path.join(BUILD, f"report-{os.getpid()}.log")
    described = machine.Machine(image, initrd, report, smp=run.configuration.smp, memory=SIZES[run.kind], serial="stdio", append=append,
                                cpu="max" if run.configuration.pks else "max,-pks", icount=run.configuration.counted)
    run.console, run.hung = watch(described.command(), limit)
    run.log = "\n".join(machine.report_tail(report, 10**7))
    if os.path.exists(report):
        os.unlink(report)


def linux_run(run, initrd, limit):
    build = os.path.join(TOP, "build", "linux")
    command = [machine.QEMU, "-machine", "q35", "-accel", "tcg", "-cpu", LINUX_CPU, "-m", "512", "-smp", str(run.configuration.smp), "-display", "none",
               "-nographic", "-no-reboot", "-nic", "none", "-kernel", linux.kernel_find(build), "-initrd", initrd,
               "-append", f"console=ttyS0 quiet panic=-1 rdinit=/fuzz -- {words(run.settings)}"]
    if run.configuration.counted:
        command += ["-icount", "shift=0,sleep=off"]
    run.console, run.hung = watch(command, limit)


def leak_judge(console):
    """Memory that goes away round by round, from the first look after the start to the last."""
    looks = [(int(a), int(b)) for a, b in MEMORY.findall(console)]
    if len(looks) < 3 or looks[-1][0] - looks[1][0] < LEAK_ROUNDS:
        return None
    gone = (looks[1][1] - looks[-1][1]) / (looks[-1][0] - looks[1][0])
    return f"{gone:.0f} KiB of memory are gone for each round" if gone > LEAK_KIB_A_ROUND else None


def judge(run, linux_kernel=False):
    """What went wrong in a run: each in one line."""
    troubles = [line[2:] for line in run.console.splitlines() if line.startswith("# FAIL")]
    troubles += [line for line in run.log.splitlines() if BAD_LOG.search(line)]
    if run.hung:
        troubles.append(f"silent in round {run.last_round}: hung")
    elif "=== EXIT" not in run.console + run.log:
        troubles.append(f"ended in round {run.last_round}")
    elif not linux_kernel:
        found = AUDIT.findall(run.log)
        if not found or found[-1] != "0":
            troubles += ["the recount of frames finds mistakes" if found else "there was no recount of frames"]
    leak = leak_judge(run.console)
    run.troubles = troubles + [leak] * bool(leak)
    return run.troubles


def record(run):
    """What a crash is replayed from."""
    return {"kind": run.kind, "configuration": asdict(run.configuration), "settings": run.settings, "last_round": run.last_round,
            "troubles": run.troubles[:10], "log": run.log.splitlines()[-20:], "console": run.console.splitlines()[-20:]}
