"""Reads profiles/<name>.toml and works out the composition: units, domains, gates, levels, rights."""

import os
from dataclasses import dataclass, field

from . import service as services_module
from .errors import UsageError
from .service import RECOVERY, RIGHTS, choice_check, line_of, server_of, toml_read, value_check

CLASSES = {"IC0": 0, "IC1": 1, "IC2": 2}
IC1_UNITS_MAX = 12
DOMAINS_MAX = 127
GATES_MAX = 256
STACKS_MAX = 64
HEAP_PAGES_MAX = 65536
HEAP_PAGES_DEFAULT = 32
STACKS_DEFAULT = 16
REQUIRED = ("mem", "abi", "fs", "proc")
RESTART_LIMIT_MAX = 64          # services/super keeps so many times
RESTART_LIMIT_DEFAULT = 5
RESTART_WINDOW_DEFAULT = 30000  # milliseconds
CALL_DEADLINE_MAX = 86400000    # milliseconds
EXHAUSTED = ("reboot", "stay_down")
UNIT_KEYS = {"services": list, "class": str, "stacks": int, "heap_pages": int, "recovery": str, "rights": list,
             "ports": list, "irqs": list, "restart_limit": int, "restart_window_ms": int, "when_exhausted": str, "vector": bool,
             "call_deadline_ms": int}
PROFILE_KEYS = {"name": str, "description": str, "folders": list}


@dataclass
class Unit:
    """What is isolated: one domain. Services stand in start order, callees first; interfaces are numbered in that order."""

    name: str
    class_name: str
    services: list
    line: int
    options: dict = field(default_factory=dict)
    domain: int = 0
    level: int = 0
    key: int = 0
    stacks: int = STACKS_DEFAULT
    heap_pages: int = HEAP_PAGES_DEFAULT
    recovery: str = "essential"
    restart_limit: int = RESTART_LIMIT_DEFAULT
    restart_window_ms: int = RESTART_WINDOW_DEFAULT
    when_exhausted: str = "stay_down"
    call_deadline_ms: int = 0                      # callers leave a call of it that takes longer; 0: they wait
    rights: list = field(default_factory=list)
    threads: int = 0
    ports: list = field(default_factory=list)
    irqs: list = field(default_factory=list)
    gates: dict = field(default_factory=dict)      # parts of its own interfaces: name -> gate number
    variants: dict = field(default_factory=dict)   # parts of interfaces used: name -> (variant, gate number)

    @property
    def isolation(self):
        return CLASSES[self.class_name]

    @property
    def vector(self):
        """Its code may use the vector unit."""
        return self.options.get("vector", False)

    @property
    def interfaces(self):
        return [s.interface for s in self.services if s.interface]

    @property
    def gates_allowed(self):
        return sorted(gate for variant, gate in self.variants.values() if variant == "gate")


@dataclass
class Profile:
    name: str
    path: str
    description: str
    units: list
    gate_count: int = 0

    def unit_of(self, service):
        return next((u for u in self.units if any(s.name == service for s in u.services)), None)


def used_by(service):
    """The parts of interfaces that a service calls; whoever has a part has the first one, and every unit has a heap, which `mem` extends."""
    named = ["mem"] * (service.name != "mem") + service.uses + service.uses_optional
    return list(dict.fromkeys(part for used in named for part in (server_of(used), used)))


def use_line(chosen, chain):
    """Where a service file declares the last call of a chain (that of `mem` is declared nowhere): path and line."""
    for caller, callee in reversed(list(zip(chain, chain[1:]))):
        service = chosen[caller]
        for key in ("uses", "uses_optional"):
            if callee in map(server_of, getattr(service, key)):
                return service.toml, line_of(service.toml, key)
    return chosen[chain[0]].toml, 1


