#!/usr/bin/env python3
"""How much processors wait for each other in the core: four of them, each in an independent loop of the same kind.

For each kind (getppid, pipe, fault, file, fork): instructions of the core, the share of them that is spent waiting for spin locks and for
answers to shoot-downs, and the ten places that waited longest, by the lock they name. Status 1 if a share is above the limit. Writes build/contention/<profile>.json.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

import lone  # noqa: E402
from tesseratools import machine, root  # noqa: E402
from tesseratools.elf import Image  # noqa: E402

OUTPUT = os.path.join(TOP, "build", "contention")
COMPILE = ["clang-14", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"]
OPERATIONS = {"getppid": 200000, "pipe": 40000, "fault": 1000, "file": 5000, "fork": 300}
LIMIT_SECONDS = 600
LIMIT = 10.0         # percent of the core's instructions
WORST = 10
SPINS = ("spin_wait", "answer_wait")    # functions of the core in which a processor waits for another
IDLE = "cpu_idle"                       # and for work, which is none
PLACE = re.compile(r"(?:^|/)(core/[\w/]+\.[chS]):(\d+)")


def programs_build(folder):
    """The plugin's path; the loops stand in a root file system in `folder`."""
    os.makedirs(OUTPUT, exist_ok=True)
    os.mkdir(os.path.join(folder, "tmp"))
    here, plugin = os.path.join(TOP, "tests", "contention"), os.path.join(OUTPUT, "spins.so")
    subprocess.run(COMPILE + ["-shared", "-fPIC", "-fvisibility=hidden", "-o", plugin, os.path.join(here, "spins.c")], check=True)
    subprocess.run(COMPILE + ["-static", "-fuse-ld=lld", "-o", os.path.join(folder, "loops"), os.path.join(here, "loops.c")], check=True)
    return plugin


def counted(image, initrd, plugin, kind, smp, divide):
    """Lines of the plugin from one machine; None when the loops did not end well."""
    report, out = os.path.join(OUTPUT, f"report-{os.getpid()}.log"), os.path.join(OUTPUT, f"counts-{os.getpid()}")
    symbols = Image("core", open(image, "rb").read()).symbols
    spins = ",".join(f"spin={symbols[name][0]:#x}" for name in SPINS)
    append = "nokaslr " + machine.command_line(["/loops", kind, str(smp), str(OPERATIONS[kind] // divide)])
    described = machine.Machine(image, initrd, report, smp=smp, memory="1G", serial="null", append=append,
                                extra=["-plugin", f"{plugin},out={out},{spins}"])
    try:
        subprocess.run(described.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=LIMIT_SECONDS, check=False)
        if machine.report_status(report) != 0:
            return None
        with open(out, encoding="utf-8") as source:
            return [line.split() for line in source]
    except subprocess.TimeoutExpired:
        return None
    finally:
        for path in (report, out):
            if os.path.exists(path):
                os.unlink(path)


def places_of(image, addresses):
    """{address: (file, line)} of the core's own code."""
    symbolizer = ["llvm-symbolizer-14", "--no-inlines", "--functions=none", f"--obj={image}"]
    told = subprocess.run(symbolizer, input="".join(f"{a:#x}\n" for a in addresses), capture_output=True, text=True, check=True).stdout
    found = zip(addresses, (PLACE.search(line) for line in told.splitlines() if line))
    return {address: (match.group(1), int(match.group(2))) for address, match in found if match}


def callers_of(image, addresses):
    """{address: "file:line: text"} of who asked for the lock: the frame around spin_lock, which is inlined."""
    symbolizer = ["llvm-symbolizer-14", "--inlines", "--output-style=JSON", f"--obj={image}"]
    told = subprocess.run(symbolizer, input="".join(f"{a:#x}\n" for a in addresses), capture_output=True, text=True, check=True).stdout
    callers = {}
    for address, line in zip(addresses, told.splitlines()):
        frames = [frame for frame in json.loads(line)["Symbol"] if frame["FunctionName"] not in ("spin_lock", "spin_lock_two")]
        match = PLACE.search(f"{frames[0]['FileName']}:{frames[0]['Line']}") if frames else None
        text = "?"
        if match:
            with open(os.path.join(TOP, match.group(1)), encoding="utf-8") as source:
                text = source.read().splitlines()[int(match.group(2)) - 1].strip()
        callers[address] = f"{match.group(1)}:{match.group(2)}: {frames[0]['FunctionName']}: {text}" if match else "outside the core"
    return callers


def summary(image, lines):
    """(instructions of the core, of them waited, {place: (times, instructions)})."""
    blocks = Counter()
    for words in lines:
        if words[0] == "block":
            blocks[int(words[1], 16)] += int(words[2])
    with open(image, "rb") as source:
        start, size = Image("core", source.read()).symbols[IDLE][:2]
    own = places_of(image, sorted(address for address in blocks if not start <= address < start + size))
    core = sum(count for address, count in blocks.items() if address in own)
    spins = [(int(words[1], 16) - 1, int(words[2]), int(words[3])) for words in lines if words[0] == "spin"]
    callers = callers_of(image, [address for address, _, _ in spins])
    places = {}
    for address, times, instructions in spins:
        before = places.get(callers[address], (0, 0))
        places[callers[address]] = (before[0] + times, before[1] + instructions)
    return core, sum(instructions for _, _, instructions in spins), places


def run(profile, smp, kinds=tuple(OPERATIONS), limit=LIMIT, divide=1):
    """(name, trouble, note) of each kind; prints the worst places as comments and writes all to build/contention/<profile>.json."""
    image, results = os.path.join(TOP, "build", profile, "tessera.elf"), {}
    with tempfile.TemporaryDirectory() as folder:
        plugin = programs_build(folder)
        initrd = root.given(folder, os.path.join(TOP, "build"))
        for kind in kinds:
            lines = counted(image, initrd, plugin, kind, smp, divide)
            core, waited, places = summary(image, lines) if lines else (0, 0, {})
            share = 100 * waited / core if core else 100.0
            note = f"{share:.2f} % of {core:,} instructions of the core"
            yield kind, None if lines and share <= limit else note if lines else "the loops did not end well", note
            worst = sorted(places.items(), key=lambda item: -item[1][1])[:WORST]
            for place, (times, instructions) in worst:
                print(f"#   {100 * instructions / core:6.2f} % {instructions:12,} instructions, {times:8,} waits  {place}")
            results[kind] = {"core": core, "waited": waited, "share": share, "worst": worst}
        os.unlink(initrd)
    with open(os.path.join(OUTPUT, f"{profile}.json"), "w", encoding="utf-8") as out:
        json.dump(results, out, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="general")
    parser.add_argument("--smp", type=int, default=4, help="processors, and processes (default 4)")
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="PERCENT", help=f"of the core's instructions (default {LIMIT:g})")
    parser.add_argument("--divide", type=int, default=1, metavar="N", help="do only so large a part of the operations")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(OPERATIONS)} (default all)")
    options = parser.parse_args()
    image = os.path.join(TOP, "build", options.profile, "tessera.elf")
    if not os.path.exists(image) or set(options.kinds) - set(OPERATIONS):
        parser.error(f"{image} is missing" if not os.path.exists(image) else "no such kind")

    def suite(add):
        for name, trouble, note in run(options.profile, options.smp, options.kinds or tuple(OPERATIONS), options.limit, options.divide):
            add(f"contention {options.profile}/{options.smp}", name, trouble, note)

    return lone.tap_main(suite)


if __name__ == "__main__":
    sys.exit(main())
