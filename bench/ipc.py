#!/usr/bin/env python3
"""make bench-ipc: counted instructions of calls, tokens, waits, faults and the start, in build/bench/ipc.json.

Each machine runs with one processor under -icount, with the plugin of bench/plugin, which counts instructions, writes of CR3 and of
IA32_PKRS, and mode switches between the marks in bench/marker.h. Weighted: instructions + 60 a PKRS + 200 a CR3 write + 100 a mode switch.
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TOP, "tools"))

import cpio  # noqa: E402
from tesseratools import machine, root  # noqa: E402

OUT = "build/bench"
MEMORY_MIB = 256
SECONDS = 300
TIMES, FAULTS, FAULTS_REFILL = 256, 16, 8192 - 512
LOOP = 0
# mark number: (row, operations between its marks); the order of enum bench_row
ROWS = {1: ("ipc.ic0.empty", TIMES), 2: ("ipc.ic1.empty", TIMES), 3: ("ipc.ic2.empty", TIMES), 4: ("ipc.ic2.words4", TIMES),
        5: ("ipc.ic2.bytes4096", TIMES), 6: ("wait_wake.pingpong", TIMES), 7: ("token.resolve", TIMES),
        8: ("token.grant_revoke", TIMES), 9: ("token.write", TIMES), 10: ("fault.anonymous", FAULTS),
        11: ("fault.anonymous.refill", FAULTS_REFILL)}
SYSCALL, BOOT = 12, 13
TARGETS = {"ipc.ic0.empty": 12, "ipc.ic1.empty": 120, "ipc.ic2.empty": 250, "token.resolve": 15, "wait_wake.pingpong": 1500,
           "fault.anonymous": 450, "fault.anonymous.refill": 1100, "syscall.null.fast": 120, "syscall.null.general": 250,
           "boot.instructions": 150_000_000, "boot.memory_kib": 12 * 1024}


def run(*words):
    subprocess.run(words, check=True)


def prepare():
    """Plugin, application, images and the archive; returns the archive's path and the bytes of files in it."""
    os.makedirs(OUT, exist_ok=True)
    run("clang-14", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", f"{OUT}/count.so", "bench/plugin/count.c")
    run("clang-14", "-O2", "-Wall", "-Wextra", "-static", "-o", f"{OUT}/measure", "bench/app/measure.c")
    for profile in ("general", "fast", "bench/ipc/ipc.toml"):
        run("tools/compose", profile)
    with open(f"{OUT}/measure", "rb") as source:
        entries = root.default_entries() + [cpio.file("bin/measure", source.read(), 0o755)]
    files = sum((len(e.data) + 4095) // 4096 * 4096 for e in entries if getattr(e, "data", None))
    return root.archive_write(f"{OUT}/root.cpio", entries), files


def symbol(image, name):
    """The link address of a symbol; the image stays there under nokaslr."""
    listed = subprocess.run(["llvm-nm-14", image], capture_output=True, text=True, check=True).stdout
    return int(re.search(rf"^([0-9a-f]+) \S {name}$", listed, re.M).group(1), 16)


def measure(profile, archive):
    """One machine: {(row, kind): [instructions, cr3, pkrs, modes]} and what the application printed."""
    image, marks, console = f"build/{profile}/tessera.elf", f"{OUT}/{profile}.marks", f"{OUT}/{profile}.console"
    tested = machine.Machine(image, archive, f"{OUT}/{profile}.log", memory=f"{MEMORY_MIB}M", serial=f"file:{console}", icount=True,
                             append="nokaslr init=/bin/sh -- -l -c /bin/measure")
    tested.extra = ["-plugin", f"{OUT}/count.so,out={marks},stubs={symbol(image, 'vector_stubs'):#x}"]
    subprocess.run(tested.command(), stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
    if machine.report_status(tested.report) != 0:
        sys.exit(f"bench-ipc: profile {profile}: the measurement failed; see {tested.report} and {console}")
    counts = {}
    with open(marks, encoding="ascii") as source:
        for line in source:
            row, kind, *values = map(int, line.split())
            counts[row, kind] = values
    with open(console, encoding="utf-8", errors="replace") as source:
        return counts, source.read()


def per_operation(counts, row, times, loop=None):
    """What one operation costs, the measuring loop taken off."""
    spent = [end - begin for begin, end in zip(counts[row, 0], counts[row, 1])]
    return [value / times - (loop[i] if loop else 0) for i, value in enumerate(spent)]


def rows_add(result, name, values):
    instructions, cr3, pkrs, modes = (round(v, 2) for v in values)
    result[name] = instructions
    result[f"{name}.cr3"], result[f"{name}.pkrs"], result[f"{name}.modes"] = cr3, pkrs, modes
    result[f"{name}.weighted"] = round(instructions + 200 * cr3 + 60 * pkrs + 100 * modes, 2)


def main():
    os.chdir(TOP)
    archive, files = prepare()
    result = {}
    counts, _ = measure("ipc", archive)
    loop = per_operation(counts, LOOP, TIMES)
    for row, (name, times) in ROWS.items():
        rows_add(result, name, per_operation(counts, row, times, loop if times == TIMES else None))
    for profile in ("fast", "general"):
        counts, console = measure(profile, archive)
        rows_add(result, f"syscall.null.{profile}", per_operation(counts, SYSCALL, TIMES, loop))
    rows_add(result, "boot.instructions", counts[BOOT, 2])
    free = int(re.search(r"memory free_kib (\d+)", console).group(1))
    result["boot.memory_kib"] = MEMORY_MIB * 1024 - free - files // 1024
    with open(f"{OUT}/ipc.json", "w", encoding="ascii") as output:
        json.dump(result, output, indent=1)
        output.write("\n")
    print(f"{'row':26} {'instructions':>14} {'cr3':>7} {'pkrs':>7} {'modes':>7} {'weighted':>14} {'target':>12}")
    for name in [n for n in result if not re.search(r"\.(cr3|pkrs|modes|weighted)$", n)]:
        extra = [result.get(f"{name}.{part}", "") for part in ("cr3", "pkrs", "modes", "weighted")]
        print(f"{name:26} {result[name]:>14} {extra[0]:>7} {extra[1]:>7} {extra[2]:>7} {extra[3]:>14} {TARGETS.get(name, ''):>12}")


if __name__ == "__main__":
    main()
