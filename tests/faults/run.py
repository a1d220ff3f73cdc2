#!/usr/bin/env python3
"""Ends units again and again at random instructions while programs use them and check what they get; TAP.

Each unit that is restartable, in machines composed as the profiles say, on two processors: files, descriptors, pipes, locks, mappings,
processes and waiters outlive it, each call is answered as if nothing had happened (or, where that can't be, once with EIO); a terminal
loses what was typed and not read yet, and pseudo-terminals; and the core's recount of all frames finds no mistake.
"""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))
sys.path.insert(0, HERE)

import lone  # noqa: E402
from typist import Typist  # noqa: E402

BUILD = os.path.join(TOP, "build", "faults")
SOURCES = ("main.c", "help.c", "files.c", "processes.c", "terminals.c")
MEAN_US = 20000   # between two kills
DELAY_MS = 2500   # until the first
QUIET = 2         # seconds between the last and the end of the work, whose results are then told by a console that works
KILLER = """
[unit.killer]
services = ["killer"]
class = "IC2"
stacks = 2
heap_pages = 4
"""
RESTARTS = "restart_limit = 64\nrestart_window_ms = 1\n"   # as often as it takes
SETS = {"fs": ("files",), "proc": ("processes",), "tty": ("files", "-terminals"), "super": ("files", "terminals")}


@dataclass(frozen=True)
class Case:
    profile: str
    unit: str            # several are joined by a plus
    kills: int
    smp: int = 2
    pks: bool = True
    again: bool = False  # each second kill is followed by one while the unit is on its way back

    @property
    def name(self):
        return f"{self.profile}/{self.smp}{'' if self.pks else '/nopks'} {self.unit}{', on its way back' if self.again else ''}"

    @property
    def units(self):
        return self.unit.split("+")

    @property
    def types(self):
        return "terminals" in self.append

    @property
    def until(self):
        """Seconds after the machine's start until which kills come: more slowly than asked, since a restart takes its time."""
        return DELAY_MS / 1000 + self.kills * 0.3

    @property
    def append(self):
        sets = dict.fromkeys(name for unit in self.units for name in SETS[unit])
        sets = [name for name in sets if f"-{name}" not in sets]
        return (f"audit faults={self.unit},{self.kills},{MEAN_US},{DELAY_MS},{self.until * 1000:.0f},{self.again:d} init=/faults -- "
                f"{self.until + QUIET:g} {' '.join(sets)}")


SHAPES = (("general", True, ("tty", "super")), ("general", False, ("tty", "super")), ("tee", True, ("fs", "proc", "tty", "super")),
          ("fast", True, ("super",)))
TIERS = {"ci": (Case("tee", "fs", 60), Case("tee", "proc", 30, again=True), Case("general", "tty+super", 40)),
         "long": tuple(Case(profile, unit, 1000, 2, pks) for profile, pks, units in SHAPES for unit in units)
                 + tuple(Case("tee", unit, 1000, again=True) for unit in ("fs", "proc", "tty+super"))}


def profile_make(name):
    """The profile of the system with a unit that ends others, which may be ended as often as it takes; its path."""
    with open(os.path.join(TOP, "profiles", f"{name}.toml"), encoding="utf-8") as source:
        text = source.read()
    path = os.path.join(BUILD, "profiles", f"{name}.toml")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as output:
        output.write(re.sub(r"^(\[unit\.(?:fs|proc|tty|super)\]\n)", lambda m: m.group() + RESTARTS, text, flags=re.M) + KILLER)
    return path


