#!/usr/bin/env python3
"""Tests Tessera: on the host, then machines in several compositions, by a stated tier.

CI runs the tier `ci`; `long` runs everything in every composition. Configurations are profile, processors and protection keys.
"""

import argparse
import importlib.util
import os
import re
import select
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, replace

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(TOP, "tools"), HERE]

import tap  # noqa: E402
from boot import run as boot_cases  # noqa: E402
from faults import run as fault_cases  # noqa: E402
from composition import run as composition_cases  # noqa: E402
from contention import run as contention_cases  # noqa: E402
from fuzz import run as fuzzers  # noqa: E402
from isolation import run as raid  # noqa: E402
from kill import run as kill_cases  # noqa: E402
from launcher import cases as launcher_cases  # noqa: E402
from nmi import run as nmi_cases  # noqa: E402
from shell import session as shell_session  # noqa: E402
from tables import run as table_walk  # noqa: E402
from vector import run as vector_cases  # noqa: E402
from tesseratools import machine, root  # noqa: E402


@dataclass(frozen=True)
class Configuration:
    profile: str
    smp: int
    pks: bool = True
    memory: str = "512M"
    debug: bool = False  # services follow their locks: tools/compose --debug

    def __str__(self):
        return (f"{self.profile}/{self.smp}{'' if self.pks else '/nopks'}{'' if self.memory == '512M' else '/' + self.memory}"
                f"{'/debug' if self.debug else ''}")

    @property
    def cpu(self):
        return "max" if self.pks else "max,-pks"


@dataclass(frozen=True)
class Tier:
    isolation: tuple    # configurations of the isolation tests, whose profiles are their own
    abi: tuple          # ... that run the programs of tests/abi
    shell: tuple        # ... a session with the shell
    launcher: tuple     # ... the launcher's cases
    boot: tuple         # ... unlike machines and loaders; only the profile counts
    composition: tuple  # ... whose linked units are read; only the profiles count
    contention: tuple   # ... whose waits for locks are counted
    exhaustion: tuple   # ... small machines, on which programs take until nothing is left
    processes: int      # fork and exec in a session
    limit: int          # seconds until a machine counts as hung


EVERYWHERE = tuple(Configuration(profile, smp, pks) for profile, pks in (("general", True), ("general", False), ("tee", True), ("fast", True))
                   for smp in (1, 2, 4))
IDLE = 45
SUITES = ("unit", "composition", "isolation", "gates", "calls", "raid", "nmi", "kill", "vector", "faults", "tables", "contention", "exhaustion",
          "abi", "shell", "launcher", "boot")
COMPOSED_HERE = ("composition", "isolation", "contention", "exhaustion", "abi", "shell", "launcher", "boot")  # the others compose their own
COMPOSED = (Configuration("general", 2), Configuration("tee", 2))
EXHAUSTION = (Configuration("general", 2, memory="64M"), Configuration("tee", 1, memory="64M"))
EXHAUSTING = ["memory_gone", "limits", "stress_memory"]
CLASSES = ("isolation-ic0", "isolation-ic1", "isolation-ic2")
TIERS = {
    "ci": Tier(isolation=tuple(Configuration(profile, 2) for profile in CLASSES) + (Configuration("isolation-ic1", 1, False),),
               abi=(Configuration("general", 2), Configuration("general", 1, False), Configuration("tee", 2), Configuration("fast", 2)),
               shell=(Configuration("general", 2), Configuration("tee", 1), Configuration("fast", 1)),
               launcher=(Configuration("general", 2),), boot=(Configuration("general", 2),), composition=COMPOSED, contention=(Configuration("general", 4),), exhaustion=EXHAUSTION,
               processes=200, limit=400),
    "long": Tier(isolation=tuple(Configuration(profile, smp, pks) for profile in CLASSES for smp in (1, 2, 4) for pks in (True, False)),
                 abi=EVERYWHERE + (Configuration("general", 2, debug=True), Configuration("tee", 2, debug=True)),
                 shell=EVERYWHERE, launcher=EVERYWHERE,
                 boot=tuple(Configuration(profile, 2) for profile in ("general", "tee", "fast")), composition=COMPOSED,
                 contention=tuple(Configuration(profile, 4) for profile in ("general", "tee", "fast")), exhaustion=EXHAUSTION,
                 processes=1000, limit=900),
}


