"""Types lines at a machine's console, the next when the last one was read or nothing comes, and checks what it hears of them."""

import os
import re
import select

SILENCE = 1.0   # seconds without a word, after which the next line is typed
WORDS = re.compile(rb"(read|part|quiet) (\d{6})\r?\n")
BEGIN, END = b"=== RUN ", re.compile(rb"^(not )?ok ", re.MULTILINE)


class Typist:
    def __init__(self):
        self.typed = 0

    def talk(self, process):
        """Until the machine is off; all that its console said."""
        text, heard = b"", 0
        while True:
            ready, _, _ = select.select([process.stdout], [], [], SILENCE)
            data = os.read(process.stdout.fileno(), 65536) if ready else None
            if data == b"":
                return text
            text += data or b""
            word = WORDS.search(text, heard)
            if word:
                heard = word.end()
            if BEGIN in text and not END.search(text) and (word or data is None):
                self._type(process)

    def _type(self, process):
        self.typed += 1
        try:
            process.stdin.write(b"<%06d>\n" % self.typed)
            process.stdin.flush()
        except BrokenPipeError:
            pass

    def verdict(self, text, ends):
        """(trouble, note): each line is told of in order, and again only when the write of it was cut off; the guest's count is right."""
        numbers = [int(number) for word, number in re.findall(r"(read|part) (\d{6})\r?\n", text)]
        again = len(numbers) - len(set(numbers))
        told = re.search(r"(\d+) lines read, (\d+) in part, (\d+) missed", text)
        if not told:
            return "the guest tells no count", ""
        full, parts, missed = map(int, told.groups())
        note = f"{self.typed} lines typed, {full} read, {parts} in part, {missed} missed, {again} written twice"
        if numbers != sorted(numbers):
            return f"not in order; {note}", note
        if full + parts != len(set(numbers)):
            return f"{full + parts - len(set(numbers))} lines of output are missing; {note}", note
        if again > ends or missed + parts > ends or numbers[-1] > self.typed:
            return f"more than {ends} ends explain; {note}", note
        return None, note
