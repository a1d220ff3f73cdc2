"""ELF files as the profiler reads them: executable bytes and names of functions. ELF-64, little-endian."""

import bisect
import struct

TEXT_SYMBOL_TYPES = (0, 2)   # STT_NOTYPE (assembly), STT_FUNC
SYMBOL_TABLES = (2, 11)      # SHT_SYMTAB, SHT_DYNSYM
EXECUTE = 1


class Image:
    """One file: its executable segments [(address, bytes)] and its functions, sorted by address."""

    def __init__(self, name, data):
        self.name, self.segments, self.addresses, self.names, self.sizes = name, [], [], [], []
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{name}: no ELF file of 64 bits")
        self.entry, programs, sections = struct.unpack_from("<QQQ", data, 24)
        _, _, program_count, _, section_count, _ = struct.unpack_from("<HHHHHH", data, 52)
        for i in range(program_count):
            kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, programs + 56 * i)
            if kind == 1 and flags & EXECUTE:
                self.segments.append((address, data[offset:offset + size]))
        self._symbols_read(data, [struct.unpack_from("<IIQQQQIIQQ", data, sections + 64 * i) for i in range(section_count)])

    def _symbols_read(self, data, sections):
        found, self.symbols = {}, {}
        for section in sections:
            if section[1] not in SYMBOL_TABLES:
                continue
            strings = sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                name_at, info, _, index, value, size = struct.unpack_from("<IBBHQQ", data, at)
                if index == 0 or name_at == 0:
                    continue
                end = data.index(b"\0", strings + name_at)
                name = data[strings + name_at:end].decode("ascii", "replace")
                self.symbols[name] = (value, size)
                if info & 15 in TEXT_SYMBOL_TYPES and any(a <= value < a + len(b) for a, b in self.segments):
                    if value not in found or info >> 4:  # of several names of a place, a global one
                        found[value] = (name, size)
        self.addresses = sorted(found)
        self.names = [found[a][0] for a in self.addresses]

    def function(self, address):
        """(name, address) of the function there, (None, None) if the file names none."""
        i = bisect.bisect_right(self.addresses, address) - 1
        return (self.names[i], self.addresses[i]) if i >= 0 else (None, None)

    def next_function(self, address):
        i = bisect.bisect_right(self.addresses, address)
        return self.addresses[i] if i < len(self.addresses) else address + 1

    def bytes_at(self, address, size):
        for start, data in self.segments:
            if start <= address < start + len(data):
                return data[address - start:address - start + size]
        return b""

    def places(self, wanted, page_offset):
        """Addresses in the page of which these bytes stand at that offset."""
        for start, data in self.segments:
            at = data.find(wanted)
            while at >= 0:
                if (start + at) % 4096 == page_offset:
                    yield start + at
                at = data.find(wanted, at + 1)
