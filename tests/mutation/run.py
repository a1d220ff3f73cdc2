#!/usr/bin/env python3
"""Mutation build: each build drops one check and must fail the test that mutations.toml names for it.

A mutation is a file, a text that stands in it once (behind `after`, if that is given), what it becomes, a suite and the name of one of
its results. They are applied to copies of the tree, whose builds are incremental. Where a suite can, it runs the named test alone. A test
that did not come because the machine ended while it ran has failed; so each suite runs once without a mutation, all its named tests, to
know its results and their order, and there all must pass.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))

import tree_copy  # noqa: E402

LIMIT = 400              # seconds of one run, its builds included
MACHINE_LIMIT = 100      # seconds until a machine that is raided counts as hung
RESULT = re.compile(r"^(not )?ok\b *\d+ - ([^#]*)")
SUITE_PREFIX = re.compile(r"^(raid \S+|vector \S+|tables \S+|isolation \S+: isolation|abi \S+: \w+): ")
BUILD_TROUBLE = re.compile(r"^not ok \d+ - (build: .*|raid: .* composes.*)$", re.MULTILINE)
RUN_ALONE = ("unit/", "service/mem/", "service/proc/", "raid-")  # suites that can run one test
RAID_RESULTS = ("only the raider fails", "each failure is told once", "the log's lines are whole", "the witness finds nothing broken", "recount of all frames",
                "the core lives")
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


class Tree:
    """A copy of the tree, in which one mutation at a time is built."""

    def __init__(self, number):
        self.folder = os.path.join(TOP, "build", "mutation", f"tree-{number}")

    def write(self, path, text):
        with open(os.path.join(self.folder, path), "w", encoding="utf-8") as output:
            output.write(text)

    def command_run(self, command):
        """What it prints, and its status; ends it and all that it started when its time is over."""
        with subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              start_new_session=True) as process:
            try:
                output, _ = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
        return output.decode("utf-8", "replace"), process.returncode

    def suite_run(self, suite, names):
        """The results of a suite in the copy, in order: {name: passed}; of these tests alone, if the suite can."""
        commands = suite_commands(suite, names)
        for command in commands[:-1]:
            output, status = self.command_run(command)
            if status:
                raise MutationError("does not compile: " + " | ".join(output.splitlines()[:3]))
        output, _ = self.command_run(commands[-1])
        trouble = BUILD_TROUBLE.search(output)
        if trouble:
            raise MutationError(f"does not build: {trouble.group(1)}")
        results = {}
        for line in output.splitlines():
            found = RESULT.match(line)
            if found:
                results[SUITE_PREFIX.sub("", found.group(2).strip())] = not found.group(1)
        return results


# ---- Suites ----------------------------------------------------------------------------------------------------------------------

def host_commands(folder, out, program, names):
    """A program of tests on the host, whose arguments are the tests to run."""
    return [["make", "-s", "-C", folder, os.path.join("../../..", out, program)], [os.path.join(out, program), *names]]


def suite_commands(suite, names):
    """The commands of a suite: unit/PROGRAM (of the core), service/NAME/PROGRAM, isolation-CLASS/PROCESSORS, tables/PROFILE[/nopks],
    raid-CLASS/PROCESSORS[/nopks], vector-CLASS/PROCESSORS[/nopks], or PROFILE/PROCESSORS/PROGRAM of tests/abi."""
    words = suite.split("/")
    if words[0] == "unit":
        return host_commands("tests/unit/core", "build/unit/core", words[1], names)
    if words[0] == "service":
        out = "build/tests/mem" if words[1] == "mem" else f"build/unit/{words[1]}"
        return host_commands(f"services/{words[1]}/tests", out, words[2], names)
    if words[0] == "tables":
        return [["tests/tables/run.py", "--profile", words[1], "--keys", "no" if "nopks" in words else "yes"]]
    if words[0].startswith("raid-"):
        only = [word for name in names if name not in RAID_RESULTS for word in ("--only", name)]
        return [["tests/isolation/run.py", "--profile", words[0], "--smp", words[1], "--keys", "no" if "nopks" in words else "yes",
                 "--limit", str(MACHINE_LIMIT), *only]]
    if words[0].startswith("vector-"):
        return [["tests/vector/run.py", "--profile", words[0], "--smp", words[1], "--keys", "no" if "nopks" in words else "yes"]]
    if words[0].startswith("isolation-"):
        return [["tests/run.py", "--suite", "isolation", "--profile", words[0], "--smp", words[1]]]
    if len(words) == 3:
        return [["tests/run.py", "--suite", "abi", "--profile", words[0], "--smp", words[1], words[2]]]
    raise MutationError(f"no suite {suite!r}")


def fallen_tests(results, expected):
    """The names of results that failed, and the first that did not come: the machine ended, or hung, while it ran."""
    fallen = {name for name, passed in results.items() if not passed}
    missing = [name for name in expected if name not in results and not name.startswith(("jump to", "recount"))]
    return fallen | set(missing[:1])


# ---- The run ---------------------------------------------------------------------------------------------------------------------

class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def add(self, name, trouble, note=""):
        with self.lock:
            self.passed += trouble is None
            self.failed += trouble is not None
            note = ", ".join(part for part in (trouble, note) if part)
            print(f"{'ok' if trouble is None else 'not ok'} {self.passed + self.failed} - {name}{f' # {note}' if note else ''}", flush=True)


def mutation_run(tree, mutation, expected):
    """Why the mutation does not count as found, or None."""
    original = file_read(tree.folder, mutation["file"])
    try:
        if mutation["fails"] not in expected:
            raise MutationError(f"{mutation['suite']} has no test {mutation['fails']!r}")
        tree.write(mutation["file"], mutation_apply(mutation, original))
        results = tree.suite_run(mutation["suite"], [mutation["fails"]])
        if mutation["suite"].startswith(RUN_ALONE): # of the others nothing was to come
            expected = [mutation["fails"]]
        fallen = fallen_tests(results, expected)
    except MutationError as error:
        return str(error)
    finally:
        tree.write(mutation["file"], original)
    if mutation["fails"] in fallen:
        return None
    return f"SURVIVES {mutation['fails']!r}; failed instead: {', '.join(sorted(fallen)[:4]) or 'nothing'}"


def baseline(tree, suite, names):
    """What a suite says of these tests without a mutation, and what is wrong with that."""
    try:
        found = tree.suite_run(suite, names)
    except MutationError as error:
        return {}, str(error)
    bad = [name for name, passed in found.items() if not passed]
    return found, None if found and not bad else f"failed: {', '.join(bad[:3]) or 'no results'}"


def suite_mutations_run(tree, tally, suite, mutations):
    started = time.monotonic()
    expected, trouble = baseline(tree, suite, sorted({m["fails"] for m in mutations}))
    tally.add(f"{suite} without a mutation", trouble, f"{time.monotonic() - started:.0f} s")
    for mutation in mutations:
        started = time.monotonic()
        trouble = mutation_run(tree, mutation, expected)
        tally.add(mutation["name"], trouble, f"{suite}: {mutation['fails']}, {time.monotonic() - started:.0f} s")


def worker(tree, tally, queue):
    """Runs suites, each with its mutations, until there are no more."""
    try:
        tree_copy.update(TOP, tree.folder)
        while True:
            with tally.lock:
                if not queue:
                    return
                suite, mutations = queue.pop(0)
            suite_mutations_run(tree, tally, suite, mutations)
    except (OSError, subprocess.SubprocessError) as error:
        tally.add(f"the copy {tree.folder}", str(error))


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
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="mutations at a time, each in a copy of the tree (default 1)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only mutations whose name holds one of these")
    options = parser.parse_args()
    mutations = [m for m in mutations_load() if m["suite"].startswith(options.suite or "") and
                 (not options.names or any(name in m["name"] for name in options.names))]
    tally, started = Tally(), time.monotonic()
    if options.check:
        for name, trouble in texts_check(mutations):
            tally.add(name, trouble)
    else:
        queue = [(suite, [m for m in mutations if m["suite"] == suite]) for suite in sorted({m["suite"] for m in mutations})]
        workers = [threading.Thread(target=worker, args=(Tree(number), tally, queue)) for number in range(options.jobs)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        print(f"# {len(mutations)} mutations, {time.monotonic() - started:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