def start_order(chosen):
    """Services so that each stands behind all that it calls; a cycle is refused."""
    order, state = [], {}

    def visit(service, chain):
        if state.get(service.name) == "done":
            return
        if state.get(service.name) == "open":
            names = chain[chain.index(service.name):] + [service.name]
            raise UsageError(f"undeclared call cycle {' -> '.join(names)}", *use_line(chosen, names))
        state[service.name] = "open"
        for name in used_by(service):
            if name in chosen:
                visit(chosen[name], chain + [service.name])
        state[service.name] = "done"
        order.append(service)

    for name in sorted(chosen):
        visit(chosen[name], [])
    return order


def _unit_read(path, name, table, services):
    section = f"unit.{name}"
    if not isinstance(table, dict):
        raise UsageError(f"unit {name!r} is no table", path, line_of(path, name, "unit"))
    for key, value in table.items():
        value_check(path, section, key, value, UNIT_KEYS)
    here = line_of(path, None, section)
    for key in ("services", "class"):
        if key not in table:
            raise UsageError(f"unit {name!r} has no {key!r}", path, here)
    if table["class"] not in CLASSES:
        raise UsageError(f"unknown class {table['class']!r}", path, line_of(path, "class", section))
    if not table["services"]:
        raise UsageError(f"unit {name!r} has no services", path, line_of(path, "services", section))
    for service in table["services"]:
        if service not in services:
            raise UsageError(f"unknown service {service!r}", path, line_of(path, "services", section))
    return Unit(name, table["class"], [services[s] for s in table["services"]], here, table)


def _placement_check(profile):
    """Each service in one unit at most; what every system needs, and what a service calls, in one."""
    where = {}
    for unit in profile.units:
        for service in unit.services:
            line = line_of(profile.path, "services", f"unit.{unit.name}")
            if service.name in where:
                raise UsageError(f"service {service.name!r} is in unit {where[service.name].name!r} and in {unit.name!r}",
                                 profile.path, line)
            where[service.name] = unit
    for name in REQUIRED:
        if name not in where:
            raise UsageError(f"service {name!r} is in no unit", profile.path, 1)
    for unit in profile.units:
        for service in unit.services:
            for used in service.uses + ["mem"] * (service.name != "mem"):
                if server_of(used) not in where:
                    raise UsageError(f"service {service.name!r} needs {server_of(used)!r}, which is in no unit", profile.path, unit.line)


def _vector_check(profile):
    """The core saves vector state for calls on stacks of a unit's pool alone: the core's domain and the shim have none."""
    for unit in [u for u in profile.units if u.vector]:
        if not unit.isolation:
            reason = "a unit of class IC0 is part of the core, which has no vector code"
        elif any(s.name == "abi" for s in unit.services):
            reason = "the service 'abi' runs while programs' vector state is in the registers: its unit can't have vector code"
        else:
            continue
        raise UsageError(reason, profile.path, line_of(profile.path, "vector", f"unit.{unit.name}"))


def _ic0_merge(profile):
    """All IC0 units are one domain, named after the first."""
    first = next((u for u in profile.units if u.isolation == 0), None)
    defaults = {"stacks": STACKS_DEFAULT, "heap_pages": HEAP_PAGES_DEFAULT}
    for unit in [u for u in profile.units if u.isolation == 0 and u is not first]:
        first.services += unit.services
        for key in defaults.keys() & (first.options.keys() | unit.options.keys()):
            first.options[key] = first.options.get(key, defaults[key]) + unit.options.get(key, defaults[key])
        for key in {"rights", "ports", "irqs"} & unit.options.keys():
            first.options[key] = first.options.get(key, []) + unit.options[key]
        profile.units.remove(unit)


def _number_check(profile, unit, key, low, high, default):
    value = unit.options.get(key, default)
    if not low <= value <= high:
        raise UsageError(f"{key!r} is {low} to {high}, not {value}", profile.path,
                         line_of(profile.path, key, f"unit.{unit.name}"))
    return value


