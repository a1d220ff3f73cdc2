"""Page tables of x86_64 in the memory of a machine that stands still, and what the core has recorded there."""

import mmap
import os
from collections import namedtuple

PAGE = 4096
PRESENT, WRITE, USER, MARKS, LARGE, NX, FRAME = 1, 2, 4, 0x60, 0x80, 1 << 63, 0x000ffffffffff000
KERNEL_FIRST = 256       # entries of a top table from here on are the kernel half's

Leaf = namedtuple("Leaf", "address size frame write user execute key")
Record = namedtuple("Record", "type object_type owner object holders")


class Memory:
    """Physical memory of a machine, a file on the host."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDONLY)
        self.map = mmap.mmap(self.file, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
        self.words = memoryview(self.map).cast("Q")

    def close(self):
        self.words.release()
        self.map.close()
        os.close(self.file)

    def word(self, physical):
        return self.words[physical // 8]

    def table(self, physical):
        return self.words[physical // 8:physical // 8 + 512].tolist()

    def top(self, root):
        """Entries of a top table without what the processor has noted there."""
        return [entry & ~MARKS for entry in self.table(root)]

    def translate(self, root, address):
        """Physical address, or None."""
        table = root
        for level in (3, 2, 1, 0):
            entry = self.words[table // 8 + (address >> (12 + 9 * level) & 511)]
            if not entry & PRESENT:
                return None
            if level == 0 or (entry & LARGE and level < 3):
                size = PAGE << (9 * level)
                return (entry & FRAME & ~(size - 1)) + address % size
            table = entry & FRAME
        return None

    def read(self, root, address, size):
        """Bytes at an address of a root; they may cross pages."""
        data = b""
        while len(data) < size:
            at = address + len(data)
            physical = self.translate(root, at)
            if physical is None:
                raise ValueError(f"nothing is mapped at {at:#x}")
            data += self.map[physical:physical + min(size - len(data), PAGE - at % PAGE)]
        return data

    def number(self, root, address, size=8):
        return int.from_bytes(self.read(root, address, size), "little")

    def leaves(self, root, first=0, last=512):
        """Every leaf below entries first to last - 1 of a top table, with the rights of all levels together."""
        for index in range(first, last):
            yield from self._below(self.words[root // 8 + index], 3, index << 39, (True, True, True))

    def _below(self, entry, level, address, rights):
        if not entry & PRESENT:
            return
        write, user, execute = rights[0] and bool(entry & WRITE), rights[1] and bool(entry & USER), rights[2] and not entry & NX
        if level == 0 or (entry & LARGE and level < 3):
            size = PAGE << (9 * level)
            shown = address | (0xffff << 48) if address >> 47 else address
            yield Leaf(shown, size, (entry & FRAME & ~(size - 1)) // PAGE, write, user, execute, entry >> 59 & 15)
            return
        for index, below in enumerate(self.table(entry & FRAME)):
            if below & PRESENT:
                yield from self._below(below, level - 1, address | index << (12 + 9 * (level - 1)), (write, user, execute))


class Domain:
    """What the walk needs of a struct domain."""

    def __init__(self, system, identity, address):
        def member(name, size=8):
            return system.number(address + system.shape[f"domain.{name}"], size)

        self.id, self.isolation, self.unit = identity, member("class", 4), member("unit")
        self.key, self.slot, self.own_root = member("arch.key", 4), member("arch.slot", 4), member("arch.root")
        self.root, self.window, self.private = member("root"), member("window"), member("private")
        name = member("page")
        self.name = system.read(name + system.shape["tk_domain_page.name"], 32).split(b"\0")[0].decode() if self.unit else ""

    def __str__(self):
        return f"{self.name} (IC{self.isolation})"


class System:
    """The core's view of a machine that stands still: domains, frames, address spaces."""

    def __init__(self, memory, shape, symbols):
        self.memory, self.shape, self.symbols, self._records = memory, shape, symbols, {}
        # Read where the image was loaded (without a slide): with switched roots, the ones in use may all be units' or programs' and map no core.
        self.root = memory.word(symbols["arch_kernel_root"] - symbols["image_start"] + symbols["image_physical"])
        self.frame_count = self.number(symbols["frame_count"])
        self.dead = self.number(symbols["frame_dead"], 4)
        self.clock = self.number(symbols["clock_frame"], 4)
        self.keys = bool(self.number(symbols["arch_has_keys"], 1))
        self.processors = self.number(symbols["cpu_count"], 4)
        count = self.number(symbols["domain_count"], 4)
        every = [Domain(self, i, symbols["domains"] + i * shape["domain"]) for i in range(1, count)]
        self.domains = [domain for domain in every if domain.unit]
        self.spaces = list(self._spaces())

    def read(self, address, size):
        return self.memory.read(self.root, address, size)

    def number(self, address, size=8):
        return self.memory.number(self.root, address, size)

    def record(self, frame):
        """The record of a frame, None beyond memory."""
        if frame >= self.frame_count:
            return None
        if frame not in self._records:
            size, shape = self.shape["frame_record"], self.shape
            data = self.read(shape["ARCH_RECORDS"] + frame * size, size)
            private = shape["frame_record.object"]
            self._records[frame] = Record(data[shape["frame_record.type"]], data[shape["frame_record.object_type"]],
                                          data[shape["frame_record.owner"]], int.from_bytes(data[private:private + 8], "little"),
                                          int.from_bytes(data[shape["frame_record.holders"]:], "little"))
        return self._records[frame]

    def _spaces(self):
        """(owner, root) of each application's address space."""
        for frame in range(1, self.frame_count):
            record = self.record(frame)
            if record.type == self.shape["FRAME_OBJECT"] and record.object_type == self.shape["TK_OBJECT_VSPACE"]:
                yield self.number(record.object + self.shape["vspace.owner"], 2), self.number(record.object + self.shape["vspace.root"])
