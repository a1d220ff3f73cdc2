"""Compiles and links what a profile composed: incremental by dependency files and commands, two compilers at a time."""

import concurrent.futures
import fcntl
import glob
import os
import re
import subprocess
import sys

from . import generate, glue, manifest
from .errors import UsageError
from .service import ARCH, server_of

CC = os.environ.get("CC", "clang-14")
LD = os.environ.get("LD", "ld.lld")
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"]
CORE_FLAGS = os.environ.get("TESSERA_CORE_FLAGS", "").split()  # how tests/coverage has a jump for each branch of the source
WITHOUT_VECTOR = "-mgeneral-regs-only"  # but for units whose profile gives them vector code: SSE2, as programs have it
FLAGS = ["-std=gnu17", "-ffreestanding", "-fPIE", "-mno-red-zone", WITHOUT_VECTOR, "-fvisibility=hidden",
         "-fno-strict-aliasing", "-fno-common", "-fstack-protector-strong", "-mstack-protector-guard=global",
         "-fno-asynchronous-unwind-tables", "-ffile-prefix-map={top}=.", "-O2", "-g"]
LINK = ["-pie", "-static", "--no-dynamic-linker", "-z", "text", "-z", "norelro", "-z", "noexecstack", "-z", "max-page-size=4096",
        "--hash-style=sysv", "--build-id=none", "--gc-sections", "--lto-O2", "--fatal-warnings"]
# Units that keep their state: a call before each store (services/runtime/stable.c).
NOTED = ["-fsanitize=thread"] + [w for name in ("func-entry-exit", "atomics") for w in ("-mllvm", f"-tsan-instrument-{name}=0")]
NOTED_SHARED = ("services/runtime/heap.c", "services/runtime/pollword.c", "services/runtime/random.c", "lib/arena.c")


class BuildError(Exception):
    """A compiler or linker refused; it has said why."""


