"""The composer: what it works out of a profile, and what it refuses with which line."""

import os
import sys
import tempfile
import textwrap
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tools"))

from tesseratools import manifest, profile, service  # noqa: E402
from tesseratools.errors import UsageError  # noqa: E402

SERVICES = {
    "mem": 'rights = ["memory"]\nupcalls = ["fault"]\nthreads = 1\n',
    "proc": 'uses = ["mem"]\nrights = ["threads"]\n',
    "fs": 'uses = ["mem", "proc"]\nrecovery = ["stable", "essential"]\n',
    "abi": 'uses = ["mem", "fs", "proc"]\nuses_optional = ["tty"]\nupcalls = ["syscall"]\n',
    "tty": 'uses = ["proc"]\nrecovery = ["stateless"]\nports = ["0x3f8+8"]\nirqs = [4]\n',
    "loop": 'uses = ["tty"]\n',
}

GENERAL = """\
[profile]
name = "p"
[unit.abi]
services = ["abi"]
class = "IC0"
[unit.system]
services = ["fs", "mem", "proc"]
class = "IC1"
[unit.tty]
services = ["tty"]
class = "IC2"
"""


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.old = os.getcwd()
        os.chdir(self.folder.name)
        self.addCleanup(os.chdir, self.old)
        for name, toml in SERVICES.items():
            os.makedirs(f"services/{name}")
            self.write(f"services/{name}/service.toml", toml)
            if name != "abi":
                self.write(f"services/{name}/{name}.iface", f"interface {name};\nop f();\n")

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as output:
            output.write(text)

    def load(self, text):
        self.write("p.toml", textwrap.dedent(text))
        return profile.load("p.toml", service.load_all("services"))

    def refused(self, text, message):
        with self.assertRaises(UsageError) as caught:
            self.load(text)
        self.assertEqual(str(caught.exception), message)


class Compose(Case):
    def test_units_gates_and_levels(self):
        composed = self.load(GENERAL)
        abi, system, tty = composed.units
        self.assertEqual([u.domain for u in composed.units], [1, 2, 3])
        self.assertEqual([u.level for u in composed.units], [3, 1, 2])
        self.assertEqual([s.name for s in system.services], ["mem", "proc", "fs"])
        self.assertEqual(system.gates, {"mem": 0, "proc": 1, "fs": 2})
        self.assertEqual(abi.gates_allowed, [0, 1, 2, 3])
        self.assertEqual(tty.gates_allowed, [0, 1])
        self.assertEqual(system.variants, {"mem": ("direct", None), "proc": ("direct", None)})
        self.assertEqual((system.rights, system.recovery), (["memory", "threads"], "essential"))
        self.assertEqual((tty.ports, tty.irqs, tty.recovery), ([(0x3f8, 8)], [4], "stateless"))

    def test_parts_have_gates_of_their_own(self):
        self.write("services/proc/proc.iface", "interface proc;\nop f();\npart tell;\nop g();\nop h();\npart act;\nop i();\n")
        self.write("services/fs/fs.iface", "interface fs;\npart all;\nop f();\n")
        self.write("services/tty/service.toml", 'uses = ["proc.act", "fs.all"]\n')
        composed = self.load(GENERAL)
        abi, system, tty = composed.units
        self.assertEqual(system.gates, {"mem": 0, "proc": 1, "proc.tell": 2, "proc.act": 3, "fs.all": 4})
        self.assertEqual(sorted(tty.variants), ["fs.all", "mem", "proc", "proc.act"])
        self.assertEqual(tty.gates_allowed, [0, 1, 3, 4])
        self.assertNotIn(3, abi.gates_allowed)
        text = manifest.source(composed, service.load_all("services"), {"system": 10, "tty": 20})
        self.assertIn('{ .name = "proc.act", .ops = proc_ops + 3, .op_count = 1, .gate = 3 }', text)
        self.write("services/tty/service.toml", 'uses = ["proc.none"]\n')
        self.refused(GENERAL, "services/tty/service.toml:1: the interface of 'proc' has no part 'proc.none'")

    def test_ic0_units_are_one_domain(self):
        composed = self.load(GENERAL.replace('"IC2"', '"IC0"'))
        self.assertEqual([u.name for u in composed.units], ["abi", "system"])
        self.assertEqual([s.name for s in composed.units[0].services], ["tty", "abi"])
        self.assertEqual(composed.units[0].variants["tty"], ("direct", None))

    def test_optional_service_may_be_absent(self):
        composed = self.load(GENERAL[:GENERAL.index("[unit.tty]")])
        self.assertEqual(composed.units[0].variants["tty"], ("absent", None))

    def test_options(self):
        composed = self.load(GENERAL.replace('class = "IC1"', 'class = "IC1"\nstacks = 5\nheap_pages = 7'))
        self.assertEqual((composed.units[1].stacks, composed.units[1].heap_pages, composed.units[1].threads), (5, 7, 1))

    def test_restarts(self):
        text = GENERAL + 'restart_limit = 3\nrestart_window_ms = 500\nwhen_exhausted = "reboot"\n'
        tty = self.load(text).units[2]
        self.assertEqual((tty.restart_limit, tty.restart_window_ms, tty.when_exhausted), (3, 500, "reboot"))
        self.assertIn(".restarts = { 3, 500, TK_EXHAUSTED_REBOOT }",
                      manifest.source(self.load(text), service.load_all("services"), {"system": 10, "tty": 20}))

    def test_deadline_of_calls(self):
        tty = self.load(GENERAL + "call_deadline_ms = 250\n")
        self.assertEqual([u.call_deadline_ms for u in tty.units], [0, 0, 250])
        self.refused(GENERAL + "call_deadline_ms = -1\n", "p.toml:12: 'call_deadline_ms' is 0 to 86400000, not -1")
        self.refused(GENERAL.replace('class = "IC0"', 'class = "IC0"\ncall_deadline_ms = 5'), "p.toml:6: calls into class IC0 have no deadline")

    def test_units_take_the_strictest_recovery(self):
        alone = self.load(GENERAL.replace('["fs", "mem", "proc"]', '["fs"]') + '[unit.rest]\nservices = ["mem", "proc"]\nclass = "IC1"\n')
        self.assertEqual([u.recovery for u in alone.units], ["essential", "stable", "stateless", "essential"])
        self.assertEqual(self.load(GENERAL).units[1].recovery, "essential")
        self.write("services/proc/service.toml", 'uses = ["mem"]\nrights = ["threads"]\nrecovery = ["stable"]\n')
        both = self.load(GENERAL.replace('["fs", "mem", "proc"]', '["fs", "proc"]') + '[unit.rest]\nservices = ["mem"]\nclass = "IC1"\n')
        self.assertEqual(both.units[1].recovery, "essential")

    def test_manifest_has_everything(self):
        composed = self.load(GENERAL)
        text = manifest.source(composed, service.load_all("services"), {"system": 10, "tty": 20})
        for part in ('.name = "tty"', ".class = 2", "{ 0x3f8, 8 }", "TK_RIGHT_MEMORY | TK_RIGHT_THREADS", ".gates_allowed = { 0xf,",
                     ".abi_domain = 1", ".mem_domain = 2", ".fs_domain = 2", ".super_domain = 0", ".entry = ic0_entry",
                     ".recovery = TK_RECOVERY_STATELESS", "TTY_IMAGE_SIZE 20ul"):
            self.assertIn(part, text)


