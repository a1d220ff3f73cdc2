#!/usr/bin/env python3
"""Branch coverage of the core kernel, from the emulator's trace: which ways each conditional jump of the core went in all tests together.

Runs tests/run.py with every QEMU under the plugin of branches.c (arguments are passed on), then joins what all machines and images saw: a
branch is a place in the source (file, line, column); where the compiler made several jumps of it, the best of them counts. A branch that
only an assertion would take is left out. Writes build/coverage/report.txt, with the lines that are not covered, and branches.json.
"""

import argparse
import glob
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tools")]

from tesseratools.elf import Image  # noqa: E402

OUTPUT = os.path.join(TOP, "build", "coverage")
COMPILE = ["clang-14", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
IMAGE_BASE, SLIDE_STEP = 0xffffffff80000000, 2 << 20
CONDITIONAL = re.compile(r"^\s*([0-9a-f]+):\s+j(?!mp)[a-z]+\s")
PLACE = re.compile(r"(?:^|/)(core/(?!arch/example)[\w/]+\.[chS]):(\d+):(\d+)")
ASSERTION = re.compile(r"\bcore_assert\(")


def tests_run(arguments):
    """The tests under the plugin; their status."""
    os.makedirs(OUTPUT, exist_ok=True)
    for old in glob.glob(os.path.join(OUTPUT, "*.trace")):
        os.unlink(old)
    plugin = os.path.join(OUTPUT, "branches.so")
    subprocess.run(COMPILE + ["-o", plugin, os.path.join(TOP, "tests/coverage/branches.c")], check=True)
    environment = dict(os.environ, TESSERA_QEMU_OPTIONS=f"-plugin {plugin},out={OUTPUT}")
    return subprocess.run([os.path.join(TOP, "tests/run.py"), *arguments], env=environment, check=False).returncode


def image_of(path):
    """The ELF file of a kernel or of the disc that holds it."""
    path = os.path.join(TOP, path) if not os.path.isabs(path) else path
    return re.sub(r"\.iso$", ".elf", path)


def trace_read(path):
    """(image, starts of blocks, jumps {address: (taken, passed)}) of one machine."""
    image, starts, jumps = None, set(), {}
    with open(path, encoding="utf-8") as source:
        for line in source:
            words = line.split()
            if words[0] == "image":
                image = image_of(words[1])
            elif words[0] == "block":
                starts.add(int(words[1], 16))
            else:
                address, ways = int(words[1], 16), (words[2] == "1", words[3] == "1")
                before = jumps.get(address, (False, False))
                jumps[address] = (ways[0] or before[0], ways[1] or before[1])
    return image, starts, jumps


def slide_find(image, starts):
    """How far the image had moved: the distance at which most functions begin where a block did."""
    votes, places = Counter(), defaultdict(list)
    for address in image.addresses:
        places[address % SLIDE_STEP].append(address)
    for start in starts:
        for address in places[start % SLIDE_STEP]:
            if start - address >= SLIDE_STEP:
                votes[start - address] += 1
    return votes.most_common(1)[0][0] if votes else 0


def branches_of(path):
    """{address of a conditional jump: (file, line, column)} of the core's own code in an image."""
    text = subprocess.run(["llvm-objdump-14", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    addresses = [match.group(1) for match in map(CONDITIONAL.match, text.splitlines()) if match]
    symbolizer = ["llvm-symbolizer-14", "--no-inlines", "--functions=none", f"--obj={path}"]
    told = subprocess.run(symbolizer, input="".join(f"0x{a}\n" for a in addresses), capture_output=True, text=True, check=True).stdout
    found = {}
    for address, place in zip(addresses, (line for line in told.splitlines() if line)):
        if match := PLACE.search(place):
            found[int(address, 16)] = (match.group(1), int(match.group(2)), int(match.group(3)))
    return found


def ways_join(traces):
    """{place: directions seen, 0 to 2} over all images and machines."""
    ways, images = defaultdict(lambda: defaultdict(lambda: (False, False))), {}
    for path in traces:
        name, starts, jumps = trace_read(path)
        if name is None or not os.path.exists(name):
            continue
        if name not in images:
            with open(name, "rb") as source:
                images[name] = Image(name, source.read())
        slide = slide_find(images[name], starts)
        for address, seen in jumps.items():
            for moved in {slide, 0}:                   # it boots where it is linked and then moves itself
                before = ways[name][address - moved]
                ways[name][address - moved] = (before[0] or seen[0], before[1] or seen[1])
    places = {}
    for name in images:
        for address, place in branches_of(name).items():
            places[place] = max(places.get(place, 0), sum(ways[name][address]))
    return places


def assertions_drop(places):
    kept = {}
    for (path, line, column), seen in places.items():
        with open(os.path.join(TOP, path), encoding="utf-8") as source:
            text = source.read().splitlines()[line - 1]
        if not ASSERTION.search(text):
            kept[path, line, column] = seen
    return kept


def report(places):
    """Lines of the report, the share of all directions that were seen."""
    by_file = defaultdict(list)
    for (path, line, column), seen in sorted(places.items()):
        by_file[path].append((line, column, seen))
    total, covered, lines, missing = 0, 0, [], []
    for path, branches in sorted(by_file.items()):
        seen = sum(ways for _, _, ways in branches)
        total, covered = total + 2 * len(branches), covered + seen
        lines.append(f"{path:40} {len(branches):5} branches {100 * seen / (2 * len(branches)):6.1f} %")
        missing += [f"{path}:{line}:{column}: {'never reached' if ways == 0 else 'one way only'}" for line, column, ways in branches if ways < 2]
    share = 100 * covered / total if total else 0.0
    lines.append(f"{'the core':40} {total // 2:5} branches {share:6.1f} %")
    return lines, missing, share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="only report on the traces that are there")
    parser.add_argument("--least", type=float, default=90.0, metavar="PERCENT", help="status 1 below it (default 90)")
    parser.add_argument("tests", nargs="*", help="arguments of tests/run.py, behind --")
    options = parser.parse_args()
    if not options.report:
        status = tests_run(options.tests)
        if status:
            print(f"# tests/run.py: status {status}; the report is of what ran")
    places = assertions_drop(ways_join(glob.glob(os.path.join(OUTPUT, "*.trace"))))
    lines, missing, share = report(places)
    print("\n".join(lines))
    with open(os.path.join(OUTPUT, "report.txt"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines + ["", *missing]) + "\n")
    with open(os.path.join(OUTPUT, "branches.json"), "w", encoding="utf-8") as out:
        json.dump([{"file": p, "line": l, "column": c, "ways": w} for (p, l, c), w in sorted(places.items())], out, indent=0)
    print(f"# {len(missing)} places are not covered both ways: {os.path.relpath(os.path.join(OUTPUT, 'report.txt'))}")
    return 0 if share >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