def write_changed(path, text):
    """Writes a generated file only when its content differs, so that nothing depends on it newly for nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, encoding="utf-8") as old:
            if old.read() == text:
                return path
    except OSError:
        pass
    with open(path + ".new", "w", encoding="utf-8") as new:
        new.write(text)
    os.replace(path + ".new", path)
    return path


class Builder:
    """One build below `build`; paths are relative to the top of the tree, which must be the working directory."""

    def __init__(self, top, build, jobs=2, verbose=False, debug=False):
        self.top, self.build, self.jobs, self.verbose, self.debug = top, build, jobs, verbose, debug
        self.times = {}
        self.services = {}
        self.ran = 0
        os.makedirs(build, exist_ok=True)
        self.lock = open(os.path.join(build, ".lock"), "w", encoding="utf-8")

    def __enter__(self):
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"compose: waiting for another build in {self.build}", file=sys.stderr)
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.lock.close()

    # ---- When a step must run again ----

    def _time(self, path):
        if path not in self.times:
            try:
                self.times[path] = os.stat(path).st_mtime_ns
            except OSError:
                self.times[path] = None
        return self.times[path]

    def _fresh(self, output, inputs, command):
        made = self._time(output)
        if made is None:
            return False
        try:
            with open(output + ".cmd", encoding="utf-8") as old:
                if old.read() != command:
                    return False
            if " -MF " in command:
                with open(output + ".d", encoding="utf-8") as rule:
                    inputs = inputs + rule.read().replace("\\\n", " ").split(":", 1)[1].split()
        except (OSError, IndexError):
            return False
        return all((self._time(path) or made + 1) <= made for path in inputs)

    def run(self, output, command, inputs, label, cwd=None):
        """Runs a command unless its output is newer than its inputs and was made from the same inputs by the same command.

        An output that ends in .step is a mark which this function makes, for commands that make several files.
        """
        line = " ".join(command + ["#"] + inputs)
        if self._fresh(output, inputs, line):
            return
        os.makedirs(os.path.dirname(output), exist_ok=True)
        if os.path.exists(output + ".cmd"):
            os.unlink(output + ".cmd")
        print(" ".join(command) if self.verbose else f"  {label}", flush=True)
        if subprocess.run(command, cwd=cwd, check=False).returncode:
            raise BuildError(f"{label} failed")
        for path in [output] * output.endswith(".step") + [output + ".cmd"]:
            with open(path, "w", encoding="utf-8") as record:
                record.write(line)
        self.times.pop(output, None)
        self.ran += 1

    def run_all(self, steps):
        """Independent steps, `jobs` at a time; the first failure stops those that did not start."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(step) for step in steps]
            done, waiting = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            for future in waiting:
                future.cancel()
            for future in done:
                future.result()

    # ---- Headers and generated sources ----

    def headers(self):
        """Interface headers, the same for every profile, in build/gen."""
        for service in self.services.values():
            server = generate.server_header(service.name, service.interface, service.upcalls)
            write_changed(f"{self.build}/gen/{service.name}_server.h", server)
            if service.interface:
                write_changed(f"{self.build}/gen/{service.name}_client.h", generate.client_header(service.interface))

    def service_generate(self, service):
        """Runs the service's own generators; returns the sources that they make."""
        folder = os.path.abspath(f"{self.build}/gen/{service.name}")
        sources = []
        for step in service.generate:
            words = {"{dir}": folder, "{build}": os.path.abspath(self.build), "{cc}": CC, "{ld}": LD, "{top}": self.top}
            command = []
            for word in step.command:
                for key, value in words.items():
                    word = word.replace(key, value)
                command.append(word)
            inputs = [p for pattern in step.inputs for p in sorted(glob.glob(os.path.join(service.folder, pattern)))]
            os.makedirs(folder, exist_ok=True)
            self.run(os.path.join(folder, step.outputs[0] + ".step"), command, inputs,
                     f"GEN  {service.name}/{step.outputs[0]}", cwd=service.folder)
            for output in step.outputs:
                self.times.pop(os.path.join(folder, output), None)
                if not os.path.exists(os.path.join(folder, output)):
                    raise UsageError(f"[[generate]] did not make {output!r}", service.toml)
                if output.endswith((".c", ".S")):
                    sources.append(os.path.relpath(os.path.join(folder, output), self.top))
        return sources

    # ---- Compiling ----

    def used(self, service):
        """The service and what it uses, and so on: whose headers it can need."""
        found, left = [], [service.name]
        while left:
            name = server_of(left.pop())
            if name not in found:
                found.append(name)
                left += self.services[name].uses + self.services[name].uses_optional
        return [s for s in self.services.values() if s.name in found]

    def includes(self, service=None):
        """Of a service, which a compiler is told the same of in all profiles, or of what is generated for a unit or image."""
        known = self.used(service) if service else list(self.services.values())
        own = [] if service is None else [service.folder, f"{service.folder}/include", f"{self.build}/gen/{service.name}"]
        common = ["core/include", f"core/arch/{ARCH}/include", "services/runtime", f"services/runtime/arch/{ARCH}", "lib",
                  f"{self.build}/gen"] + sorted({os.path.dirname(s.folder) for s in known} | {"services"}, reverse=True)
        others = [s.folder for s in known if s is not service]
        shared = [f"{s.folder}/include" for s in known if os.path.isdir(f"{s.folder}/include")]
        return [f"-I{p}" for p in own + common] + [w for p in shared + others for w in ("-idirafter", p)]

    def compile_step(self, source, includes, embedded, noted=False, vector=False):
        """Returns the object's path and a step that makes it; `embedded` are files that the source takes in by .incbin."""
        inside = os.path.relpath(source, self.build) if not os.path.relpath(source, self.build).startswith("..") else source
        output = f"{self.build}/objects/{'vector/' * vector}{'noted/' * noted}{inside}.o"
        flags = [f.format(top=self.top) for f in FLAGS if not (vector and f == WITHOUT_VECTOR)] + (["-flto"] if source.endswith(".c") else []) + NOTED * noted
        flags += ["-DRT_DEBUG"] * self.debug + CORE_FLAGS * source.startswith("core/")
        command = [CC] + flags + WARNINGS + includes + ["-MD", "-MF", output + ".d", "-c", source, "-o", output]
        return output, lambda: self.run(output, command, [source] + embedded, f"CC   {source}")

    def compile(self, groups, embedded=(), noted=(), vector=False):
        """groups: (sources, includes) pairs. Returns the objects of each group, after making them all.

        noted: sources whose stores are. vector: the code may use vectors.
        """
        steps, objects = [], []
        for sources, includes in groups:
            made = [self.compile_step(source, includes, list(embedded), source in noted, vector) for source in sources]
            objects.append([output for output, _ in made])
            steps += [step for _, step in made]
        self.run_all(steps)
        return objects


OFFSETS = f"core/arch/{ARCH}/offsets.c"


def core_sources():
    found = (p for folder in ("core", f"core/arch/{ARCH}") for s in ("c", "S") for p in glob.glob(f"{folder}/*.{s}"))
    return sorted(p for p in found if p != OFFSETS)


def core_includes(builder):
    return ["-Icore", f"-Icore/arch/{ARCH}", f"-I{builder.build}/gen/core"] + builder.includes(builder.services["mem"])


def core_offsets(builder):
    """Makes the header of offsets that entry code includes, of what the compiler says for each line of OFFSETS."""
    listing = f"{builder.build}/gen/core/offsets.s"
    flags = [f.format(top=builder.top) for f in FLAGS] + WARNINGS + core_includes(builder)
    builder.run(listing, [CC] + flags + ["-MD", "-MF", listing + ".d", "-S", OFFSETS, "-o", listing], [OFFSETS], f"GEN  {OFFSETS}")
    with open(listing, encoding="ascii") as source:
        values = re.findall(r"^\s*# offset (\w+) (\d+)$", source.read(), re.M)
    write_changed(f"{builder.build}/gen/core/arch/offsets.h", "".join(f"#define {name.upper()} {value}\n" for name, value in values))


