#!/usr/bin/env python3
"""Programs and units compute with vectors at once, and neither sees anything of the other; TAP. The terminal service gets ioctls that do
(tests/vector/tty), in class IC1, with and without keys, and in IC2."""

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

BUILD = os.path.join(TOP, "build", "vector")
DEATHS = 4   # RT_DEATHS_MAX: so often the shim sends a call again that its unit dies of
CONFIGURATIONS = (("vector-ic1", 2, True), ("vector-ic1", 2, False), ("vector-ic1", 1, True), ("vector-ic2", 2, True))
VECTOR_REGISTER = re.compile(r"%[xyz]mm\d")
UNITS = {"vector-ic1": {"second": True, "tty": True, "system": False, "super": False},
         "vector-ic2": {"second": True, "tty": True, "mem": True, "fs": True, "proc": True, "abi": False}}


def service_make():
    """services/tty with the ioctls of this test before its own."""
    folder = os.path.join(BUILD, "services", "tty")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(TOP, "services", "tty"), folder)
    shutil.copy(os.path.join(HERE, "tty", "vectors.c"), folder)
    for name, old, new in (("service.toml", 'uses = ["proc.terminals"]', 'uses = ["proc.terminals", "second", "plain"]'),
                           ("gate.c", "long tty_op_ioctl(", "long tty_real_ioctl(const struct rt_request *rq, u64 terminal, u32 command, "
                            "u64 argument, vaddr_t data, u64 data_size);\nlong tty_real_ioctl(")):
        with open(os.path.join(folder, name), encoding="utf-8") as source:
            text = source.read()
        if text.count(old) != 1:
            raise SystemExit(f"vector: {old!r} stands {text.count(old)} times in services/tty/{name}")
        with open(os.path.join(folder, name), "w", encoding="utf-8") as source:
            source.write(text.replace(old, new))


def compose(profile):
    command = ["tools/compose", f"tests/vector/profiles/{profile}.toml", "--services", "build/vector/services", "--services",
               "tests/vector/services", "--build", "build/vector"]
    run = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode:
        sys.stdout.write("".join(f"# {line}\n" for line in run.stdout.decode("utf-8", "replace").splitlines()[-30:]))
    return run.returncode == 0


def units_wrong(profile):
    """Units that have vector code and should not, or have none and should."""
    wrong = []
    for unit, wanted in UNITS[profile].items():
        code = subprocess.run(["llvm-objdump-14", "-d", "--no-show-raw-insn", os.path.join(BUILD, profile, f"{unit}.elf")],
                              capture_output=True, text=True, check=True).stdout
        if bool(VECTOR_REGISTER.search(code)) != wanted:
            wrong.append(unit)
    return ", ".join(wrong) or None


def configuration_run(profile, smp, pks, initrd, limit):
    """(name, trouble, note) of each test; the core recounts all frames at the end."""
    kept = f"console-{profile}-{smp}{'' if pks else '-nopks'}.txt"
    text, log = lone.run(BUILD, profile, initrd, "audit init=/vectors", kept, limit, smp, "max" if pks else "max,-pks")
    yield from lone.verdicts(text, "vectors")
    ends = sorted(re.findall(r"^unit (plain|tty) failed: vector (\d+)", log, re.M))
    wanted = [("plain", "7")] + [("tty", "6")] * DEATHS
    yield "the units that were to fail do, as they were to", None if ends == wanted else str(ends), ""
    yield from lone.afterwards(log, "plain", "tty")


def suite(add, configurations=CONFIGURATIONS, limit=200):
    """Runs the configurations; add(suite, name, trouble, note)."""
    os.makedirs(BUILD, exist_ok=True)
    service_make()
    ready = {profile: compose(profile) for profile in sorted({c[0] for c in configurations})}
    initrd = lone.image(BUILD, "vectors", [os.path.join(HERE, "guest", "vectors.c")])
    try:
        for profile, smp, pks in configurations:
            name = f"vector {profile}/{smp}{'' if pks else '/nopks'}"
            if not ready[profile]:
                add(name, "composes", "it does not")
                continue
            add(name, "units with vector code are those of the profile", units_wrong(profile))
            for result, trouble, note in configuration_run(profile, smp, pks, initrd, limit):
                add(name, result, trouble, note)
    finally:
        os.unlink(initrd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--smp", type=int)
    parser.add_argument("--keys", choices=("yes", "no"))
    parser.add_argument("--limit", type=float, default=200, metavar="S", help="seconds until a machine counts as hung")
    options = parser.parse_args()
    wanted = [c for c in CONFIGURATIONS if options.profile in (None, c[0]) and options.smp in (None, c[1]) and
              options.keys in (None, "yes" if c[2] else "no")]
    return lone.tap_main(lambda add: suite(add, wanted, options.limit))


if __name__ == "__main__":
    sys.exit(main())