class Tally:
    """Prints results as they come and counts them."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, suite, name, trouble=None, note=""):
        self.passed += trouble is None
        self.failed += trouble is not None
        note = trouble if trouble is not None else note
        note = f" # {note}".replace("\n", " ") if note else ""
        print(f"{'ok' if trouble is None else 'not ok'} {self.passed + self.failed} - {suite}: {name}{note}", flush=True)


def linux_runner():
    """tests/linux/run.py as a module: the same images run on both systems."""
    spec = importlib.util.spec_from_file_location("linux_run", os.path.join(HERE, "linux", "run.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own_tree(profile):
    """The folder of tests that has this profile and services of its own, None for a profile of the system."""
    return "isolation" if profile in CLASSES else None


def image_path(configuration):
    folder = "debug" if configuration.debug else own_tree(configuration.profile) or ""
    return os.path.join(TOP, "build", folder, configuration.profile, "tessera.elf")


def compose_command(profile, debug):
    tree = own_tree(profile)
    if tree:
        return ["tools/compose", f"tests/{tree}/profiles/{profile}.toml", "--services", f"tests/{tree}/services", "--build", f"build/{tree}"]
    return ["tools/compose", profile] + ["--debug"] * debug


def build(tally, profiles):
    """Builds the profiles, with or without debug, and the programs; those that can be run."""
    built = set()
    for profile, debug in sorted(profiles):
        name = f"{profile}{'/debug' if debug else ''}"
        run = subprocess.run(compose_command(profile, debug), cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if run.returncode:
            print("".join(f"# {line}\n" for line in run.stdout.decode("utf-8", "replace").splitlines()[-30:]), end="")
            tally.add("build", name, f"exit status {run.returncode}")
        else:
            tally.add("build", name)
            built.add((profile, debug))
    return built


def machine_run(configuration, limit, image, append="audit init=/init"):
    """Boots one machine; its console's text, its log, and a note when it hung: a machine that is silent for IDLE seconds has."""
    folder = os.path.dirname(image_path(configuration))
    report = os.path.join(folder, f"report-{os.getpid()}.log")
    described = machine.Machine(image_path(configuration), image, report, smp=configuration.smp,
                                memory=configuration.memory,
                                cpu=configuration.cpu, append=append, serial="stdio")
    console, hung, end = b"", "", time.monotonic() + limit
    with subprocess.Popen(described.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while True:
            ready, _, _ = select.select([process.stdout], [], [], min(IDLE, max(0, end - time.monotonic())))
            data = os.read(process.stdout.fileno(), 65536) if ready else b""
            console += data
            if not data:
                hung = "" if ready else ", hung"
                break
        if hung:
            process.kill()
    log = "\n".join(machine.report_tail(report, 10**7))
    if os.path.exists(report):
        os.unlink(report)
    return console.decode("utf-8", "replace"), log, hung


def verdicts_add(tally, suite, programs):
    for program in programs:
        for result in program.verdict():
            tally.add(suite, f"{program.name}: {result.name}", None if result.passed else result.note or "failed", result.note)


def console_keep(configuration, text, log):
    """Keeps what a machine said for whoever looks into a failure."""
    kept = os.path.join(os.path.dirname(image_path(configuration)),
                        f"console-{configuration.smp}{'' if configuration.pks else '-nopks'}.txt")
    with open(kept, "w", encoding="utf-8") as output:
        output.write(f"{text}\n=== report channel ===\n{log}\n")
    print(f"# console and log: {os.path.relpath(kept, TOP)}")
    print("".join(f"# log: {line}\n" for line in log.splitlines()[-12:]), end="", flush=True)


def isolation_suites(tally, configurations, limit):
    for configuration in configurations:
        console, log, hung = machine_run(configuration, limit, None, "nokaslr audit init=/init") # attackers know where all lies
        failed = tally.failed
        verdicts_add(tally, f"isolation {configuration}", tap.add_missing(tap.parse(log), ["isolation"]))
        if tally.failed > failed:
            console_keep(configuration, console + hung, log)


def abi_run(tally, configuration, limit, linux, programs):
    """Runs programs in one configuration. One that hangs or ends the machine has failed; the next machine goes on behind it."""
    suite, end, started = f"abi {configuration}", time.monotonic() + limit, time.monotonic()
    failed, texts, logs, boots = tally.failed, "", "", 0
    while programs:
        if time.monotonic() >= end:
            verdicts_add(tally, suite, [tap.Program(name) for name in programs])
            break
        image = linux.image_build(programs)
        try:
            text, log, hung = machine_run(configuration, end - time.monotonic(), image)
        finally:
            os.unlink(image)
        boots, texts, logs = boots + 1, texts + text + hung, logs + log
        if not hung: # the machine ended by itself: the core has recounted every frame (core/audit.c)
            tally.add(suite, "recount of all frames", None if re.search(r"^audit: .*; 0 mistakes$", log, re.M) else "see the log")
        seen = [program for program in tap.parse(text) if program.name in programs] or [tap.Program(programs[0])]
        verdicts_add(tally, suite, seen)
        programs = programs[programs.index(seen[-1].name) + 1:]
    print(f"# {suite}: {time.monotonic() - started:.1f} s, {boots} machines", flush=True)
    if tally.failed > failed:
        console_keep(configuration, texts, logs)


def abi_suites(tally, configurations, limit, wanted):
    linux = linux_runner()
    if subprocess.run(["make", "-s", "-C", os.path.join(HERE, "abi")], check=False).returncode:
        tally.add("build", "tests/abi", "make failed")
        return
    try:
        programs = linux.programs_select(wanted)
    except linux.UsageError as error:
        tally.add("abi", "programs", str(error))
        return
    for configuration in configurations:
        abi_run(tally, configuration, limit, linux, programs)


def launch_options(configuration):
    return ["--profile", configuration.profile, "--smp", str(configuration.smp), "--cpu", configuration.cpu, "--accel", "tcg"]


def shell_suites(tally, configurations, tier):
    for configuration in configurations:
        console = os.path.join(TOP, "build", configuration.profile, "shell-console.txt")
        for name, trouble in shell_session.run(shell_session.launcher(launch_options(configuration)), tier.processes, 30, console):
            tally.add(f"shell {configuration}", name, trouble)


def launcher_suites(tally, configurations):
    for configuration in configurations:
        for name, trouble in launcher_cases.run(launch_options(configuration), 120):
            tally.add(f"launcher {configuration}", name, trouble)


def boot_suites(tally, configurations):
    for configuration in configurations:
        for name, trouble, skipped in boot_cases.run(configuration.profile):
            tally.add(f"boot {configuration.profile}", name, trouble, "SKIP" if skipped else "")


def contention_suites(tally, configurations):
    for configuration in configurations:
        for name, trouble, note in contention_cases.run(configuration.profile, configuration.smp):
            tally.add(f"contention {configuration}", name, trouble, note)


def composition_suites(tally, configurations):
    """Only with all its profiles, which are compared."""
    if configurations == list(COMPOSED):
        for name, trouble in composition_cases.run():
            tally.add("composition", name, trouble)


def unit_suites(tally):
    """The host's tests, whose own closing line is counted in."""
    run = subprocess.run([os.path.join(HERE, "unit", "run.py")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = run.stdout.decode("utf-8", "replace").splitlines()
    words = lines[-1].split() if lines else []
    print("\n".join(line for line in lines[:-1] if not line.startswith("ok ")))
    if len(words) == 4 and words[1] == "passed," and words[3] == "failed":
        tally.passed += int(words[0])
        tally.failed += int(words[2])
    else:
        tally.add("unit", "program", f"exit status {run.returncode}")


def options_read():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="ci", choices=TIERS)
    parser.add_argument("--suite", action="append", choices=SUITES, help="only these (default: all)")
    parser.add_argument("--profile", help="only configurations of this profile")
    parser.add_argument("--smp", type=int, help="only configurations with this many processors")
    parser.add_argument("--debug", action="store_true", help="these configurations with debug builds of the services")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these programs of tests/abi")
    options = parser.parse_args()
    options.suite = options.suite or (["abi"] if options.programs else list(SUITES))
    return options


class Choice:
    """Which configurations the options choose."""

    def __init__(self, options):
        self.options = options

    def among(self, configurations, shape=lambda c: (c.profile, c.smp)):
        """Those of the wanted shape (profile, processors)."""
        profile, smp = self.options.profile, self.options.smp
        return [c for c in configurations if profile in (None, shape(c)[0]) and smp in (None, shape(c)[1])]

    def wanted(self, configurations):
        some = self.among(configurations)
        return list(dict.fromkeys(replace(c, debug=True) for c in some)) if self.options.debug else some


def suite_calls(options, built, tally):
    """{suite: call}: `built` holds the configurations of the suites whose profiles are built here; the others build their own."""
    tier, choice = TIERS[options.tier], Choice(options)
    gates, calls = fuzzers.gates_tier(options.tier)
    fuzzed, rounds = fuzzers.TIERS[options.tier]
    return {
        "unit": lambda: unit_suites(tally),
        "composition": lambda: composition_suites(tally, built["composition"]),
        "isolation": lambda: isolation_suites(tally, built["isolation"], 60),
        "gates": lambda: fuzzers.gates_suite(tally.add, choice.wanted(gates), {**fuzzers.GATES, "calls": calls}),
        "calls": lambda: fuzzers.suite(tally.add, choice.wanted(fuzzed), {**fuzzers.CALLS, "rounds": rounds}),
        "raid": lambda: raid.suite(tally.add, choice.wanted(raid.TIERS[options.tier]), tier.limit, options.tier == "long"),
        "nmi": lambda: nmi_cases.suite(tally.add, choice.wanted(nmi_cases.TIERS[options.tier])),
        "kill": lambda: kill_cases.suite(tally.add, choice.among(kill_cases.CONFIGURATIONS, lambda c: c)),
        "vector": lambda: vector_cases.suite(tally.add, choice.among(vector_cases.CONFIGURATIONS, lambda c: c)),
        "faults": lambda: fault_cases.suite(tally.add, choice.among(fault_cases.TIERS[options.tier])),
        "tables": lambda: table_walk.suite(tally.add, choice.among(table_walk.CONFIGURATIONS, lambda c: (c[0], table_walk.PROCESSORS))),
        "contention": lambda: contention_suites(tally, built["contention"]),
        "exhaustion": lambda: abi_suites(tally, built["exhaustion"], tier.limit, EXHAUSTING),
        "abi": lambda: abi_suites(tally, built["abi"], tier.limit, options.programs),
        "shell": lambda: shell_suites(tally, built["shell"], tier),
        "launcher": lambda: launcher_suites(tally, built["launcher"]),
        "boot": lambda: boot_suites(tally, built["boot"]),
    }


def suite_run(tally, name, call):
    """Runs a suite; one that breaks down has failed, and the others go on."""
    try:
        call()
    except Exception:  # pylint: disable=broad-except # whatever it stumbled over
        print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
        tally.add(name, "runs to its end", "it broke down")


def main():
    options = options_read()
    tier, tally, choice = TIERS[options.tier], Tally(), Choice(options)
    chosen = {suite: choice.wanted(getattr(tier, suite)) if suite in options.suite else [] for suite in COMPOSED_HERE}
    ready = build(tally, {(c.profile, c.debug) for configurations in chosen.values() for c in configurations})
    built = {suite: [c for c in configurations if (c.profile, c.debug) in ready] for suite, configurations in chosen.items()}
    if any(built.values()):
        root.default(os.path.join(TOP, "build"))
    for name, call in suite_calls(options, built, tally).items():
        if name in options.suite:
            suite_run(tally, name, call)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
