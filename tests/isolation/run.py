#!/usr/bin/env python3
"""Raids Tessera: a hostile unit tries what no unit may do, while programs go on; TAP, in class IC1 (with and without keys) and IC2.

The attacks are compiled into a unit of the profiles raid-ic1 and raid-ic2 (tests/isolation/attackers). What they need to know of the
image, such as where the core has privileged instructions, is read from it here and given on the command line.
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
import tap  # noqa: E402
from nmi.monitor import Shower, socket_path  # noqa: E402
from tesseratools import machine, root  # noqa: E402

BUILD = os.path.join(TOP, "build", "raid")
STEPS_OF_SUPER = 4       # the attacks are those of raid-ic1: this is about who starts their units again


@dataclass(frozen=True)
class Profile:
    raider: int                                       # its class
    folders: tuple = ("tests/isolation/attackers",)   # where its services are, before services/
    steps: int = 0                                    # how many attacks, 0: all


PROFILES = {
    "raid-ic1": Profile(1, ("tests/isolation/overseer", "tests/isolation/attackers")),
    "raid-ic2": Profile(2, ("tests/isolation/overseer", "tests/isolation/attackers")),
    "raid-super": Profile(1, steps=STEPS_OF_SUPER),
}
LINK_BASE = 0xffffffff80000000
OFF_SECONDS = 20           # until a machine that is off has ended
RANDOM_SECONDS = 60        # of attacks at random moments, in the long tier
MEMORY = "128M"          # some attacks take all that they can get
NMI_PAUSE = 0.01         # seconds between NMIs to all processors
ARGUMENT_ROOM = 330      # characters of the command line for the jumps of one machine
WITNESS_COMMAND = ["clang-14", "-std=gnu17", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-fuse-ld=lld"]
PRIVILEGED = re.compile(r"\t(wrmsr|rdmsr|movq?\s+%[a-z0-9]+, %[cd]r\d|movq?\s+%[cd]r\d+, |cli|sti|hlt|in[bwl]|out[bwl]|rep\s+outs|outsb|swapgs|"
                        r"invlpg|wbinvd|lgdt|lidt|lldt|ltr|iretq|sysret|clts|lmsw|xsetbv|xrstor|xsave|stac|clac|lret|ljmp|int\b|clui|wrgsbase)")
SEVERAL = {"a wait that begins while its unit fails", "all frames that a unit can get", "watch tables until there is no more memory",
           "frames granted to every unit until there are no more", "a heap without end",
           "the holder of a unit's only stack fails", "a unit that fails again and again, each time with more memory"}   # which end it many times
HOSTILE = ("raider", "usurper", "miser")
FAILURE = re.compile(r"^unit (\S+) failed")


def compose(profile):
    command = ["tools/compose", f"tests/isolation/profiles/{profile}.toml", "--build", "build/raid"]
    command += [word for folder in PROFILES[profile].folders for word in ("--services", folder)]
    run = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode:
        sys.stdout.write("".join(f"# {line}\n" for line in run.stdout.decode("utf-8", "replace").splitlines()[-30:]))
    return run.returncode == 0


def image_of(profile):
    return os.path.join(BUILD, profile, "tessera.elf")


def tool(name):
    for candidate in (f"llvm-{name}-14", f"llvm-{name}", name):
        if any(os.access(os.path.join(folder, candidate), os.X_OK) for folder in os.environ["PATH"].split(os.pathsep)):
            return candidate
    raise SystemExit(f"isolation: no {name}: run make setup")


def symbols(image):
    text = subprocess.run([tool("nm"), image], capture_output=True, text=True, check=True).stdout
    return {words[2]: int(words[0], 16) for words in (line.split() for line in text.splitlines()) if len(words) == 3}


def places(image):
    """Addresses of the core that the raider attacks, by the name that its plan has for them."""
    table = symbols(image)
    return {"entry": table["syscall_entry_keys"], "constants": table["rodata_start"] + 0x100, "data": table["data_start"] + 0x100,
            "idt": table["core_ro_start"], "domains": table["domains"] + 0x100, "guard": table["__stack_chk_guard"]}


def jumps(image):
    """Offsets of every privileged instruction in the core's text: those of the entry text first, on which all rests."""
    text = subprocess.run([tool("objdump"), "-d", "--no-show-raw-insn", image], capture_output=True, text=True, check=True).stdout
    found = []
    for line in text.splitlines():
        address, _, rest = line.partition(":")
        if PRIVILEGED.search(rest) and re.fullmatch(r"\s*[0-9a-f]+", address):
            found.append(int(address, 16) - LINK_BASE)
    entry = symbols(image)["entry_text_start"] - LINK_BASE
    return sorted(found, key=lambda offset: (offset < entry, offset))


