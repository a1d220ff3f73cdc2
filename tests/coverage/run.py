#!/usr/bin/env python3
"""Branch coverage of the core kernel, from the emulator's trace: which ways each conditional jump of the core went in all tests together.

    tests/coverage/run.py                what was not measured yet of these sources of the core, then the report (make coverage)
    tests/coverage/run.py PIECE ...      these pieces of PIECES again, then the report
    tests/coverage/run.py --report       only the report on what was measured

Runs tests/run.py of a copy of the tree (build/coverage/tree) piece by piece, with every QEMU under the plugin of branches.c. There the core is compiled
so that a branch of the source is a jump: each file by itself, without optimisation. Each piece leaves build/coverage/PIECE.json, so that
one that is interrupted loses nothing of the others; the report joins them. A branch is a place in the source (file, line, column), as
images differ. Jumps of one place (of a macro, in several images) that lead to the same two places count as one, of others the best. Left out
is what only an assertion, the compiler's stack protector or its retry of an atomic operation would take. Writes report.txt, with the places that are not covered, and
branches.json.
"""

import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter, defaultdict

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

import tree_copy  # noqa: E402
from tesseratools.elf import Image  # noqa: E402

OUTPUT = os.path.join(TOP, "build", "coverage")
# What tests/run.py is told: the machines of CI, and of the long tier those with four processors.
PIECES = {
    **{suite: ["--suite", suite] for suite in ("isolation", "gates", "calls", "raid", "nmi", "kill", "vector", "faults", "tables", "exhaustion",
                                               "shell", "launcher", "boot")},
    **{f"abi-{profile}": ["--suite", "abi", "--profile", profile] for profile in ("general", "tee", "fast")},
    "abi-general-4": ["--tier", "long", "--suite", "abi", "--profile", "general", "--smp", "4"],
    "isolation-4": ["--tier", "long", "--suite", "isolation", "--smp", "4"],
}
COMPILE = ["clang-14", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
CORE_FLAGS = "-O0 -fno-lto"
TREE = os.path.join(OUTPUT, "tree")
PLUGIN = os.path.join(OUTPUT, "branches.so")
HEADER, BLOCK = struct.Struct("<4088sQ"), struct.Struct("<QQQQBBB5x")     # of branches.c
IMAGE_BASE, IMAGE_SPACE, IMAGE_PHYSICAL, SLIDE_STEP = 0xffffffff80000000, 0x40000000, 0x200000, 2 << 20
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\w+)(?:\s+0x([0-9a-f]+))?(.*)$")
PLACE = re.compile(r"(?:^|/)(core/(?!arch/example)[\w/]+\.[chS]):(\d+):(\d+)")
ASSERTION = re.compile(r"\bcore_assert\(")
ATOMIC = re.compile(r"__atomic_(fetch_\w+|\w+_fetch)\(")   # the compiler's loop around a compare-and-exchange


# ---- Measuring ----

def sources_hash():
    """Of all that the core is made of, and of the plugin."""
    known = hashlib.sha256(CORE_FLAGS.encode())
    for path in sorted(glob.glob(os.path.join(TOP, "core", "**", "*.[chS]"), recursive=True)) + [os.path.join(TOP, "tests/coverage/branches.c")]:
        if "/arch/example/" not in path:
            with open(path, "rb") as source:
                known.update(os.path.relpath(path, TOP).encode() + b"\0" + source.read())
    return known.hexdigest()


def piece_path(name):
    return os.path.join(OUTPUT, f"{name}.json")


def piece_read(name, sources):
    """What a piece measured of these sources, None if it did not."""
    try:
        with open(piece_path(name), encoding="utf-8") as source:
            piece = json.load(source)
    except (OSError, ValueError):
        return None
    return piece if piece["sources"] == sources else None


