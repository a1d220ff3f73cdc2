"""The builder: what runs again and what does not, and what it says when a compiler refuses."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tools"))

from tesseratools import build, service  # noqa: E402
from tesseratools.errors import UsageError  # noqa: E402


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        old = os.getcwd()
        os.chdir(folder.name)
        self.addCleanup(os.chdir, old)
        self.top = folder.name
        self.age = 0
        self.write("part.h", "#define VALUE 1\n")
        self.write("part.c", '#include "part.h"\nint part(void);\nint part(void) { return VALUE; }\n')

    def write(self, path, text):
        """Each file is younger than all before, whatever the clock's steps are, and older than what is built from it."""
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="utf-8") as output:
            output.write(text)
        self.age += 1
        os.utime(path, ns=(self.age, self.age))

    def compile(self, includes=("-I.",)):
        """Compiles part.c with a new builder; how many commands ran."""
        with build.Builder(self.top, "out") as builder, contextlib.redirect_stdout(io.StringIO()):
            builder.compile([(["part.c"], list(includes))])
            return builder.ran

    def touch_future(self, path):
        later = os.stat("out/objects/part.c.o").st_mtime_ns + 10**9
        os.utime(path, ns=(later, later))


class Incremental(Case):
    def test_nothing_runs_twice(self):
        self.assertEqual([self.compile(), self.compile()], [1, 0])

    def test_vector_code_only_where_it_is_given(self):
        flags = []
        for vector in (False, True):
            with build.Builder(self.top, "out") as builder, contextlib.redirect_stdout(io.StringIO()):
                made = builder.compile([(["part.c"], ["-I."])], vector=vector)[0][0]
            with open(made + ".cmd", encoding="utf-8") as command:
                flags.append((made, build.WITHOUT_VECTOR in command.read()))
        self.assertEqual(flags, [("out/objects/part.c.o", True), ("out/objects/vector/part.c.o", False)])

    def test_a_younger_source_or_header_runs_again(self):
        for path in ("part.c", "part.h"):
            self.compile()
            self.touch_future(path)
            self.assertEqual(self.compile(), 1, path)

    def test_another_command_runs_again(self):
        self.compile()
        self.assertEqual(self.compile(["-I.", "-DX=1"]), 1)

    def test_a_lost_output_or_header_list_runs_again(self):
        for path in ("out/objects/part.c.o", "out/objects/part.c.o.d", "out/objects/part.c.o.cmd"):
            self.compile()
            os.unlink(path)
            self.assertEqual(self.compile(), 1, path)

    def test_a_header_that_is_gone_runs_again(self):
        self.compile()
        self.write("part.c", "int part(void);\nint part(void) { return 2; }\n")
        os.unlink("part.h")
        self.assertEqual(self.compile(), 1)
        self.assertEqual(self.compile(), 0)

    def test_a_failure_leaves_nothing_that_counts_as_made(self):
        self.compile()
        self.write("part.c", "int part(void)\n")
        self.touch_future("part.c")
        stderr = os.dup(2)
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            try:
                for _ in range(2):
                    with self.assertRaises(build.BuildError):
                        self.compile()
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)

    def test_generated_files_stay_as_old_as_their_content(self):
        build.write_changed("gen/a.c", "text")
        os.utime("gen/a.c", ns=(5, 5))
        build.write_changed("gen/a.c", "text")
        self.assertEqual(os.stat("gen/a.c").st_mtime_ns, 5)
        build.write_changed("gen/a.c", "other")
        self.assertNotEqual(os.stat("gen/a.c").st_mtime_ns, 5)


class Generators(Case):
    TOML = ('[[generate]]\ncommand = ["sh", "-c", "cat *.in > $0/out.c; echo ran >> $0/runs", "{dir}"]\ninputs = ["*.in"]\n'
            'outputs = ["out.c"]\n')

    def generate(self):
        with build.Builder(self.top, "out") as builder, contextlib.redirect_stdout(io.StringIO()):
            sources = builder.service_generate(service.load("services/demo"))
        with open("out/gen/demo/runs", encoding="utf-8") as runs:
            return sources, len(runs.read().split())

    def test_runs_when_inputs_change_come_or_go(self):
        self.write("services/demo/service.toml", self.TOML)
        self.write("services/demo/a.in", "int a;\n")
        self.assertEqual(self.generate(), (["out/gen/demo/out.c"], 1))
        self.assertEqual(self.generate()[1], 1)
        self.write("services/demo/b.in", "int b;\n")
        self.assertEqual(self.generate()[1], 2)
        os.unlink("services/demo/a.in")
        self.assertEqual(self.generate()[1], 3)

    def test_output_must_be_made(self):
        self.write("services/demo/service.toml", self.TOML.replace('outputs = ["out.c"]', 'outputs = ["none.c"]'))
        self.write("services/demo/a.in", "")
        with self.assertRaisesRegex(UsageError, "did not make 'none.c'"):
            self.generate()


if __name__ == "__main__":
    unittest.main()