def jumps_split(offsets):
    """The jumps of each machine: as many as its command line holds."""
    groups, room = [[]], ARGUMENT_ROOM
    for offset in offsets:
        size = len(f"{offset:x},")
        if size > room:
            groups.append([])
            room = ARGUMENT_ROOM
        groups[-1].append(offset)
        room -= size
    return groups


def witness_image():
    """An initramfs with the witness and busybox."""
    os.makedirs(BUILD, exist_ok=True)
    program, path = os.path.join(BUILD, "witness"), os.path.join(BUILD, f"witness-{os.getpid()}.cpio")
    subprocess.run(WITNESS_COMMAND + ["-o", program, os.path.join(HERE, "guest", "witness.c")], check=True)
    entries = cpio.console_devices() + [cpio.directory(name) for name in ("proc", "dev", "tmp", "bin", "etc")]
    for name, source in (("bin/busybox", root.BUSYBOX), ("witness", program)):
        with open(source, "rb") as file:
            entries.append(cpio.file(name, file.read(), 0o755))
    with open(path, "wb") as output:
        output.write(cpio.archive(entries))
    return path


def name_hash(name):
    """FNV-1a of 32 bits: how the command line names an attack."""
    value = 0x811c9dc5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xffffffff
    return value


def command_line(profile, image, group, only):
    words = ["init=/witness", "audit", "nokaslr", f"raid.class={PROFILES[profile].raider}"]
    words += [f"raid.steps={PROFILES[profile].steps}"] * bool(PROFILES[profile].steps)
    words += [f"raid.{name}={address:x}" for name, address in places(image).items()]
    words += ["raid.only=" + ",".join(f"{name_hash(name):x}" for name in only)] * bool(only)
    return " ".join(words + ["raid.jumps=" + ",".join(f"{offset:x}" for offset in group)] * bool(group))


def console_take(process, report, limit):
    """All that the machine says, and "hung" if it does not end in time. QEMU may wait for its monitor for ever when a command came while the
    machine went off: then what counts is that it went."""
    end, off = time.monotonic() + limit, None
    while True:
        try:
            return process.communicate(timeout=1)[0], ""
        except subprocess.TimeoutExpired:
            if off is None and machine.report_status(report) is not None:
                off = time.monotonic()
            if time.monotonic() > end or (off and time.monotonic() > off + OFF_SECONDS):
                process.kill()
                return process.communicate()[0], "" if off else "hung"