def piece_run(name, sources):
    """Runs a piece under the plugin and keeps what it saw."""
    folder, started = os.path.join(OUTPUT, name), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    environment = dict(os.environ, TESSERA_QEMU_OPTIONS=f"-plugin {PLUGIN},out={folder}", TESSERA_CORE_FLAGS=CORE_FLAGS)
    with open(os.path.join(OUTPUT, f"{name}.log"), "w", encoding="utf-8") as log:
        status = subprocess.run([os.path.join(TREE, "tests/run.py"), *PIECES[name]], env=environment, stdout=log, stderr=log, check=False).returncode
    traces = glob.glob(os.path.join(folder, "*.trace"))
    piece = {"sources": sources, "status": status, "machines": len(traces), "seconds": round(time.monotonic() - started),
             "jumps": [[place, ends, sorted(seen)] for (place, *ends), seen in sorted(ways_join(traces).items())]}
    with open(piece_path(name), "w", encoding="utf-8") as out:
        json.dump(piece, out)
    shutil.rmtree(folder)
    print(f"# {name}: {piece['machines']} machines, {piece['seconds']} s"
          f"{f'; tests/run.py: status {status}, see {os.path.relpath(OUTPUT, TOP)}/{name}.log' if status else ''}", flush=True)


# ---- What the traces say ----

def image_of(path):
    """The ELF file of a kernel, or of the disc that holds it: in the disc's folder or one above it."""
    if not path.endswith(".iso"):
        return path
    folder = os.path.dirname(path)
    while folder.startswith(TREE) and not os.path.exists(os.path.join(folder, "tessera.elf")):
        folder = os.path.dirname(folder)
    return os.path.join(folder, "tessera.elf")


def trace_read(path):
    """(image, starts of blocks, jumps {(address, target): (taken, passed)}) of one machine."""
    with open(path, "rb") as source:
        name, count = HEADER.unpack(source.read(HEADER.size))
        blocks = source.read(count * BLOCK.size)
    starts, jumps = set(), {}
    for start, _, jump, target, ran, taken, passed in BLOCK.iter_unpack(blocks):
        if ran:
            starts.add(start)
        if ran and jump:
            before = jumps.get((jump, target), (False, False))
            jumps[jump, target] = (bool(taken) or before[0], bool(passed) or before[1])
    return image_of(name.rstrip(b"\0").decode()), starts, jumps


def slide_find(image, starts):
    """How far the image had moved: the distance at which most functions begin where a block did."""
    votes, places = Counter(), defaultdict(list)
    for address in image.addresses:
        places[address % SLIDE_STEP].append(address)
    for start in starts:
        for address in places[start % SLIDE_STEP]:
            if 0 <= start - address < IMAGE_SPACE:
                votes[start - address] += 1
    return votes.most_common(1)[0][0] if votes else 0


def places_of(path, addresses):
    """The place in the source of each address of an image, as the symbolizer writes it."""
    symbolizer = ["llvm-symbolizer-14", "--no-inlines", "--functions=none", "--relativenames", f"--obj={path}"]
    told = subprocess.run(symbolizer, input="".join(f"{a:#x}\n" for a in addresses), capture_output=True, text=True, check=True).stdout
    return dict(zip(addresses, (line for line in told.splitlines() if line)))


