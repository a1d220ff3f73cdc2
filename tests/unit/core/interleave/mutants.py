#!/usr/bin/env python3
"""The explorations must find what mutants.toml breaks: each mutant is one change of the core's source, in a copy. Prints TAP.

A mutant is a text that stands in a file once (or first behind `after`) and what it becomes; `program` is the exploration that must fail.
"""

import concurrent.futures
import importlib.util
import os
import re
import subprocess
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, *[os.pardir] * 4)
FOLDER = os.path.join(TOP, "build", "unit", "core", "interleave", "mutants")
LIMIT = 120              # seconds of one exploration
JOBS = 2
PREFIXES = (("core/", "core_"), ("services/fs/", "fs_"))  # of objects, as the Makefile names them


def mutation_module():
    """tests/mutation/run.py, whose mutations have the same form."""
    spec = importlib.util.spec_from_file_location("mutation_run", os.path.join(TOP, "tests", "mutation", "run.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mutant_run(mutation, mutant):
    """None if the exploration of the mutant fails as it should, else what went wrong."""
    with open(os.path.join(TOP, mutant["file"]), encoding="utf-8") as source:
        try:
            text = mutation.mutation_apply(mutant, source.read())
        except mutation.MutationError as error:
            return str(error)
    folder = os.path.join(FOLDER, re.sub(r"\W+", "-", mutant["name"]))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, os.path.basename(mutant["file"]))
    with open(path, "w", encoding="utf-8") as output:
        output.write(text)
    name = os.path.splitext(os.path.basename(path))[0]
    described = {"PROGRAM": mutant["program"], "OBJECT": next((prefix for folder, prefix in PREFIXES if mutant["file"].startswith(folder)), "") + name,
                 "SOURCE": path, "MUTANT": folder}
    command = ["make", "-s", "mutant"] + [f"{key}={value}" for key, value in described.items()]
    build = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if build.returncode:
        return f"does not build: {build.stdout[-300:]}"
    try:
        run = subprocess.run([os.path.join(folder, mutant["program"])], stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=False,
                             env=dict(os.environ, EXPLORE_ONE="1"))
    except subprocess.TimeoutExpired:
        return "did not end in time"
    if "Bail out" in run.stdout:
        return run.stdout[-100:]
    return None if "not ok" in run.stdout or run.returncode < 0 else "is not found" # below 0: the core's C crashed


def main():
    mutation = mutation_module()
    built = subprocess.run(["make", "-s", "-j2", "programs"], cwd=HERE, check=False)
    if built.returncode:
        return built.returncode
    with open(os.path.join(HERE, "mutants.toml"), "rb") as source:
        mutants = tomllib.load(source)["mutant"]
    wanted = [mutant for mutant in mutants if not sys.argv[1:] or mutant["program"] in sys.argv[1:]]
    print(f"1..{len(wanted)}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        found = pool.map(lambda mutant: mutant_run(mutation, mutant), wanted)
        for number, (mutant, trouble) in enumerate(zip(wanted, found), 1):
            failed += trouble is not None
            note = f" # {trouble}".replace("\n", " ") if trouble else ""
            print(f"{'not ok' if trouble else 'ok'} {number} - {mutant['program']} finds: {mutant['name']}{note}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