def runtime_sources(gate, debug, stable=False):
    """The runtime and lib/; gate: for IC1 and IC2, else for IC0; debug: locks are followed; stable: for a unit that keeps its state."""
    others = ("class_direct.c" if gate else "class_gate.c", "lock_plain.c" if debug else "lock_debug.c",
              "stable_none.c" if stable else "stable.c")
    found = glob.glob("services/runtime/*.c") + glob.glob("lib/*.c")
    if gate:
        found += glob.glob(f"services/runtime/arch/{ARCH}/*.S")
    return sorted(p for p in found if os.path.basename(p) not in others)


def unit_glue(builder, profile, unit):
    """Writes the generated sources of a unit; returns their paths."""
    folder = f"{builder.build}/{profile.name}/gen"
    paths = [write_changed(f"{folder}/{unit.name}_unit.c", glue.unit_source(unit.services, unit.variants, unit.isolation))]
    for name in sorted(set(map(server_of, unit.variants))):
        server = profile.unit_of(name)
        parts = {part: how for part, how in sorted(unit.variants.items()) if server_of(part) == name}
        text = glue.client(builder.services[name].interface, parts, unit.isolation, server.recovery if server else "essential",
                           server.call_deadline_ms if server else 0)
        paths.append(write_changed(f"{folder}/{unit.name}_client_{name}.c", text))
    return paths


def unit_objects(builder, profile, unit):
    """All objects of a unit, compiled."""
    stable, own = unit.recovery == "stable", unit_glue(builder, profile, unit)
    groups = [(service.sources() + builder.service_generate(service), builder.includes(service)) for service in unit.services]
    groups.append((own, builder.includes()))
    groups.append((runtime_sources(unit.isolation > 0, builder.debug, stable), builder.includes(builder.services["mem"]))) # its heap grows by it
    noted = [s for service in unit.services for s in service.sources() if s.endswith(".c")] + own + list(NOTED_SHARED) if stable else []
    return [o for objects in builder.compile(groups, noted=noted, vector=unit.vector) for o in objects]


def unit_link(builder, profile, unit, objects):
    """Links an IC1 or IC2 unit: static, position-independent, only relative relocations. Returns the file to embed."""
    output = f"{builder.build}/{profile.name}/{unit.name}.elf"
    script = ["services/runtime/stable.ld"] if unit.recovery == "stable" else []
    wrapped = [f"--wrap={name}" for name in ("memcpy", "memmove", "memset")] if script else []
    command = [LD] + LINK + wrapped + ["-e", "unit_entry"] + [f"-T{path}" for path in script] + ["-o", output] + objects
    builder.run(output, command, objects + script, f"LD   {output}")
    stripped = f"{builder.build}/{profile.name}/{unit.name}.image"
    builder.run(stripped, ["strip", "--strip-all", "-o", stripped, output], [output], f"STRIP {stripped}")
    return stripped


def image_link(builder, profile, objects):
    """Links core, IC0 services, manifest and embedded units to the bootable image."""
    output, script = f"{builder.build}/{profile.name}/tessera.elf", f"core/arch/{ARCH}/core.ld"
    command = [LD] + LINK + ["-T", script, "-o", output] + objects
    builder.run(output, command, objects + [script], f"LD   {output}")
    return output


def image_objects(builder, profile, images):
    """The objects of the image beside the IC0 services: core, manifest, embedded units."""
    folder = f"{builder.build}/{profile.name}"
    sizes = {name: os.path.getsize(path) for name, path in images.items()}
    manifest_source = write_changed(f"{folder}/gen/manifest.c", manifest.source(profile, builder.services, sizes))
    images_source = write_changed(f"{folder}/gen/images.S", manifest.images_source(images))
    core_offsets(builder)
    groups = [(core_sources(), core_includes(builder)), ([manifest_source], builder.includes())]
    if all(unit.isolation for unit in profile.units):
        groups.append((sorted(glob.glob("lib/*.c")), builder.includes(builder.services["mem"])))
    objects = builder.compile(groups) + builder.compile([([images_source], builder.includes())], images.values())
    return [o for group in objects for o in group]


def service_build(builder, name):
    """Only compiles one service, or "core", to see whether it does."""
    builder.headers()
    if name == "core":
        core_offsets(builder)
        builder.compile([(core_sources(), core_includes(builder))])
        return
    service = builder.services[name]
    builder.compile([(service.sources() + builder.service_generate(service), builder.includes(service))])


def profile_build(builder, profile, units_only=False):
    """Builds a profile; returns the path of its image (None with units_only)."""
    builder.headers()
    images, ic0 = {}, []
    for unit in profile.units:
        objects = unit_objects(builder, profile, unit)
        if unit.isolation:
            images[unit.name] = unit_link(builder, profile, unit, objects)
        else:
            ic0 = objects
    return None if units_only else image_link(builder, profile, image_objects(builder, profile, images) + ic0)
