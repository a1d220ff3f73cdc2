#!/usr/bin/env python3
"""Valid sequences of operations (sequences/*.seq) as a C header for the units that call services.

    sequences.py DIRECTORY FILE     writes the header
    sequences.py --list             each operation and what the sequences say of it

    sequence NAME [in PLACE]        PLACE: shim (the default), bare: its own thread, without a task;
                                    stranger, overseer: other units
    [@TASK] INTERFACE.OP [NAME=VALUE ...] [-> NAME=VARIABLE ...] [: RESULT] [* TIMES]
    exhaust | relieve               takes all memory, and gives it back
    loop TIMES | end                what stands between, so often, or until a pop finds nothing
    pop VARIABLE | push VARIABLE    takes back what `-> NAME=*` kept first, or keeps it again

A NAME before the arrow is a parameter or a member of a struct that goes in, behind it an out word, a member of a struct that comes back
or `result`; STRUCT.MEMBER where several structs go in. A VALUE is $VARIABLE, "text", zeros(LENGTH), words(u32, ...), halves(u16, ...), ADDRESS+LENGTH of a range, or an expression of C
without spaces; what is not named is 0, and a range or buffer is good. $client, $space and $self are the caller's own, $turn counts
the turns of a loop, or how often a step was repeated. RESULT is 0 (any success), an error, or `any`. TIMES: the step is
repeated until the result comes, at most so often. @TASK: by the thread of the task whose number is in that variable.
"""

import glob
import os
import re
import struct
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tools"))

from tesseratools import iface, service  # noqa: E402
from tesseratools.errors import UsageError  # noqa: E402

PLACES = ("shim", "bare", "stranger", "overseer")
VARIABLES_MAX = 24
GIVEN = ("client", "space", "self", "turn")   # variables that are there: its own client of fs, address space of mem, task number; of a loop
WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+')
PSEUDO = {"exhaust": "SEQUENCE_EXHAUST", "relieve": "SEQUENCE_RELIEVE", "loop": "SEQUENCE_LOOP", "end": "SEQUENCE_END_LOOP", "pop": "SEQUENCE_POP",
          "push": "SEQUENCE_PUSH"}
KEEP = 255   # as the number of a variable: it is kept for pop


@dataclass
class Step:
    line: int
    interface: object = None
    operation: object = None
    pseudo: str = ""
    actor: str = ""
    values: list = field(default_factory=list)     # (name, text)
    captures: list = field(default_factory=list)   # (name, variable)
    result: str = "0"
    times: int = 1


@dataclass
class Sequence:
    name: str
    place: str
    path: str
    line: int
    steps: list = field(default_factory=list)
    variables: list = field(default_factory=lambda: list(GIVEN))

    def variable(self, name, line):
        if name not in self.variables:
            if len(self.variables) == VARIABLES_MAX:
                raise UsageError(f"more than {VARIABLES_MAX} variables", self.path, line)
            self.variables.append(name)
        return self.variables.index(name)


def interfaces_load():
    services = service.load_all(os.path.join(TOP, "services"))
    return [s.interface for s in services.values() if s.interface]


def _operation_find(interfaces, name, path, line):
    for interface in interfaces:
        for operation in interface.operations:
            if f"{interface.name}.{operation.name}" == name:
                return interface, operation
    raise UsageError(f"no operation {name!r}", path, line)


def _step_read(interfaces, sequence, text, line):
    words = WORD.findall(text)
    step = Step(line)
    if words[0] in PSEUDO:
        step.pseudo = words[0]
        if words[0] == "loop":
            step.times = int(words[1])
        if words[0] in ("pop", "push"):
            step.actor = words[1]
            sequence.variable(words[1], line)
        return step
    if words[0].startswith("@"):
        step.actor = words.pop(0)[1:]
        if step.actor not in sequence.variables:
            raise UsageError(f"no variable {step.actor!r} yet", sequence.path, line)
    step.interface, step.operation = _operation_find(interfaces, words.pop(0), sequence.path, line)
    part = "values"
    while words:
        word = words.pop(0)
        if word == "->":
            part = "captures"
        elif word == ":" and words:
            step.result = words.pop(0)
            part = "end"
        elif word == "*" and words:
            step.times = int(words.pop(0))
        elif "=" in word and part != "end":
            getattr(step, part).append(tuple((word if part == "values" else word.rstrip(",")).split("=", 1)))
        else:
            raise UsageError(f"{word!r} is not understood", sequence.path, line)
    for _, variable in step.captures:
        if variable != "*":
            sequence.variable(variable, line)
    if step.result not in ("0", "any") and not re.fullmatch("E[A-Z0-9]+", step.result):
        raise UsageError(f"{step.result!r} is no result", sequence.path, line)
    return step


