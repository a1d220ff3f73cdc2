"""What must hold of every page table of the system; docs/isolation.md says why. Each check gives lines that say what does not."""

from page_tables import KERNEL_FIRST, PAGE

PHYSMAP_SLOT, RECORDS_SLOT, ENTRY_SLOT, IMAGE_SLOT = 256, 264, 508, 511
UNIT_IMAGE_SPACE = 1 << 36   # of the private area, before the stacks


def _slot(address):
    return address >> 39 & 511


class Checks:
    """The checks of one look at the machine."""

    def __init__(self, system):
        self.system, self.shape, self.symbols = system, system.shape, system.symbols
        self.kernel = list(system.memory.leaves(system.root, KERNEL_FIRST))
        self.own = {domain.id: self._own_leaves(domain) for domain in system.domains}

    def _own_leaves(self, domain):
        """Where a domain's memory is mapped: its own root's user half, or its two slots of the kernel's."""
        if domain.isolation == 2:
            return list(self.system.memory.leaves(domain.root, 0, KERNEL_FIRST))
        first = self.shape["ARCH_UNITS_SLOT_FIRST"] + 2 * domain.slot
        return [leaf for leaf in self.kernel if first <= _slot(leaf.address) <= first + 1]

    def _units(self):
        return [domain for domain in self.system.domains if domain.isolation]

    def _private(self, domain, leaf):
        """The leaf lies in the unit's own memory, not in its window."""
        return not domain.window <= leaf.address < domain.window + self.system.frame_count * PAGE

    # ---- Writable and executable ----

    def write_or_execute(self):
        """Neither in the kernel half nor in a unit: not by one mapping, and not by two of which a unit has the writable one."""
        for leaf in self.kernel + [leaf for leaves in self.own.values() for leaf in leaves]:
            if leaf.write and leaf.execute:
                yield f"{leaf.address:#x} can be written and executed"
        for leaf in self.kernel:
            if leaf.execute and not self._code_belongs(leaf.address):
                yield f"code at {leaf.address:#x}"

    def _code_belongs(self, address):
        if self.symbols["text_start"] <= address < self.symbols["entry_text_end"]:
            return True
        return any(domain.isolation == 1 and domain.private <= address < domain.private + UNIT_IMAGE_SPACE for domain in self.system.domains)

    def code_has_no_writer(self):
        """Frames of the core's code are written by nobody; those of a unit's code only by the core's map of all memory."""
        core, units = set(), {}
        for leaf in self.kernel:
            if leaf.execute and _slot(leaf.address) == IMAGE_SLOT:
                core.add(leaf.frame)
        for domain in self._units():
            units.update((leaf.frame, domain) for leaf in self.own[domain.id] if leaf.execute)
        for leaf in self.kernel + [leaf for leaves in self.own.values() for leaf in leaves]:
            if not leaf.write:
                continue
            for frame in core & set(range(leaf.frame, leaf.frame + leaf.size // PAGE)) if leaf.size <= 512 * PAGE else core:
                if leaf.frame <= frame < leaf.frame + leaf.size // PAGE:
                    yield f"the core's code in frame {frame:#x} can be written at {leaf.address:#x}"
            if leaf.size == PAGE and leaf.frame in units and _slot(leaf.address) != PHYSMAP_SLOT:
                yield f"code of {units[leaf.frame]} can be written at {leaf.address:#x}"

    # ---- Keys and areas ----

    def areas_and_keys(self):
        """Nothing is mapped in the kernel half but the known areas, and with keys each leaf has its area's."""
        for leaf in self.kernel:
            wanted = self._key_wanted(leaf.address)
            if wanted is None:
                yield f"{leaf.address:#x} is no known area"
            elif self.system.keys and leaf.key != wanted:
                yield f"{leaf.address:#x} has key {leaf.key} instead of {wanted}"
        for leaf in self.system.memory.leaves(self.system.root, 0, KERNEL_FIRST):
            yield f"{leaf.address:#x} is mapped in the core's root"

    def _key_wanted(self, address):
        shape, slot = self.shape, _slot(address)
        if slot in (PHYSMAP_SLOT, RECORDS_SLOT):
            return shape["ARCH_KEY_CORE"]
        if slot == IMAGE_SLOT:
            inside = self.symbols["core_ro_start"] <= address < self.symbols["core_ro_end"]
            return shape["ARCH_KEY_CORE_RO"] if inside else shape["ARCH_KEY_CORE"]
        if slot == ENTRY_SLOT:
            return self._entry_key(address)
        unit = slot - shape["ARCH_UNITS_SLOT_FIRST"]
        for domain in self.system.domains:
            if domain.isolation < 2 and unit in (2 * domain.slot, 2 * domain.slot + 1):
                return domain.slot + 1 if domain.isolation else shape["ARCH_KEY_CORE"]
        return None

    def _entry_key(self, address):
        shape = self.shape
        if address >= shape["ARCH_DEVICES"]:
            return shape["ARCH_KEY_CORE"]
        if address >= shape["ARCH_ENTRY_STACKS"]:
            slot = (address - shape["ARCH_ENTRY_STACKS"]) // shape["ARCH_ENTRY_STACK_STRIDE"] // 64
            known = any(domain.isolation == 1 and domain.slot == slot for domain in self.system.domains)
            return slot + 1 if known else None
        return shape["ARCH_KEY_CORE"] if (address - shape["ARCH_ENTRY"]) % shape["ARCH_ENTRY_STRIDE"] >= PAGE else shape["ARCH_KEY_CORE_RO"]

    def level_three(self):
        """No page of the kernel half is open to programs and IC2 units; in their half all are."""
        for leaf in self.kernel:
            if leaf.user:
                yield f"{leaf.address:#x} is open to level 3"
        for domain in self._units():
            if domain.isolation == 2:
                yield from (f"{domain}: {leaf.address:#x} is not its own" for leaf in self.own[domain.id] if not leaf.user)

    # ---- Units ----

    def units_apart(self):
        """A unit's private memory is mapped in no other unit, and its window shows frames that it holds, each at its place."""
        owners, system = {}, self.system
        for domain in system.domains:
            for leaf in self.own[domain.id]:
                if self._private(domain, leaf) and leaf.frame != system.clock:
                    other = owners.setdefault(leaf.frame, domain)
                    if other is not domain and (other.isolation or domain.isolation):
                        yield f"frame {leaf.frame:#x} is in both {other} and {domain}"
        for domain in system.domains:
            for leaf in self.own[domain.id]:
                if not self._private(domain, leaf):
                    yield from self._window_leaf(domain, leaf, owners)

    def _window_leaf(self, domain, leaf, owners):
        shape, place = self.shape, (leaf.address - domain.window) // PAGE
        closed = (shape["FRAME_ABSENT"], shape["FRAME_TABLE"], shape["FRAME_PRIVATE"])
        for frame in range(leaf.frame, leaf.frame + leaf.size // PAGE):
            record = self.system.record(frame)
            if frame == self.system.dead and not leaf.write:
                continue
            if frame - leaf.frame + place != frame:
                yield f"{domain}: its window shows frame {frame:#x} at the place of {place:#x}"
            elif record is None or record.type in closed or not record.holders >> domain.id & 1:
                yield f"{domain}: its window shows frame {frame:#x}, which it does not hold"
            elif frame in owners and owners[frame] is not domain:
                yield f"{domain}: its window shows frame {frame:#x} of {owners[frame]}"

    def unit_roots(self):
        """A unit's root maps the unit and, for class IC1 without keys, what the processor needs of the core; never an application."""
        memory, system = self.system.memory, self.system
        top = memory.top(system.root)
        for domain in self._units():
            if domain.isolation == 2:
                table = memory.top(domain.root)
                if table[KERNEL_FIRST:] != top[KERNEL_FIRST:]:
                    yield f"{domain}: its root has another kernel half"
                yield from (f"{domain}: {leaf.address:#x} is mapped" for leaf in self.own[domain.id] if not self._place_known(domain, leaf.address))
            elif not system.keys:
                yield from self._root_without_keys(domain, top)
            elif domain.own_root:
                yield f"{domain}: it has a root beside its key"

    def _place_known(self, domain, address):
        shape, offset = self.shape, address - domain.private
        places = ((shape["ARCH_UNIT_STACKS"], shape["ARCH_UNIT_BOOT"]), (shape["ARCH_UNIT_BOOT"], shape["ARCH_UNIT_CLOCK"] + PAGE))
        if 0 <= address - domain.window < self.system.frame_count * PAGE or any(start <= offset < end for start, end in places):
            return True
        return 0 <= address - shape["ARCH_IC2_IMAGE_BASE"] < UNIT_IMAGE_SPACE

    def _root_without_keys(self, domain, top):
        first = self.shape["ARCH_UNITS_SLOT_FIRST"] + 2 * domain.slot
        table = self.system.memory.top(domain.own_root)
        if not domain.own_root or table[first:first + 2] != top[first:first + 2]:
            yield f"{domain}: its root does not have its own slots"
        for leaf in self.system.memory.leaves(domain.own_root):
            if first <= _slot(leaf.address) <= first + 1:
                continue
            if not self._lent(domain, leaf):
                yield f"{domain}: its root has {leaf.address:#x}{' to write' if leaf.write else ''}"

    def _lent(self, domain, leaf):
        shape, symbols, address = self.shape, self.symbols, leaf.address
        if symbols["entry_text_start"] <= address < symbols["entry_text_end"] or symbols["core_ro_start"] <= address < symbols["core_ro_end"]:
            return not leaf.write
        if _slot(address) != ENTRY_SLOT or address >= shape["ARCH_DEVICES"]:
            return False
        if address >= shape["ARCH_ENTRY_STACKS"]:
            return (address - shape["ARCH_ENTRY_STACKS"]) // shape["ARCH_ENTRY_STACK_STRIDE"] // 64 == domain.slot
        return not leaf.write and (address - shape["ARCH_ENTRY"]) % shape["ARCH_ENTRY_STRIDE"] < PAGE

    # ---- Applications ----

    def applications(self):
        """An application's root has the kernel half of all, and shows its owner's user frames alone."""
        memory, shape = self.system.memory, self.shape
        top = memory.top(self.system.root)
        for owner, root in self.system.spaces:
            if memory.top(root)[KERNEL_FIRST:] != top[KERNEL_FIRST:]:
                yield f"root {root:#x} has another kernel half"
            for leaf in memory.leaves(root, 0, KERNEL_FIRST):
                record = self.system.record(leaf.frame)
                if not leaf.user or record is None or record.type != shape["FRAME_USER"] or record.owner != owner:
                    yield f"root {root:#x}: {leaf.address:#x} shows frame {leaf.frame:#x}"


# What is found at one moment may be half of a change, but for the checks that hold at every moment.
ALWAYS = {
    "no page can be both written and executed": Checks.write_or_execute,
    "code has no second, writable mapping": Checks.code_has_no_writer,
    "each page of the kernel half has its area's key": Checks.areas_and_keys,
    "no page of the kernel half is open to level 3": Checks.level_three,
    "a unit's root maps that unit alone": Checks.unit_roots,
}
AT_REST = {
    "units share no memory that was not granted": Checks.units_apart,
    "applications show their own frames alone": Checks.applications,
}
