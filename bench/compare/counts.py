"""From what a machine printed and what the plugin counted to the cost of each row."""

import math
import re
import statistics
from dataclasses import dataclass, field

COMPARE = 14                                                                 # ROW_COMPARE of bench/marker.h
BEGIN, END, ROW, BATCH, OVERHEAD_BEGIN, OVERHEAD_END, FIRST, PROMPT = range(8) # enum row_mark of bench/rows/row.h
WEIGHTS = (1, 200, 60, 100)                                                  # instruction, CR3 write, PKRS write, switch of mode


@dataclass
class Measured:
    """One row on one system: what an operation of each batch cost, or why there is nothing."""

    batches: list = field(default_factory=list)     # (instructions, cr3, pkrs, modes) an operation
    operations: int = 0
    trouble: str = ""
    done: bool = False

    def cost(self, place=0):
        return statistics.median(batch[place] for batch in self.batches)

    def weighted(self):
        return statistics.median(weighted(batch) for batch in self.batches)

    def spread(self):
        """Half the distance of the quarters from each other, as a part of the median."""
        values = sorted(batch[0] for batch in self.batches)
        if len(values) < 2 or self.cost() <= 0:
            return 0.0
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return (high - low) / 2 / self.cost()


def weighted(values):
    return sum(weight * value for weight, value in zip(WEIGHTS, values))


def difference(later, earlier):
    return tuple(a - b for a, b in zip(later, earlier))


def batches_read(lines):
    """What counts of each batch that came to its end: (instructions, cr3, pkrs, modes), overhead taken off."""
    spent = begun = None
    for line in lines:
        words = line.split()
        if len(words) != 6 or int(words[0]) != COMPARE:
            continue
        kind, values = int(words[1]), tuple(map(int, words[2:]))
        if kind == ROW:
            spent = (0, 0, 0, 0)
        elif spent is None:
            continue
        elif kind in (BEGIN, OVERHEAD_BEGIN):
            begun = values
        elif kind == END:
            spent = tuple(a + b for a, b in zip(spent, difference(values, begun)))
        elif kind == OVERHEAD_END:
            spent = difference(spent, difference(values, begun))
        elif kind == BATCH:
            yield spent
            spent = None


def boot_read(console, marks, memory_kib):
    """{row: Measured} of the machine's start, by the marks of the first process and of the shell's prompt; empty if it was not asked for."""
    points, free = {}, re.search(r"@prompt (\d+)", console)
    if not free:
        return {}
    for line in marks:
        words = line.split()
        if len(words) == 6 and int(words[0]) == COMPARE and int(words[1]) in (FIRST, PROMPT):
            points.setdefault(int(words[1]), tuple(map(int, words[2:])))
    used = (memory_kib - int(free.group(1)), 0, 0, 0)
    return {"boot_first_instruction": Measured([points[FIRST]], 1, done=True), "boot_prompt": Measured([points[PROMPT]], 1, done=True),
            "memory_at_prompt": Measured([used], 1, done=True)}


def machine_read(console, marks):
    """{row: Measured} of one machine, and whether it came to the end of its list."""
    batches, rows, current = batches_read(marks), {}, None
    for line in re.findall(r"@\w+[^@\r\n]*", console):
        kind, _, text = line.partition(" ")
        if kind == "@row":
            current = rows.setdefault(text.strip(), Measured())
        elif kind == "@batch" and current is not None:
            done, spent = int(text.split()[0]), next(batches, None)
            if spent is not None and done:
                current.operations += done
                current.batches.append(tuple(value / done for value in spent))
        elif kind in ("@skipped", "@failed") and current is not None:
            current.trouble, current.done = f"{kind[1:]}: {text.strip()}", True
        elif kind == "@done" and current is not None:
            current.done = True
    return rows, "@end" in console


def loop_subtract(rows, loop):
    """Takes the measuring loop's own cost off all rows."""
    own = tuple(loop.cost(place) for place in range(4)) if loop and loop.batches else (0, 0, 0, 0)
    for measured in rows.values():
        measured.batches = [difference(batch, own) for batch in measured.batches]


def ratio(reference, tessera):
    """Above 1: Tessera needs less."""
    return reference / tessera if reference and tessera and reference > 0 and tessera > 0 else None


def mean(ratios):
    """The geometric mean, None of nothing."""
    known = [value for value in ratios if value]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None
