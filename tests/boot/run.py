#!/usr/bin/env python3
"""Boots the image in every way that docs/boot.md names, on unlike machines, and runs one program. Output is TAP.

Usage: tests/boot/run.py [--profile NAME] [CASE ...]. GRUB's cases need what `tools/setup.sh iso` installs; else they are skipped.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

from boot import firmware  # noqa: E402
from tesseratools import disc, machine, root  # noqa: E402

LIMIT = 120
BOOTS = 3                        # the image has 510 places: two boots may have the same
LAYOUT = os.path.join(TOP, "core/arch/x86_64/include/arch/layout.h")
OVMF = "/usr/share/ovmf/OVMF.fd"
PROGRAM = ["sh", "-c", "exit 7"]
LAZY = ["-machine", "memory-backend=ram", "-object", "memory-backend-ram,id=ram,size=64G,reserve=off"]
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4"]   # by which a machine without ACPI ends

# name, loader and what packs the archive for it, options of QEMU
CASES = (
    ("pvh_q35", "pvh", ["-machine", "q35", "-m", "256M"]),
    ("pvh_pc", "pvh", ["-machine", "pc", "-m", "256M"]),
    ("pvh_microvm", "pvh", ["-machine", "microvm", "-m", "256M"]),
    ("memory_64_mebibytes", "pvh", ["-machine", "q35", "-m", "64M"]),
    ("memory_64_gibibytes", "pvh", ["-machine", "q35", "-m", "64G"] + LAZY),
    ("processors_16", "pvh", ["-machine", "q35", "-m", "256M", "-smp", "16"]),
    ("without_huge_pages", "pvh", ["-machine", "q35", "-m", "5G", "-cpu", "max,-pdpe1gb"]),
    ("without_keys", "pvh", ["-machine", "q35", "-m", "256M", "-smp", "2", "-cpu", "max,-pks"]),
    ("without_random_instruction", "pvh", ["-machine", "q35", "-m", "256M", "-cpu", "max,-rdrand"]),
    ("without_supervisor_protection", "pvh", ["-machine", "q35", "-m", "256M", "-cpu", "max,-smep,-smap,-umip"]),
    ("without_wide_vectors", "pvh", ["-machine", "q35", "-m", "256M", "-cpu", "max,-avx"]),
    ("archive_gzip", "pvh gzip -9n", ["-machine", "q35", "-m", "256M"]),
    ("archive_zstd", "pvh zstd -19 -q", ["-machine", "q35", "-m", "256M"]),
    ("without_acpi", "pvh", ["-machine", "q35,acpi=off", "-m", "256M", "-smp", "2"] + DEBUG_EXIT),
    ("without_acpi_microvm", "pvh", ["-machine", "microvm,acpi=off", "-m", "256M"] + DEBUG_EXIT),
    ("without_pic_and_pit", "pvh", ["-machine", "microvm,pic=off,pit=off", "-m", "256M"]),
    ("without_serial_line", "pvh", ["-machine", "microvm,isa-serial=off", "-m", "256M"]),
    ("grub_bios", "grub", ["-machine", "q35", "-m", "256M", "-smp", "2"]),
    ("grub_uefi", "grub", ["-machine", "q35", "-m", "512M", "-smp", "2", "-bios", OVMF]),
)

# Machines that end otherwise: their options, the program, a line of the core's log, whether the machine is off then.
LACKS_MODES, LACKS_XSAVE = "lacks 64-bit mode or no-execute pages", "lacks XSAVE or FSGSBASE"
RESET = ["sh", "-c", "reboot -f"]
ENDS = (
    *((f"refuses_{name}", ["-machine", "q35", "-m", "256M", "-cpu", f"max,{feature}"], PROGRAM, line, False) for name, feature, line in (
        ("without_long_mode", "-lm", LACKS_MODES), ("without_no_execute", "-nx", LACKS_MODES), ("old_extended_leaves", "xlevel=0x80000000", LACKS_MODES),
        ("without_xsave", "-xsave", LACKS_XSAVE), ("without_fsgsbase", "-fsgsbase", LACKS_XSAVE), ("old_leaves", "level=12", LACKS_XSAVE), ("older_leaves", "level=6", LACKS_XSAVE))),
    ("halts_without_a_way_off", ["-machine", "microvm,acpi=off", "-m", "256M", "-cpu", "max"], PROGRAM, "the machine does not turn off; halted", False),
    ("resets_by_port", ["-machine", "q35", "-m", "256M", "-cpu", "max"], RESET, "tessera: reset", True),
    ("resets_by_register", ["-machine", "microvm", "-m", "256M", "-cpu", "max"], RESET, "tessera: reset", True),
)


def packed(command, archive, folder):
    """The archive, or what a command makes of it from its standard input to its output."""
    if not command:
        return archive
    output = os.path.join(folder, f"root.cpio.{command[0]}")
    with open(archive, "rb") as source, open(output, "wb") as target:
        subprocess.run(command, stdin=source, stdout=target, check=True)
    return output


def command_of(words, report=None):
    return [machine.QEMU] + words + ["-display", "none", "-serial", "null", "-monitor", "none", "-nic", "none", "-no-reboot"] + \
        (["-debugcon", f"file:{report}"] if report else []) + machine.options_of_environment()


def untold_run(words):
    """What went wrong, or None, in a machine without the report channel: it ends with the status by its debug exit."""
    with subprocess.Popen(command_of(words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            status = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            return "the machine does not end"
    return None if status == 2 * 7 + 1 else f"QEMU's status {status}"


def end_awaited(words, line, off, report):
    """What went wrong, or None: the core must say the line, and the machine turn off if it is to."""
    with subprocess.Popen(command_of(words, report), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + LIMIT
        while process.poll() is None and (off or line not in "\n".join(machine.report_tail(report))) and time.monotonic() < end:
            time.sleep(0.1)
        ended = process.poll() is not None
        process.kill()
    said = machine.report_tail(report, 3)
    return f"{' | '.join(said)}" if line not in "\n".join(said) else None if ended or not off else "the machine did not turn off"


def machine_run(words, report):
    """What went wrong, or None: the program's status must come back through the report channel."""
    command = command_of(words, report)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + LIMIT
        # A machine that can't turn itself off has told its status before.
        while process.poll() is None and machine.report_status(report) is None and time.monotonic() < end:
            time.sleep(0.1)
        try:
            process.wait(5)
            off = True
        except subprocess.TimeoutExpired:
            process.kill()
            off = False
        errors = process.stderr.read().decode(errors="replace").strip()
    status = machine.report_status(report)
    if status != 7:
        return f"status {status}, {' | '.join(machine.report_tail(report, 3))} {errors[-200:]}"
    return None if off else "the machine did not turn off"


