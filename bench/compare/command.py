"""What `./tessera bench` does: boots each system with the rows, reads the counts, writes table and results."""

import fnmatch
import json
import os
import platform
import subprocess
import sys
import time

from tesseratools import machine
from tesseratools.errors import UsageError

from . import counts, report, systems, table, wall

PROFILES = ("general", "fast", "tee")
# operations, ns, least ns of a batch, batches, processors, seconds until a row has hung (struct limits of bench/rows)
LIMITS = {False: "10000 2000000000 0 5 1 60", True: "500 50000000 0 3 1 20"}
SILENT_SECONDS = 180       # of the console, until a machine has hung
LOOP = "loop"


def console_read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""


def machine_wait(command, console, say):
    """Runs QEMU until it ends or its console is silent too long; why it was stopped, if it was."""
    seen, since = -1, time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            while True:
                try:
                    process.wait(1)
                    return "" if process.returncode == 0 else process.stdout.read().decode("utf-8", "replace").strip()[-200:]
                except subprocess.TimeoutExpired:
                    pass
                text = console_read(console)
                if len(text) != seen:
                    seen, since = len(text), time.monotonic()
                    say(text.rpartition("@row ")[2].partition("\n")[0].strip() if "@row " in text else "boots")
                elif time.monotonic() - since > SILENT_SECONDS:
                    return f"silent for {SILENT_SECONDS} s"
        finally:
            if process.poll() is None:
                process.kill()


def machines_run(system, rows, limits, processors, say):
    """{row: Measured}: boots the system, and again for the rest when a row has ended the machine. processors 0: one, counted."""
    results, left, name = {}, list(rows), f"{system}-{f'wall{processors}' if processors else 'icount'}"
    while left:
        archive = systems.archive_write(f"{systems.OUT}/{name}.cpio", limits, left)
        command, console, marks = systems.command(system, archive, name, processors)
        trouble = machine_wait(command, console, say)
        text = console_read(console)
        found, ended = wall.console_read(text) if processors else counted_read(text, marks, left)
        results.update(found)
        broken = next((row for row, measured in found.items() if not measured.done), None)
        if broken:
            results[broken].trouble = f"failed: the machine ended in it{': ' + trouble if trouble else ''}"
        if ended or not found:
            break
        left = [row for row in left if row.name not in found and wall.twice(row).name not in found]
    if not results:
        raise UsageError(f"{system}: no row ran: {trouble or 'see ' + console}")
    return results


def counted_read(text, marks, rows):
    with open(marks, encoding="ascii") as source:
        marked = source.readlines()
    found, ended = counts.machine_read(text, marked)
    if any(row in systems.BOOT for row in rows):
        found |= counts.boot_read(text, marked, systems.MEMORY_MIB * 1024)
    return found, ended


def counted_measure(rows, profiles, quick, progress):
    """Counted instructions: the table's lines and the rows of results.json."""
    rows, results = [row for row in rows if not row.needs_two], {}
    if all(row.name == LOOP for row in rows):
        raise UsageError("bench: no such row runs on one processor (--mode wall has the others); rows: build/bench/rows --list")
    unlooped = {LOOP, *(row.name for row in systems.BOOT)}
    for system in (systems.STRICT, systems.DEFAULT, *profiles):
        found = machines_run(system, rows, LIMITS[quick], 0, lambda at, system=system: progress(f"{system}: {at}"))
        counts.loop_subtract({name: m for name, m in found.items() if name not in unlooped}, found.get(LOOP))
        results[system] = found
    rows = [row for row in rows if row.name != LOOP]
    return list(table.lines(rows, results, profiles)), results_list(rows, results, profiles)


def wall_measure(rows, profiles, quick, progress):
    """Wall-clock, the same."""
    rounds, back = wall.measure(rows, (systems.STRICT, systems.DEFAULT, *profiles), quick, machines_run, progress)
    if not back:
        raise UsageError("bench: no such row is measured by wall-clock; rows: build/bench/rows --list")
    listed = wall.results_list(back, rounds, profiles)
    return list(wall.lines(listed, profiles)), listed


MODES = {"icount": (counted_measure,), "wall": (wall_measure,), "both": (counted_measure, wall_measure)}


