"""./tessera profile: the machine under the counting plugin of tools/profiler, and what its counts say, as a table and a flame graph."""

import glob
import os
import re
import subprocess
from collections import Counter

from . import flame, machine
from .elf import Image
from .errors import UsageError

SOURCES = "tools/profiler"
COMPILE = ["clang-14", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
OFFSETS = "gen/core/arch/offsets.h"   # in the build folder
LAYOUT = "core/arch/x86_64/include/arch/layout.h"
MEMORY_MAX = 2 << 30           # above it, memory does not stand in the file at its own addresses
VOTE_BYTES = 12                # blocks shorter than that say nothing about which file they are of
ARCHIVE_HEADER = 110


def define(path, name):
    """The value of a macro that is a number or a sum of numbers."""
    with open(path, encoding="utf-8") as source:
        found = re.search(rf"^#define {name} ([0-9a-fx+() ]+)", source.read(), re.M)
    if not found:
        raise UsageError(f"{path}: {name} is missing")
    return sum(int(word, 0) for word in found.group(1).strip(" ()").split("+"))


def plugin_build(build):
    path = os.path.join(build, "profiler.so")
    sources = sorted(glob.glob(f"{SOURCES}/*.c"))
    inputs = sources + [f"{SOURCES}/profile.h", "bench/plugin/qemu_plugin.h"]
    if not os.path.exists(path) or any(os.path.getmtime(path) < os.path.getmtime(name) for name in inputs):
        os.makedirs(build, exist_ok=True)
        try:
            subprocess.run(COMPILE + ["-o", path] + sources, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"{SOURCES} cannot be compiled: run make setup") from error
    return path


def size_of(text):
    """A size as memory_check passes it, in bytes."""
    return int(text[:-1]) << {"M": 20, "G": 30}[text[-1].upper()]


def plugin_arguments(core, build, counts, memory_path, memory_size):
    """The plugin's argument of QEMU: what it must know of the core's image, which stays at its link address."""
    offsets = os.path.join(build, OFFSETS)
    words = {"out": counts, "memory": memory_path, "memory_size": memory_size, "stubs": core.symbols["vector_stubs"][0],
             "current": define(offsets, "CPU_CURRENT"), "client_root": define(offsets, "THREAD_CLIENT_ROOT"),
             "domain": define(offsets, "THREAD_DOMAIN"), "physmap": define(LAYOUT, "ARCH_PHYSMAP")}
    text = plugin_build(build) + "".join(f",{name}={value:#x}" if isinstance(value, int) else f",{name}={value}" for name, value in words.items())
    return text


def archive_files(path):
    """(name, content) of the ELF files of an uncompressed newc archive: a root that is compressed has no names of functions."""
    with open(path, "rb") as source:
        data = source.read()
    at = 0
    while data[at:at + 6] in (b"070701", b"070702"):
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = data[at + ARCHIVE_HEADER:at + ARCHIVE_HEADER + fields[11] - 1].decode("utf-8", "replace")
        start = (at + ARCHIVE_HEADER + fields[11] + 3) // 4 * 4
        if data[start:start + 6] == b"\x7fELF\x02\x01":
            yield name, data[start:start + fields[6]]
        at = (start + fields[6] + 3) // 4 * 4
        if name == "TRAILER!!!":
            at += data[at:at + 512].find(b"0707") if b"0707" in data[at:at + 512] else 512


class Resolver:
    """From pieces of code (address, bytes) to image, part of the system and function. Images of units and position-independent
    programs lie where their bytes are found: the place that most pieces agree on, taken again until nothing agrees."""

    def __init__(self, core, images):
        self.core, self.images, self.found, self.parts = core, images, {}, {}

    def resolve(self, codes):
        left = {}
        for number, (start, content) in codes.items():
            if start >= 0xffffffff80000000:
                self.found[number] = (self.core, start)
            else:
                left[number] = (start, content)
        known, voting = {}, Counter()
        for start, content in left.values():
            if len(content) < VOTE_BYTES:
                continue
            key = (start % 4096, content)
            if key not in known:
                known[key] = [(image, place) for image in self.images for place in image.places(content, start % 4096)]
            for image, place in known[key]:
                voting[image, start - place] += 1
        for (image, base), _ in voting.most_common():
            taken = [n for n, (start, content) in left.items() if image.bytes_at(start - base, len(content)) == content]
            for number in taken:
                self.found[number] = (image, left.pop(number)[0] - base)

    def parts_find(self, units):
        """Of each function of the core's image and the units: the folder of its source, by the debug information."""
        for image, path in units:
            lines = "".join(f"{address:#x}\n" for address in image.addresses)
            run = subprocess.run(["llvm-symbolizer-14", "--no-inlines", "--functions=none", f"--obj={path}"], input=lines, text=True,
                                 capture_output=True, check=False)
            for address, text in zip(image.addresses, run.stdout.split("\n\n")):
                match = re.search(r"(?:^|/)(services/[a-z_]+|core|lib|gen)/", text)
                self.parts[image, address] = match.group(1).removeprefix("services/") if match else image.name

    def function(self, number):
        """(part, function) of a piece of code."""
        if number not in self.found:
            return "user", "?"
        image, address = self.found[number]
        name, start = image.function(address)
        part = self.parts.get((image, start), self.parts.get((image, None), image.name))
        return part, name or image.name


class Counts:
    """The plugin's output (tools/profiler/output.c)."""

    def __init__(self, path):
        self.programs, self.codes, self.nodes, self.sums, self.switches = {}, {}, {}, [], (0, 0, 0)
        with open(path, encoding="ascii", errors="replace") as source:
            for line in source:
                kind, *words = line.split()
                if kind == "program":
                    self.programs[int(words[0])] = words[1]
                elif kind == "code":
                    self.codes[int(words[0])] = (int(words[1], 16), bytes.fromhex(words[2]))
                elif kind == "node":
                    self.nodes[int(words[0])] = (int(words[1]), int(words[2]))
                elif kind == "sum":
                    self.sums.append(tuple(map(int, words)))
                elif kind == "switches":
                    self.switches = tuple(map(int, words))


class Report:
    """Sums by program, part and function, and the stacks of the flame graph."""

    def __init__(self, counts, resolver):
        self.counts, self.total = counts, sum(s[2] for s in counts.sums)
        self.programs, self.parts, self.own, self.all, self.calls = Counter(), Counter(), Counter(), Counter(), Counter()
        self.stacks, self.operations, served = Counter(), Counter(), core_calls()
        self.resolver, self.chains = resolver, {}
        for node, code, instructions, runs, calls in counts.sums:
            program, chain = self.chain(node)
            function = resolver.function(code)
            called = operation(*resolver.found[code], resolver.core, served) if code in resolver.found else None
            if called:
                self.operations[called] += runs
            stack = chain if chain and chain[-1] == function else chain + (function,)
            self.programs[program] += instructions
            self.parts[function[0]] += instructions
            self.own[function] += instructions
            self.calls[function] += calls
            for name in set(stack):
                self.all[name] += instructions
            self.stacks[(("program", program),) + stack] += instructions

    def chain(self, node):
        """The program and the functions that a node of the tree of calls stands for, recursion folded."""
        if node not in self.counts.nodes:
            return self.counts.programs.get(node, "?"), ()
        if node not in self.chains:
            parent, code = self.counts.nodes[node]
            program, chain = self.chain(parent)
            function = self.resolver.function(code)
            self.chains[node] = (program, chain if chain and chain[-1] == function else chain + (function,))
        return self.chains[node]

    def _table(self, heads, rows):
        width = max([len(heads[0])] + [len(row[0]) for row in rows])
        yield f"{heads[0]:{width}}" + "".join(f" {head:>14}" for head in heads[1:])
        for name, *values in rows:
            yield f"{name:{width}}" + "".join(f" {value:>14,}" if isinstance(value, int) else f" {value:>14}" for value in values)
        yield ""

    def share(self, instructions):
        return f"{100 * instructions / max(self.total, 1):.1f} %"

    def lines(self, top):
        yield from self._table(("program", "instructions", "share"), [(n, c, self.share(c)) for n, c in self.programs.most_common(top)])
        yield from self._table(("part", "instructions", "share"), [(n, c, self.share(c)) for n, c in self.parts.most_common(top)])
        rows = [(f"{n[0]}: {n[1]}", c, self.share(c), self.all[n], self.calls[n]) for n, c in self.own.most_common(top)]
        yield from self._table(("function", "own", "share", "with callees", "calls"), rows)
        yield from self._table(("call", "times"), self.operations.most_common(top))
        cr3, pkrs, modes = self.counts.switches
        yield f"{self.total:,} instructions; {cr3:,} writes of CR3, {pkrs:,} of protection keys (WRMSR), {modes:,} switches of mode"


def core_calls():
    """From the core's functions to the calls that they serve, by the list of calls."""
    with open("core/include/tessera/call.h", encoding="utf-8") as source:
        return {f"call_{name}": f"tk_{name}" for name in re.findall(r"CALL\([A-Z_]+, (\w+)\)", source.read())}


def operation(image, address, core, calls):
    """The call of the core or the operation of an interface that begins at this address, None for other code."""
    name, start = image.function(address)
    if name is None or start != address:
        return None
    if image is core and name in calls:
        return calls[name]
    served = re.fullmatch(r"([a-z0-9]+)_serve_(\w+)_enter", name)
    return f"{served.group(1)}.{served.group(2)}" if served else None


def images_read(folder, build, initrd):
    """The core's image, all others, and those of which the sources are known: (image, path)."""
    def read(path):
        with open(path, "rb") as source:
            return Image(os.path.basename(path).removesuffix(".elf"), source.read())

    core = read(os.path.join(folder, "tessera.elf"))
    known = [(core, os.path.join(folder, "tessera.elf"))]
    known += [(read(path), path) for path in sorted(glob.glob(os.path.join(folder, "*.elf"))) if not path.endswith("/tessera.elf")]
    programs = [Image(os.path.basename(name), data) for name, data in archive_files(initrd)]
    vdso = os.path.join(build, "gen", "abi", "vdso.so")
    if os.path.exists(vdso):
        programs.append(read(vdso))
    return core, known, programs


def report(counts_path, folder, build, initrd, top, svg):
    """Reads the counts, writes the drawing; the lines of the tables."""
    counts = Counts(counts_path)
    core, known, programs = images_read(folder, build, initrd)
    resolver = Resolver(core, [image for image, _ in known[1:]] + programs)
    resolver.resolve(counts.codes)
    resolver.parts_find(known)
    for image in programs:
        resolver.parts[image, None] = "user"
    result = Report(counts, resolver)
    if not result.total:
        raise UsageError("nothing was counted: the program never came to run")
    with open(svg, "w", encoding="utf-8") as output:
        output.write(flame.draw(result.stacks, result.total))
    return result.lines(top)


def machine_describe(folder, build, initrd, log, memory, append, counts, memory_path):
    """The machine: one processor, time by instructions, memory in a file that the plugin reads."""
    core = images_read(folder, build, os.devnull)[0]
    size = size_of(memory)
    if size > MEMORY_MAX:
        raise UsageError(f"--memory: at most {MEMORY_MAX >> 30}G can be profiled")
    described = machine.Machine(os.path.join(folder, "tessera.elf"), initrd, log, memory=memory, append=f"nokaslr {append}", icount=True,
                                memory_file=memory_path)
    described.extra = ["-plugin", plugin_arguments(core, build, counts, memory_path, size)]
    return described
