#!/usr/bin/env python3
"""NMIs at each instruction of the core's entry text, by breakpoints, and at random times; machine checks; TAP.

A program goes every way in and out of the core and looks whether what comes back is right (guest/worker.c). At each breakpoint of the
stubs the debugger has the machine take an NMI before that instruction, once for each stack on which it is reached.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

import cpio  # noqa: E402
from nmi.monitor import Debugger, Monitor, Shower, socket_path  # noqa: E402
from tesseratools import machine  # noqa: E402

BUILD = os.path.join(TOP, "build", "nmi")
ENTRY_STACKS = 0x3fffff9              # of stacks of IC1 units, by their address >> 38
STUB_SIZE = 32
VECTORS = 256


@dataclass(frozen=True)
class Case:
    profile: str
    smp: int
    pks: bool
    mode: str         # of MODES
    seconds: int      # at most
    must: tuple = ()  # parts of the stubs that must have been met

    def __str__(self):
        return f"{self.profile}/{self.smp}{'' if self.pks else '/nopks'}"


MODES = {"steps": "at each instruction", "random": "at random", "checks": "machine checks at each instruction to and from a unit", "corrupt": "a machine check with no way back"}
# Status of a bank: valid, uncorrected, enabled. Of the processor: a check is in progress; it can go on.
BANK_STATUS, IN_PROGRESS, RESTARTABLE = 0xb000000000000000, 4, 1
PATIENCE = 60         # seconds at most until all that must be met was met
KEYS = ("enter_keys", "return_keys", "resume_ic1", "syscall_keys")
ROOTS = ("enter_roots", "return_roots", "resume_ic1", "syscall_roots")
USER = ("syscall_from_ic2", "enter_ic2", "return_to_ic2", "unit_reply")
TIERS = {
    "ci": (Case("general", 1, True, "steps", 6, KEYS), Case("general", 1, False, "steps", 6, ROOTS), Case("general", 2, True, "random", 4),
           Case("tee", 1, True, "steps", 6, USER), Case("general", 1, True, "checks", 2, KEYS), Case("general", 2, True, "corrupt", 1)),
    "long": tuple(Case(profile, 1, pks, "steps", 240, must) for profile, pks, must in
                  (("general", True, KEYS), ("general", False, ROOTS), ("tee", True, USER), ("fast", True, ()))) +
    tuple(Case(profile, smp, pks, "random", 60) for profile, pks in (("general", True), ("general", False), ("tee", True), ("fast", True))
          for smp in (1, 4)) + (Case("general", 1, True, "checks", 60, KEYS), Case("general", 1, False, "checks", 60, ROOTS),
                                Case("general", 1, False, "corrupt", 1)),
}


def symbols(image):
    text = subprocess.run(["llvm-nm-14", image], capture_output=True, text=True, check=True).stdout
    return {words[2]: int(words[0], 16) for words in (line.split() for line in text.splitlines()) if len(words) == 3}


def instructions(image):
    """Addresses of the entry text's instructions; of the 256 vector stubs, those that are met here."""
    text = subprocess.run(["llvm-objdump-14", "-d", "--no-show-raw-insn", "--section=.entry.text", image], capture_output=True, text=True,
                          check=True).stdout
    table = symbols(image)
    stubs, met = table["vector_stubs"], (14, 7)
    found = []
    for line in text.splitlines():
        words = line.split(":", 1)
        if len(words) != 2 or not re.fullmatch(r"\s*[0-9a-f]{16}", words[0]) or re.search(r"\t(nop|int3|ud2)", words[1]):
            continue
        address = int(words[0], 16)
        vector = (address - stubs) // STUB_SIZE
        if not 0 <= vector < VECTORS or vector in met or vector >= 32:
            found.append(address)
    return found


def part_ends(table, name):
    """The addresses of a part of the stubs: between labels made from its name, or from the label of its name to the next."""
    if f"{name}_begin" in table:
        return table[f"{name}_begin"], table[f"{name}_end"]
    if f"{name}_opened" in table:
        return table["syscall_entry_" + name.removeprefix("syscall_")], table[f"{name}_opened"]
    return table[name], min(address for address in table.values() if address > table[name])