def results_list(rows, results, profiles):
    """The rows of results.json."""
    def figure(system, row, weighted):
        measured = results.get(system, {}).get(row.name)
        if not measured or measured.trouble or not measured.batches:
            return None
        return round(measured.weighted() if weighted else measured.cost(), 2)

    listed = []
    for row in rows:
        for profile in profiles:
            own = results[profile].get(row.name, counts.Measured())
            entry = {"row": row.name, "group": row.group, "mode": "icount", "profile": profile, "unit": "KiB" if row.operation == "KiB" else f"instructions/{row.operation}"}
            for suffix, weighted in (("", False), ("_weighted", True)):
                strict, default, tessera = (figure(system, row, weighted) for system in (systems.STRICT, systems.DEFAULT, profile))
                ratio = counts.ratio(strict, tessera)
                entry |= {f"linux_strict{suffix}": strict, f"linux_default{suffix}": default, f"tessera{suffix}": tessera,
                          f"ratio{suffix}": ratio and round(ratio, 4)}
            if own.batches:
                entry |= {"operations": own.operations, "spread": round(own.spread(), 4)}
                entry |= {kind: round(own.cost(place), 3) for place, kind in enumerate(("cr3", "pkrs", "modes"), 1)}
            entry["note"] = own.trouble
            listed.append(entry)
    return listed


def facts_list(profiles, mode):
    """On what it was measured: lines of the report."""
    yield "command: ./tessera " + " ".join(sys.argv[1:])
    version = subprocess.run([machine.QEMU, "--version"], capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()
    yield f"{version}; Tessera {commit or 'without a version'}; Linux {os.path.basename(systems.image_find(systems.STRICT))}"
    yield f"host: {platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}"
    for system, options in systems.LINUX_OPTIONS.items():
        yield f"{system}: {options or 'as shipped'}"
    yield f"machine: q35, tcg, -m {systems.MEMORY_MIB}M, -cpu {systems.CPU}; profiles: {', '.join(profiles)}"
    if mode != "wall":
        yield "counted: -icount shift=0,sleep=off, -smp 1"
    if mode != "icount":
        yield f"wall-clock: {wall.ROUNDS} rounds of all systems in turn, -smp 1 and -smp 2"


def changes_list(old, new):
    """What differs by more than a hundredth from an older result: lines."""
    known = {(entry["row"], entry["mode"], entry["profile"]): entry for entry in old}
    for entry in new:
        before = known.get((entry["row"], entry["mode"], entry["profile"]))
        was, now = before and before["tessera"], entry["tessera"]
        if was is None and now is None:
            continue
        if not was or not now:
            yield f"{entry['row']:24} {entry['profile']:10} {was or 'none':>14} -> {now or entry['note'] or 'none'}"
        elif abs(now / was - 1) > 0.01:
            yield f"{entry['row']:24} {entry['profile']:10} {was:>14,.0f} -> {now:<14,.0f} {100 * (now / was - 1):+.1f} %"


def results_load(path):
    try:
        with open(path, encoding="utf-8") as source:
            old = json.load(source)
        return [entry for entry in old if entry["row"] and entry["mode"] and entry["profile"] and "tessera" in entry]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"--compare: {path}: {getattr(error, 'strerror', None) or 'no results of this benchmark'}") from error


def rows_select(pattern):
    chosen = [row for row in systems.rows_all() if row.name == LOOP or fnmatch.fnmatchcase(row.name, pattern)]
    if all(row.name == LOOP for row in chosen):
        raise UsageError(f"bench: no row {pattern!r}; rows: build/bench/rows --list")
    return chosen


def run(options):
    """Measures and reports; the exit status."""
    machine.qemu_check()
    profiles = tuple(dict.fromkeys(options.profile)) or PROFILES
    old = results_load(options.compare) if options.compare else None
    rows, listed, started = rows_select(options.rows), [], time.monotonic()

    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{time.monotonic() - started:5.0f} s  {text}", end="", file=sys.stderr, flush=True)

    for measure in MODES[options.mode]:
        lines, entries = measure(rows, profiles, options.quick, progress)
        progress("")
        listed += entries
        for line in lines:
            print(line)
    if options.quick:
        print("# quick: fewer operations, so less steady figures")
    with open(f"{systems.OUT}/results.json", "w", encoding="ascii") as output:
        json.dump(listed, output, indent=1)
        output.write("\n")
    with open(f"{systems.OUT}/report.html", "w", encoding="utf-8") as output:
        output.write(report.page(listed, profiles, facts_list(profiles, options.mode)))
    if old is not None:
        print(f"# changes since {options.compare} of more than 1 %:")
        for line in changes_list(old, listed):
            print(line)
    print(f"# {systems.OUT}/results.json and report.html, {time.monotonic() - started:.0f} s")
    return 0