def machine_run(image, smp, pks, initrd, append, limit):
    """Boots one machine until it powers off, with NMIs all the time; console, log, and what went wrong with its end."""
    report = os.path.join(BUILD, f"report-{os.getpid()}.log")
    described = machine.Machine(image, initrd, report, smp=smp, memory=MEMORY, cpu="max" if pks else "max,-pks", append=append, serial="stdio")
    socket = socket_path(BUILD, "qmp")
    described.extra = ["-qmp", f"unix:{socket},server=on,wait=off"]
    shower = Shower(socket, NMI_PAUSE, report)
    shower.start()
    with subprocess.Popen(described.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        console, note = console_take(process, report, limit)
    shower.stop()
    log = "\n".join(machine.report_tail(report, 100000))
    for path in (report, socket):
        if os.path.exists(path):
            os.unlink(path)
    return console.decode("utf-8", "replace"), log, note


def failures_judge(program, few):
    """Each attack that ends the raider is told in exactly one line, and no other unit ever fails. `few`: perhaps none of the attacks
    ends it. Returns the trouble, or None."""
    reported, others = 0, []
    for comment in program.comments:
        failed = FAILURE.match(comment)
        if failed and failed.group(1) in HOSTILE:
            reported += 1
        elif failed:
            others.append(comment)
    if others:
        return f"others failed: {others[0]}"
    return None if reported or few else "no failure was reported"


def lines_judge(log):
    """More than one failure line between two attacks is one too many."""
    count, attack, trouble = 0, "", []
    for line in log.splitlines():
        if line.startswith("# attack "):
            count, attack = 0, line[2:]
        elif FAILURE.match(line) and attack.partition(": ")[2] not in SEVERAL:
            count += 1
            if count > 1:
                trouble.append(attack)
    return trouble


def attack_names():
    """All attacks but the jumps, as the sources name them."""
    found = ["popf of the interrupt and privilege flags", "registers at the entry of a call"]
    for path, pattern in (("raider/include/attack.h", r'^\s+X\(\w+, "([^"]+)"'), ("usurper/include/usurpation.h", r'^\s+X\(\w+, "([^"]+)"'),
                          ("referee/arch/x86_64/plan.c", r'^\t\{ "([^"]+)", ')):
        with open(os.path.join(HERE, "attackers", path), encoding="utf-8") as source:
            found += re.findall(pattern, source.read(), re.MULTILINE)
    return set(found)


def documented_names():
    """What the threat models of docs/isolation.md name: the last column of their tables."""
    with open(os.path.join(TOP, "docs", "isolation.md"), encoding="utf-8") as page:
        section = page.read().partition("## Threat models")[2].partition("## What is not")[0]
    rows = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {name.strip() for row in rows for name in row[-1].split(";")} - {"attacks", "---"}


def names_judge():
    jumps_text = {"jump to every one of them, with registers of the attacker's choice"}
    difference = attack_names() ^ (documented_names() - jumps_text)
    return f"only on one side: {sorted(difference)[0]}" if difference else None


class Configuration:
    """A profile, a number of processors, with or without protection keys."""

    def __init__(self, profile, smp, pks=True):
        self.profile, self.smp, self.pks = profile, smp, pks

    def __str__(self):
        return f"{self.profile}/{self.smp}{'' if self.pks else '/nopks'}"


TIERS = {
    "ci": [Configuration("raid-ic1", 2), Configuration("raid-ic1", 1, False), Configuration("raid-ic2", 2),
           Configuration("raid-super", 2)],
    "long": [Configuration(profile, smp, pks) for profile, pks in (("raid-ic1", True), ("raid-ic1", False), ("raid-ic2", True),
                                                                   ("raid-super", True))
             for smp in (1, 2, 4)],
}


def random_results(configuration, seconds, seed, initrd, only=()):
    """(name, trouble) of attacks at random moments, with a second attacker at the same time."""
    image = image_of(configuration.profile)
    append = command_line(configuration.profile, image, [], only) + f" raid.random={seed:x},{seconds * 1000:x}"
    console, log, note = machine_run(image, configuration.smp, configuration.pks, initrd, append, 120 + 4 * seconds)
    with open(os.path.join(BUILD, f"raid-{str(configuration).replace('/', '-')}-random.txt"), "w", encoding="utf-8") as output:
        output.write(f"{console}\n=== log ===\n{log}\n")
    program = tap.add_missing(tap.parse(log), ["raid"])[0]
    told = next((comment.lstrip("# ") for comment in reversed(program.comments) if "seed" in comment), f"seed {seed}")
    print(f"# {told}", flush=True)
    for result in program.verdict():
        yield result.name, None if result.passed else result.note or note or f"failed: {told}"
    yield "only attackers fail at random moments", failures_judge(program, False)
    yield from machine_judge(console, log)


def machine_judge(console, log):
    """(name, trouble) of what holds at the end of every raid."""
    yield "the log's lines are whole", "one is forged" if re.search(r"^forged line|[^\n\t -~]", log, re.MULTILINE) else None
    yield "the witness finds nothing broken", "it does" if "broken" in console else None
    yield "recount of all frames", None if re.search(r"^audit: .*; 0 mistakes$", log, re.MULTILINE) else "see the log"
    yield "the core lives", "it panicked" if "panic" in log else None


def configuration_results(configuration, limit, initrd, every_jump, only=()):
    """(name, trouble) of each attack in one configuration, or of those that are asked for."""
    image = image_of(configuration.profile)
    groups = [[]] if only else jumps_split(jumps(image))
    if PROFILES[configuration.profile].steps or not every_jump:
        groups = groups[:1]
    for number, group in enumerate(groups):
        console, log, note = machine_run(image, configuration.smp, configuration.pks, initrd,
                                         command_line(configuration.profile, image, group, only), limit)
        kept = os.path.join(BUILD, f"raid-{str(configuration).replace('/', '-')}-{number}.txt")
        with open(kept, "w", encoding="utf-8") as output:
            output.write(f"{console}\n=== log ===\n{log}\n")
        program = tap.add_missing(tap.parse(log), ["raid"])[0]
        for result in program.verdict():
            yield result.name, None if result.passed else result.note or note or "failed"
        yield "only the raider fails", failures_judge(program, bool(only))
        twice = lines_judge(log)
        yield "each failure is told once", f"told more than once: {twice[0]}" if twice else None
        yield from machine_judge(console, log)


def suite(add, tier, limit, every_jump=None, only=()):
    """Runs the configurations of a tier; add(suite, name, trouble)."""
    add("raid", "each attack is in the threat models and each promise has one", names_judge())
    ready = {profile: compose(profile) for profile in sorted({c.profile for c in tier})}
    for profile, good in ready.items():
        add("raid", f"{profile} composes", None if good else "it does not")
    initrd = witness_image()
    try:
        for configuration in tier:
            if not ready[configuration.profile]:
                continue
            started = time.monotonic()
            for name, trouble in configuration_results(configuration, limit, initrd, bool(every_jump), only):
                add(f"raid {configuration}", name, trouble)
            if every_jump and configuration.smp > 1 and not only:
                for name, trouble in random_results(configuration, RANDOM_SECONDS, time.time_ns() >> 20 & 0xffffff, initrd):
                    add(f"raid {configuration}", name, trouble)
            print(f"# raid {configuration}: {time.monotonic() - started:.1f} s", flush=True)
    finally:
        os.unlink(initrd)


def random_suite(add, tier, seconds, seed, only):
    """Only the attacks at random moments."""
    initrd = witness_image()
    try:
        for configuration in tier:
            if not compose(configuration.profile):
                add("raid", f"{configuration.profile} composes", "it does not")
                continue
            for name, trouble in random_results(configuration, seconds, seed or time.time_ns() >> 20 & 0xffffff, initrd, only):
                add(f"raid {configuration}", name, trouble)
    finally:
        os.unlink(initrd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="ci", choices=TIERS)
    parser.add_argument("--profile", choices=PROFILES)
    parser.add_argument("--smp", type=int)
    parser.add_argument("--keys", choices=("yes", "no"))
    parser.add_argument("--jumps", action="store_true", help="jump to every privileged instruction of the core, in as many machines as it takes")
    parser.add_argument("--random", type=int, metavar="SECONDS", help="only attacks at random moments, for that long")
    parser.add_argument("--seed", type=int, default=0, help="of --random (default: by the clock)")
    parser.add_argument("--only", action="append", default=[], metavar="ATTACK", help="only this attack, by its whole name (may be repeated)")
    parser.add_argument("--limit", type=float, default=600, metavar="S", help="seconds until a machine counts as hung")
    options = parser.parse_args()
    tier = [c for c in TIERS[options.tier] if options.profile in (None, c.profile) and options.smp in (None, c.smp)
            and options.keys in (None, "yes" if c.pks else "no")]
    counts = {True: 0, False: 0}

    def add(name, result, trouble):
        counts[trouble is None] += 1
        print(f"{'ok' if trouble is None else 'not ok'} {sum(counts.values())} - {name}: {result}{f' # {trouble}' if trouble else ''}", flush=True)

    if options.random:
        random_suite(add, [c for c in tier if c.smp > 1], options.random, options.seed, tuple(options.only))
    else:
        suite(add, tier, options.limit, options.jumps or options.tier == "long", tuple(options.only))
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 0 if counts[True] and not counts[False] else 1


if __name__ == "__main__":
    sys.exit(main())