def parse(path, interfaces):
    found = []
    with open(path, encoding="utf-8") as source:
        for line, text in enumerate(source, 1):
            text = text.strip()
            if not text or text.startswith("#"):
                continue
            match = re.fullmatch(r"sequence ([\w -]+?)(?: in (\w+))?", text)
            if match:
                if (match.group(2) or PLACES[0]) not in PLACES:
                    raise UsageError(f"no place {match.group(2)!r}", path, line)
                found.append(Sequence(match.group(1), match.group(2) or PLACES[0], path, line))
            elif not found:
                raise UsageError("a file begins with: sequence NAME", path, line)
            else:
                found[-1].steps.append(_step_read(interfaces, found[-1], text, line))
    return found


def load(interfaces):
    found = []
    for path in sorted(glob.glob(os.path.join(HERE, "sequences", "*.seq"))):
        found += parse(path, interfaces)
    return found


def _program(address):
    """An ELF file's header with one segment."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, address, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, 0x1000, 0x2000, 0x1000)


NAMED = {"PROGRAM": _program(0x400000), "PROGRAM_BEYOND": _program(0xffff800000000000), "LONG_NAME": b"a" * 300}


def _bytes(text):
    """What a value in brackets or quotes, or one with a name of its own, is as bytes; None: something else."""
    if text in NAMED:
        return NAMED[text]
    if text.startswith('"'):
        return text[1:-1].encode().decode("unicode_escape").encode("latin-1")
    match = re.fullmatch(r"(zeros|words|halves)\((.*)\)", text)
    if not match:
        return None
    if match.group(1) == "zeros":
        return bytes(int(match.group(2), 0))
    numbers = [int(n, 0) for n in match.group(2).split(",") if n]
    size, form = (4, "I") if match.group(1) == "words" else (2, "H")
    return struct.pack(f"<{len(numbers)}{form}", *(n % (1 << 8 * size) for n in numbers))


def _bytes_c(data):
    return '"' + "".join(f"\\x{b:02x}\"\"" if not 32 <= b < 127 or chr(b) in '"\\' else chr(b) for b in data) + '"'


def _value_c(sequence, step, name, text):
    """One initializer of struct sequence_value."""
    def fail(message):
        raise UsageError(message, sequence.path, step.line)

    parameters = step.operation.parameters
    parameter = next((p for p in parameters if p.name == name and not p.kind.startswith("struct")), None)
    member = "0, 0"
    if parameter is None:
        structs = [p for p in parameters if p.kind == "struct_in"]
        if not structs:
            fail(f"{step.operation.name} has no parameter {name!r}")
        head, _, rest = name.partition(".")
        parameter = next((p for p in structs if p.name == head and rest), structs[0])
        name = rest if parameter.name == head and rest else name
        member = f"offsetof({parameter.argument}, {name}), sizeof((({parameter.argument} *)0)->{name})"
    at = f"{parameter.word}, {parameters.index(parameter)}, {member}"
    data = _bytes(text)
    if data is not None:
        return f"{{ SEQUENCE_BYTES, {at}, {len(data)}, {_bytes_c(data)} }}"
    if text.startswith("$"):
        if text[1:] not in sequence.variables:
            fail(f"no variable {text!r} yet")
        return f"{{ SEQUENCE_VARIABLE, {at}, {sequence.variables.index(text[1:])}, NULL }}"
    if parameter.range:
        start, _, size = text.partition("+")
        return f"{{ SEQUENCE_WORD, {at}, (u64)({start}), NULL }}, {{ SEQUENCE_SIZE, {at}, (u64)({size or 0}), NULL }}"
    if parameter.kind == "bytes_out":
        return f"{{ SEQUENCE_SIZE, {at}, (u64)({text}), NULL }}"
    return f"{{ SEQUENCE_WORD, {at}, (u64)({text}), NULL }}"


def _capture_c(sequence, step, name, variable):
    number = KEEP if variable == "*" else sequence.variable(variable, step.line)
    if name == "result":
        return f"{{ SEQUENCE_RESULT, 0, 0, 0, {number} }}"
    if name in step.operation.outs:
        return f"{{ SEQUENCE_OUT, {step.operation.outs.index(name)}, 0, 0, {number} }}"
    for at, p in enumerate(step.operation.parameters):
        if p.kind == "struct_out":
            return f"{{ SEQUENCE_MEMBER, {at}, offsetof({p.argument}, {name}), sizeof((({p.argument} *)0)->{name}), {number} }}"
        if p.kind == "bytes_out" and re.fullmatch(r"\w+\d+", name):   # word3: the third u32 of the bytes
            return f"{{ SEQUENCE_MEMBER, {at}, {int(re.sub('[^0-9]', '', name)) * 4}, 4, {number} }}"
    raise UsageError(f"{step.operation.name} gives no {name!r}", sequence.path, step.line)


def header(interfaces, sequences):
    lines = ['/* Generated by tests/fuzz/sequences.py. */\n#ifndef SEQUENCES_H\n#define SEQUENCES_H\n#include <abi/include/abi_ioctl.h>\n']
    rows = []
    for number, sequence in enumerate(sequences):
        steps = []
        for at, step in enumerate(sequence.steps):
            name = f"sequence_{number}_{at}"
            if step.pseudo:
                actor = sequence.variables.index(step.actor) + 1 if step.actor else 0
                steps.append(f"\t{{ .line = {step.line}, .pseudo = {PSEUDO[step.pseudo]}, .times = {step.times}, .actor = {actor} }},\n")
                continue
            values = [_value_c(sequence, step, *value) for value in step.values]
            captures = [_capture_c(sequence, step, *capture) for capture in step.captures]
            if values:
                lines.append(f"static const struct sequence_value {name}_values[] = {{ {', '.join(values)}, {{ .kind = SEQUENCE_END }} }};\n")
            if captures:
                lines.append(f"static const struct sequence_capture {name}_captures[] = {{ {', '.join(captures)}, {{ .kind = SEQUENCE_END }} }};\n")
            result = {"0": "0", "any": "SEQUENCE_ANY"}.get(step.result, f"-{step.result}")
            steps.append(f"\t{{ .line = {step.line}, .interface = {interfaces.index(step.interface)}, "
                         f".op = {step.interface.operations.index(step.operation)}, .values = {name + '_values' if values else 'NULL'}, "
                         f".captures = {name + '_captures' if captures else 'NULL'}, .result = {result}, .times = {step.times}, "
                         f".actor = {sequence.variables.index(step.actor) + 1 if step.actor else 0} }},\n")
        lines.append(f"static const struct sequence_step sequence_{number}_steps[] = {{\n{''.join(steps)}}};\n")
        rows.append(f'\t{{ "{sequence.name}", SEQUENCE_{sequence.place.upper()}, {len(sequence.steps)}, sequence_{number}_steps }},\n')
    return "".join(lines) + f"static const struct sequence sequences[] = {{\n{''.join(rows)}}};\n#endif\n"


def main():
    try:
        interfaces = interfaces_load()
        sequences = load(interfaces)
        if sys.argv[1:] == ["--list"]:
            for name in sorted({f"{s.interface.name}.{s.operation.name} {s.result}" for q in sequences for s in q.steps if s.operation}):
                print(name)
            return 0
        with open(sys.argv[1], "w", encoding="utf-8") as output:
            output.write(header(interfaces, sequences))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
