#!/usr/bin/python3
"""What must hold between the plans of two homes that differ in one thing; no solver is needed for that. A schedule of one home is
one of the other too, so no bound may lie above its cost there; and where both plans are proven, their costs must agree."""
import copy
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instances import instance  # noqa: E402
from oracle import Batch  # noqa: E402
from problem import Problem, powers  # noqa: E402

SEEDS = range(2001, 2001 + int(os.environ.get("HEARTH_ORACLE", 0) or 150))


def batteries(inst):
    return inst["batteries"] if "batteries" in inst else [inst["battery"]] if inst.get("battery") else []


def evs(inst):
    return inst["evs"] if "evs" in inst else [inst["ev"]] if inst.get("ev") else []


def times(value, k):
    return None if value is None else [times(x, k) for x in value] if isinstance(value, list) else value * k


def change(place, keys, k):
    for key in keys:
        if key in place:
            place[key] = times(place[key], k)


def scaled_money(inst, k):
    change(inst, ("import_price", "export_price", "floor_price"), k)
    for b in batteries(inst):
        change(b, ("terminal_value", "wear_cost"), k)


def slower_clock(inst):
    """All powers halved, all slots twice as long: the same energies, the same money."""
    change(inst, ("slot_s",), 2)
    change(inst, ("load_kw", "pv_kw", "curtail_max_kw"), 0.5)
    change(inst["grid"], ("import_max_kw", "export_max_kw"), 0.5)
    change(inst, ("floor_price",), 0.5)  # per hour
    for b in batteries(inst):
        change(b, ("charge_max_kw", "discharge_max_kw", "fixed_kw"), 0.5)
    for e in evs(inst):
        change(e, ("min_kw", "max_kw"), 0.5)


def wider(inst):
    change(inst["grid"], ("import_max_kw", "export_max_kw"), 1.5)
    for b in batteries(inst):
        change(b, ("charge_max_kw", "discharge_max_kw"), 1.2)
        if "fixed_kw" not in b and "floor_price" not in inst:
            change(b, ("floor_kwh",), 0.5)
    for e in evs(inst):
        e["min_kw"] *= 0.5
        if e["arrive_slot"] < e["depart_slot"]:
            e["arrive_slot"] = max(0, e["arrive_slot"] - 2)


def near(plan, slack):
    """How far costs may be apart: where a search was ended, the last digit of a product may decide which of two plans it had seen."""
    return slack if plan["status"] == "optimal" else max(slack, 1e-3)


def net_import_kwh(p, plan):
    battery, car = powers(p, plan)
    return sum(h * (p.load[t] - p.pv[t] + plan["curtail_kw"][t] + sum(x[t] for x in battery + car)) for t, h in enumerate(p.h))


class Metamorphic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.batch = Batch()
        cls.homes = []
        for seed in SEEDS:
            inst = instance(seed)
            plan = cls.batch.plan(inst)
            if plan.get("status") in ("optimal", "feasible"):
                cls.homes.append((inst, plan))
        assert len(cls.homes) > 0.6 * len(SEEDS)

    @classmethod
    def tearDownClass(cls):
        cls.batch.__exit__()

    def changed(self, alter):
        """(name, problem before, plan before, plan after, the tolerance in money) of each home that has a plan."""
        for inst, plan in self.homes:
            other = copy.deepcopy(inst)
            alter(other)
            after = self.batch.plan(other)
            self.assertNotIn("error", after, inst["name"])
            p = Problem(inst)
            yield inst["name"], p, plan, after, 2e-6 * max(p.money_moved(), abs(plan["cost"])) + 1e-5

    def agree(self, name, cost, bound, after, slack):
        """@cost, @bound: of the plan before, carried over to the home after."""
        self.assertNotEqual(after["status"], "infeasible", name)
        self.assertLessEqual(after["bound"], cost + slack, name)
        self.assertLessEqual(bound, after["cost"] + slack, name)

    def test_money_in_pence(self):
        for name, _, plan, after, slack in self.changed(lambda x: scaled_money(x, 100)):
            self.agree(name, 100 * plan["cost"], 100 * plan["bound"], after, 100 * slack)
            self.assertEqual(plan["status"], after["status"], name)
            self.assertAlmostEqual(after["cost"], 100 * plan["cost"], delta=100 * near(plan, slack), msg=name)

    def test_slower_clock(self):
        for name, _, plan, after, slack in self.changed(slower_clock):
            self.agree(name, plan["cost"], plan["bound"], after, slack)
            self.assertAlmostEqual(after["cost"], plan["cost"], delta=near(plan, slack), msg=name)

    def test_dearer_by_a_constant(self):
        """A constant on both prices costs a schedule that constant times its net import, no more and no less."""
        def shift(inst):
            for key in ("import_price", "export_price"):
                inst[key] = [x + 0.1 for x in inst[key]]
        for name, p, plan, after, slack in self.changed(shift):
            self.assertLessEqual(after["bound"], plan["cost"] + 0.1 * net_import_kwh(p, plan) + slack, name)
            self.assertLessEqual(plan["bound"], after["cost"] - 0.1 * net_import_kwh(p, after) + slack, name)

    def test_wider_never_costs_more(self):
        homes = [(i, x) for i, x in self.homes if not any("fixed_kw" in b for b in batteries(i))]
        self.homes, kept = homes, self.homes
        both = 0
        for name, _, plan, after, slack in self.changed(wider):
            self.assertNotEqual(after["status"], "infeasible", name)
            self.assertLessEqual(after["bound"], plan["cost"] + slack, name)
            if after["status"] == "optimal":
                both += 1
                self.assertLessEqual(after["cost"], plan["cost"] + slack, name)
        self.assertGreater(both, len(homes) / 4)
        self.homes = kept

    def test_store_of_nothing_does_nothing(self):
        def empty(inst):
            for b in batteries(inst):
                b.update(capacity_kwh=0, soc_kwh=0, floor_kwh=0)
                b.pop("fixed_kw", None)
        for name, p, _, after, _ in self.changed(empty):
            if after["status"] != "infeasible":  # without the battery the car may not fit
                self.assertTrue(all(abs(x) < 1e-6 for kw in powers(p, after)[0] for x in kw), name)


if __name__ == "__main__":
    unittest.main()
