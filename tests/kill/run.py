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
sys.path.insert(0, os.path.join(TOP, "tests"))

import lone  # noqa: E402

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


def machine_run(profile, smp, pks, initrd, limit, append):
    return lone.run(BUILD, profile, initrd, append, f"console-{profile}-{smp}{'' if pks else '-nopks'}.txt", limit, smp, "max" if pks else "max,-pks")


def configuration_run(profile, smp, pks, initrd, limit):
    """(name, trouble) of each test; the core recounts all frames at the end."""
    text, log = machine_run(profile, smp, pks, initrd, limit, "audit init=/killer")
    yield from lone.verdicts(text, "kill")
    hung = len(re.findall(r"^unit tty failed: it hangs", log, re.M))
    yield "each hang fails the service once", None if hung == 4 else f"{hung} times", ""
    yield from lone.afterwards(log, "tty")


def suite(add, configurations=CONFIGURATIONS, limit=300):
    """Runs the configurations; add(suite, name, trouble, note)."""
    service_make()
    ready = {profile: compose(profile) for profile in sorted({c[0] for c in configurations})}
    initrd = lone.image(BUILD, "killer", [os.path.join(HERE, "guest", "killer.c")])
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
    wanted = [c for c in CONFIGURATIONS if options.profile in (None, c[0]) and options.smp in (None, c[1])]
    return lone.tap_main(lambda add: suite(add, wanted, options.limit))


if __name__ == "__main__":
    sys.exit(main())
