#!/usr/bin/env python3
"""Mutation build: each build drops one check of the core and must fail the test that mutations.toml names for it.

A mutation is a file, a text that stands in it once (behind `after`, if that is given), what it becomes, a suite and the name of one of
its results. They are applied to a copy of the tree, whose builds are incremental. A test that did not come because the machine ended
while it ran has failed; so each suite runs once without a mutation, to know its results and their order, and there all must pass.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TREE = os.path.join(TOP, "build", "mutation", "tree")
LIMIT = 300              # seconds of one run, its builds included
RESULT = re.compile(r"^(not )?ok\b *\d+ - ([^#]*)")
SUITE_PREFIX = re.compile(r"^(raid \S+|isolation \S+: isolation|abi \S+: \w+): ")
BUILD_TROUBLE = re.compile(r"^not ok \d+ - (build: .*|raid: .* composes.*)$", re.MULTILINE)
FIELDS = {"name", "file", "text", "becomes", "suite", "fails"}


class MutationError(Exception):
    """The mutation itself is wrong: its text is not there, it does not compile, its suite is not one."""


def mutations_load():
    with open(os.path.join(HERE, "mutations.toml"), "rb") as source:
        found = tomllib.load(source)["mutation"]
    for mutation in found:
        if FIELDS - set(mutation) or set(mutation) - FIELDS - {"after"}:
            raise SystemExit(f"mutation {mutation.get('name', '?')!r}: fields are {', '.join(sorted(FIELDS))}, after")
    names = [mutation["name"] for mutation in found]
    if len(set(names)) != len(names):
        raise SystemExit(f"two mutations are called {max(names, key=names.count)!r}")
    return found


def mutation_apply(mutation, text):
    """The text of the file with the mutation."""
    head, rest = "", text
    if "after" in mutation:
        if text.count(mutation["after"]) != 1:
            raise MutationError(f"{mutation['file']}: `after` stands there {text.count(mutation['after'])} times")
        at = text.index(mutation["after"]) + len(mutation["after"])
        head, rest = text[:at], text[at:]
    elif text.count(mutation["text"]) != 1:
        raise MutationError(f"{mutation['file']}: `text` stands there {text.count(mutation['text'])} times")
    if mutation["text"] not in rest:
        raise MutationError(f"{mutation['file']}: `text` does not stand behind `after`")
    return head + rest.replace(mutation["text"], mutation["becomes"], 1)


def file_read(folder, path):
    with open(os.path.join(folder, path), encoding="utf-8") as source:
        return source.read()


def file_write(path, text):
    with open(os.path.join(TREE, path), "w", encoding="utf-8") as output:
        output.write(text)


def tree_copy():
    """Brings the copy up to date; files that did not change keep their times, so that builds stay incremental."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, capture_output=True, text=True, check=True)
    for path in listed.stdout.splitlines():
        source, target = os.path.join(TOP, path), os.path.join(TREE, path)
        if not os.path.isfile(source):
            continue
        with open(source, "rb") as file:
            content = file.read()
        if os.path.isfile(target):
            with open(target, "rb") as file:
                if file.read() == content:
                    continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
    for folder, _, names in os.walk(TREE): # what was deleted since must not be compiled
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), TREE)
            if not path.startswith("build" + os.sep) and not os.path.exists(os.path.join(TOP, path)):
                os.unlink(os.path.join(TREE, path))


# ---- Suites ----------------------------------------------------------------------------------------------------------------------

def suite_commands(suite):
    """The commands of a suite: unit/PROGRAM, isolation-CLASS/PROCESSORS, raid-CLASS/PROCESSORS[/nopks], or PROFILE/PROCESSORS/PROGRAM."""
    words = suite.split("/")
    if words[0] == "unit":
        program = f"../../../build/unit/core/{words[1]}"
        return [["make", "-s", "-C", "tests/unit/core", program], [os.path.join("build/unit/core", words[1])]]
    if words[0].startswith("raid-"):
        keys = "no" if "nopks" in words else "yes"
        return [["tests/isolation/run.py", "--profile", words[0], "--smp", words[1], "--keys", keys, "--limit", "90"]]
    if words[0].startswith("isolation-"):
        return [["tests/run.py", "--suite", "isolation", "--profile", words[0], "--smp", words[1]]]
    if len(words) == 3:
        return [["tests/run.py", "--suite", "abi", "--profile", words[0], "--smp", words[1], words[2]]]
    raise MutationError(f"no suite {suite!r}")


