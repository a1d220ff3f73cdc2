"""Reads services/<name>/service.toml and finds the service's sources: what a service needs in every profile."""

import glob
import os
import re
import tomllib
from dataclasses import dataclass, field

from . import iface
from .errors import UsageError

RIGHTS = ("memory", "threads", "clients", "domains", "power")
RECOVERY = ("essential", "stable", "replay", "stateless")  # the strictest first
UPCALLS = ("syscall", "exception", "interrupt", "fault")
ARCH = "x86_64"
KEYS = {"description": str, "uses": list, "uses_optional": list, "rights": list, "recovery": list, "threads": int,
        "ports": list, "irqs": list, "upcalls": list, "folders": list, "generate": list}
GENERATE_KEYS = {"command": list, "inputs": list, "outputs": list}


@dataclass
class Generated:
    """A step that makes sources of a service: outputs ending in .c or .S are compiled with it."""

    command: list
    inputs: list
    outputs: list


@dataclass
class Service:
    name: str
    folder: str
    toml: str
    interface: object = None
    description: str = ""
    uses: list = field(default_factory=list)
    uses_optional: list = field(default_factory=list)
    rights: list = field(default_factory=list)
    recovery: list = field(default_factory=lambda: ["essential"])
    threads: int = 0
    ports: list = field(default_factory=list)
    irqs: list = field(default_factory=list)
    upcalls: list = field(default_factory=list)
    folders: list = field(default_factory=list)
    generate: list = field(default_factory=list)

    def sources(self):
        """The service's own .c and .S files: its folder, arch/<arch>, and the folders it names."""
        found = []
        for folder in [".", os.path.join("arch", ARCH)] + self.folders:
            for suffix in ("c", "S"):
                found += glob.glob(os.path.join(self.folder, folder, f"*.{suffix}"))
        return sorted(os.path.normpath(path) for path in found)


def line_of(path, key, section=None):
    """The line of `key = ...` (in `[section]`), since tomllib tells none; the section's own line if there is no key.
    Without a section also that of a table `[key]`."""
    current, header = None, None
    with open(path, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            match = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
            if match:
                current = match.group(1).replace('"', "")
                header = number if current == section else header
                if section is None and key and (current == key or current.startswith(f"{key}.")):
                    return number
            elif current == section and key and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
                return number
    return header or 1


def toml_read(path):
    try:
        with open(path, "rb") as source:
            return tomllib.load(source)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        at = re.search(r"\(at line (\d+)", str(error))
        raise UsageError(re.sub(r" \(at .*\)", "", str(error)), path, int(at.group(1)) if at else 1) from error


def value_check(path, section, key, value, kinds):
    """Refuses an unknown key and a value of the wrong type."""
    if key not in kinds:
        raise UsageError(f"unknown key {key!r}", path, line_of(path, key, section))
    if not isinstance(value, kinds[key]) or isinstance(value, bool) != (kinds[key] is bool):
        names = {str: "text", list: "a list", int: "a number", dict: "a table", bool: "true or false"}
        raise UsageError(f"{key!r} must be {names[kinds[key]]}", path, line_of(path, key, section))


def choice_check(path, section, key, values, choices):
    for value in values:
        if value not in choices:
            raise UsageError(f"{value!r} is not one of {', '.join(choices)}", path, line_of(path, key, section))


def ports_parse(path, section, texts):
    """`"0x3f8+8"`: the first port and their number."""
    ranges = []
    for text in texts:
        match = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)\+(\d+)", text) if isinstance(text, str) else None
        first, count = (int(match.group(1), 0), int(match.group(2))) if match else (0, 0)
        if not 0 < count <= 65536 - first:
            raise UsageError(f"{text!r} is no range of ports like \"0x3f8+8\"", path, line_of(path, "ports", section))
        ranges.append((first, count))
    return ranges


def _irqs_check(path, irqs):
    for irq in irqs:
        if not isinstance(irq, int) or not 0 <= irq < 24:
            raise UsageError(f"{irq!r} is no interrupt line (0 to 23)", path, line_of(path, "irqs"))


def load(folder):
    """The service of a folder."""
    name, path = os.path.basename(folder), os.path.join(folder, "service.toml")
    service = Service(name, folder, path)
    for key, value in toml_read(path).items():
        value_check(path, None, key, value, KEYS)
        setattr(service, key, value)
    choice_check(path, None, "rights", service.rights, RIGHTS)
    choice_check(path, None, "recovery", service.recovery, RECOVERY)
    choice_check(path, None, "upcalls", service.upcalls, UPCALLS)
    service.ports = ports_parse(path, None, service.ports)
    _irqs_check(path, service.irqs)
    if not 0 <= service.threads <= 16:
        raise UsageError("'threads' is 0 to 16", path, line_of(path, "threads"))
    steps = []
    for step in service.generate:
        for key, value in step.items():
            value_check(path, "generate", key, value, GENERATE_KEYS)
        if set(step) != set(GENERATE_KEYS):
            raise UsageError("[[generate]] needs command, inputs and outputs", path, line_of(path, None, "generate"))
        steps.append(Generated(**step))
    service.generate = steps
    declaration = os.path.join(folder, f"{name}.iface")
    if os.path.exists(declaration):
        service.interface = iface.load(declaration)
    return service


def server_of(used):
    """The service whose interface, or part of it, has this name."""
    return used.partition(".")[0]


def load_all(*services_folders):
    """All services below the folders, by name (the first folder that has one wins); `uses` must name one of them."""
    services = {}
    for folder in services_folders:
        for path in sorted(glob.glob(os.path.join(folder, "*", "service.toml"))):
            name = os.path.basename(os.path.dirname(path))
            if name not in services:
                services[name] = load(os.path.dirname(path))
    for service in services.values():
        for key in ("uses", "uses_optional"):
            for used in getattr(service, key):
                if server_of(used) not in services:
                    raise UsageError(f"no service {server_of(used)!r}", service.toml, line_of(service.toml, key))
    return services
