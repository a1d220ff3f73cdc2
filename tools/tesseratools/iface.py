"""Reads services/<name>/<name>.iface (docs/interfaces.md) into an Interface, and checks the limits of a gate's words."""

import os
import re
from dataclasses import dataclass, field

from .errors import UsageError

WORDS_MAX = 6
BUFFERS_MAX = 4
RANGES_MAX = 2
OUTS_MAX = 3
OUT_BUFFERS_MAX = 2   # what the core copies back
OPS_MAX = 65536
BULK_MAX = 4096

SCALARS = {"u32": "u32", "u64": "u64", "i32": "i32", "i64": "i64", "handle": "u64"}
BUFFERS = {"bytes_in", "bytes_out", "struct_in", "struct_out"}
RANGES = {"app_in", "app_out", "app_inout"}

TOKEN = re.compile(r"""(?P<doc>\#\#[^\n]*) | (?P<comment>\#[^\n]*) | (?P<space>[ \t\r]+) | (?P<line>\n)
    | (?P<string>"[^"\n]*") | (?P<name>[A-Za-z_][A-Za-z0-9_]*) | (?P<number>0[xX][0-9a-fA-F]+|[0-9]+)
    | (?P<arrow>->) | (?P<mark>[():,;<>])""", re.VERBOSE)

C_WORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    bool true false""".split())


@dataclass
class Parameter:
    """One parameter: kind is the type's name, argument what stands between < and > (a length or a struct)."""

    name: str
    kind: str
    argument: str = ""
    word: int = 0   # index of its first word

    @property
    def words(self):
        return 1 if self.kind in SCALARS else 2

    @property
    def buffer(self):
        return self.kind in BUFFERS

    @property
    def range(self):
        return self.kind in RANGES


@dataclass
class Operation:
    name: str
    line: int
    doc: str = ""
    parameters: list = field(default_factory=list)
    outs: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    again: str = ""     # whether a call that was cut off is sent again: "again", "once", "told" (the caller decides); empty: never

    @property
    def marshalled(self):
        """The parameters which the core must look at: buffers and ranges of the client."""
        return [p for p in self.parameters if p.buffer or p.range]


@dataclass
class Part:
    """Operations behind a gate of their own. name: that of the interface for those that every caller has, else `interface.part`."""

    name: str
    doc: str = ""
    operations: list = field(default_factory=list)


@dataclass
class Interface:
    """parts: the first has the operations that stand before any `part` line, perhaps none."""

    name: str
    path: str
    doc: str = ""
    includes: list = field(default_factory=list)
    parts: list = field(default_factory=list)

    def __post_init__(self):
        self.parts.append(Part(self.name))

    @property
    def operations(self):
        """All of them, in the order in which a unit numbers them."""
        return [op for part in self.parts for op in part.operations]

    @property
    def gated(self):
        """The parts that have a gate, with the number of their first operation."""
        first = 0
        for part in self.parts:
            if part.operations:
                yield part, first
            first += len(part.operations)

    @property
    def answer(self):
        """The operation that tells what became of the thread's last call, None if there is none. Every caller may ask."""
        return next((op for op in self.parts[0].operations if op.name == "answer" and op.outs and
                     [p.kind for p in op.parameters] in (["u64", "u32"], ["u64", "u32", "struct_out"])), None)

    def answerable(self, op):
        """Whether the answer has room for all that a call of this operation gives back."""
        return len(op.outs) <= len(self.answer.outs) and sum(p.kind == "struct_out" for p in op.parameters) < len(self.answer.parameters) - 1


class _Tokens:
    """The tokens of a file with their lines; documentation lines are kept aside until a declaration takes them."""

    def __init__(self, text, path):
        self.path = path
        self.items = list(self._scan(text))
        self.at = 0
        self.doc = []

    def _scan(self, text):
        line, offset = 1, 0
        while offset < len(text):
            match = TOKEN.match(text, offset)
            if not match:
                raise UsageError(f"unexpected character {text[offset]!r}", self.path, line)
            kind, offset = match.lastgroup, match.end()
            if kind == "line":
                line += 1
            elif kind not in ("space", "comment"):
                yield kind, match.group(), line
        yield "end", "end of file", line

    def peek(self):
        while self.items[self.at][0] == "doc":
            self.doc.append(self.items[self.at][1][2:].strip())
            self.at += 1
        return self.items[self.at]

    @property
    def line(self):
        return self.peek()[2]

    def next(self):
        token = self.peek()
        if token[0] != "end":
            self.at += 1
        return token

    def take_doc(self):
        doc, self.doc = " ".join(self.doc), []
        return doc

    def fail(self, message, line=None):
        raise UsageError(message, self.path, line or self.line)

    def accept(self, text):
        if self.peek()[1] == text and self.peek()[0] != "string":
            self.at += 1
            return True
        return False

    def expect(self, text):
        if not self.accept(text):
            self.fail(f"expected {text!r}, found {self.peek()[1]!r}")

    def name(self, what):
        kind, text, line = self.next()
        if kind != "name":
            self.fail(f"expected {what}, found {text!r}", line)
        return text


