#!/usr/bin/env python3
"""Fuzzes Tessera: system calls by programs of several threads, and the operations of services by a unit; TAP.

    tests/fuzz/run.py                        the runs of CI
    tests/fuzz/run.py --seconds 3600         new seeds, all configurations in turn, until the time is up (make fuzz)
    tests/fuzz/run.py --replay FILE          runs a kept crash again
    tests/fuzz/run.py --compare              the same calls on Tessera and on Debian's Linux, differences in results
    tests/fuzz/run.py --reference            what the calls do on Linux: writes tests/fuzz/reference.json
"""

import argparse
import errno
import json
import os
import subprocess
import sys
import time
import tomllib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
import describe  # noqa: E402
import guest  # noqa: E402
from guest import Configuration  # noqa: E402
from tesseratools import iface  # noqa: E402

REFERENCE = os.path.join(guest.HERE, "reference.json")
CALLS = {"seed": 1, "first": 0, "rounds": 24, "threads": 3, "steps": 200, "race": 1}
EXPECTED_MIN = 15          # successes that the reference makes expected: none of so many is no chance
GATES = {"seed": 1, "calls": 60000, "interface": "fs"}
INTERFACES = ("abi", "fs", "mem", "proc", "tty")
UNREACHED = os.path.join(guest.HERE, "unreached.toml")
LIMIT = 900
CI = (Configuration("general", 1), Configuration("tee", 2), Configuration("fast", 2), Configuration("general", 1, False))
EVERYWHERE = tuple(Configuration(profile, smp, pks) for profile, pks in (("general", True), ("general", False), ("tee", True), ("fast", True))
                   for smp in (1, 2, 4))
GATES_CI = (Configuration("fuzz", 2), Configuration("fuzz-tee", 1), Configuration("fuzz-shim", 1), Configuration("fuzz-shim-tee", 2), Configuration("fuzz-super", 1))
GATES_EVERYWHERE = tuple(Configuration(profile, smp, pks) for profile, pks in (("fuzz", True), ("fuzz", False), ("fuzz-tee", True), ("fuzz-shim", True),
                         ("fuzz-shim", False), ("fuzz-shim-tee", True), ("fuzz-super", True)) for smp in (1, 2, 4))
ALL = "all"                # instead of an interface: the sequences as they stand, then calls of all interfaces
STRANGER = ("fs", "mem", "proc", "tty")   # what each kind of hostile unit is asked to call most
ASKED = {"fuzz": STRANGER, "fuzz-tee": STRANGER, "fuzz-shim": (ALL,), "fuzz-shim-tee": (ALL,), "fuzz-super": (ALL,)}
FOLDERS = {"fuzz-shim": "shim", "fuzz-shim-tee": "shim", "fuzz-super": "overseer"}   # of the hostile unit
TIERS = {"ci": (CI, 24), "long": (EVERYWHERE, 100)}   # configurations and rounds


def own(profile):
    return profile.startswith("fuzz")


def image_of(profile):
    return os.path.join(guest.BUILD if own(profile) else os.path.join(guest.TOP, "build"), profile, "tessera.elf")


def compose(profile):
    command = ["tools/compose", f"tests/fuzz/profiles/{profile}.toml", "--services", f"tests/fuzz/{FOLDERS.get(profile, 'services')}", "--build", "build/fuzz"]
    return subprocess.run(command if own(profile) else ["tools/compose", profile], cwd=guest.TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).returncode == 0


def calls_run(configuration, settings):
    settings = {"patience": configuration.patience, **settings}
    run = guest.Run("calls", configuration, settings)
    guest.tessera_run(run, image_of(configuration.profile), guest.calls_image(), f"audit init=/fuzz -- {guest.words(settings)}", LIMIT)
    guest.judge(run)
    return run


def gates_run(configuration, settings, trace=False):
    """One interface under the hostile unit; the first process only sleeps, deaf to the signals that the unit has sent to it."""
    run = guest.Run("gates", configuration, settings)
    append = f"audit fuzz={settings['seed']},{settings['calls']},{settings['interface']} {'trace ' if trace else ''}init=/bin/sleep -- 1000000"
    guest.tessera_run(run, image_of(configuration.profile), guest.root.default(os.path.join(guest.TOP, "build")), append, LIMIT)
    run.console, run.log = run.log, run.log + run.console
    guest.judge(run)
    return run


