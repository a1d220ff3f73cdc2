#!/usr/bin/env python3
"""Runs the tests of the host: tools (unittest), lib/ and runtime, the core's memory and protocols, and each service's own; one closing line for all.

A service's tests are what `make -s -C services/<name>/tests` prints as TAP; it may print that of several programs.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESULT = re.compile(r"^(not )?ok\b *(?:\d+)? *-? *([^#]*)(?:# *(.*))?$")
PLAN = re.compile(r"^1\.\.(\d+)")


class Tally:
    """Counts results and prints them under their suite's name."""

    def __init__(self):
        self.passed = self.failed = 0

    def add(self, suite, name, passed, note=""):
        self.passed += passed
        self.failed += not passed
        print(f"{'ok' if passed else 'not ok'} {self.passed + self.failed} - {suite}: {name}{' # ' + note if note else ''}")


def command_run(command, timeout, **options):
    """The text and status of a command; a hang is a failure of its own."""
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
                             stdin=subprocess.DEVNULL, **options)
        return run.stdout.decode("utf-8", "replace"), run.returncode
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode("utf-8", "replace"), "hung"


def tap_read(tally, suite, text, status):
    """Adds what a program printed; a plan that was not kept, and a failure that no result tells, are failures too."""
    planned = counted = failed = 0
    for line in text.splitlines():
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan:
            planned += int(plan.group(1))
        elif result:
            counted += 1
            failed += bool(result.group(1))
            tally.add(suite, result.group(2).strip(), not result.group(1), result.group(3) or "")
        elif line.startswith("#"):
            print(line)
    trouble = None
    if status == "hung":
        trouble = "did not end in time"
    elif planned != counted:
        trouble = f"planned {planned} results, printed {counted}"
    elif status and not failed:
        trouble = f"exit status {status}"
    elif not counted:
        trouble = "printed no results"
    if trouble:
        for line in text.splitlines()[-20:]:
            print(f"# {line}")
        tally.add(suite, "program", False, trouble)


def tools_test(tally):
    text, status = command_run([sys.executable, "-m", "unittest", "discover", "-v", "-s", "tests/unit/tools", "-t", "tests/unit/tools"],
                               300, cwd=TOP)
    names = re.findall(r"^(\w+) \(([\w.]+)\)(?:\n.*?)?? \.\.\. (ok|skipped.*|FAIL|ERROR)$", text, re.MULTILINE)
    for name, _, verdict in names:
        tally.add("tools", name, verdict == "ok" or verdict.startswith("skipped"))
    bad = sum(verdict in ("FAIL", "ERROR") for _, _, verdict in names)
    if bad or status or not names:
        print("".join(f"# {line}\n" for line in text.splitlines()[-40:]), end="")
        if not bad:
            tally.add("tools", "program", False, f"exit status {status}")


def programs_test(tally):
    text, status = command_run(["make", "-s", "-j2", "-C", "tests/unit"], 600, cwd=TOP)
    if status:
        tap_read(tally, "unit", text, status)
        return
    for path in text.split():
        program = os.path.join(TOP, "tests", "unit", path)
        output, status = command_run([program], 300, cwd=TOP)
        tap_read(tally, os.path.basename(path), output, status)


def core_test(tally):
    text, status = command_run(["make", "-s", "-j2", "-C", "tests/unit/core"], 600, cwd=TOP)
    tap_read(tally, "core", text, status)
    text, status = command_run(["make", "-s", "core-example"], 300, cwd=TOP)
    if status:
        print("".join(f"# {line}\n" for line in text.splitlines()[-10:]), end="")
    tally.add("core", "architecture contract, by the example port", not status)


def explore_test(tally):
    """The core's own C in every interleaving, and the broken variants that must be found."""
    text, status = command_run(["make", "-s", "-j2", "-C", "tests/unit/core/interleave"], 600, cwd=TOP)
    tap_read(tally, "explore", text, status)
    text, status = command_run([sys.executable, "tests/unit/core/interleave/mutants.py"], 600, cwd=TOP)
    tap_read(tally, "explore", text, status)


def services_test(tally, wanted):
    for makefile in sorted(glob.glob(os.path.join(TOP, "services", "*", "tests", "Makefile"))):
        folder = os.path.dirname(makefile)
        name = os.path.basename(os.path.dirname(folder))
        if not wanted or name in wanted:
            text, status = command_run(["make", "-s", "-C", folder], 600, cwd=TOP)
            tap_read(tally, name, text, status)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="tools, unit, core, explore, or a service (default: all)")
    suites = parser.parse_args().suites
    tally = Tally()
    if not suites or "tools" in suites:
        tools_test(tally)
    if not suites or "unit" in suites:
        programs_test(tally)
    if not suites or "core" in suites:
        core_test(tally)
    if not suites or "explore" in suites:
        explore_test(tally)
    services_test(tally, suites)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