def layout_of(image, archive, append, report):
    """Where the core's areas lie in one boot, by name: what the option `layout` tells on the report channel."""
    trouble = machine_run(["-machine", "q35", "-m", "256M", "-cpu", "max", "-kernel", image, "-initrd", archive, "-append", append], report)
    if trouble:
        raise ValueError(trouble)
    places = {}
    with open(report, encoding="utf-8", errors="replace") as source:
        for line in re.findall(r"^layout: (.*)$", source.read(), re.M):
            unit = re.match(r"unit \S+ ", line)
            prefix = unit.group(0) if unit else ""
            for name, address in re.findall(r"(\w+) 0x([0-9a-f]+)", line.removeprefix(prefix)):
                places[prefix + name] = int(address, 16)
    return places


def layout_moves(image, archive, append, folder):
    """What is wrong with the random layout, or None: each area must move between boots, and stay where it is linked with nokaslr."""
    try:
        moved = [layout_of(image, archive, f"layout {append}", os.path.join(folder, f"layout{i}.log")) for i in range(BOOTS)]
        fixed = layout_of(image, archive, f"nokaslr  layou layouts layout {append}", os.path.join(folder, "layout_fixed.log"))
        if layout_of(image, archive, f"layouts {append} layout", os.path.join(folder, "layout_untold.log")):
            return "a program's argument is taken for an option"
    except ValueError as error:
        return str(error)
    with open(LAYOUT, encoding="utf-8") as source:
        linked = dict(re.findall(r"^#define ARCH_(\w+) (0xf[0-9a-f]+)", source.read(), re.M))
    for name in ("IMAGE", "PHYSMAP", "RECORDS", "ENTRY", "DEVICES"):
        if fixed.get(name.lower()) != int(linked[name], 16):
            return f"nokaslr: {name.lower()} lies at {fixed.get(name.lower(), 0):#x}"
    still = sorted(name for name in fixed if len({places.get(name) for places in moved}) == 1)
    return f"the same in {BOOTS} boots: {', '.join(still)}" if still else None


def run(profile, wanted=()):
    """(name, what went wrong or None, whether it was skipped) of each case."""
    image, archive = os.path.join(TOP, "build", profile, "tessera.elf"), root.default(os.path.join(TOP, "build"))
    append = machine.command_line(PROGRAM)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(image), prefix="boot-") as folder:
        grub = not disc.missing()
        iso = os.path.join(folder, "tessera.iso")
        if grub:
            disc.make(iso, image, archive, append)
        for name, way, words in CASES:
            loader, *packer = way.split()
            if wanted and name not in wanted:
                continue
            if loader == "grub" and (not grub or (OVMF in words and not os.path.exists(OVMF))):
                yield name, None, True
                continue
            cpu = [] if "-cpu" in words else ["-cpu", "max"]
            source = ["-cdrom", iso] if loader == "grub" else ["-kernel", image, "-initrd", packed(packer, archive, folder), "-append", append]
            yield name, machine_run(words + cpu + source, os.path.join(folder, f"{name}.log")), False
        for name, words, program, line, off in ENDS:
            if not wanted or name in wanted:
                given = ["-kernel", image, "-initrd", archive, "-append", machine.command_line(program)]
                yield name, end_awaited(words + given, line, off, os.path.join(folder, f"{name}.log")), False
        if not wanted or "without_report_channel" in wanted:
            words = ["-machine", "microvm,acpi=off", "-m", "256M", "-cpu", "max", "-kernel", image, "-initrd", archive, "-append", append]
            yield "without_report_channel", untold_run(words + DEBUG_EXIT), False
        for name, trouble in firmware.run(image, archive, append, folder, wanted):
            yield name, trouble, False
        if not wanted or "layout_moves" in wanted:
            yield "layout_moves", layout_moves(image, archive, append, folder), False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="general")
    parser.add_argument("case", nargs="*", help="only these")
    options = parser.parse_args()
    number = failed = 0
    for name, trouble, skipped in run(options.profile, options.case):
        number += 1
        failed += trouble is not None
        note = f" # {trouble}" if trouble else " # SKIP no GRUB or no UEFI firmware here" if skipped else ""
        print(f"{'not ' if trouble else ''}ok {number} - {name}{note}", flush=True)
    print(f"1..{number}")
    return 0 if number and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