def crash_keep(run):
    """Keeps a run that went wrong; returns the line that repeats it."""
    os.makedirs(guest.CRASHES, exist_ok=True)
    name = f"{run.kind}-{str(run.configuration).replace('/', '-')}-{run.settings['seed']}-{run.settings.get('interface', run.last_round)}.json"
    path = os.path.join(guest.CRASHES, name)
    with open(path, "w", encoding="utf-8") as output:
        json.dump(guest.record(run), output, indent=1)
    return f"tests/fuzz/run.py --replay {os.path.relpath(path, guest.TOP)}"


def replay(path):
    """The last round alone first, then all that led to it."""
    with open(path, encoding="utf-8") as source:
        kept = json.load(source)
    configuration = Configuration(**kept["configuration"])
    compose(configuration.profile)
    if kept["kind"] == "gates":
        run = gates_run(configuration, kept["settings"], True)
        print("\n".join(run.console.splitlines()[-20:]))
        print(f"# {run.troubles[0] if run.troubles else 'nothing'}")
        return 1 if run.troubles else 0
    guest.calls_build()
    first, last = kept["settings"]["first"], kept["last_round"]
    for start in dict.fromkeys((last, max(first, last - 5), first)):
        run = calls_run(configuration, {**kept["settings"], "first": start, "rounds": last - start + 1, "seconds": 0})
        print(f"# rounds {start} to {last}: {run.troubles[0] if run.troubles else 'nothing'}", flush=True)
        if run.troubles:
            print("\n".join(run.log.splitlines()[-12:]))
            return 1
    return 0


def coverage_merge(total, more):
    for name, (tries, good, errors) in more.items():
        old = total.setdefault(name, [0, 0, {}])
        total[name] = [old[0] + tries, old[1] + good, {e: old[2].get(e, 0) + errors.get(e, 0) for e in sorted(set(old[2]) | set(errors))}]


def coverage_judge(coverage, reference):
    """Calls that succeed on Linux so often that they must have succeeded here, and did not."""
    for name, (tries, good, _) in sorted(coverage.items()):
        known = reference.get(name)
        if known and not good and tries * known[1] / max(known[0], 1) >= EXPECTED_MIN:
            yield name


def declared_errors():
    """Operation -> the errors that its interface declares, as numbers."""
    found = {}
    for name in INTERFACES:
        interface = iface.load(os.path.join(guest.TOP, "services", name, f"{name}.iface"))
        for op in interface.operations:
            found[f"{name}.{op.name}"] = sorted(getattr(errno, error, 0) for error in op.errors)
    return found


def gates_coverage_write(name, coverage):
    """build/fuzz/NAME.json: of each operation its count, successes, errors, and which declared ones were not reached or were not declared."""
    declared, rows = declared_errors(), {}
    for op, (tries, good, errors) in coverage.items():
        if op in declared:
            rows[op] = {"tries": tries, "successes": good, "errors": sorted(errors), "not_reached": sorted(set(declared[op]) - set(errors)),
                        "undeclared": sorted(set(errors) - set(declared[op]))}
    with open(os.path.join(guest.BUILD, f"{name}.json"), "w", encoding="utf-8") as output:
        json.dump(rows, output, indent=1)
    return rows


def error_name(number):
    return {errno.ENOTSUP: "EOPNOTSUPP", errno.EDEADLOCK: "EDEADLK"}.get(number) or errno.errorcode.get(number, str(number))


