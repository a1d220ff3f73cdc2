"""The reckoning of ./tessera bench: marks and console to costs, ratios, means."""

import os
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "bench")]

from compare import command, counts, report, systems, table, wall  # noqa: E402


def mark(kind, *values):
    return "14 {} {} {} {} {}".format(kind, *values)


class Reckoning(unittest.TestCase):
    def test_overhead_is_taken_off(self):
        marks = [mark(2, 0, 0, 0, 0), mark(0, 100, 1, 0, 2), mark(1, 1100, 11, 0, 22), mark(4, 2000, 20, 0, 30), mark(5, 2200, 22, 0, 34),
                 mark(3, 9000, 90, 0, 90)]
        self.assertEqual(list(counts.batches_read(marks)), [(800, 8, 0, 16)])

    def test_warm_up_and_broken_batches_do_not_count(self):
        marks = [mark(0, 1, 0, 0, 0), mark(1, 9, 0, 0, 0), mark(2, 10, 0, 0, 0), mark(0, 11, 0, 0, 0),     # a row that ended here
                 mark(2, 20, 0, 0, 0), mark(0, 30, 0, 0, 0), mark(1, 70, 0, 0, 0), mark(3, 80, 0, 0, 0), "13 2 5 5 5 5", "cut"]
        self.assertEqual(list(counts.batches_read(marks)), [(40, 0, 0, 0)])

    def test_console_names_the_batches(self):
        marks = [mark(2, 0, 0, 0, 0), mark(0, 0, 0, 0, 0), mark(1, 600, 0, 0, 4), mark(3, 700, 0, 0, 9)]
        console = "noise\r\n@row null\r\n@batch 2 55\r\n@done\r\n@row sem\r\n@skipped semget: Function not implemented\r\n@row fork\r\n"
        rows, ended = counts.machine_read(console, marks)
        self.assertFalse(ended)
        self.assertEqual(rows["null"].batches, [(300, 0, 0, 2)])
        self.assertEqual((rows["null"].operations, rows["null"].weighted()), (2, 500))
        self.assertEqual(rows["sem"].trouble, "skipped: semget: Function not implemented")
        self.assertFalse(rows["fork"].done)

    def test_loop_and_spread(self):
        rows = {"a": counts.Measured([(12, 0, 0, 0), (13, 0, 0, 0), (14, 0, 0, 0)])}
        counts.loop_subtract(rows, counts.Measured([(3, 0, 0, 0)]))
        self.assertEqual(rows["a"].cost(), 10)
        self.assertAlmostEqual(rows["a"].spread(), 0.05)

    def test_ratio_and_mean(self):
        self.assertEqual(counts.ratio(400, 100), 4)
        self.assertIsNone(counts.ratio(400, None))
        self.assertIsNone(counts.ratio(400, -1))
        self.assertAlmostEqual(counts.mean([4, 1, None]), 2)
        self.assertIsNone(counts.mean([None]))

    def test_a_row_that_cannot_run_has_no_ratio(self):
        row = systems.Row("sem", "switch", "round trip", 0)
        results = {systems.STRICT: {"sem": counts.Measured([(10, 0, 0, 0)])}, "general": {"sem": counts.Measured(trouble="skipped: why")}}
        text = "\n".join(table.lines([row], results, ["general"]))
        self.assertIn("skipped", text)
        self.assertIn("# general: sem: skipped: why", text)
        self.assertEqual(table.ratios_of(results, row, "general"), (None, None))

    def test_boot_is_read_from_the_first_marks(self):
        marks = [mark(6, 1000, 1, 0, 0), mark(6, 1500, 1, 0, 0), mark(7, 2000, 2, 0, 4)]
        found = counts.boot_read("@first\r\n@prompt 1000\r\n", marks, 1024)
        self.assertEqual([found[row.name].cost() for row in systems.BOOT], [1000, 2000, 24])
        self.assertEqual(counts.boot_read("@noprompt", marks, 1024), {})

    def test_changes_are_those_of_more_than_a_hundredth(self):
        def entry(row, tessera):
            return {"row": row, "mode": "icount", "profile": "fast", "tessera": tessera, "note": "why"}

        old = [entry("a", 100.0), entry("b", 100.0), entry("c", None), entry("d", 5.0)]
        lines = list(command.changes_list(old, [entry("a", 100.5), entry("b", 90.0), entry("c", None), entry("d", None)]))
        self.assertEqual(len(lines), 2)
        self.assertIn("-10.0 %", lines[0])
        self.assertIn("why", lines[1])

    def test_report_is_well_formed_and_escaped(self):
        entries = [{"row": "a<b", "group": "calls", "profile": "fast", "unit": "x", "linux_strict": 9.0, "linux_default": None, "tessera": 3.0,
                    "ratio": 3.0, "ratio_weighted": None, "note": ""},
                   {"row": "none", "group": "calls", "profile": "fast", "unit": "x", "ratio": None, "note": "skipped: <why>"}]
        page = report.page(entries, ("fast",), ["a & b"])
        self.assertNotIn("a<b", page)
        self.assertIn("skipped: &lt;why&gt;", page)
        self.assertIn("geometric means: fast 3.00", page)


