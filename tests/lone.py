"""A machine whose first process is one static program of ours, run until it is off: for the suites faults, kill and vector."""

import os
import re
import subprocess
import sys
import threading

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tools"))

import cpio  # noqa: E402
import tap  # noqa: E402
from tesseratools import machine  # noqa: E402

PROGRAM = ["clang-14", "-std=gnu17", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-pthread", "-fuse-ld=lld"]
LOG_MAX = 10**6


def image(build, name, sources, directories=("dev",)):
    """An archive with the program of these sources as /NAME and empty directories; whoever asks unlinks it."""
    program, path = os.path.join(build, name), os.path.join(build, f"{name}-{os.getpid()}.cpio")
    subprocess.run(PROGRAM + ["-o", program] + sources, check=True)
    with open(program, "rb") as file:
        entries = cpio.console_devices() + [cpio.directory(d) for d in directories] + [cpio.file(name, file.read(), 0o755)]
    with open(path, "wb") as output:
        output.write(cpio.archive(entries))
    return path


def run(build, profile, initrd, append, kept, limit, smp=2, cpu="max", talk=None):
    """Console and log of a machine, which stay in the file `kept` below `build`; talk(process) types, and returns what the console said."""
    report = os.path.join(build, f"report-{os.getpid()}.log")
    described = machine.Machine(os.path.join(build, profile, "tessera.elf"), initrd, report, smp=smp, cpu=cpu, append=append, serial="stdio")
    with subprocess.Popen(described.command(), stdin=subprocess.PIPE if talk else subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        timer = threading.Timer(limit, process.kill)
        timer.start()
        console = talk(process) if talk else process.stdout.read()
        timer.cancel()
        process.kill()
    log = "\n".join(machine.report_tail(report, LOG_MAX))
    if os.path.exists(report):
        os.unlink(report)
    text = console.decode("utf-8", "replace")
    with open(os.path.join(build, kept), "w", encoding="utf-8") as output:
        output.write(f"{text}\n=== log ===\n{log}\n")
    return text, log


def verdicts(text, program):
    """(name, trouble, note) of each test that the program printed, or should have."""
    for result in tap.add_missing(tap.parse(text), [program])[0].verdict():
        yield result.name, None if result.passed else result.note or "failed", result.note


def afterwards(log, *ended):
    """(name, trouble, note): no other unit than those that were to end has failed, and the core's recount of all frames is right."""
    others = [unit for unit in re.findall(r"^unit (\S+) failed", log, re.M) if unit not in ended]
    yield "nothing else fails", others[0] if others else "panic" if "panic" in log else None, ""
    yield "recount of all frames", None if re.search(r"^audit: .*; 0 mistakes$", log, re.M) else "see the log", ""


def tap_main(suite):
    """Runs suite(add) and prints what it adds; the exit status."""
    counts = {True: 0, False: 0}

    def add(name, result, trouble, note=""):
        counts[trouble is None] += 1
        shown = trouble or note
        print(f"{'ok' if trouble is None else 'not ok'} {sum(counts.values())} - {name}: {result}{f' # {shown}' if shown else ''}", flush=True)

    suite(add)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 0 if counts[True] and not counts[False] else 1
