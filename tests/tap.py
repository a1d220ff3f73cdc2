"""Reads the console of a run: TAP of several programs between the delimiter lines that tests/guest/init prints.

    === RUN name
    1..2
    ok 1 - first
    not ok 2 - second # file.c:12 expected ...
    === EXIT name 1

Lines that are neither are kept as comments. A program that died, printed no plan or fewer results than it planned, or
whose exit status disagrees with its results has one more, failed, result.
"""

import re
from dataclasses import dataclass, field

RUN = re.compile(r"=== RUN (\S+)")
EXIT = re.compile(r"=== EXIT (\S+) (\d+)")
PLAN = re.compile(r"^1\.\.(\d+)")
RESULT = re.compile(r"^(not )?ok\b *(\d+)?(?: *-? *([^#]*))?(?:# *(.*))?$")


@dataclass
class Result:
    name: str
    passed: bool
    note: str = ""

    @property
    def skipped(self):
        return self.passed and self.note.upper().startswith("SKIP")


@dataclass
class Program:
    name: str
    plan: int = None
    status: int = None
    results: list = field(default_factory=list)
    comments: list = field(default_factory=list)

    def verdict(self):
        """All results, with one more that failed when the program as a whole did not behave."""
        trouble = self._trouble()
        return self.results + ([Result("program", False, trouble)] if trouble else [])

    def _trouble(self):
        if self.status is None:
            return "did not finish"
        if self.plan is None:
            return f"printed no plan, exit status {self.status}"
        if len(self.results) != self.plan:
            return f"planned {self.plan} results, printed {len(self.results)}, exit status {self.status}"
        all_passed = all(result.passed for result in self.results)
        if all_passed != (self.status == 0):
            return f"exit status {self.status} although {'all' if all_passed else 'not all'} results passed"
        return None


def _read_line(program, line):
    plan = PLAN.match(line)
    result = RESULT.match(line)
    if plan:
        program.plan = int(plan.group(1))
    elif result:
        program.results.append(Result((result.group(3) or "").strip(), not result.group(1), result.group(4) or ""))
    elif line.strip():
        program.comments.append(line.strip())


def parse(text):
    """The programs of a console text, in the order they ran."""
    programs = []
    current = None
    for line in text.replace("\r", "").split("\n"):
        run, end = RUN.search(line), EXIT.search(line)
        if run:
            current = Program(run.group(1))
            programs.append(current)
        elif end and current and end.group(1) == current.name:
            current.status = int(end.group(2))
            current = None
        elif current:
            _read_line(current, line)
    return programs


def add_missing(programs, wanted):
    """A program that was asked for and never started is one that did not finish."""
    seen = {program.name for program in programs}
    return programs + [Program(name) for name in wanted if name not in seen]


def report(programs, write):
    """Writes one combined TAP and the closing line; returns whether everything passed."""
    lines = [(program, result) for program in programs for result in program.verdict()]
    write(f"1..{len(lines)}")
    for number, (program, result) in enumerate(lines, 1):
        note = f" # {result.note}" if result.note else ""
        write(f"{'ok' if result.passed else 'not ok'} {number} - {program.name}: {result.name}{note}")
    for program in programs:
        for comment in program.comments if any(not result.passed for result in program.verdict()) else []:
            write(f"# {program.name}: {comment.lstrip('# ')}")
    failed = sum(not result.passed for _, result in lines)
    write(f"{len(lines) - failed} passed, {failed} failed")
    return failed == 0 and bool(lines)
