#!/usr/bin/python3
"""tests/data/plan: each sample against the table of its README. With HEARTH_ORACLE set HiGHS proves the table once more."""
import json
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from oracle import SOURCE, Batch  # noqa: E402
from problem import Problem, judge  # noqa: E402

FOLDER = os.path.join(SOURCE, "tests", "data", "plan")
GAP_OF_SAVING = 1e-4
ROUNDED = 2e-6  # the table has six decimals, HiGHS' gap is 1e-6


def table():
    """{file: (optimum, idle)} as the README has it."""
    with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| `([^`]+\.json)` \| (-?[\d.]+) \| (-?[\d.]+) \|", f.read(), re.M)
    return {name: (float(optimum), float(idle)) for name, optimum, idle in rows}


class Samples(unittest.TestCase):
    def test_all_in_the_table(self):
        self.assertEqual(sorted(table()), sorted(x for x in os.listdir(FOLDER) if x.endswith(".json")))

    def test_planner(self):
        with Batch() as batch:
            for name, (optimum, idle) in table().items():
                with self.subTest(name), open(os.path.join(FOLDER, name), encoding="utf-8") as f:
                    inst = json.load(f)
                    p, plan = Problem(inst), batch.plan(inst)
                    verdict = judge(p, plan)
                    self.assertFalse(verdict.breaks)
                    self.assertAlmostEqual(verdict.cost, plan["cost"], delta=1e-4)
                    self.assertAlmostEqual(p.idle_cost(), idle, delta=1e-3)  # how a car's last, partial slot counts is a matter of taste
                    self.assertLessEqual(plan["bound"], optimum + ROUNDED)
                    self.assertGreaterEqual(plan["cost"], optimum - ROUNDED - 1e-6 * abs(optimum))
                    self.assertLessEqual(plan["cost"] - optimum, GAP_OF_SAVING * (idle - optimum))

    @unittest.skipUnless(os.environ.get("HEARTH_ORACLE"), "HEARTH_ORACLE is not set")
    def test_highs(self):
        import exact
        for name, (optimum, _) in table().items():
            with self.subTest(name), open(os.path.join(FOLDER, name), encoding="utf-8") as f:
                result = exact.solve(Problem(json.load(f)), 120, 1e-6, all_binaries=False)
                self.assertAlmostEqual(result.cost, optimum, delta=1e-5 * max(1, abs(optimum)))
                self.assertLessEqual(result.bound, optimum + ROUNDED)


if __name__ == "__main__":
    unittest.main()