def _recovery_choose(profile, unit):
    """What the profile says, if each service can do it; else the strictest class that one of its services has by default."""
    section = f"unit.{unit.name}"
    asked = unit.options.get("recovery")
    if asked is None:
        strictest = min((s.recovery[0] for s in unit.services), key=RECOVERY.index)
        able = all(strictest in s.recovery for s in unit.services) and (strictest != "stable" or len(unit.services) == 1)
        return strictest if able and unit.isolation else "essential"
    choice_check(profile.path, section, "recovery", [asked], RECOVERY)
    for service in unit.services:
        if asked != "essential" and asked not in service.recovery:
            raise UsageError(f"service {service.name!r} cannot recover as {asked!r}", profile.path,
                             line_of(profile.path, "recovery", section))
    if asked == "stable" and not unit.isolation:
        raise UsageError("a unit of class IC0 can't be stable", profile.path, line_of(profile.path, "recovery", section))
    if asked == "stable" and len(unit.services) > 1:  # each would free what the others have kept
        raise UsageError("a stable unit has one service", profile.path, line_of(profile.path, "recovery", section))
    return asked


def _restarts_choose(profile, unit):
    """How often a unit that fails is restarted, and what happens then."""
    unit.restart_limit = _number_check(profile, unit, "restart_limit", 0, RESTART_LIMIT_MAX, RESTART_LIMIT_DEFAULT)
    unit.restart_window_ms = _number_check(profile, unit, "restart_window_ms", 1, 86400000, RESTART_WINDOW_DEFAULT)
    unit.when_exhausted = unit.options.get("when_exhausted", "reboot" if unit.recovery == "stable" else unit.when_exhausted)
    choice_check(profile.path, f"unit.{unit.name}", "when_exhausted", [unit.when_exhausted], EXHAUSTED)
    for key in ("restart_limit", "restart_window_ms", "when_exhausted"):
        if key in unit.options and unit.recovery == "essential":
            raise UsageError(f"unit {unit.name!r} is essential: it is never restarted", profile.path,
                             line_of(profile.path, key, f"unit.{unit.name}"))


def _deadline_choose(profile, unit):
    unit.call_deadline_ms = _number_check(profile, unit, "call_deadline_ms", 0, CALL_DEADLINE_MAX, 0)
    if unit.call_deadline_ms and not unit.isolation:
        raise UsageError("calls into class IC0 have no deadline", profile.path, line_of(profile.path, "call_deadline_ms", f"unit.{unit.name}"))


def _options_apply(profile, unit):
    path, section = profile.path, f"unit.{unit.name}"
    unit.stacks = _number_check(profile, unit, "stacks", 1, STACKS_MAX, STACKS_DEFAULT)
    unit.heap_pages = _number_check(profile, unit, "heap_pages", 1, HEAP_PAGES_MAX, HEAP_PAGES_DEFAULT)
    _deadline_choose(profile, unit)
    unit.threads = sum(s.threads for s in unit.services)
    if unit.stacks <= unit.threads:
        raise UsageError(f"unit {unit.name!r} needs more stacks than its {unit.threads} threads", path, line_of(path, "stacks", section))
    unit.recovery = _recovery_choose(profile, unit)
    _restarts_choose(profile, unit)
    needed = [r for r in RIGHTS if any(r in s.rights for s in unit.services)]
    unit.rights = unit.options.get("rights", needed)
    choice_check(path, section, "rights", unit.rights, RIGHTS)
    for right in needed:
        if right not in unit.rights:
            holder = next(s.name for s in unit.services if right in s.rights)
            raise UsageError(f"service {holder!r} needs the right {right!r}", path, line_of(path, "rights", section))
    unit.ports = [p for s in unit.services for p in s.ports]
    unit.irqs = [i for s in unit.services for i in s.irqs]
    if "ports" in unit.options:
        unit.ports = services_module.ports_parse(path, section, unit.options["ports"])
    if "irqs" in unit.options:
        unit.irqs = unit.options["irqs"]
        if any(not isinstance(i, int) or not 0 <= i < 24 for i in unit.irqs):
            raise UsageError("interrupt lines are 0 to 23", path, line_of(path, "irqs", section))


