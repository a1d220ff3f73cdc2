"""A machine that is driven from outside: QEMU's monitor (QMP) and its debugger's stub (GDB's remote protocol)."""

import json
import os
import re
import socket
import threading
import time

CHUNK = 1024   # bytes of memory in a packet


def _connect(path, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            made = socket.socket(socket.AF_UNIX)
            made.connect(path)
            made.settimeout(seconds)
            return made
        except OSError:
            made.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Monitor:
    """QMP: one command after the other."""

    def __init__(self, path):
        self.socket = _connect(path)
        self.stream = self.socket.makefile("rw", encoding="utf-8")
        self.stream.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            line = self.stream.readline()
            if not line:
                raise OSError("the machine has ended")
            answer = json.loads(line)
            if "event" not in answer:
                return answer.get("return")

    def close(self):
        self.stream.close()
        self.socket.close()


class Shower(threading.Thread):
    """NMIs to all processors, again and again, until the machine ends or `stop` is called. They begin when the machine's report tells of its
    processors: before that, nothing handles them."""

    def __init__(self, path, pause, report):
        super().__init__(daemon=True)
        self.path, self.pause, self.report, self.count, self.stopping = path, pause, report, 0, False

    def _booted(self):
        try:
            with open(self.report, "rb") as source:
                return b"\nprocessors: " in source.read()
        except OSError:
            return False

    def run(self):
        try:
            monitor = Monitor(self.path)
            while not self.stopping and not self._booted():
                time.sleep(0.02)
            while not self.stopping:
                monitor.command("inject-nmi")
                self.count += 1
                time.sleep(self.pause)
            monitor.close()
        except (OSError, ValueError):
            pass

    def stop(self):
        self.stopping = True
        self.join()


class Debugger:
    """What of GDB's remote protocol breakpoints need."""

    def __init__(self, path):
        self.socket = _connect(path)
        self.data = b""

    def send(self, text):
        body = text.encode("ascii")
        self.socket.sendall(b"$" + body + b"#%02x" % (sum(body) & 0xff))

    def receive(self, seconds):
        """The next packet's text, None if there is none in time."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(rb"\$([^#]*)#..", self.data)
            if found:
                self.data = self.data[found.end():]
                self.socket.sendall(b"+")
                return found.group(1).decode("ascii", "replace")
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                got = self.socket.recv(65536)
            except (socket.timeout, BlockingIOError):
                return None
            if not got:
                raise OSError("the machine has ended")
            self.data += got

    def ask(self, text):
        self.send(text)
        answer = self.receive(20)
        if answer is None:
            raise OSError(f"no answer to {text}")
        return answer

    def stop(self):
        self.socket.sendall(b"\x03")
        self.receive(20)

    def go_on(self):
        self.send("c")

    def breakpoint(self, address, insert):
        return self.ask(f"{'Z' if insert else 'z'}0,{address:x},1") == "OK"

    def run_to(self, address, seconds):
        """Goes on until an instruction."""
        self.breakpoint(address, True)
        self.go_on()
        if self.receive(seconds) is None:
            raise OSError(f"{address:#x} is not reached")
        self.breakpoint(address, False)

    def read(self, address, size):
        data = b""
        while len(data) < size:
            part = self.ask(f"m{address + len(data):x},{min(CHUNK, size - len(data)):x}")
            if part.startswith("E"):
                raise OSError(f"no memory at {address + len(data):#x}")
            data += bytes.fromhex(part)
        return data

    def write(self, address, data):
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            if self.ask(f"M{address + at:x},{len(part):x}:{part.hex()}") != "OK":
                raise OSError(f"no memory at {address + at:#x}")


def socket_path(folder, name):
    """A place for a socket that no older run has left."""
    path = os.path.join(folder, f"{name}-{os.getpid()}")
    if os.path.exists(path):
        os.unlink(path)
    return path
