"""Boots with a loader and firmware that say odd things: what they left in memory is changed, by a debugger, before the core reads it.

The core believes what they say of memory and devices, but not that their lists and tables are well-formed.
"""

import os
import re
import struct
import subprocess
import time

from nmi.monitor import Debugger, socket_path
from tesseratools import machine

LINK_BASE, PHYSICAL_BASE = 0xffffffff80000000, 0x200000
TABLES = 0x40000                 # below 1 MiB the core takes no memory, but for the start of processors
REGISTER_RDI = 5
LIMIT = 60
INFO = struct.Struct("<IIIIQQQQII")   # struct hvm_start_info
MEMORY = struct.Struct("<QQII")
LOCAL_CONTROLLER, CONTROLLER = 0xfee00000, 0xfec00000
RAM, HUGE, FAR = 1, 1 << 52, 1 << 62


def with_sum(table, at=9):
    """The table with the checksum byte that makes it valid."""
    table = bytearray(table)
    table[at] = -sum(table) & 0xff
    return bytes(table)


def table(name, body, length=None):
    return with_sum(struct.pack("<4sIBB6s8sIII", name, 36 + len(body) if length is None else length, 1, 0, b"TESTS ", b"FIRMWARE", 1, 0, 1) + body)


class Tables:
    """ACPI tables in memory, one behind the other."""

    def __init__(self):
        self.data = b"\0" * 64          # the root pointer's place

    def add(self, data):
        """Its address."""
        address = TABLES + len(self.data)
        self.data += data + b"\0" * (-len(data) % 16)
        return address

    def finish(self, root, revision=2, old_root=0):
        pointer = with_sum(struct.pack("<8sB6sBI", b"RSD PTR ", 0, b"TESTS ", revision, old_root), 8)
        self.data = pointer + struct.pack("<IQB3x", 36, root, 0) + self.data[36:]
        return self.data


PROCESSOR = struct.pack("<BBBBI", 0, 8, 0, 0, 1)
CONTROLLER_ENTRY = struct.pack("<BBBBII", 1, 12, 0, 0, CONTROLLER, 0)
OVERRIDE = struct.pack("<BBBBIH", 2, 10, 0, 0, 2, 0)


def madt(*entries):
    return table(b"APIC", struct.pack("<II", LOCAL_CONTROLLER, 0) + b"".join(entries))


def generic(space, address):
    return struct.pack("<BBBBQ", space, 8, 0, 1, address)


def fadt(dsdt, dsdt64=0, reset=generic(1, 0xcf9), sleep=generic(0, 0), size=268):
    body = bytearray(268)
    struct.pack_into("<I", body, 40, dsdt)
    struct.pack_into("<II", body, 64, 0, 0)     # no control registers: the machine ends by its debug exit
    body[116:128], body[128], body[244:256] = reset, 6, sleep
    struct.pack_into("<Q", body, 140, dsdt64)
    return table(b"FACP", bytes(body[36:size]))


def absent_processor(tables):
    """One that does not start."""
    absent = struct.pack("<BBBBI", 0, 8, 0, 77, 1)
    return tables.finish(tables.add(table(b"XSDT", struct.pack("<Q", tables.add(madt(PROCESSOR, absent, CONTROLLER_ENTRY))))))


def no_root(tables):
    return tables.finish(0)


def old_root(tables):
    """The old pointer, whose table has addresses of 32 bits."""
    root = tables.add(table(b"RSDT", struct.pack("<II", 0, tables.add(madt(PROCESSOR, CONTROLLER_ENTRY)))))
    return tables.finish(0, 0, root)