def _number(profile):
    """Domains, protection keys of IC1 units, and gates."""
    ic1 = [u for u in profile.units if u.isolation == 1]
    if len(ic1) > IC1_UNITS_MAX:
        raise UsageError(f"{len(ic1)} IC1 units, at most {IC1_UNITS_MAX}", profile.path, ic1[IC1_UNITS_MAX].line)
    if len(profile.units) > DOMAINS_MAX:
        raise UsageError(f"more than {DOMAINS_MAX} units", profile.path, profile.units[DOMAINS_MAX].line)
    for key, unit in enumerate(ic1):
        unit.key = key
    for index, unit in enumerate(profile.units):
        unit.domain = index + 1
        for part, _ in [gated for interface in unit.interfaces for gated in interface.gated]:
            unit.gates[part.name] = profile.gate_count
            profile.gate_count += 1
    if profile.gate_count > GATES_MAX:
        raise UsageError(f"{profile.gate_count} gates, at most {GATES_MAX}", profile.path, 1)


def _variants_choose(profile, services):
    """How each unit reaches each part of an interface that its services use."""
    for unit in profile.units:
        for service in unit.services:
            for used in used_by(service):
                server = profile.unit_of(server_of(used))
                interface = services[server_of(used)].interface
                if interface is None:
                    raise UsageError(f"service {service.name!r} uses {used!r}, which declares no interface",
                                     *use_line({service.name: service}, [service.name, server_of(used)]))
                if not any(part.name == used for part in interface.parts):
                    raise UsageError(f"the interface of {interface.name!r} has no part {used!r}",
                                     *use_line({service.name: service}, [service.name, interface.name]))
                if server is None:
                    unit.variants[used] = ("absent", None)
                elif server is unit:
                    unit.variants[used] = ("direct", None)
                elif used in server.gates:
                    unit.variants[used] = ("gate", server.gates[used])
        if any(s.name == "mem" for s in unit.services):
            unit.variants["mem"] = ("direct", None)


def _levels_set(profile):
    """A unit's level is one above the highest unit that it calls; units that call each other in a circle are refused."""
    levels, chain = {}, []

    def level(unit):
        if unit.name in chain:
            names = chain[chain.index(unit.name):] + [unit.name]
            raise UsageError(f"undeclared call cycle {' -> '.join(names)}", profile.path, unit.line)
        if unit.name not in levels:
            chain.append(unit.name)
            called = [profile.unit_of(server_of(name)) for name, (variant, _) in unit.variants.items() if variant == "gate"]
            levels[unit.name] = 1 + max((level(u) for u in called), default=0)
            chain.pop()
        return levels[unit.name]

    for unit in profile.units:
        unit.level = level(unit)


def load(path, services):
    """The checked composition of a profile; `services` is what service.load_all found."""
    table = toml_read(path)
    for key, value in table.items():
        value_check(path, None, key, value, {"profile": dict, "unit": dict})
    for key, value in table.get("profile", {}).items():
        value_check(path, "profile", key, value, PROFILE_KEYS)
    for folder in table.get("profile", {}).get("folders", []):
        if not os.path.isdir(folder):
            raise UsageError(f"no folder {folder!r}", path, line_of(path, "folders", "profile"))
        found = services_module.load_all("services", folder)
        services.update({name: service for name, service in found.items() if name not in services})
    name = os.path.splitext(os.path.basename(path))[0]
    if table.get("profile", {}).get("name", name) != name:
        raise UsageError(f"the profile's name must be {name!r}", path, line_of(path, "name", "profile"))
    units = [_unit_read(path, unit, value, services) for unit, value in table.get("unit", {}).items()]
    profile = Profile(name, path, table.get("profile", {}).get("description", ""), units)
    _placement_check(profile)
    order = start_order({s.name: s for u in units for s in u.services})
    _vector_check(profile)
    _ic0_merge(profile)
    for unit in profile.units:
        unit.services.sort(key=order.index)
        _options_apply(profile, unit)
    _number(profile)
    _variants_choose(profile, services)
    _levels_set(profile)
    return profile
