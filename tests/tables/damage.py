"""The core's recount of all frames finds what is wrong: before it begins, a debugger damages records, one in each way."""

import os
import re
import struct
import subprocess

from nmi.monitor import Debugger, socket_path
from tesseratools import machine, root

STATUS = 124           # AUDIT_FAILED_STATUS
LIMIT = 300
FRAMES = 49152         # of 192 MiB
PINNED = 25            # more than the log tells
TOLD = ("counted more often than mapped", "mapped more often than counted", "mapped, but not a user frame", "unknown type", "still pinned",
        "in a window whose domain does not hold it", "held by a domain whose window does not show it")


class Records:
    """The first frame records, as they were."""

    def __init__(self, debugger, shape):
        self.debugger, self.shape, self.size = debugger, shape, shape["frame_record"]
        self.data = debugger.read(shape["ARCH_RECORDS"], FRAMES * self.size)
        self.used = set()

    def field(self, frame, name, form):
        return struct.unpack_from(form, self.data, frame * self.size + self.shape[f"frame_record.{name}"])[0]

    def find(self, mapped):
        """A user frame that nothing was done to yet, mapped in applications or not."""
        for frame in range(1, FRAMES):
            if frame not in self.used and self.field(frame, "type", "<B") == self.shape["FRAME_USER"] and not self.field(frame, "pins", "<H") \
                    and not self.field(frame, "flags", "<B") and self.field(frame, "map_count", "<I") == int(mapped):
                self.used.add(frame)
                return frame
        raise OSError("no frame to damage")

    def write(self, frame, name, data):
        self.debugger.write(self.shape["ARCH_RECORDS"] + frame * self.size + self.shape[f"frame_record.{name}"], data)

    def damage(self):
        self.write(self.find(False), "map_count", struct.pack("<I", 1))
        self.write(self.find(True), "map_count", struct.pack("<I", 0))
        self.write(self.find(True), "type", bytes([self.shape["FRAME_TABLE"]]))
        self.write(self.find(False), "type", b"\x63")
        self.write(self.find(False), "holders", bytes(16))
        self.write(self.find(False), "holders", b"\xff" * 16)
        for _ in range(PINNED):
            self.write(self.find(False), "pins", struct.pack("<H", 1))


def damaged_run(image, shape, symbols, build):
    """The log of a machine whose records were damaged, and its status. It is switched off by a program, whose memory is there then."""
    report, path = os.path.join(build, "report-damage.log"), socket_path(build, "gdb")
    described = machine.Machine(image, root.default(os.path.dirname(build)), report, memory="192M", serial="null",
                                append=f"audit nokaslr {machine.command_line(['poweroff', '-f'])}", extra=["-S", "-gdb", f"unix:{path},server=on,wait=off"])
    with subprocess.Popen(described.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            debugger = Debugger(path)
            debugger.run_to(symbols["audit_run"], LIMIT)
            Records(debugger, shape).damage()
            debugger.go_on()
            process.wait(LIMIT)
        finally:
            process.kill()
    return "\n".join(machine.report_tail(report, 100)), machine.report_status(report)


def results(image, shape, symbols, build):
    """(name, trouble, note) of each kind of damage."""
    try:
        log, status = damaged_run(image, shape, symbols, build)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield "the recount runs over damaged records", str(error), ""
        return
    for words in TOLD:
        yield f"the recount tells of a frame {words}", None if re.search(rf"^audit: frame .*: {words}$", log, re.M) else log[-300:], ""
    told, mistakes = len(re.findall(r"^audit: frame ", log, re.M)), re.search(r"^audit: .*; (\d+) mistakes$", log, re.M)
    good = mistakes and told < int(mistakes.group(1)) and int(mistakes.group(1)) >= PINNED + len(TOLD) - 1
    yield "many mistakes are counted, some told", None if good else f"{told} told, {mistakes and mistakes.group(1)} counted", ""
    yield "the machine's status tells of mistakes", None if status == STATUS else f"status {status}", ""