def sequences_judge(add, coverage):
    """What the sequences show as they stand: each operation's success and each declared error, but for what unreached.toml names."""
    with open(UNREACHED, "rb") as source:
        excused = set(tomllib.load(source))
    rows = gates_coverage_write("sequences", coverage)
    silent = sorted(set(declared_errors()) - {op for op, row in rows.items() if row["successes"]})
    missing = {f"{op} success" for op in silent} | {f"{op} {error_name(e)}" for op, row in rows.items() for e in row["not_reached"]}
    strange = sorted(f"{op} {error_name(e)}" for op, row in rows.items() for e in row["undeclared"])
    lost, stale = sorted(missing - excused), sorted(excused - missing)
    add("fuzz gates", "sequences reach each success and each declared error", f"not: {', '.join(lost)}" if lost else None)
    add("fuzz gates", "what is excused is not reached", f"it is: {', '.join(stale)}" if stale else None)
    add("fuzz gates", "sequences meet no error that is not declared", f"but {', '.join(strange)}" if strange else None)
    print(f"# sequences: {len(rows) - len(silent)} of {len(rows)} operations succeed, {sum(len(row['errors']) for row in rows.values())} errors, "
          f"{len(missing)} not reached", flush=True)


def gates_suite(add, configurations, settings):
    """Each service under hostile units, in each configuration."""
    total, shown = {}, {}
    for configuration in configurations:
        if not compose(configuration.profile):
            add("fuzz gates", f"{configuration.profile} composes", "it does not")
            continue
        for interface in ASKED[configuration.profile]:
            started = time.monotonic()
            run = gates_run(configuration, {**settings, "interface": interface})
            trouble = f"{run.troubles[0]}; again: {crash_keep(run)}" if run.troubles else None
            coverage_merge(total, run.coverage())
            coverage_merge(shown, run.coverage("E"))
            add(f"fuzz gates {configuration}", f"{interface}, seed {settings['seed']}, {settings['calls']} calls", trouble)
            print(f"# {sum(tries for tries, _, _ in run.coverage().values())} calls, {time.monotonic() - started:.1f} s", flush=True)
    rows = gates_coverage_write("gates", total)
    if set(ASKED) <= {c.profile for c in configurations}:
        sequences_judge(add, shown)
    print(f"# {sum(bool(row['successes']) for row in rows.values())} of {len(rows)} operations succeed", flush=True)


def coverage_write(name, coverage, reference):
    """
    build/fuzz/NAME.json: of each call how often, how often well, with which errors, and which errors of Linux are not among them, of these
    those which were to be expected. Returns the last: pairs of call and error.
    """
    rows, expected = {}, []
    for call, (tries, good, errors) in coverage.items():
        known = reference.get(call, [0, 0, {}])
        missing = sorted(set(known[2]) - set(errors))
        likely = [e for e in missing if tries * known[2][e] / max(known[0], 1) >= EXPECTED_MIN]
        rows[call] = {"tries": tries, "successes": good, "errors": sorted(errors), "not_reached": missing, "expected": likely}
        expected += [f"{call} {error_name(e)}" for e in likely]
    with open(os.path.join(guest.BUILD, f"{name}.json"), "w", encoding="utf-8") as output:
        json.dump(rows, output, indent=1)
    return expected


def reference_load():
    try:
        with open(REFERENCE, encoding="utf-8") as source:
            return {name: [tries, good, {int(e): count for e, count in errors.items()}] for name, (tries, good, errors) in json.load(source).items()}
    except OSError:
        return {}


def reference_write(rounds):
    """Several machines, so that one which hangs costs only its own."""
    total = {}
    for seed in range(1, 5):
        run = guest.Run("calls", Configuration("linux", 1), {**CALLS, "seed": seed, "rounds": rounds})
        guest.linux_run(run, guest.calls_image(), LIMIT)
        coverage_merge(total, run.coverage())
        print(f"# seed {seed}: {sum(tries for tries, _, _ in run.coverage().values())} calls", flush=True)
    with open(REFERENCE, "w", encoding="utf-8") as output:
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(total[name])}" for name in sorted(total))
        output.write(f"{{\n{rows}\n}}\n")
    return 0


def comparison(seed, rounds):
    """Prints each round's first difference; how many there are."""
    settings = {**CALLS, "seed": seed, "rounds": rounds, "threads": 1, "race": 0, "trace": 1}
    configuration = Configuration("general", 1)
    ours, theirs = calls_run(configuration, settings), guest.Run("calls", configuration, settings)
    guest.linux_run(theirs, guest.calls_image(), LIMIT)
    mine, others = compare.steps(ours.console), compare.steps(theirs.console)
    found = list(compare.differences(mine, others))
    for step, other, before in found:
        print(f"round {step.round} step {step.number}: {step}, Linux: {f'error {other.error}' if other.error else f'{other.result:x}'}")
        print("".join(f"    {earlier}\n" for earlier in before[-4:]), end="")
    print(f"{len(found)} differences in {len(set(mine) & set(others))} rounds")
    return 0


