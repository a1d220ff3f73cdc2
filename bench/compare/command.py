"""What `./tessera bench` does: boots each system with the rows, reads the counts, writes table and results."""

import fnmatch
import json
import os
import subprocess
import sys
import time

from tesseratools import machine
from tesseratools.errors import UsageError

from . import counts, systems, table

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


def system_measure(system, rows, quick, progress):
    """{row: Measured}: boots the system, and again for the rest when a row has ended the machine."""
    image, results, left = systems.image_find(system), {}, list(rows)
    while left:
        name = f"{system}-icount"
        archive = systems.archive_write(f"{systems.OUT}/{name}.cpio", LIMITS[quick], left)
        command, console, marks = systems.command(system, image, archive, name)
        trouble = machine_wait(command, console, lambda at: progress(f"{system}: {at}"))
        with open(marks, encoding="ascii") as source:
            found, ended = counts.machine_read(console_read(console), source)
        results.update(found)
        broken = next((row for row, measured in found.items() if not measured.done), None)
        if broken:
            results[broken].trouble = f"failed: the machine ended in it{': ' + trouble if trouble else ''}"
        if ended or not found:
            break
        left = [row for row in left if row.name not in found]
    if not results:
        raise UsageError(f"{system}: no row ran: {trouble or 'see ' + console}")
    counts.loop_subtract({name: m for name, m in results.items() if name != LOOP}, results.get(LOOP))
    return results


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
            entry = {"row": row.name, "group": row.group, "mode": "icount", "profile": profile, "unit": f"instructions/{row.operation}"}
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


def rows_select(pattern):
    chosen = [row for row in systems.rows_all() if row.name == LOOP or fnmatch.fnmatchcase(row.name, pattern)]
    chosen = [row for row in chosen if not row.needs_two]
    if all(row.name == LOOP for row in chosen):
        raise UsageError(f"bench: no row {pattern!r} that runs on one processor; rows: build/bench/rows --list")
    return chosen


def run(options):
    """Measures and reports; the exit status."""
    machine.qemu_check()
    profiles = tuple(options.profile) or PROFILES
    rows, results, started = rows_select(options.rows), {}, time.monotonic()

    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{time.monotonic() - started:5.0f} s  {text}", end="", file=sys.stderr, flush=True)

    for system in (systems.STRICT, systems.DEFAULT, *profiles):
        results[system] = system_measure(system, rows, options.quick, progress)
    progress("")
    rows = [row for row in rows if row.name != LOOP]
    for line in table.lines(rows, results, profiles):
        print(line)
    if options.quick:
        print("# quick: 500 operations or 50 ms a row instead of 10,000 or 2 s")
    path = f"{systems.OUT}/results.json"
    with open(path, "w", encoding="ascii") as output:
        json.dump(results_list(rows, results, profiles), output, indent=1)
        output.write("\n")
    print(f"# {path}, {time.monotonic() - started:.0f} s")
    return 0 if os.path.exists(path) else 1