def part_of(table, address, names):
    """Which of the named parts of the stubs the address is in."""
    for name in names:
        start, end = part_ends(table, name)
        if start <= address < end:
            return name
    return None


def guest_image():
    program, path = os.path.join(BUILD, "worker"), os.path.join(BUILD, f"worker-{os.getpid()}.cpio")
    os.makedirs(BUILD, exist_ok=True)
    subprocess.run(["clang-14", "-std=gnu17", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-fuse-ld=lld",
                    "-o", program, os.path.join(HERE, "guest", "worker.c")], check=True)
    with open(program, "rb") as file:
        entries = cpio.console_devices() + [cpio.directory("dev"), cpio.file("worker", file.read(), 0o755)]
    with open(path, "wb") as output:
        output.write(cpio.archive(entries))
    return path


class Run:
    """One machine with the worker in it."""

    def __init__(self, case, initrd):
        self.case = case
        self.image = os.path.join(TOP, "build", case.profile, "tessera.elf")
        self.report = os.path.join(BUILD, f"report-{os.getpid()}.log")
        self.sockets = [socket_path(BUILD, name) for name in ("qmp", "gdb")]
        described = machine.Machine(self.image, initrd, self.report, smp=case.smp, cpu="max" if case.pks else "max,-pks", memory="256M",
                                    append="nokaslr init=/worker", serial="stdio")
        described.extra = ["-qmp", f"unix:{self.sockets[0]},server=on,wait=off"]
        if case.mode in ("steps", "checks"):
            described.extra += ["-gdb", f"unix:{self.sockets[1]},server=on,wait=off"]
        self.process = subprocess.Popen(described.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""

    def ready(self):
        """Waits until the worker works."""
        while "worker: ready" not in self.text:
            data = os.read(self.process.stdout.fileno(), 4096)
            if not data:
                return False
            self.text += data.decode("utf-8", "replace")
        return True

    def end(self, seconds=60):
        """Has the worker end; console and log."""
        try:
            text, _ = self.process.communicate(b"\n", timeout=seconds)
            self.text += text.decode("utf-8", "replace")
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.text += self.process.communicate()[0].decode("utf-8", "replace") + "\n# hung"
        log = "\n".join(machine.report_tail(self.report, 100000))
        for path in self.sockets + [self.report]:
            if os.path.exists(path):
                os.unlink(path)
        return log


def stepped(run, case):
    """NMIs or machine checks at breakpoints, until all of `must` was met and the time is over: pairs of an address and whether an IC1 unit's entry stack was in
    use there."""
    debugger, monitor, table = Debugger(run.sockets[1]), Monitor(run.sockets[0]), symbols(run.image)
    debugger.stop()
    # A machine check must not come while one is handled.
    waiting = {address: {True, False} for address in instructions(run.image) if case.mode == "steps" or part_of(table, address, case.must)}
    inserted = {address for address in waiting if debugger.breakpoint(address, True)}
    met, again, missing, start = set(), set(), set(case.must), time.monotonic()
    debugger.go_on()
    while inserted and time.monotonic() - start < (PATIENCE if missing else case.seconds):
        if debugger.receive(2) is None:
            continue
        registers = debugger.ask("g")
        stack, address = (int.from_bytes(bytes.fromhex(registers[16 * n:16 * n + 16]), "little") for n in (7, 16))
        debugger.breakpoint(address, False)
        for other in [a for a in waiting if a not in inserted and a not in again and a != address and waiting[a]]:
            if debugger.breakpoint(other, True): # it may be met on the other stack, too
                inserted.add(other)
                again.add(other)
        inserted.discard(address)
        waiting[address].discard(stack >> 38 == ENTRY_STACKS)
        met.add((address, stack >> 38 == ENTRY_STACKS))
        missing.discard(part_of(table, address, case.must))
        if case.mode == "steps":
            monitor.command("inject-nmi")
        else:
            machine_check(monitor, IN_PROGRESS | RESTARTABLE)
        debugger.go_on()
    if debugger.receive(0.1) is None:
        debugger.stop()
    for address in inserted:
        debugger.breakpoint(address, False)
    debugger.go_on()
    debugger.socket.close()
    monitor.close()
    return met


def machine_check(monitor, status):
    monitor.command("human-monitor-command", **{"command-line": f"mce 0 1 {BANK_STATUS:#x} {status:#x} 0 0"})


def provoke(run, case):
    """Does to the machine what the case says: how often, and what breakpoints met."""
    if case.mode in ("steps", "checks"):
        met = stepped(run, case)
        time.sleep(1) # the program looks at what it got
        return len(met), met
    if case.mode == "corrupt":
        machine_check(Monitor(run.sockets[0]), IN_PROGRESS)
        return 1, set()
    shower = Shower(run.sockets[0], 0.001, run.report)
    shower.start()
    time.sleep(case.seconds)
    shower.stop()
    return shower.count, set()


def case_results(case, initrd):
    """(name, trouble) of one machine."""
    run, met, count = Run(case, initrd), set(), 0
    try:
        if run.ready():
            count, met = provoke(run, case)
        else:
            yield "the program starts", "it does not"
    except OSError as error:
        yield "the machine goes on", str(error)
    finally:
        log = run.end()
    with open(os.path.join(BUILD, f"nmi-{str(case).replace('/', '-')}-{case.mode}.txt"), "w", encoding="utf-8") as kept:
        kept.write(f"{run.text}\n=== log ===\n{log}\n")
    worked = re.search(r"worker: (\d+) rounds, (\d+) mistakes", run.text)
    print(f"# nmi {case}: {count} times, {worked.group(1) if worked else 'no'} rounds", flush=True)
    panicked = "exception 18 in the core" in log
    if case.mode == "corrupt":
        yield "the machine stops and says why", None if panicked else "it does not"
        return
    yield "all results are right", None if worked and worked.group(2) == "0" else "the program did not end" if not worked else "some are not"
    yield "the core lives and no unit fails", "it does not" if re.search(r"panic|unit \S+ failed", log) else None
    told = r"[1-9]\d* machine checks" if case.mode == "checks" else r"[1-9]\d* NMIs"
    yield "the log tells of them", None if re.search(rf"^processor 0: .*{told}", log, re.M) else "it does not"
    if case.must:
        table = symbols(run.image)
        seen = {part_of(table, address, case.must) for address, _ in met}
        missed = [name for name in case.must if name not in seen]
        yield "each part of the stubs was met", f"not {', '.join(missed)}" if missed else None


def compose(profile):
    return subprocess.run(["tools/compose", profile], cwd=TOP, stdout=subprocess.DEVNULL, check=False).returncode == 0


def suite(add, tier):
    """Runs the machines of a tier; add(suite, name, trouble)."""
    ready = {profile: compose(profile) for profile in sorted({c.profile for c in tier})}
    initrd = guest_image()
    try:
        for case in tier:
            if not ready[case.profile]:
                add("nmi", f"{case.profile} composes", "it does not")
                continue
            started = time.monotonic()
            for name, trouble in case_results(case, initrd):
                add(f"nmi {case} {MODES[case.mode]}", name, trouble)
            print(f"# nmi {case}: {time.monotonic() - started:.1f} s", flush=True)
    finally:
        os.unlink(initrd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="ci", choices=TIERS)
    parser.add_argument("--profile")
    parser.add_argument("--seconds", type=int, help="for each machine")
    options = parser.parse_args()
    tier = [Case(c.profile, c.smp, c.pks, c.mode, options.seconds or c.seconds, c.must) for c in TIERS[options.tier]
            if options.profile in (None, c.profile)]
    counts = {True: 0, False: 0}

    def add(name, result, trouble):
        counts[trouble is None] += 1
        print(f"{'ok' if trouble is None else 'not ok'} {sum(counts.values())} - {name}: {result}{f' # {trouble}' if trouble else ''}", flush=True)

    suite(add, tier)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 0 if counts[True] and not counts[False] else 1


if __name__ == "__main__":
    sys.exit(main())
