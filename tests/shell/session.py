"""A session with the shell on the serial console, through a pseudo-terminal as a person has it: launcher, QEMU, tty, shell.

Each step is a function of a Session; it returns None, or says what went wrong. Waiting is for text with a deadline, never for time.
"""

import os
import pty
import re
import select
import signal
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROMPT = re.compile(rb"[#$] (\x1b\[6n)?$")  # the shell asks where the cursor is; nobody answers, as on a plain line
OUTPUT = re.compile(rb"@begin\n(.*?)@(\d+)@\n", re.DOTALL)


class Failed(Exception):
    """A step did not see what it waited for."""


class Session:
    """A command (the launcher) on a pseudo-terminal."""

    def __init__(self, command, patience):
        self.patience = patience
        self.text = b""
        self.seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def send(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def _read(self, deadline):
        """More text; False at the end or when the time is over."""
        ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data.replace(b"\r", b"")
        return bool(data)

    def expect(self, pattern, patience=None):
        """Waits for a pattern in what was not yet matched; the match."""
        deadline = time.monotonic() + (patience or self.patience)
        pattern = re.compile(pattern) if isinstance(pattern, bytes) else pattern
        while True:
            match = pattern.search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            if not self._read(deadline):
                raise Failed(f"waited for {pattern.pattern.decode()!r} behind {self.text[self.seen:][-200:].decode('utf-8', 'replace')!r}")

    def prompt(self, patience=None):
        self.expect(PROMPT, patience)

    def command(self, line, status=0, patience=None):
        """Types a line and waits for its end; what it printed. The echo of the marks can't be mistaken for the marks."""
        self.send(f"echo @be\"\"gin; {line}; echo \"@$?@\"\n")
        match = self.expect(OUTPUT, patience)
        output = match.group(1).decode("utf-8", "replace")
        self.prompt()
        if int(match.group(2)) != status:
            raise Failed(f"{line!r} ended with {int(match.group(2))}, not {status}: {output[-300:]!r}")
        return output

    def end(self, patience):
        """Waits for the launcher's end; its exit status."""
        deadline = time.monotonic() + patience
        while self._read(deadline):
            pass
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            select.select([], [], [], 0.05)
        raise Failed("the machine did not power off")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)  # the launcher's child, QEMU, sees its terminal go
            os.close(self.fd)
            os.waitpid(self.pid, 0)
            self.pid = 0


def same(output, expected):
    if output.strip() != expected:
        raise Failed(f"printed {output!r}, not {expected!r}")


def boots_to_a_prompt(s, _):
    s.prompt(120)
    s.command("stty cols 500 rows 50")  # so that no echo is wrapped


def runs_commands(s, _):
    same(s.command("echo hello world"), "hello world")
    s.command("false", status=1)
    s.command("no_such_command_here", status=127)
    same(s.command("x=5; echo $((x * 8 + 2))"), "42")


def pipes(s, _):
    same(s.command("echo c a b | tr ' ' '\\n' | sort | head -n 1"), "a")
    same(s.command("seq 1 5000 | wc -l"), "5000")
    same(s.command("yes | head -n 3 | tr -d '\\n'"), "yyy")


def redirections(s, _):
    s.command("cd /tmp && echo one > f && echo two >> f && cat < f > g 2>&1")
    same(s.command("cat g"), "one\ntwo")
    same(s.command("ls /nowhere 2> err; wc -l < err"), "1")
    s.send("cat > here << EOF\nsum $((1 + 1))\nEOF\n")
    s.prompt()
    same(s.command("cat here"), "sum 2")


def background_jobs(s, _):
    s.command("(sleep 0.2; echo late > late) & wait")
    same(s.command("cat late"), "late")
    s.send("sleep 300 &\n")
    s.prompt()
    s.command("kill $!; wait $!", status=143)


def start(s, program, before=""):
    """Types a program that is going to wait, and waits until it runs: what is typed earlier could still be the shell's."""
    s.send(f"{before}sh -c 'echo st\"\"arted; exec {program}'\n")
    s.expect(rb"\nstarted\n")


