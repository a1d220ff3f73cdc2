"""The interface generator: what it accepts, what it refuses and where, and what the C compiler says of its output."""

import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tools"))

from tesseratools import generate, glue, iface  # noqa: E402
from tesseratools.errors import UsageError  # noqa: E402

SAMPLE = """# a comment
interface demo;
## Reads
## something.
op read(file: handle, data: app_out, offset: u64) errors EBADF, EIO;
op open(path: bytes_in<4096>, flags: u32, sign: i32) -> (file, word);
op info(file: handle, text: bytes_out<64>, in: struct_in<struct tk_requeue>, out: struct_out<struct tk_pollword>) errors EBADF;
op nothing();
"""


def parse(text):
    return iface.parse(text, "x.iface")


class Parse(unittest.TestCase):
    def refused(self, text, message):
        with self.assertRaises(UsageError) as caught:
            parse(text)
        self.assertEqual(str(caught.exception), message)

    def test_once_needs_an_answer(self):
        self.refused("interface demo;\nop take() once;\n", "x.iface:1: a call is sent once, but there is no operation answer(since: u64, operation: u32) -> (out)")

    def test_answer_has_room(self):
        answer = "op answer(since: u64, operation: u32) -> (out);\n"
        for op in ("op take() -> (a, b) once;\n", "op take(t: struct_out<struct tk_pollword>) once;\n"):
            self.refused("interface demo;\n" + op + answer, "x.iface:2: take: the answer has no room for what it gives back")

    def test_reads_sample(self):
        interface = parse(SAMPLE.replace(", in: struct_in<struct tk_requeue>", ""))
        self.assertEqual([op.name for op in interface.operations], ["read", "open", "info", "nothing"])
        read, opened = interface.operations[:2]
        self.assertEqual(read.doc, "Reads something.")
        self.assertEqual(read.errors, ["EBADF", "EIO"])
        self.assertEqual([p.word for p in read.parameters], [0, 1, 3])
        self.assertEqual(opened.outs, ["file", "word"])

    def test_refuses_too_many_words(self):
        self.refused(SAMPLE, "x.iface:7: info: 7 words of parameters, at most 6")

    def test_refuses_too_many_ranges(self):
        self.refused("interface x;\nop f(a: app_in, b: app_in, c: app_out);", "x.iface:2: f: 3 application ranges, at most 2")

    def test_refuses_too_many_buffers_to_copy_back(self):
        self.refused("interface x;\nop f(a: struct_out<struct s>, b: struct_out<struct s>, c: struct_out<struct s>);",
                     "x.iface:2: f: 3 buffers to copy back, at most 2")

    def test_refuses_too_many_outs(self):
        self.refused("interface x;\nop f() -> (a, b, c, d);", "x.iface:2: f: 4 out words, at most 3")

    def test_refuses_unknown_type(self):
        self.refused("interface x;\nop f(a: u8);", "x.iface:2: unknown type 'u8' of 'a'")

    def test_refuses_length_zero_and_too_long(self):
        for length in ("0", "4097"):
            self.refused(f"interface x;\nop f(a: bytes_in<{length}>);", "x.iface:2: the maximum length of 'a' is 1 to 4096")

    def test_refuses_double_names(self):
        self.refused("interface x;\nop f();\nop f();", "x.iface:3: operation 'f' is declared twice")
        self.refused("interface x;\nop f(a: u32, a: u32);", "x.iface:2: f: two parameters become 'a'")
        self.refused("interface x;\nop f(a: bytes_in<8>, a_size: u32);", "x.iface:2: f: two parameters become 'a_size'")

    def test_refuses_words_of_c(self):
        self.refused("interface x;\nop f(int: u32);", "x.iface:2: f: 'int' cannot be the name of a parameter")

    def test_refuses_two_bytes_out(self):
        self.refused("interface x;\nop f(a: bytes_out<8>, b: bytes_out<8>);",
                     "x.iface:2: f: one bytes_out at most, because the result is its length")

    def test_refuses_broken_syntax(self):
        self.refused("op f();", "x.iface:1: the file must begin with: interface <name>;")
        self.refused("", "x.iface:1: the file must begin with: interface <name>;")
        self.refused("interface x;\nop f(\n", "x.iface:3: expected the name of a parameter, found 'end of file'")
        self.refused("interface x;\nop f() errors 5;", "x.iface:2: expected an error, found '5'")
        self.refused("interface x;\nop f() errors oops;", "x.iface:2: f: 'oops' is no error")
        self.refused("interface x;\n\n$", "x.iface:3: unexpected character '$'")
        self.refused("interface x; interface y;", "x.iface:1: a second interface in one file")
        self.refused("interface x;\nfoo;", "x.iface:2: expected interface, include, part or op, found 'foo'")

    def test_parts(self):
        interface = parse("interface x;\nop f();\n## Told.\npart look;\nop g();\nop h();\npart none;\npart more;\nop i();")
        self.assertEqual([(part.name, first, [op.name for op in part.operations]) for part, first in interface.gated],
                         [("x", 0, ["f"]), ("x.look", 1, ["g", "h"]), ("x.more", 3, ["i"])])
        self.assertEqual(interface.parts[1].doc, "Told.")
        self.assertEqual([op.name for op in interface.operations], ["f", "g", "h", "i"])
        self.refused("interface x;\npart a;\nop f();\npart a;", "x.iface:4: part 'x.a' is declared twice")
        self.refused("interface x;\npart a;\nop f();\nop f();", "x.iface:4: operation 'f' is declared twice")
        self.refused("interface x;\npart a;\nop f() once;\nop answer(since: u64, operation: u32) -> (out);",
                     "x.iface:1: a call is sent once, but there is no operation answer(since: u64, operation: u32) -> (out)")

    def test_load_checks_folder_and_file(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(UsageError):
                iface.load(os.path.join(folder, "none.iface"))
            path = os.path.join(folder, "a.iface")
            with open(path, "w", encoding="utf-8") as output:
                output.write("interface other;")
            with self.assertRaisesRegex(UsageError, "interface 'other' in the folder of"):
                iface.load(path)


class Output(unittest.TestCase):
    """All that is generated compiles without a warning, in each variant."""

    def setUp(self):
        self.interface = parse(SAMPLE.replace("offset: u64)", "offset: u64) -> (end)").replace(", in: struct_in<struct tk_requeue>", "")
                               + "op take(in: struct_in<struct tk_requeue>, from: app_in, to: app_inout);\n")

    def compile(self, text):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("demo_client.h", generate.client_header(self.interface)),
                                  ("demo_server.h", generate.server_header("demo", self.interface, ["syscall", "fault"])),
                                  ("source.c", text)):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as output:
                    output.write(content)
            run = subprocess.run(
                ["clang-14", "-std=gnu17", "-ffreestanding", "-Wall", "-Wextra", "-Wshadow", "-Wmissing-prototypes", "-Werror", "-c",
                 "-o", os.devnull, "-Icore/include", "-Icore/arch/x86_64/include", "-Iservices/runtime",
                 "-Iservices/runtime/arch/x86_64", "-Ilib", f"-I{folder}",
                 os.path.join(folder, "source.c")], cwd=TOP, capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)

    def test_clients_compile(self):
        for variant in ("direct", "gate", "absent"):
            for isolation in (0, 2):
                self.compile(glue.client(self.interface, {self.interface.name: (variant, 5)}, isolation))

    def test_a_client_has_the_parts_of_its_unit_alone(self):
        self.interface = parse(SAMPLE.replace(", in: struct_in<struct tk_requeue>", "").replace("op info", "part shown;\nop info").replace("op nothing", "part idle;\nop nothing"))
        text = glue.client(self.interface, {"demo": ("gate", 5), "demo.idle": ("gate", 7)}, 2)
        self.assertIn("demo_nothing(void)", text)
        self.assertIn("TK_CALL | 7u << 8 | 0u << 16", text)
        self.assertNotIn("demo_info(", text)

    def test_clients_of_a_stable_unit_compile(self):
        self.interface = parse(SAMPLE.replace(", in: struct_in<struct tk_requeue>", "").replace("op nothing()", "op nothing() once")
                               .replace("-> (file, word);", "-> (file, word) again;").replace("offset: u64) errors", "offset: u64) again errors")
                               + "op answer(since: u64, operation: u32) -> (out);\n")
        text = glue.client(self.interface, {self.interface.name: ("gate", 5)}, 2, recovery="stable")
        self.assertIn("rt_call_again(&rt_result, &rt_message, NULL, true, &rt_deaths)", text)
        self.assertIn("rt_call_again(&rt_result, &rt_message, &rt_ask, true, &rt_deaths)", text)
        self.assertIn("rt_call_again(&rt_result, &rt_message, NULL, false, &rt_deaths)", text)
        self.compile(text)

    def test_clients_of_a_stateless_unit_compile(self):
        self.interface = parse(SAMPLE.replace(", in: struct_in<struct tk_requeue>", "").replace("op nothing()", "op nothing() told"))
        text = glue.client(self.interface, {self.interface.name: ("gate", 5)}, 2, recovery="stateless")
        self.assertEqual(text.count("rt_unanswered"), len(self.interface.operations) - 1)
        self.compile(text)

    def test_clients_with_a_deadline_compile(self):
        self.interface = parse(SAMPLE.replace(", in: struct_in<struct tk_requeue>", ""))
        for recovery in ("essential", "stable", "stateless"):
            text = glue.client(self.interface, {self.interface.name: ("gate", 5)}, 2, recovery=recovery, deadline_ms=70)
            self.assertEqual([text.count(f"rt_deadline_{part}") for part in ("begin(70)", "end()")], [len(self.interface.operations)] * 2)
            self.compile(text)

    def test_answer_with_a_buffer_compiles(self):
        self.interface = parse(SAMPLE.replace(", in: struct_in<struct tk_requeue>", "").replace("op nothing();", "")
                               + "op take(word: struct_out<struct tk_pollword>) -> (first, second) once;\n"
                               + "op answer(since: u64, operation: u32, kept: struct_out<struct tk_regs>) -> (first, second);\n")
        text = glue.client(self.interface, {self.interface.name: ("gate", 5)}, 2, recovery="stable")
        self.assertIn("{ .ask = answer_ask, .operation = 3, .kept = word, .size = sizeof(struct tk_pollword) }", text)
        self.compile(text)

    def test_dispatcher_compiles(self):
        for isolation in (0, 2):
            self.compile("#include <runtime_unit.h>\n#include <demo_server.h>\n" + glue.serves(self.interface)
                         + glue.dispatcher([self.interface], isolation)
                         + "long entry(const struct tk_request *request, u64 *outs);\n"
                         "long entry(const struct tk_request *request, u64 *outs) { return unit_serve_call(request, NULL, outs); }")

    def test_descriptors_tell_the_core_what_to_copy(self):
        text = generate.descriptors(self.interface)
        self.assertIn("TK_OP(TK_PARAM(TK_PARAM_APP_OUT, 1, 0), TK_PARAM_NONE", text)
        self.assertIn("TK_OP(TK_PARAM(TK_PARAM_OUT, 1, 64), TK_PARAM(TK_PARAM_OUT_FIXED, 3, sizeof(struct tk_pollword))", text)
        self.compile("#include <runtime.h>\n" + text + "extern const u64 *use;\nconst u64 *use = demo_ops;")

    def test_reference_names_everything(self):
        text = generate.reference_page(self.interface)
        for word in ("`read(file: handle, data: app_out, offset: u64) -> (end)`", "Reads something.", "`EIO`"):
            self.assertIn(word, text)
        self.assertEqual([op["op"] for op in generate.trace_names(self.interface)], ["read", "open", "info", "nothing", "take"])


if __name__ == "__main__":
    unittest.main()
