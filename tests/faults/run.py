#!/usr/bin/env python3
"""Ends a service again and again at random instructions while programs use it and check what it gives them; TAP.

A unit that is restartable, on two processors: files, descriptors, pipes, locks, mappings and waiters outlive it, each call is answered
as if nothing had happened (or, where that can't be, once with EIO), and the core's recount of all frames finds no mistake.
"""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))

import lone  # noqa: E402

BUILD = os.path.join(TOP, "build", "faults")
MEAN_US = 20000   # between two kills
DELAY_MS = 2500   # until the first


@dataclass(frozen=True)
class Case:
    profile: str
    unit: str
    kills: int
    smp: int = 2

    @property
    def seconds(self):
        """How long the programs work: kills come more slowly than asked, since a restart takes its time."""
        return DELAY_MS / 1000 + self.kills * 0.3 + 3


TIERS = {"ci": (Case("faults-ic2", "fs", 60), Case("faults-ic2", "proc", 30)),
         "long": (Case("faults-ic2", "fs", 1000), Case("faults-ic2", "proc", 1000))}


def compose(profile):
    run = subprocess.run(["tools/compose", f"tests/faults/profiles/{profile}.toml", "--services", "tests/faults/services", "--build",
                          "build/faults"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode:
        sys.stdout.write("".join(f"# {line}\n" for line in run.stdout.decode("utf-8", "replace").splitlines()[-30:]))
    return run.returncode == 0


def figures(case, log):
    """Failures, restarts, the longest outage in us as the supervisor measured it, and the shim's last count of calls."""
    ends = len(re.findall(rf"^unit {case.unit} failed", log, re.M))
    outages = [int(n) for n in re.findall(rf"super: {case.unit} restarted \(\d+\) after (\d+) us", log)]
    calls = re.findall(r"(\d+) calls waited for it, (\d+) went on, (\d+) failed", log)
    restarts = len(re.findall(rf"^{case.unit}: goes on with", log, re.M))
    return ends, restarts, max(outages, default=0), tuple(int(n) for n in calls[-1]) if calls else (0, 0, 0)


def case_run(case, initrd, limit):
    """(name, trouble, note) of each test."""
    append = f"audit faults={case.unit},{case.kills},{MEAN_US},{DELAY_MS} init=/faults -- {case.seconds:g} {case.unit}"
    text, log = lone.run(BUILD, case.profile, initrd, append, f"console-{case.profile}-{case.unit}.txt", limit, case.smp)
    yield from lone.verdicts(text, "faults")
    ends, kills, outage, (waited, again, failed) = figures(case, log)
    note = f"{kills} kills, longest outage {outage / 1000:.1f} ms; {waited} calls waited, {again} went on, {failed} were lost"
    # A busy host has time for fewer than were asked for.
    yield "each end is followed by a restart", None if kills == ends >= case.kills / 2 else f"{ends} ends, {note}", note
    yield from lone.afterwards(log, case.unit)


def suite(add, cases, limit=400):
    """Runs the cases; add(suite, name, trouble, note)."""
    ready = {profile: compose(profile) for profile in sorted({case.profile for case in cases})}
    initrd = lone.image(BUILD, "faults", [os.path.join(HERE, "guest", name) for name in ("main.c", "works.c", "jobs.c")], ("dev", "proc"))
    try:
        for case in cases:
            name = f"faults {case.profile}/{case.smp} {case.unit}"
            if not ready[case.profile]:
                add(name, "composes", "it does not")
                continue
            for result, trouble, note in case_run(case, initrd, max(limit, case.seconds * 4)):
                add(name, result, trouble, note)
    finally:
        os.unlink(initrd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="ci", choices=TIERS)
    parser.add_argument("--unit", help="only this one is ended")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--limit", type=float, default=400, metavar="S", help="seconds until a machine counts as hung")
    options = parser.parse_args()
    cases = tuple(case for case in TIERS[options.tier] if options.unit in (None, case.unit))
    if options.kills is not None:
        cases = tuple(Case(case.profile, case.unit, options.kills, case.smp) for case in cases)
    return lone.tap_main(lambda add: suite(add, cases, options.limit))


if __name__ == "__main__":
    sys.exit(main())