def command_run(command, limit):
    """What it prints, and its status; ends it and all that it started when its time is over."""
    with subprocess.Popen(command, cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
    return output.decode("utf-8", "replace"), process.returncode


def suite_run(suite):
    """The results of a suite in the copy, in order: {name: passed}."""
    commands = suite_commands(suite)
    for command in commands[:-1]:
        output, status = command_run(command, LIMIT)
        if status:
            raise MutationError("does not compile: " + " | ".join(output.splitlines()[:3]))
    output, _ = command_run(commands[-1], LIMIT)
    trouble = BUILD_TROUBLE.search(output)
    if trouble:
        raise MutationError(f"does not build: {trouble.group(1)}")
    results = {}
    for line in output.splitlines():
        found = RESULT.match(line)
        if found:
            results[SUITE_PREFIX.sub("", found.group(2).strip())] = not found.group(1)
    return results


def fallen_tests(results, expected):
    """The names of results that failed, and the first that did not come: the machine ended, or hung, while it ran."""
    fallen = {name for name, passed in results.items() if not passed}
    missing = [name for name in expected if name not in results and not name.startswith(("jump to", "recount"))]
    return fallen | set(missing[:1])


# ---- The run ---------------------------------------------------------------------------------------------------------------------

class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, name, trouble, note=""):
        self.passed += trouble is None
        self.failed += trouble is not None
        note = trouble or note
        print(f"{'ok' if trouble is None else 'not ok'} {self.passed + self.failed} - {name}{f' # {note}' if note else ''}", flush=True)


def mutation_run(mutation, expected):
    """Why the mutation does not count as found, or None."""
    original = file_read(TREE, mutation["file"])
    try:
        if mutation["fails"] not in expected:
            raise MutationError(f"{mutation['suite']} has no test {mutation['fails']!r}")
        file_write(mutation["file"], mutation_apply(mutation, original))
        fallen = fallen_tests(suite_run(mutation["suite"]), expected)
    except MutationError as error:
        return str(error)
    finally:
        file_write(mutation["file"], original)
    if mutation["fails"] in fallen:
        return None
    return f"SURVIVES {mutation['fails']!r}; failed instead: {', '.join(sorted(fallen)[:4]) or 'nothing'}"


def baseline(tally, suites):
    """What each suite says without a mutation."""
    found = {}
    for suite in suites:
        try:
            found[suite] = suite_run(suite)
            bad = [name for name, passed in found[suite].items() if not passed]
            tally.add(f"{suite} without a mutation", None if found[suite] and not bad else f"failed: {', '.join(bad[:3]) or 'no results'}")
        except MutationError as error:
            found[suite] = {}
            tally.add(f"{suite} without a mutation", str(error))
    return found


def texts_check(mutations):
    """Whether each text stands in the tree as it is now; (name, trouble) of each mutation."""
    for mutation in mutations:
        try:
            trouble = None if mutation_apply(mutation, file_read(TOP, mutation["file"])) else "empty"
        except (MutationError, OSError) as error:
            trouble = str(error)
        yield mutation["name"], trouble


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only look whether each mutation still fits the tree")
    parser.add_argument("--suite", help="only mutations of suites that begin so")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only mutations whose name holds one of these")
    options = parser.parse_args()
    mutations = [m for m in mutations_load() if m["suite"].startswith(options.suite or "") and
                 (not options.names or any(name in m["name"] for name in options.names))]
    tally, started = Tally(), time.monotonic()
    if options.check:
        for name, trouble in texts_check(mutations):
            tally.add(name, trouble)
    else:
        tree_copy()
        mutations.sort(key=lambda m: m["suite"])
        expected = baseline(tally, sorted({m["suite"] for m in mutations}))
        for mutation in mutations:
            tally.add(mutation["name"], mutation_run(mutation, expected[mutation["suite"]]), f"{mutation['suite']}: {mutation['fails']}")
        print(f"# {time.monotonic() - started:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