def bad_tables(tables):
    """A root with nothing, with tables that are too short, too long, outside all memory, of a bad sum; at last good ones, with bad entries."""
    bad_sum = bytearray(madt(PROCESSOR))
    bad_sum[40] ^= 1
    entries = [struct.pack("<BBBBI", 0, 8, 0, 5, 0), struct.pack("<BBBBI", 0, 6, 0, 0, 1)[:6], struct.pack("<BBHIII", 9, 16, 0, 0, 0, 0),
               struct.pack("<BBHII", 9, 12, 0, 0, 1), struct.pack("<BB6x", 200, 8), struct.pack("<BBHQ", 5, 12, 0, LOCAL_CONTROLLER),
               struct.pack("<BBHQ", 5, 12, 0, FAR), struct.pack("<BBBBIH", 2, 10, 7, 3, 3, 0), struct.pack("<BBBBIH", 2, 10, 0, 9, 9, 15),
               struct.pack("<BBBBIH", 2, 10, 0, 250, 250, 0)]
    entries += [OVERRIDE] * 20 + [struct.pack("<BBBBII", 1, 12, 0, 0, *place) for place in ((0xfffff800, 100), (CONTROLLER, 200))] + [CONTROLLER_ENTRY] * 6
    entries += [PROCESSOR] * 80 + [struct.pack("<BBBBI", 0, 8, 0, 77, 1)]
    good = tables.add(madt(PROCESSOR, *entries, struct.pack("<BB", 0, 200)))
    halved = tables.add(madt(PROCESSOR, struct.pack("<BB", 0, 0)))
    pointers = [0, FAR, HUGE, tables.add(table(b"APIC", b"", 20)), tables.add(table(b"APIC", b"", 1 << 24)), tables.add(table(b"APIC", b"", 1 << 31)),
                tables.add(bytes(bad_sum)), tables.add(table(b"APIC", b"")), tables.add(table(b"FACP", b"")), tables.add(table(b"ODD ", b"x")), good, halved]
    return tables.finish(tables.add(table(b"XSDT", b"".join(struct.pack("<Q", p) for p in pointers) + b"odd")))


def sleeps(tables):
    """Descriptions of how to turn off, of which none can be used; registers at no place, in memory and at ports that are none."""
    head = b"_S5_\x12"
    codes = (b"", b"_S5", head + b"\x06\x04\x0a\x05\x0a\x05", head + b"\x06\x04\x0c\0\0\0\0\0", head + b"\x06\x04\x00\x0c\0\0\0\0", head + b"\xff\x04", b"x" * 50)
    pointers = [tables.add(madt(PROCESSOR, CONTROLLER_ENTRY))]
    pointers += [tables.add(fadt(tables.add(table(b"DSDT", code)))) for code in codes]
    last = tables.add(table(b"DSDT", b"pad" + head + b"\x06\x04\x01\x00\x00\x00\x00"))
    pointers += [tables.add(fadt(0)), tables.add(fadt(0, FAR)), tables.add(fadt(0, size=140)), tables.add(fadt(0, size=120)),
                 tables.add(fadt(0, last, generic(1, 1 << 20), generic(0, FAR))), tables.add(fadt(0, last, generic(0, 0), generic(1, 5))),
                 tables.add(fadt(0, last, generic(0, FAR)))]
    return tables.finish(tables.add(table(b"XSDT", b"".join(struct.pack("<Q", p) for p in pointers))))


FIRMWARE = (("firmware_absent_processor", absent_processor), ("firmware_without_root", no_root), ("firmware_old_root", old_root), ("firmware_bad_tables", bad_tables), ("firmware_bad_sleep", sleeps))


class Odd:
    """One machine that is stopped where the core begins."""

    def __init__(self, image, archive, append, folder):
        self.report, path = os.path.join(folder, "odd.log"), socket_path(folder, "gdb")
        if os.path.exists(self.report):
            os.unlink(self.report)
        words = [machine.QEMU, "-machine", "q35", "-m", "256M", "-cpu", "max", "-display", "none", "-serial", "null", "-monitor", "none", "-nic", "none",
                 "-no-reboot", "-debugcon", f"file:{self.report}", "-device", "isa-debug-exit,iobase=0xf4", "-S", "-gdb", f"unix:{path},server=on,wait=off",
                 "-kernel", image, "-initrd", archive, "-append", append]
        self.process = subprocess.Popen(words + machine.options_of_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.debugger = Debugger(path)
        self.debugger.run_to(early_place(image), LIMIT)
        registers = self.debugger.ask("g")
        self.info_at = int.from_bytes(bytes.fromhex(registers[16 * REGISTER_RDI:16 * REGISTER_RDI + 16]), "little")
        self.info = list(INFO.unpack(self.read(self.info_at, INFO.size)))

    def read(self, address, size):
        return self.debugger.read(address, size)

    def write(self, address, data):
        self.debugger.write(address, data)

    def goes_on(self, line):
        """The log's end, once it has the line or the machine is off."""
        self.write(self.info_at, INFO.pack(*self.info))
        self.debugger.go_on()
        log, end = "", time.monotonic() + LIMIT
        while line not in log and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
            log = "\n".join(machine.report_tail(self.report, 20))
        return "\n".join(machine.report_tail(self.report, 20))

    def end(self):
        self.process.kill()
        self.process.wait()


def early_place(image):
    """Where start_early is before the image has moved."""
    text = subprocess.run(["llvm-nm-14", image], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"^([0-9a-f]+) \w start_early$", text, re.M).group(1), 16) - LINK_BASE + PHYSICAL_BASE


