"""What composition makes of services: every one of them in every class, and what becomes of a call between two of them.

The three machines in which all services are IC0, IC1 and IC2 (profile tee) run a shell. Calls are read in the disassembly of the linked units. In `general` mem and fs are one unit: the body of a memory operation stands inside the file system's functions. In `tee` each is a unit
of its own: nothing of mem is in fs, whose functions enter the core instead.
"""

import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROFILES = os.path.join(TOP, "tests", "composition", "profiles")
OBJDUMP = "llvm-objdump-14"
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
SOURCE = re.compile(r"^; .*/services/(\w+)/\w+\.c:\d+$")
INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\s+(\w+)(?:\s+.*<([\w.]+)>)?")
CALLER = "data_write"             # fs: a write to a file, which asks mem for the pages


@dataclass
class Function:
    """Instructions by the service whose source they come from, the functions it calls, and how often it enters the core."""

    services: dict = field(default_factory=lambda: defaultdict(int))
    calls: set = field(default_factory=set)
    entries: int = 0


def functions_read(unit):
    """The functions of a linked unit by name."""
    text = subprocess.run([OBJDUMP, "-d", "-l", "--no-show-raw-insn", unit], capture_output=True, text=True, check=True, timeout=120).stdout
    found, function, service = {}, Function(), None
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            function, service = found.setdefault(match.group(1), Function()), None
        elif line.startswith("; "):
            source = SOURCE.match(line)
            service = source.group(1) if source else service if line.endswith("():") else None
        elif match := INSTRUCTION.match(line):
            if service:
                function.services[service] += 1
            function.entries += match.group(1) == "syscall"
            if match.group(1) in ("callq", "jmp") and match.group(2):
                function.calls.add(match.group(2))
    return found


def _coalesced(unit):
    functions = functions_read(unit)
    caller = functions.get(CALLER)
    if caller is None or not caller.services["fs"]:
        return f"no function {CALLER} of fs"
    if not caller.services["mem"]:
        return f"no instruction of mem in {CALLER}: {dict(caller.services)}"
    stubs = [name for name in caller.calls if name.startswith("mem_serve_")]
    return f"{CALLER} calls dispatchers: {stubs}" if stubs else None


def _apart(unit, together):
    functions = functions_read(unit)
    caller = functions.get(CALLER)
    if caller is None:
        return f"no function {CALLER}"
    foreign = [name for name, function in functions.items() if function.services["mem"]]
    if foreign:
        return f"code of mem in {foreign[:3]}"
    joined = functions_read(together)[CALLER].entries
    return None if caller.entries > joined else f"{caller.entries} entries to the core apart, {joined} together"


def _session(profile, cpu):
    """A shell that starts programs, in a machine of that profile, which is composed first."""
    made = subprocess.run([os.path.join(TOP, "tools", "compose"), profile], capture_output=True, text=True, timeout=1200, check=False)
    if made.returncode:
        return made.stderr[-200:]
    command = [sys.executable, os.path.join(TOP, "tessera"), "run", "--profile", profile, "--cpu", cpu, "--timeout", "120", "--",
               "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do ls /proc | grep -c ^self; done | sort | uniq -c; exit 3"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
    return None if done.returncode == 3 and b"8 1" in done.stdout else f"status {done.returncode}, {done.stdout[-200:]!r}, {done.stderr[-200:]!r}"


def run(build=os.path.join(TOP, "build")):
    """(name, what went wrong or None) of each case; the profiles general and tee are built."""
    machines = [(os.path.join(PROFILES, "every-ic0.toml"), "max"), (os.path.join(PROFILES, "every-ic1.toml"), "max"),
                (os.path.join(PROFILES, "every-ic1.toml"), "max,-pks"), ("tee", "max")]
    sessions = [(f"services_of_{os.path.basename(profile).removesuffix('.toml')}_serve_on_{cpu}", _session(profile, cpu))
                for profile, cpu in machines]
    together, apart = os.path.join(build, "general", "system.elf"), os.path.join(build, "tee", "fs.elf")
    return sessions + [("call_inside_a_unit_is_inlined", _coalesced(together)), ("call_between_units_enters_the_core", _apart(apart, together))]