def branches_of(path):
    """{(address, target) of a conditional jump: (file, line, column), where it leads, where it does not} of the core's own code in an image, but for the stack protector's."""
    text = subprocess.run(["llvm-objdump-14", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    jumps, guards, before = {}, set(), None
    for line in text.splitlines():
        match = INSTRUCTION.match(line)
        if not match:
            continue
        address = int(match.group(1), 16)
        if before: # what reads as a prefix of a jump is an instruction of its own in the 32-bit code of the start
            size = address - before[0]
            jumps[address - (2 if size < 6 else 6)] = (before[1], address)
        conditional = match.group(2).startswith("j") and match.group(2) != "jmp" and match.group(3)
        before = (address, int(match.group(3), 16)) if conditional else None
        if "<__stack_chk_fail>" in match.group(4):
            guards.add(address)
    places = places_of(path, sorted({*jumps, *(end for ends in jumps.values() for end in ends)}))
    found = {}
    for address, (target, end) in jumps.items():
        match = PLACE.search(places[address])
        if match and match.group(2) != "0" and target not in guards:
            found[address, target] = ((match.group(1), int(match.group(2)), int(match.group(3))), places[target], places[end])
    return found


def linked_ways(image, starts, jumps):
    """The jumps at the addresses where they are linked: the image runs at its physical place, then at its linked one, then where it moves."""
    slide = slide_find(image, starts)
    for (address, target), ways in jumps.items():
        for moved in (slide, 0, IMAGE_PHYSICAL - IMAGE_BASE):
            yield (address - moved, target - moved), ways


def ways_join(traces):
    """Of each jump of all images and machines of a piece: its place, where it can lead (two places), and the set of those that were seen."""
    ways, images = defaultdict(lambda: defaultdict(lambda: (False, False))), {}
    for path in traces:
        name, starts, jumps = trace_read(path)
        if os.path.basename(name) != "tessera.elf":     # Debian's Linux, beside which the launcher's tests run programs
            continue
        if name not in images:
            with open(name, "rb") as source:
                images[name] = Image(name, source.read())
        for jump, seen in linked_ways(images[name], starts, jumps):
            before = ways[name][jump]
            ways[name][jump] = (before[0] or seen[0], before[1] or seen[1])
    joined = defaultdict(set)
    for name in images:
        for jump, (place, target, end) in branches_of(name).items():
            if target == end:      # nothing tells its ways from those of another jump
                target, end = f"{target} {name} {jump[0]:#x}", f"{end} {name} {jump[0]:#x} passed"
            joined[place, *sorted((target, end))] |= {way for way, seen in zip((target, end), ways[name][jump]) if seen}
    return joined


# ---- The report ----

def pieces_join(pieces):
    """{place: directions seen, 0 to 2}: of several jumps of a place those with the same two ways out are one."""
    joined, places = defaultdict(set), {}
    for piece in pieces:
        for place, ends, seen in piece["jumps"]:
            joined[tuple(place), tuple(ends)] |= set(seen)
    for (place, _), seen in joined.items():
        places[place] = max(places.get(place, 0), len(seen))
    return places


def assertions_drop(places):
    kept = {}
    for (path, line, column), seen in places.items():
        with open(os.path.join(TOP, path), encoding="utf-8") as source:
            text = source.read().splitlines()[line - 1]
        if not ASSERTION.search(text) and not ATOMIC.match(text, column - 1):
            kept[path, line, column] = seen
    return kept


def report(places):
    """Lines of the report, places that are not covered, the share of all directions that were seen."""
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
    parser.add_argument("--report", action="store_true", help="only report on what was measured")
    parser.add_argument("--least", type=float, default=90.0, metavar="PERCENT", help="status 1 below it (default 90)")
    parser.add_argument("pieces", nargs="*", metavar="PIECE", choices=[[], *PIECES], help=f"of {', '.join(PIECES)}")
    options = parser.parse_args()
    os.makedirs(OUTPUT, exist_ok=True)
    sources = sources_hash()
    if not options.report:
        tree_copy.update(TOP, TREE)
        subprocess.run(COMPILE + ["-o", PLUGIN, os.path.join(TOP, "tests/coverage/branches.c")], check=True)
        for name in options.pieces or [name for name in PIECES if piece_read(name, sources) is None]:
            piece_run(name, sources)
    measured = {name: piece_read(name, sources) for name in PIECES}
    places = assertions_drop(pieces_join(filter(None, measured.values())))
    lines, missing, share = report(places)
    print("\n".join(lines))
    with open(os.path.join(OUTPUT, "report.txt"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines + ["", *missing]) + "\n")
    with open(os.path.join(OUTPUT, "branches.json"), "w", encoding="utf-8") as out:
        json.dump([{"file": p, "line": l, "column": c, "ways": w} for (p, l, c), w in sorted(places.items())], out, indent=0)
    print(f"# {len(missing)} places are not covered both ways: {os.path.relpath(os.path.join(OUTPUT, 'report.txt'))}")
    unmeasured = [name for name, piece in measured.items() if piece is None]
    if unmeasured:
        print(f"# not measured: {', '.join(unmeasured)}")
    return 0 if share >= options.least and not unmeasured else 1


if __name__ == "__main__":
    sys.exit(main())
