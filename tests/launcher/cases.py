"""The launcher with a program: arguments, output, exit statuses, time limits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name, program with arguments, expected status, text in the output (all of it if it ends in a line's end)
PROGRAMS = (
    ("output_comes_through", ["/bin/echo", "hello"], 0, b"hello\r\n"),
    ("path_is_searched", ["echo", "found"], 0, b"found"),
    ("arguments_keep_their_characters", ["printf", "<%s>", "a b", "%41", "", "\"'$x;\\", "ü"], 0, "<a b><%41><><\"'$x;\\><ü>".encode()),
    ("status_is_the_programs", ["sh", "-c", "exit 42"], 42, b""),
    ("killed_program_is_128_and_signal", ["sh", "-c", "kill -9 $$"], 137, b""),
    ("missing_program_fails", ["/no/such/program"], None, b""),
)


def launch(options, program, timeout):
    command = [sys.executable, os.path.join(TOP, "tessera"), "run"] + options + (["--"] + program if program else [])
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
        return run.returncode, run.stdout, run.stderr
    except subprocess.TimeoutExpired as expired:
        return "hung", expired.stdout or b"", expired.stderr or b""


def _case(options, case, limit):
    name, program, expected, wanted = case
    status, output, errors = launch(options + ["--timeout", str(limit)], program, limit + 30)
    if (expected is None and status in (0, 124, "hung")) or (expected is not None and status != expected):
        return name, f"exit status {status}, output {output[-200:]!r}, errors {errors[-200:]!r}"
    if wanted not in output or (wanted.endswith(b"\n") and wanted != output):
        return name, f"output {output[-200:]!r}"
    return name, None


def _profile(options):
    """A profile names the core's calls and an interface's operations, counts instructions, and draws."""
    chosen = options[options.index("--profile"):][:2] if "--profile" in options else []
    with tempfile.TemporaryDirectory() as folder:
        drawing = os.path.join(folder, "flame.svg")
        command = [sys.executable, os.path.join(TOP, "tessera"), "profile"] + chosen + ["--top", "1000", "--svg", drawing, "--", "ls", "/"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        # In `fast` the terminal is in the shim's unit: its operations are plain code there, not calls to count.
        wanted = ("core ", "tk_wake ", " instructions; ") + (() if "fast" in chosen else ("tty.write ",))
        missing = [text for text in wanted if text not in done.stdout]
        drawn = os.path.exists(drawing)
    wrong = None if done.returncode == 0 and not missing and drawn else f"exit status {done.returncode}, missing {missing}, {done.stderr[-200:]!r}"
    return "profile_counts_calls_and_draws", wrong


def _bench(options):
    """The benchmark counts a row on Linux and on the profile, and writes both down."""
    chosen = options[options.index("--profile"):][:2] if "--profile" in options else ["--profile", "general"]
    command = [sys.executable, os.path.join(TOP, "tessera"), "bench", *chosen, "--quick", "--rows", "fstat"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        return "bench_compares_a_row", f"exit status {done.returncode}, {done.stderr[-200:]!r}"
    with open(os.path.join(TOP, "build", "bench", "results.json"), encoding="ascii") as source:
        found = [entry for entry in json.load(source) if entry["row"] == "fstat" and entry["profile"] == chosen[1]]
    good = len(found) == 1 and all(found[0][name] and found[0][name] > 0 for name in ("linux_strict", "linux_default", "tessera", "ratio"))
    return "bench_compares_a_row", None if good else f"results {found}"


def _ended(options):
    """Who ends the launcher ends the machine: what it held open is closed."""
    command = [sys.executable, os.path.join(TOP, "tessera"), "run"] + options + ["--", "sh", "-c", "echo started; sleep 1000"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        started = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)  # until QEMU, too, has closed the output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return "ended_launcher_ends_its_machine", "the machine goes on"
        status = process.returncode
    good = started == b"started\r\n" and status == 143
    return "ended_launcher_ends_its_machine", None if good else f"{started!r}, exit status {status}"


def _tree(options, limit):
    """A tree as root keeps its files' times, and owners if root packs it."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "bin"))
        shutil.copy("/bin/busybox", os.path.join(folder, "bin", "busybox"))
        path = os.path.join(folder, "file")
        with open(path, "w", encoding="ascii") as output:
            output.write("x")
        owner = 1234 if os.geteuid() == 0 else 0
        if owner:
            os.chown(path, owner, owner)
        os.utime(path, (1000000000, 1000000000))
        case = ("tree_keeps_times_and_owners", ["/bin/busybox", "stat", "-c", "%Y %u %g", "/file"], 0, f"1000000000 {owner} {owner}\r\n".encode())
        return _case(options + ["--root", folder], case, limit)


def run(options, limit):
    """(name, what went wrong or None) of each case."""
    results = [_case(options, case, limit) for case in PROGRAMS]
    status, _, _ = launch(options + ["--timeout", "5"], ["sleep", "1000"], 60)
    results.append(("time_limit_is_status_124", None if status == 124 else f"exit status {status}"))
    more = ("more_memory_than_the_host_has", ["sh", "-c", "test $(awk '/MemTotal/ { print $2 }' /proc/meminfo) -gt 66000000"], 0, b"")
    results.append(_case(options + ["--memory", "64G"], more, limit))
    results.append(_ended(options))
    results.append(_tree(options, limit))
    results.append(_profile(options))
    results.append(_bench(options))
    for name, wrong in (("unknown_option_is_refused", ["--nonsense"]), ("unknown_profile_is_refused", ["--profile", "nope"]),
                        ("missing_root_is_refused", ["--root", "/no/such/root"])):
        status, _, errors = launch(options + wrong, [], 60)
        good = status == 2 and errors.count(b"\n") == 1
        results.append((name, None if good else f"exit status {status}, errors {errors!r}"))
    return results