class Refuse(Case):
    def test_unknown_things(self):
        self.refused(GENERAL.replace('["tty"]', '["ttx"]'), "p.toml:10: unknown service 'ttx'")
        self.refused(GENERAL.replace('"IC2"', '"IC3"'), "p.toml:11: unknown class 'IC3'")
        self.refused(GENERAL + "stack = 5\n", "p.toml:12: unknown key 'stack'")
        self.refused("[profil]\n" + GENERAL, "p.toml:1: unknown key 'profil'")
        self.refused(GENERAL.replace("[unit.tty]", "[unitt.tty]"), "p.toml:9: unknown key 'unitt'")
        self.refused(GENERAL + 'rights = ["root"]\n', "p.toml:12: 'root' is not one of memory, threads, clients, domains, power")
        self.refused(GENERAL + 'recovery = "magic"\n', "p.toml:12: 'magic' is not one of essential, stable, replay, stateless")

    def test_missing_and_double_services(self):
        self.refused(GENERAL.replace('"fs", ', ""), "p.toml:1: service 'fs' is in no unit")
        self.refused(GENERAL.replace('["tty"]', '["tty", "fs"]'), "p.toml:10: service 'fs' is in unit 'system' and in 'tty'")
        self.refused(GENERAL.replace('"tty"', '"loop"'), "p.toml:9: service 'loop' needs 'tty', which is in no unit")

    def test_ranges(self):
        self.refused(GENERAL + "stacks = 65\n", "p.toml:12: 'stacks' is 1 to 64, not 65")
        self.refused(GENERAL + "heap_pages = 0\n", "p.toml:12: 'heap_pages' is 1 to 65536, not 0")
        self.refused(GENERAL + 'ports = ["0x3f8"]\n', "p.toml:12: '0x3f8' is no range of ports like \"0x3f8+8\"")
        self.refused(GENERAL + "irqs = [99]\n", "p.toml:12: interrupt lines are 0 to 23")

    def test_threads_need_stacks(self):
        self.refused(GENERAL.replace('"IC1"', '"IC1"\nstacks = 1'), "p.toml:9: unit 'system' needs more stacks than its 1 threads")

    def test_ic0_options_add_up(self):
        text = GENERAL.replace('"IC1"', '"IC0"\nstacks = 20').replace('"IC2"', '"IC0"')
        self.assertEqual(self.load(text).units[0].stacks, 20 + 2 * profile.STACKS_DEFAULT)

    def test_missing_right(self):
        self.refused(GENERAL.replace('"IC1"', '"IC1"\nrights = ["memory"]'), "p.toml:9: service 'proc' needs the right 'threads'")

    def test_recovery_must_be_supported(self):
        self.refused(GENERAL + 'recovery = "replay"\n', "p.toml:12: service 'tty' cannot recover as 'replay'")

    def test_restarts(self):
        self.refused(GENERAL + "restart_limit = 65\n", "p.toml:12: 'restart_limit' is 0 to 64, not 65")
        self.refused(GENERAL + 'when_exhausted = "pray"\n', "p.toml:12: 'pray' is not one of reboot, stay_down")
        self.refused(GENERAL.replace('"IC1"', '"IC1"\nrestart_limit = 1'), "p.toml:9: unit 'system' is essential: it is never restarted")
        self.refused(GENERAL.replace('"IC0"', '"IC2"').replace('"IC1"', '"IC0"\nrecovery = "stable"').replace('["fs", "mem", "proc"]', '["fs"]')
                     + '[unit.rest]\nservices = ["mem", "proc"]\nclass = "IC1"\n', "p.toml:9: a unit of class IC0 can't be stable")
        self.write("services/proc/service.toml", 'uses = ["mem"]\nrights = ["threads"]\nrecovery = ["stable"]\n')
        self.refused(GENERAL.replace('["fs", "mem", "proc"]', '["fs", "proc"]').replace('"IC1"', '"IC1"\nrecovery = "stable"')
                      + '[unit.rest]\nservices = ["mem"]\nclass = "IC1"\n', "p.toml:9: a stable unit has one service")

    def test_vector_code(self):
        composed = self.load(GENERAL + "vector = true\n")
        self.assertEqual([u.vector for u in composed.units], [False, False, True])
        self.assertFalse(self.load(GENERAL + "vector = false\n").units[2].vector)
        self.refused(GENERAL + "vector = 1\n", "p.toml:12: 'vector' must be true or false")
        self.refused(GENERAL.replace('"IC1"', '"IC1"\nstacks = true'), "p.toml:9: 'stacks' must be a number")
        self.refused(GENERAL.replace('"IC0"', '"IC0"\nvector = true'),
                     "p.toml:6: a unit of class IC0 is part of the core, which has no vector code")
        self.refused(GENERAL.replace('"IC0"', '"IC2"\nvector = true'),
                     "p.toml:6: the service 'abi' runs while programs' vector state is in the registers: its unit can't have vector code")

    def test_circles(self):
        text = GENERAL.replace('["fs", "mem", "proc"]', '["fs", "proc"]').replace('["tty"]', '["tty", "mem"]')
        self.refused(text, "p.toml:9: undeclared call cycle tty -> system -> tty")
        self.write("services/mem/service.toml", SERVICES["mem"] + 'uses = ["fs"]\n')
        self.refused(GENERAL, "services/fs/service.toml:1: undeclared call cycle mem -> fs -> mem")
        self.write("services/proc/service.toml", SERVICES["proc"] + 'uses_optional = ["fs"]\n')
        self.write("services/mem/service.toml", SERVICES["mem"])
        self.refused(GENERAL, "services/proc/service.toml:3: undeclared call cycle fs -> proc -> fs")

    def test_too_many_protection_keys(self):
        text = GENERAL
        for number in range(12):
            os.makedirs(f"services/s{number}")
            self.write(f"services/s{number}/service.toml", "")
            text += f'[unit.s{number}]\nservices = ["s{number}"]\nclass = "IC1"\n'
        self.refused(text, "p.toml:45: 13 IC1 units, at most 12")

    def test_broken_files(self):
        self.refused("[unit.abi\n", "p.toml:1: Expected ']' at the end of a table declaration")
        self.refused('[unit.abi]\nservices = "abi"\nclass = "IC0"\n', "p.toml:2: 'services' must be a list")
        self.refused('[unit.abi]\nclass = "IC0"\n', "p.toml:1: unit 'abi' has no 'services'")
        with self.assertRaisesRegex(UsageError, "none.toml: No such file"):
            profile.load("none.toml", {})

    def test_service_file(self):
        self.write("services/tty/service.toml", 'uses = ["nobody"]\n')
        self.refused(GENERAL, "services/tty/service.toml:1: no service 'nobody'")
        self.write("services/tty/service.toml", '\nthreads = "many"\n')
        self.refused(GENERAL, "services/tty/service.toml:2: 'threads' must be a number")


class Tree(unittest.TestCase):
    """The profiles of the tree are valid."""

    def test_profiles(self):
        old = os.getcwd()
        os.chdir(TOP)
        self.addCleanup(os.chdir, old)
        services = service.load_all("services")
        for name in ("general", "tee", "fast"):
            profile.load(f"profiles/{name}.toml", services)


if __name__ == "__main__":
    unittest.main()
