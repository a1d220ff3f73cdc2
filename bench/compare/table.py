"""The table on the terminal: a line a row, geometric means a group."""

from .counts import mean, ratio
from .systems import DEFAULT, STRICT


def number(measured):
    if measured is None:
        return "not run"
    if measured.trouble or not measured.batches:
        return measured.trouble.partition(":")[0] or "no counts"
    cost = measured.cost()
    return f"{cost:,.0f}" if abs(cost) >= 100 else f"{cost:,.1f}"


def ratios_of(results, row, profile):
    """(by instructions, by weighted cost) against strict Linux, None where either side has no figure."""
    reference, tessera = (results.get(system, {}).get(row.name) for system in (STRICT, profile))
    if not reference or not tessera or reference.trouble or tessera.trouble or not (reference.batches and tessera.batches):
        return None, None
    return ratio(reference.cost(), tessera.cost()), ratio(reference.weighted(), tessera.weighted())


def shown(value):
    return "-" if value is None else f"{value:.2f}"


def lines(rows, results, profiles):
    """Yields the table; costs are instructions an operation, ratios of instructions and of weighted cost (w)."""
    yield f"{'row':24} {'strict':>12} {'default':>12}" + "".join(f" {profile:>12} {'ratio':>6} {'w':>6}" for profile in profiles)
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        for row in members:
            text = f"{row.name:24}" + "".join(f" {number(results.get(system, {}).get(row.name)):>12}" for system in (STRICT, DEFAULT))
            for profile in profiles:
                plain, weighted = ratios_of(results, row, profile)
                text += f" {number(results.get(profile, {}).get(row.name)):>12} {shown(plain):>6} {shown(weighted):>6}"
            yield text
        text = f"{'= ' + group + ', geometric mean':50}"
        for profile in profiles:
            found = [ratios_of(results, row, profile) for row in members]
            text += f" {'':>12} {shown(mean(f[0] for f in found)):>6} {shown(mean(f[1] for f in found)):>6}"
        yield text
    for system, measured in results.items():
        for name, one in measured.items():
            if one.trouble:
                yield f"# {system}: {name}: {one.trouble}"