MAGIC, VERSION, MODULE_COUNT, MODULES, COMMAND_LINE, RSDP, MAP, MAP_COUNT = 0, 1, 3, 4, 5, 6, 7, 8   # places in `info`


def memory_map_odd(odd):
    """Ranges that wrap, are empty, smaller than a page, out of order, beyond what is mapped; more of them than are kept."""
    count = odd.info[MAP_COUNT]
    good = odd.read(odd.info[MAP], count * MEMORY.size)
    ranges = [(FAR, FAR * 3, RAM, 0), (1 << 40, 1 << 20, RAM, 0), (0x300000, 0, RAM, 0), (0x300800, 0x200, RAM, 0), (0x9000, 0x1000, 77, 0)]
    data = b"".join(MEMORY.pack(*r) for r in ranges[:1]) + b"".join(reversed([good[i:i + MEMORY.size] for i in range(0, len(good), MEMORY.size)]))
    data += b"".join(MEMORY.pack(*r) for r in ranges) + MEMORY.pack(0x2000, 0x1000, 2, 0) * 100
    odd.write(TABLES, data)
    odd.info[MAP], odd.info[MAP_COUNT] = TABLES, len(data) // MEMORY.size


def archive_shifted(odd):
    """The archive does not begin at a page: zeros stand before it, which an archive may have."""
    address, size = struct.unpack("<QQ", odd.read(odd.info[MODULES], 16))
    odd.write(address - 512, b"\0" * 512)
    odd.write(odd.info[MODULES], struct.pack("<QQ", address - 512, size + 512))


def module_at(address, size):
    def change(odd):
        odd.write(TABLES, struct.pack("<QQQQ", address, size, 0, 0))
        odd.info[MODULES] = TABLES
    return change


def info_of(place, value):
    def change(odd):
        odd.info[place] = value
    return change


GOOD, NO_MAP, STARTED = "tessera: exit 7", "the loader gave no memory map", "processors: 1"
LOADER = (
    ("loader_odd_memory_map", memory_map_odd, GOOD), ("loader_archive_not_at_a_page", archive_shifted, GOOD),
    ("loader_without_tables", info_of(RSDP, 0), GOOD), ("loader_without_command_line", info_of(COMMAND_LINE, 0), STARTED),
    ("loader_command_line_too_high", info_of(COMMAND_LINE, 1 << 33), STARTED), ("loader_without_archive", info_of(MODULE_COUNT, 0), "can't be run"),
    ("loader_without_magic", info_of(MAGIC, 5), NO_MAP), ("loader_old_version", info_of(VERSION, 0), NO_MAP), ("loader_map_too_high", info_of(MAP, 1 << 33), NO_MAP),
    ("loader_archive_too_low", module_at(0x1000, 0x1000), NO_MAP), ("loader_archive_too_high", module_at((1 << 32) - 0x1000, 0x2000), NO_MAP),
    ("loader_archive_wraps", module_at((1 << 64) - 0x1000, 0x2000), NO_MAP),
)


def case_run(image, archive, append, folder, change, line):
    """What went wrong, or None."""
    try:
        odd = Odd(image, archive, append, folder)
    except OSError as error:
        return str(error)
    try:
        change(odd)
        log = odd.goes_on(line)
    except OSError as error:
        return str(error)
    finally:
        odd.end()
    return None if line in log else " | ".join(log.splitlines()[-3:])


def firmware_change(make):
    def change(odd):
        odd.write(TABLES, make(Tables()))
        odd.info[RSDP] = TABLES
    return change


def run(image, archive, append, folder, wanted=()):
    """(name, what went wrong or None) of each case."""
    for name, change, line in (*LOADER, *((name, firmware_change(make), GOOD) for name, make in FIRMWARE)):
        if not wanted or name in wanted:
            yield name, case_run(image, archive, append, folder, change, line)