def description_judge(add):
    _, calls = describe.load()
    undescribed, unknown = describe.missing(calls)
    add("fuzz calls", "each call that is served is described", f"{', '.join(undescribed + unknown)}" if undescribed or unknown else None)


def calls_suite(add, configurations, settings):
    """Runs the system-call fuzzer; add(suite, name, trouble). Returns the coverage of all."""
    total, reference = {}, reference_load()
    for configuration in configurations:
        started = time.monotonic()
        run = calls_run(configuration, settings)
        trouble = f"{run.troubles[0]}; again: {crash_keep(run)}" if run.troubles else None
        coverage = run.coverage()
        coverage_merge(total, coverage)
        coverage_write(f"calls-{str(configuration).replace('/', '-')}", coverage, reference)
        add(f"fuzz calls {configuration}", f"seed {settings['seed']}, {settings['rounds']} rounds", trouble)
        print(f"# {sum(tries for tries, _, _ in coverage.values())} calls, {sum(bool(good) for _, good, _ in coverage.values())} of {len(coverage)} "
              f"succeed, {time.monotonic() - started:.1f} s", flush=True)
    missing = coverage_write("calls", total, reference)
    reached = sum(len(set(reference.get(name, [0, 0, {}])[2]) & set(errors)) for name, (_, _, errors) in total.items())
    print(f"# {reached} of {sum(len(errors) for _, _, errors in reference.values())} pairs of call and error that Linux answers are reached; "
          f"expected and not reached: {', '.join(missing) or 'none'}", flush=True)
    return total


def suite(add, configurations, settings):
    guest.calls_build()
    description_judge(add)
    ready = [c for c in configurations if compose(c.profile)]
    for missing in sorted({c.profile for c in configurations} - {c.profile for c in ready}):
        add("fuzz calls", f"{missing} composes", "it does not")
    total = calls_suite(add, ready, settings)
    never = list(coverage_judge(total, reference_load()))
    add("fuzz calls", "what succeeds on Linux succeeds", f"never: {', '.join(never)}" if never else None)


def gates_tier(tier):
    return (GATES_EVERYWHERE, 300000) if tier == "long" else (GATES_CI, GATES["calls"])


def options_read():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, metavar="S", help="new seeds until the time is up")
    parser.add_argument("--replay", metavar="FILE")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--what", choices=("calls", "gates"), help="only one of the two fuzzers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=CALLS["rounds"])
    parser.add_argument("--profile")
    parser.add_argument("--smp", type=int)
    return parser.parse_args()


def main():
    options, counts = options_read(), {True: 0, False: 0}
    if options.replay:
        return replay(options.replay)
    guest.calls_build()
    if options.reference:
        return reference_write(options.rounds)
    if options.compare:
        compose("general")
        return comparison(options.seed, options.rounds)

    def add(name, result, trouble):
        counts[trouble is None] += 1
        print(f"{'ok' if trouble is None else 'not ok'} {sum(counts.values())} - {name}: {result}{f' # {trouble}' if trouble else ''}", flush=True)

    wide = bool(options.seconds or options.profile or options.smp)

    def wanted(configurations):
        return [c for c in configurations if options.profile in (None, c.profile) and options.smp in (None, c.smp)]

    calls, gates = wanted(EVERYWHERE if wide else CI), wanted(GATES_EVERYWHERE if wide else GATES_CI)
    seed, end = options.seed, time.monotonic() + (options.seconds or 0)
    while True:
        if calls and options.what != "gates":
            suite(add, calls if not options.seconds else [calls[seed % len(calls)]], {**CALLS, "seed": seed, "rounds": options.rounds})
        if gates and options.what != "calls":
            gates_suite(add, gates if not options.seconds else [gates[seed % len(gates)]], {**GATES, "seed": seed})
        seed += 1
        if time.monotonic() >= end:
            break
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 0 if counts[True] and not counts[False] else 1


if __name__ == "__main__":
    sys.exit(main())