class Wall(unittest.TestCase):
    ROWS = [systems.Row("loop", "", "turn", 0), systems.Row("fork", "process", "process", 4), systems.Row("cross", "switch", "round trip", 2),
            systems.Row("late", "latency", "sleep", 8), systems.BOOT[0]]

    def test_machines_run_what_suits_their_processors(self):
        told, back = wall.rows_of(self.ROWS, 1)
        self.assertEqual([row.name for row in told], ["loop", "fork", "late"])
        self.assertEqual(told, back)
        told, back = wall.rows_of(self.ROWS, 2)
        self.assertEqual(([row.name for row in told], [row.name for row in back]), (["fork", "cross"], ["fork.2", "cross"]))

    def test_console_gives_time_an_operation(self):
        rows, ended = wall.console_read("@row fork.2\r\n@batch 4 1000\r\n@batch 0 5\r\n@done\r\n@row x\r\n@failed hung\r\n@end\r\n")
        self.assertTrue(ended)
        self.assertEqual((rows["fork.2"].batches, rows["fork.2"].operations), ([(250, 0, 0, 0)], 4))
        self.assertEqual(rows["x"].trouble, "failed: hung")

    def test_rounds_take_turns_and_ratios_pair_within_a_round(self):
        asked = []

        def machine_run(name, rows, limits, processors, say):
            asked.append((name, processors))
            say("boots")
            slow = 1 + len(asked) // 6            # the host gets slower from round to round, for all alike
            cost = {"general": 100, systems.STRICT: 200, systems.DEFAULT: 300}[name] * slow
            return {row.name if processors == 1 or row.needs_two else wall.twice(row).name:
                    counts.Measured([(10 if row.name == "loop" else cost + 10, 0, 0, 0)], 1, done=True) for row in rows}

        names = (systems.STRICT, systems.DEFAULT, "general")
        rounds, back = wall.measure(self.ROWS, names, True, machine_run, lambda text: None)
        self.assertGreaterEqual(len(rounds), 5)
        self.assertEqual([name for name, processors in asked if processors == 1][:6], list(names) + list(names[::-1]))
        self.assertEqual([row.name for row in back], ["fork", "late", "fork.2", "cross"])
        listed = wall.results_list(back, rounds, ["general"])
        fork = next(entry for entry in listed if entry["row"] == "fork")
        self.assertEqual((fork["ratio"], fork["spread"], fork["pairs"], fork["mode"], fork["unit"]), (2, 0, len(rounds), "wall", "ns/process"))
        self.assertLess(next(entry for entry in listed if entry["row"] == "late")["ratio"], 2)   # it times itself: no loop is taken off
        self.assertIn("fork.2", "\n".join(wall.lines(listed, ["general"])))

    def test_spread_and_a_row_without_figures(self):
        self.assertIsNone(wall.spread([3]))
        self.assertAlmostEqual(wall.spread([1, 2, 3]), 0.25)
        rounds = [{systems.STRICT: {"fork": counts.Measured([(5, 0, 0, 0)])}, systems.DEFAULT: {}, "general": {"fork": counts.Measured(trouble="failed: hung")}}]
        entry = wall.results_list([self.ROWS[1]], rounds, ["general"])[0]
        self.assertEqual((entry["ratio"], entry["tessera"], entry["linux_strict"], entry["note"]), (None, None, 5, "failed: hung"))


if __name__ == "__main__":
    unittest.main()