def compose(profile):
    run = subprocess.run(["tools/compose", profile_make(profile), "--services", "tests/faults/services", "--build", "build/faults"],
                         cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode:
        sys.stdout.write("".join(f"# {line}\n" for line in run.stdout.decode("utf-8", "replace").splitlines()[-30:]))
    return run.returncode == 0


@dataclass(frozen=True)
class Figures:
    ends: int        # as the core says
    kills: int       # as the killer says, ...
    soon: int        # ... of them those on the way back or just after, ...
    starting: int    # ... and of those the ones before the unit ran
    outages: list    # us: from what super saw to the restart, of super itself from its end to when it was seen to run
    waited: int      # calls: by the shim's last count
    again: int
    lost: int

    @property
    def note(self):
        return (f"{self.kills} kills, {self.soon} of them on the way back or just after, {self.starting} before the unit ran, longest outage {self.outages[-1] / 1000:.1f} ms, median "
                f"{self.outages[len(self.outages) // 2] / 1000:.1f} ms; "
                f"{self.waited} calls waited, {self.again} went on, {self.lost} were lost")


def figures(case, log):
    ends = len(re.findall(rf"^unit (?:{'|'.join(case.units)}) failed", log, re.M))
    killer = {unit: tuple(map(int, numbers)) for unit, *numbers in
              re.findall(r"killer: (\S+): (\d+) ends, (\d+) of them soon after the last, (\d+) before it ran, longest outage (\d+) us$", log, re.M)}
    outages = [int(n) for n in re.findall(rf"super: (?:{'|'.join(case.units)}) restarted \(\d+\) after (\d+) us", log)]
    outages += [killer["super"][3]] if "super" in killer else []
    calls = re.findall(r"(\d+) calls waited for it, (\d+) went on, (\d+) failed", log)
    return Figures(ends, *(sum(k[i] for k in killer.values()) for i in range(3)), sorted(outages) or [0],
                   *map(int, calls[-1] if calls else (0, 0, 0)))


def case_run(case, initrd, limit):
    """(name, trouble, note) of each test."""
    typist = Typist()
    kept = f"console-{case.name.replace('/', '-').replace(', ', '-').replace(' ', '-')}.txt"
    text, log = lone.run(BUILD, case.profile, initrd, case.append, kept, limit, case.smp, "max" if case.pks else "max,-pks",
                         typist.talk if case.types else None)
    yield from lone.verdicts(text, "faults")
    found = figures(case, log)
    if case.types:
        yield ("what was typed", *typist.verdict(text, found.ends))
    # A busy host has time for fewer than were asked for.
    good = found.kills == found.ends >= case.kills / 2
    if case.again:   # only a unit that recovers its state is on its way back for so long that some ends fall into it
        good = good and found.soon and (found.starting or set(case.units) & {"tty", "super"})
    yield "each end is followed by a restart", None if good else f"{found.ends} ends, {found.note}", found.note
    yield "all could be taken back", "there was no memory to note what was done" if "no memory to note" in log else None, ""
    yield from lone.afterwards(log, *case.units)


def suite(add, cases, limit=400):
    """Runs the cases; add(suite, name, trouble, note)."""
    ready = {profile: compose(profile) for profile in sorted({case.profile for case in cases})}
    initrd = lone.image(BUILD, "faults", [os.path.join(HERE, "guest", name) for name in SOURCES], ("dev", "proc"))
    try:
        for case in cases:
            if not ready[case.profile]:
                add(f"faults {case.name}", "composes", "it does not")
                continue
            for result, trouble, note in case_run(case, initrd, max(limit, case.until * 4)):
                add(f"faults {case.name}", result, trouble, note)
    finally:
        os.unlink(initrd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="ci", choices=TIERS)
    parser.add_argument("--profile", help="only machines of this profile")
    parser.add_argument("--unit", help="only this one is ended")
    parser.add_argument("--again", action="store_true", help="only cases in which units are ended on their way back, too")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--limit", type=float, default=400, metavar="S", help="seconds until a machine counts as hung")
    options = parser.parse_args()
    cases = tuple(case for case in TIERS[options.tier] if options.unit in (None, case.unit) and options.profile in (None, case.profile)
                  and case.again >= options.again)
    if options.kills is not None:
        cases = tuple(replace(case, kills=options.kills) for case in cases)
    return lone.tap_main(lambda add: suite(add, cases, options.limit))


if __name__ == "__main__":
    sys.exit(main())
