#!/usr/bin/env python3
"""Walks every page table of a running system from outside: the machine is stopped while programs change their memory, and its physical
memory, a file on the host, is read as the processor reads it; TAP. Checks: checks.py."""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests"), HERE]

import checks  # noqa: E402
import cpio  # noqa: E402
import damage  # noqa: E402
import page_tables  # noqa: E402
from tesseratools import machine  # noqa: E402

BUILD = os.path.join(TOP, "build", "tables")
CONFIGURATIONS = (("general", True), ("general", False), ("tee", True), ("fast", True))
PROCESSORS = 2
MEMORY = "192M"
STOPS = 4                # moments at which the machine is looked at
BETWEEN = 0.25           # seconds from one to the next
READY = "spread: ready"
SPACES, DOMAINS = 4, 2   # at least: the guest has three children
HOST_FLAGS = ["-std=gnu17", "-I", "core", "-I", "core/include", "-I", "core/arch/x86_64/include", "-I", "lib"]
GUEST_FLAGS = ["-std=gnu17", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-pthread", "-fuse-ld=lld"]
CONTROL = {"CR0": {"write protection": 16}, "CR4": {"SMEP": 20, "SMAP": 21, "UMIP": 11}, "EFER": {"no-execute": 11}}
KEYS_BIT = 24            # of CR4


class Monitor:
    """QEMU's machine protocol over a socket."""

    def __init__(self, path, deadline):
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.socket.settimeout(30)
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise OSError(answer["error"]["desc"])

    def registers(self):
        """One dictionary of control registers for each processor."""
        text = self.command("human-monitor-command", **{"command-line": "info registers -a"})
        return [{name: int(value, 16) for name, value in re.findall(r"\b(CR0|CR4|EFER)=([0-9a-f]+)", part)}
                for part in text.split("CPU#")[1:]]


def shape_read():
    """Offsets and constants by the core's own headers."""
    program = os.path.join(BUILD, "shape")
    subprocess.run(["clang-14", *HOST_FLAGS, "-o", program, os.path.join(HERE, "shape.c")], cwd=TOP, check=True)
    text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def symbols_read(image):
    text = subprocess.run([shutil.which("llvm-nm-14") or "nm", image], capture_output=True, text=True, check=True).stdout
    return {words[2]: int(words[0], 16) for words in (line.split() for line in text.splitlines()) if len(words) == 3}


def guest_image():
    program, path = os.path.join(BUILD, "spread"), os.path.join(BUILD, "spread.cpio")
    subprocess.run(["clang-14", *GUEST_FLAGS, "-o", program, os.path.join(HERE, "guest", "spread.c")], check=True)
    with open(program, "rb") as file:
        entries = cpio.console_devices() + [cpio.directory(name) for name in ("dev", "tmp")] + [cpio.file("spread", file.read(), 0o755)]
    with open(path, "wb") as output:
        output.write(cpio.archive(entries))
    return path


class Looks:
    """What the looks at one machine have found."""

    def __init__(self, shape, symbols, keys):
        self.shape, self.symbols, self.keys, self.count = shape, symbols, keys, 0
        self.always = {name: [] for name in (*checks.ALWAYS, "processors enforce it")}
        self.at_rest = {name: None for name in checks.AT_REST}
        self.seen, self.poor = "", ""

    def look(self, memory, registers):
        system = page_tables.System(memory, self.shape, self.symbols)
        found = checks.Checks(system)
        for name, check in checks.ALWAYS.items():
            self.always[name] += check(found)
        for name, check in checks.AT_REST.items():
            now = set(check(found))
            self.at_rest[name] = now if self.at_rest[name] is None else self.at_rest[name] & now
        self.always["processors enforce it"] += self._registers_check(registers)
        self.count += 1
        if len(system.spaces) < SPACES or len(system.domains) < DOMAINS or system.keys != self.keys:
            self.poor = f"{len(system.domains)} domains, {len(system.spaces)} spaces, keys {system.keys}"
        self.seen = f"{self.count} looks, {len(system.domains)} domains, {len(system.spaces)} spaces, {len(found.kernel)} leaves of the kernel half"

    def _registers_check(self, registers):
        if len(registers) != PROCESSORS:
            yield f"{len(registers)} processors"
        for number, cpu in enumerate(registers):
            wanted = [(register, name, bit) for register, names in CONTROL.items() for name, bit in names.items()]
            wanted += [("CR4", "protection keys", KEYS_BIT)] * self.keys
            yield from (f"processor {number}: {name} is off" for register, name, bit in wanted if not cpu[register] >> bit & 1)

    def results(self):
        """(name, trouble, note) of each check."""
        for name, found in self.always.items():
            yield name, f"{found[0]} ({len(found)} in all)" if found else None, ""
        for name, found in self.at_rest.items():
            yield name, f"{sorted(found)[0]} ({len(found)} in all)" if found else None, ""
        yield "each look saw the whole system", self.poor or (None if self.count == STOPS else f"{self.count} looks of {STOPS}"), self.seen


def ready_wait(process, deadline):
    """Reads the console up to the guest's word; False when it does not come."""
    text = b""
    os.set_blocking(process.stdout.fileno(), False)
    while READY.encode() not in text:
        if time.monotonic() > deadline or process.poll() is not None:
            return False
        text += process.stdout.read() or b""
        time.sleep(0.02)
    return True


def configuration_results(profile, keys, shape, initrd, limit):
    """(name, trouble, note) of each check in one configuration."""
    image, deadline = os.path.join(TOP, "build", profile, "tessera.elf"), time.monotonic() + limit
    looks = Looks(shape, symbols_read(image), keys)
    with tempfile.TemporaryDirectory(prefix="tessera-tables-", dir="/dev/shm") as folder:
        ram, control = os.path.join(folder, "memory"), os.path.join(folder, "control")
        described = machine.Machine(image, initrd, os.path.join(BUILD, f"report-{profile}.log"), smp=PROCESSORS, memory=MEMORY,
                                    cpu="max" if keys else "max,-pks", append="nokaslr init=/spread", serial="stdio",
                                    memory_file=ram, extra=["-qmp", f"unix:{control},server=on,wait=off"])
        with subprocess.Popen(described.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                monitor = Monitor(control, deadline)
                for _ in range(STOPS if ready_wait(process, deadline) else 0):
                    time.sleep(BETWEEN)
                    monitor.command("stop")
                    memory = page_tables.Memory(ram)
                    looks.look(memory, monitor.registers())
                    memory.close()
                    monitor.command("cont")
            finally:
                process.kill()
    yield from looks.results()


def suite(add, configurations=CONFIGURATIONS, limit=120):
    """Runs the configurations, whose profiles are built here; add(suite, name, trouble, note)."""
    os.makedirs(BUILD, exist_ok=True)
    shape, initrd = shape_read(), guest_image()
    for profile, keys in configurations:
        name, started = f"tables {profile}{'' if keys else '/nopks'}", time.monotonic()
        built = subprocess.run(["tools/compose", profile], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if built.returncode:
            add("build", profile, "it does not compose", "")
            continue
        for result, trouble, note in configuration_results(profile, keys, shape, initrd, limit):
            add(name, result, trouble, note)
        if (profile, keys) == CONFIGURATIONS[0]:
            image = os.path.join(TOP, "build", profile, "tessera.elf")
            for result, trouble, note in damage.results(image, shape, symbols_read(image), BUILD):
                add(name, result, trouble, note)
        print(f"# {name}: {time.monotonic() - started:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--keys", choices=("yes", "no"))
    parser.add_argument("--limit", type=float, default=120, metavar="S", help="seconds until a machine counts as hung")
    options = parser.parse_args()
    counts = {True: 0, False: 0}

    def add(name, result, trouble, note):
        counts[trouble is None] += 1
        shown = trouble or note
        print(f"{'ok' if trouble is None else 'not ok'} {sum(counts.values())} - {name}: {result}{f' # {shown}' if shown else ''}", flush=True)

    suite(add, [c for c in CONFIGURATIONS if options.profile in (None, c[0]) and options.keys in (None, "yes" if c[1] else "no")], options.limit)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 0 if counts[True] and not counts[False] else 1


if __name__ == "__main__":
    sys.exit(main())
