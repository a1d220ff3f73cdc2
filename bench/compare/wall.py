"""Wall-clock mode: systems are booted in turn, several rounds, and a row's ratio is the median of the rounds' ratios.

One machine has one processor and runs the rows that need no more; the other has two and runs the rows that need two and, as ROW.2, two
processes of each row that says it scales.
"""

import re
import statistics

from . import counts, systems

ROUNDS = 5
# operations, ns, least ns of a batch, batches, processors, seconds until a row has hung (struct limits of bench/rows)
LIMITS = {False: "1000000000 500000000 50000000 5 {} 60", True: "1000000000 60000000 10000000 3 {} 30"}
LOOP = "loop"


def twice(row):
    """The row as two processes on two processors."""
    return systems.Row(f"{row.name}.2", row.group, row.operation, row.flags)


def rows_of(rows, processors):
    """(rows that a machine with so many processors is told to run, names and rows as they come back)."""
    timed = [row for row in rows if row not in systems.BOOT]
    if processors == 1:
        chosen = [row for row in timed if not row.needs_two]
        return chosen, chosen
    chosen = [row for row in timed if row.needs_two or row.scales]
    return chosen, [row if row.needs_two else twice(row) for row in chosen]


def console_read(text):
    """{row: Measured} of one machine: nanoseconds an operation of each batch."""
    rows, current = {}, None
    for line in re.findall(r"@\w+[^@\r\n]*", text):
        kind, _, rest = line.partition(" ")
        if kind == "@row":
            current = rows.setdefault(rest.strip(), counts.Measured())
        elif current is None:
            continue
        elif kind == "@batch":
            done, spent = map(int, rest.split()[:2])
            if done:
                current.operations += done
                current.batches.append((spent / done, 0, 0, 0))
        elif kind in ("@skipped", "@failed"):
            current.trouble, current.done = f"{kind[1:]}: {rest.strip()}", True
        elif kind == "@done":
            current.done = True
    return rows, "@end" in text


def spread(values):
    """Half the distance of the quarters from each other, as a part of the median; None of fewer than two."""
    if len(values) < 2 or not statistics.median(values):
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(values)


def order_of(names, number):
    """Each second round runs the other way round, so that a host that gets slower or faster harms neither side."""
    return names if number % 2 == 0 else names[::-1]


def measure(rows, names, quick, machine_run, progress):
    """[{system: {row: Measured}} of each round], and all rows as they come back. machine_run boots one machine and returns its rows."""
    rounds, returned = [], []
    for number in range(ROUNDS):
        measured = {name: {} for name in names}
        for processors in (1, 2):
            chosen, back = rows_of(rows, processors)
            if all(row.name == LOOP for row in chosen):
                continue
            returned += [row for row in back if row not in returned and row.name != LOOP]
            for name in order_of(names, number):
                found = machine_run(name, chosen, LIMITS[quick].format(processors), processors,
                                    lambda at, name=name: progress(f"round {number + 1} of {ROUNDS}, {name}: {at}"))
                counts.loop_subtract({row.name: found[row.name] for row in back if row.name in found and not row.self_timed}, found.get(LOOP))
                measured[name] |= found
        rounds.append(measured)
    return rounds, returned


def cost_of(measured):
    """Nanoseconds an operation, None where there is no figure."""
    return measured.cost() if measured and not measured.trouble and measured.batches and measured.cost() > 0 else None


def ratios_of(rounds, row, reference, profile):
    """The rounds' ratios, in turn; a round where either side has no figure has none."""
    pairs = ((cost_of(one[reference].get(row.name)), cost_of(one[profile].get(row.name))) for one in rounds)
    return [reference_cost / cost for reference_cost, cost in pairs if reference_cost and cost]


def figure_of(rounds, row, system):
    known = [cost for cost in (cost_of(one[system].get(row.name)) for one in rounds) if cost]
    return statistics.median(known) if known else None


def trouble_of(rounds, row, system):
    """The first trouble of a row in any round."""
    found = (one[system].get(row.name, counts.Measured(trouble="not run")) for one in rounds)
    return next((measured.trouble for measured in found if measured.trouble), "")


def results_list(rows, rounds, profiles):
    """The rows of results.json."""
    listed = []
    for row in rows:
        for profile in profiles:
            strict, default, tessera = (figure_of(rounds, row, name) for name in (systems.STRICT, systems.DEFAULT, profile))
            ratios = ratios_of(rounds, row, systems.STRICT, profile)
            wide = spread(ratios)
            listed.append({"row": row.name, "group": row.group, "mode": "wall", "profile": profile, "unit": f"ns/{row.operation}",
                           "linux_strict": strict and round(strict, 1), "linux_default": default and round(default, 1),
                           "tessera": tessera and round(tessera, 1), "ratio": round(statistics.median(ratios), 4) if ratios else None,
                           "pairs": len(ratios), "spread": wide and round(wide, 4), "note": trouble_of(rounds, row, profile)})
    return listed


def lines(listed, profiles):
    """Yields the table: medians of nanoseconds, the median of the ratios and its spread."""
    def shown(value, width):
        return f"{'-':>{width}}" if value is None else f"{value:>{width},.0f}"

    yield f"{'row, ns':24} {'strict':>12} {'default':>12}" + "".join(f" {profile:>12} {'ratio':>6} {'+-':>5}" for profile in profiles)
    for group in dict.fromkeys(entry["group"] for entry in listed):
        members = [entry for entry in listed if entry["group"] == group]
        for name in dict.fromkeys(entry["row"] for entry in members):
            own = {entry["profile"]: entry for entry in members if entry["row"] == name}
            first = own[profiles[0]]
            text = f"{name:24} {shown(first['linux_strict'], 12)} {shown(first['linux_default'], 12)}"
            for entry in (own[profile] for profile in profiles):
                ratio = "-" if entry["ratio"] is None else f"{entry['ratio']:.2f}"
                wide = "-" if entry["spread"] is None else f"{100 * entry['spread']:.0f}%"
                text += f" {shown(entry['tessera'], 12)} {ratio:>6} {wide:>5}"
            yield text
        means = (counts.mean(entry["ratio"] for entry in members if entry["profile"] == profile) for profile in profiles)
        yield f"{'= ' + group + ', geometric mean':50}" + "".join(f" {'':>12} {'-' if mean is None else f'{mean:.2f}':>6} {'':>5}" for mean in means)
    for entry in listed:
        if entry["note"]:
            yield f"# {entry['profile']}: {entry['row']}: {entry['note']}"