def interrupts(s, _):
    start(s, "sleep 1000")
    s.send(b"\x03")
    s.prompt()
    same(s.command("echo alive"), "alive")
    s.send("while true; do sh -c 'echo st\"\"arted; sleep 1000'; done\n")  # the whole group is interrupted, not only one program
    s.expect(rb"\nstarted\n")
    s.send(b"\x03")
    s.prompt()


def stops_and_continues(s, _):
    start(s, "cat")
    s.send("before\n")
    s.expect(rb"before\nbefore\n")
    s.send(b"\x1a")
    s.expect(rb"Stopped")
    s.prompt()
    if "Stopped" not in s.command("jobs"):
        raise Failed("jobs does not list the stopped job")
    s.send("fg\n")
    s.expect(rb"exec cat[^\n]*\n")
    s.send("after\n")
    s.expect(rb"after\nafter\n")
    s.send(b"\x04")
    s.prompt()


def edits_the_line(s, _):
    start(s, "cat > typed")
    s.send("wrnog\x7f\x7f\x7fong\nkilled\x15kept\n")
    s.expect(rb"kept\n")
    s.send(b"\x04")
    s.prompt()
    same(s.command("cat typed"), "wrong\nkept")


def file_tools(s, _):
    s.command("mkdir -p t/a/b && echo needle > t/a/b/x && echo hay > t/a/y && ln -s x t/a/b/link")
    same(s.command("find t -type f | sort"), "t/a/b/x\nt/a/y")
    same(s.command("grep -rl needle t | sort"), "t/a/b/link\nt/a/b/x")
    same(s.command("printf '10\\n9\\n1\\n' | sort -n | tr '\\n' ' '"), "1 9 10")
    s.command("tar -czf t.tgz t && rm -r t && tar -xzf t.tgz")
    same(s.command("cat t/a/b/link; tar -tzf t.tgz | wc -l"), "needle\n6")
    s.command("seq 1 20000 > n && gzip -k n && gunzip -c n.gz | cmp - n")
    same(s.command("sed -n '500p' n; awk '{ s += $1 } END { print s }' n"), "500\n200010000")


def vi(s, _):
    s.send("vi /tmp/edited\n")
    s.expect(rb"edited.*1/1", 30)
    s.send("ifirst line\nsecond\x1b")
    s.expect(rb"second")
    s.send(":wq\n")
    s.prompt()
    same(s.command("cat /tmp/edited"), "first line\nsecond")


def many_processes(s, count):
    same(s.command(f"i=0; while [ $i -lt {count} ]; do /bin/true || break; i=$((i + 1)); done; echo ran $i", patience=60 + count),
         f"ran {count}")


def launcher(arguments):
    """The command that starts a machine with a shell."""
    return [sys.executable, os.path.join(TOP, "tessera"), "run"] + arguments


STEPS = (boots_to_a_prompt, runs_commands, pipes, redirections, background_jobs, interrupts, stops_and_continues, edits_the_line,
         file_tools, vi, many_processes)


def run(command, processes, patience, console=None):
    """All steps of one session: (name, what went wrong or None) pairs. After a failure the shell is asked back with Ctrl-C."""
    session = Session(command, patience)
    results = []
    try:
        for step in STEPS:
            try:
                step(session, processes)
                results.append((step.__name__, None))
            except (Failed, OSError) as error:
                results.append((step.__name__, str(error)))
                if not _recover(session):
                    results += [(later.__name__, "the shell did not come back") for later in STEPS[len(results):]]
                    return results
        try:
            session.send("exit 7\n")
            status = session.end(30)
            results.append(("ends_with_the_shells_status", None if status == 7 else f"exit status {status}"))
        except (Failed, OSError) as error:
            results.append(("ends_with_the_shells_status", str(error)))
        return results
    finally:
        session.close()
        if console:
            with open(console, "wb") as output:
                output.write(session.text)


def _recover(session):
    try:
        session.send(b"\x1b\x1b:q!\n\x03\n")
        session.expect(PROMPT, 10)
        session.send("cd /tmp; kill %1 2>/dev/null; echo back again\n")
        session.expect(rb"\nback again\n", 10)
        session.prompt(10)
        return True
    except (Failed, OSError):
        return False
