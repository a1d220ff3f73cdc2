#!/usr/bin/env python3
"""Kills programs inside a service that never answers; TAP. The terminal service gets ioctls that hang (tests/kill/tty), in class IC1, with
and without keys, and in IC2."""

import argparse
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

import cpio  # noqa: E402
import tap  # noqa: E402
from tesseratools import machine  # noqa: E402

BUILD = os.path.join(TOP, "build", "kill")
CONFIGURATIONS = (("general", 1, True), ("general", 2, True), ("general", 1, False), ("tee", 2, True))


def service_make():
    """services/tty with the hanging ioctls before its own."""
    folder = os.path.join(BUILD, "services", "tty")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(TOP, "services", "tty"), folder)
    shutil.copy(os.path.join(HERE, "tty", "hang.c"), folder)
    path = os.path.join(folder, "gate.c")
    with open(path, encoding="utf-8") as source:
        text = source.read()
    prototype = "long tty_real_ioctl(const struct rt_request *rq, u64 terminal, u32 command, u64 argument, vaddr_t data, u64 data_size);\n"
    text = text.replace("long tty_op_ioctl(", prototype + "long tty_real_ioctl(")
    text = text.replace("void tty_init(", "void tty_real_init(void);\nvoid tty_real_init(")
    with open(path, "w", encoding="utf-8") as source:
        source.write(text)


def compose(profile):
    return subprocess.run(["tools/compose", profile, "--services", os.path.join("build", "kill", "services"), "--build", "build/kill"],
                          cwd=TOP, stdout=subprocess.DEVNULL, check=False).returncode == 0


def guest_image():
    program, path = os.path.join(BUILD, "killer"), os.path.join(BUILD, f"killer-{os.getpid()}.cpio")
    subprocess.run(["clang-14", "-std=gnu17", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-pthread",
                    "-fuse-ld=lld", "-o", program, os.path.join(HERE, "guest", "killer.c")], check=True)
    with open(program, "rb") as file:
        entries = cpio.console_devices() + [cpio.directory("dev"), cpio.file("killer", file.read(), 0o755)]
    with open(path, "wb") as output:
        output.write(cpio.archive(entries))
    return path


def machine_run(profile, smp, pks, initrd, limit, append):
    """Console and log of a machine."""
    report = os.path.join(BUILD, f"report-{os.getpid()}.log")
    described = machine.Machine(os.path.join(BUILD, profile, "tessera.elf"), initrd, report, smp=smp, cpu="max" if pks else "max,-pks",
                                append=append, serial="stdio")
    try:
        console = subprocess.run(described.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=limit, check=False).stdout
    except subprocess.TimeoutExpired as expired:
        console = expired.stdout or b""
    log = "\n".join(machine.report_tail(report, 100000))
    if os.path.exists(report):
        os.unlink(report)
    text = console.decode("utf-8", "replace")
    with open(os.path.join(BUILD, f"console-{profile}-{smp}{'' if pks else '-nopks'}.txt"), "w", encoding="utf-8") as kept:
        kept.write(f"{text}\n=== log ===\n{log}\n")
    return text, log


def configuration_run(profile, smp, pks, initrd, limit):
    """(name, trouble) of each test; the core recounts all frames at the end."""
    text, log = machine_run(profile, smp, pks, initrd, limit, "audit init=/killer")
    for result in tap.add_missing(tap.parse(text), ["kill"])[0].verdict():
        yield result.name, None if result.passed else result.note or "failed", result.note
    hung = len(re.findall(r"^unit tty failed: it hangs", log, re.M))
    yield "each hang fails the service once", None if hung == 2 else f"{hung} times", ""
    others = [line for line in re.findall(r"^unit (\S+) failed", log, re.M) if line != "tty"]
    yield "nothing else fails", others[0] if others or "panic" in log else None, ""
    yield "recount of all frames", None if re.search(r"^audit: .*; 0 mistakes$", log, re.M) else "see the log", ""


def suite(add, configurations=CONFIGURATIONS, limit=300):
    """Runs the configurations; add(suite, name, trouble, note)."""
    service_make()
    ready = {profile: compose(profile) for profile in sorted({c[0] for c in configurations})}
    initrd = guest_image()
    try:
        for profile, smp, pks in configurations:
            name = f"kill {profile}/{smp}{'' if pks else '/nopks'}"
            if not ready[profile]:
                add(name, "composes", "it does not")
                continue
            if (profile, smp, pks) == configurations[0]:
                log = machine_run(profile, smp, pks, initrd, limit, "hang.start")[1]
                good = "unit tty failed: it hangs" in log and "panic" in log
                add(name, "a start that never ends is told and ends the boot", None if good else "it is not")
            for result, trouble, note in configuration_run(profile, smp, pks, initrd, limit):
                add(name, result, trouble, note)
    finally:
        os.unlink(initrd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--smp", type=int)
    parser.add_argument("--limit", type=float, default=300, metavar="S", help="seconds until a machine counts as hung")
    options = parser.parse_args()
    counts = {True: 0, False: 0}

    def add(name, result, trouble, note=""):
        counts[trouble is None] += 1
        shown = trouble or note
        print(f"{'ok' if trouble is None else 'not ok'} {sum(counts.values())} - {name}: {result}{f' # {shown}' if shown else ''}", flush=True)

    suite(add, [c for c in CONFIGURATIONS if options.profile in (None, c[0]) and options.smp in (None, c[1])], options.limit)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 0 if counts[True] and not counts[False] else 1


if __name__ == "__main__":
    sys.exit(main())
