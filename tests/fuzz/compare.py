"""Compares the results of the same rounds on Tessera and on Linux, call by call.

A round's later calls work with what its earlier ones made, so only its first difference counts. What depends on time or chance on either
side differs without meaning: VAGUE names those calls, and only whether both fail is compared of a result that is a number.
"""

import re
from dataclasses import dataclass

TRACE = re.compile(r"T (\d+) (\d+) (\S+) ([0-9a-f ]+) = (-?\d+)")
ERROR_MAX = 4095
# Results that two runs of one system may have, too.
VAGUE = {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2", "wait4", "waitid", "rt_sigtimedwait", "pause",
         "rt_sigsuspend", "nanosleep", "clock_nanosleep", "sched_yield", "getcpu", "time", "times", "futex", "futex_waitv", "mincore"}


@dataclass(frozen=True)
class Step:
    round: int
    number: int
    call: str
    arguments: str
    result: int

    @property
    def error(self):
        return -self.result if -ERROR_MAX <= self.result < 0 else 0

    def __str__(self):
        return f"{self.call}({', '.join(self.arguments.split())}) = {f'error {self.error}' if self.error else f'{self.result:x}'}"


def steps(console):
    """Round -> its steps in order."""
    rounds = {}
    for found in TRACE.finditer(console.replace("\r", "")):
        step = Step(int(found[1]), int(found[2]), found[3], found[4], int(found[5]))
        rounds.setdefault(step.round, []).append(step)
    return rounds


def differences(ours, theirs):
    """(our step, Linux's step, steps before) of the first difference of each round that both ran."""
    for number in sorted(set(ours) & set(theirs)):
        for at, (mine, other) in enumerate(zip(ours[number], theirs[number])):
            if mine.call != other.call:
                break   # one of them went another way: a child that lived on, a signal
            if mine.error != other.error and mine.call.partition(".")[0] not in VAGUE:
                yield mine, other, ours[number][:at]
                break