def _type_read(tokens, name):
    kind = tokens.name("a type")
    if kind in SCALARS or kind in RANGES:
        return Parameter(name, kind)
    if kind not in BUFFERS:
        tokens.fail(f"unknown type {kind!r} of {name!r}")
    tokens.expect("<")
    if kind.startswith("struct"):
        tokens.expect("struct")
        argument = "struct " + tokens.name("the name of a struct")
    else:
        form, argument, line = tokens.next()
        if form not in ("number", "name"):
            tokens.fail(f"expected the maximum length of {name!r}, found {argument!r}", line)
        if form == "number" and not 1 <= int(argument, 0) <= BULK_MAX:
            tokens.fail(f"the maximum length of {name!r} is 1 to {BULK_MAX}", line)
    tokens.expect(">")
    return Parameter(name, kind, argument)


def _parameters_read(tokens):
    parameters = []
    tokens.expect("(")
    while not tokens.accept(")"):
        if parameters:
            tokens.expect(",")
        name = tokens.name("the name of a parameter")
        tokens.expect(":")
        parameter = _type_read(tokens, name)
        parameter.word = sum(p.words for p in parameters)
        parameters.append(parameter)
    return parameters


def _names_read(tokens, what, close):
    names = [tokens.name(what)]
    while not tokens.accept(close):
        tokens.expect(",")
        names.append(tokens.name(what))
    return names


def _limits_check(tokens, op):
    for count, limit, what in (
            (sum(p.words for p in op.parameters), WORDS_MAX, "words of parameters"),
            (len(op.marshalled), BUFFERS_MAX, "buffers and application ranges"),
            (sum(p.range for p in op.parameters), RANGES_MAX, "application ranges"),
            (sum(p.kind in ("bytes_out", "struct_out") for p in op.parameters), OUT_BUFFERS_MAX, "buffers to copy back"),
            (len(op.outs), OUTS_MAX, "out words")):
        if count > limit:
            tokens.fail(f"{op.name}: {count} {what}, at most {limit}", op.line)
    seen = set()
    names = [p.name for p in op.parameters] + op.outs
    for p in op.parameters:
        if p.words == 2 and not p.kind.startswith("struct"):
            names.append(p.name + ("_capacity" if p.kind == "bytes_out" else "_size"))
    for name in names:
        if name in C_WORDS:
            tokens.fail(f"{op.name}: {name!r} cannot be the name of a parameter", op.line)
        if name in seen:
            tokens.fail(f"{op.name}: two parameters become {name!r}", op.line)
        seen.add(name)
    if sum(p.kind == "bytes_out" for p in op.parameters) > 1:
        tokens.fail(f"{op.name}: one bytes_out at most, because the result is its length", op.line)


def _operation_read(tokens, doc):
    line = tokens.line
    op = Operation(tokens.name("the name of an operation"), line, doc)
    op.parameters = _parameters_read(tokens)
    if tokens.accept("->"):
        tokens.expect("(")
        op.outs = _names_read(tokens, "the name of an out word", ")")
    op.again = next((word for word in ("again", "once", "told") if tokens.accept(word)), "")
    if tokens.accept("errors"):
        op.errors = _names_read(tokens, "an error", ";")
        for error in op.errors:
            if not re.fullmatch(r"E[A-Z0-9]+", error):
                tokens.fail(f"{op.name}: {error!r} is no error", line)
    else:
        tokens.expect(";")
    _limits_check(tokens, op)
    return op


def parse(text, path):
    """The interface which `text` declares; errors point at `path`."""
    tokens = _Tokens(text, path)
    interface = None
    while tokens.peek()[0] != "end":
        line = tokens.line
        doc = tokens.take_doc()
        word = tokens.name("interface, include, part or op")
        if word == "interface":
            if interface:
                tokens.fail("a second interface in one file", line)
            interface = Interface(tokens.name("the name of the interface"), path, doc)
            tokens.expect(";")
        elif interface is None:
            tokens.fail("the file must begin with: interface <name>;", line)
        elif word == "include":
            kind, header, _ = tokens.next()
            if kind != "string":
                tokens.fail(f'expected "header", found {header!r}', line)
            interface.includes.append(header.strip('"'))
            tokens.expect(";")
        elif word == "part":
            part = Part(f"{interface.name}.{tokens.name('the name of the part')}", doc)
            if any(other.name == part.name for other in interface.parts):
                tokens.fail(f"part {part.name!r} is declared twice", line)
            interface.parts.append(part)
            tokens.expect(";")
        elif word == "op":
            op = _operation_read(tokens, doc)
            if any(other.name == op.name for other in interface.operations):
                tokens.fail(f"operation {op.name!r} is declared twice", line)
            interface.parts[-1].operations.append(op)
        else:
            tokens.fail(f"expected interface, include, part or op, found {word!r}", line)
    if interface is None:
        tokens.fail("the file must begin with: interface <name>;", 1)
    once = [op for op in interface.operations if op.again == "once"]
    if once and not interface.answer:
        tokens.fail("a call is sent once, but there is no operation answer(since: u64, operation: u32) -> (out)", 1)
    for op in once:
        if not interface.answerable(op):
            tokens.fail(f"{op.name}: the answer has no room for what it gives back", op.line)
    if len(interface.operations) > OPS_MAX:
        tokens.fail(f"more than {OPS_MAX} operations", 1)
    return interface


def load(path, name=None):
    """Reads a file; `name` is what its interface must be called (the folder's name)."""
    try:
        with open(path, encoding="utf-8") as source:
            text = source.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"{path}: {reason}") from error
    interface = parse(text, path)
    name = name or os.path.basename(os.path.dirname(os.path.abspath(path)))
    if interface.name != name:
        raise UsageError(f"interface {interface.name!r} in the folder of {name!r}", path, 1)
    return interface
