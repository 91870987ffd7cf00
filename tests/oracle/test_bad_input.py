#!/usr/bin/python3
"""Instances nobody should send, through `hearthctl plan solve -`: a clear word or a plan that names what gives, never silence, and
within two seconds of processor time."""
import json
import math
import os
import random
import resource
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from oracle import program  # noqa: E402
from problem import Problem, judge  # noqa: E402


def home(slots=8, **changes):
    inst = {"format": "ems-instance/1", "name": "home", "slots": slots, "slot_s": 1800, "import_price": [0.1 + 0.01 * (t % 7) for t in range(slots)],
            "export_price": [0.05] * slots, "load_kw": [0.5] * slots, "pv_kw": [0.2 * (t % 3) for t in range(slots)],
            "grid": {"import_max_kw": 10, "export_max_kw": 5},
            "battery": {"capacity_kwh": 10, "floor_kwh": 1, "soc_kwh": 5, "charge_max_kw": 3, "discharge_max_kw": 3, "charge_eff": 0.95, "discharge_eff": 0.95},
            "ev": {"arrive_slot": 1, "depart_slot": 7, "energy_kwh": 6, "min_kw": 1.4, "max_kw": 7.4}}
    for path, value in changes.items():
        place, keys = inst, path.split("__")
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    return inst


def long_home(devices):
    """4032 slots of a quarter hour, all prices different, as many batteries and as many cars that stay all the time."""
    rng, n = random.Random(7), 4032
    inst = home(slots=n, slot_s=900, battery__wear_cost=0.01, ev__arrive_slot=0, ev__depart_slot=n, ev__energy_kwh=900,
                import_price=[rng.uniform(0.05, 0.4) for _ in range(n)], load_kw=[rng.uniform(0.2, 3) for _ in range(n)],
                pv_kw=[rng.uniform(0, 6) * (t % 96 > 40) for t in range(n)])
    inst["export_price"] = [0.7 * p for p in inst["import_price"]]
    inst["grid"] = {}
    inst["batteries"] = [dict(inst["battery"], id=f"b{i}", capacity_kwh=1000, charge_eff=0.95 - 0.01 * i) for i in range(devices)]
    inst["evs"] = [dict(inst["ev"], id=f"e{i}", energy_kwh=900 - 100 * i) for i in range(devices)]
    return {k: v for k, v in inst.items() if k not in ("battery", "ev")}


def spent():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def solve(text):
    """Exit code, what was said on stdout and stderr, seconds of processor time: the machine may be busy with other things."""
    begun = spent()
    done = subprocess.run([program("hearthctl"), "plan", "solve", "-"], input=text, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr, spent() - begun


# what is sent, and the word the refusal must say
REFUSED = {
    "nothing at all": ("", ""),
    "no object": ("[]", "object"),
    "cut off": (json.dumps(home())[:-40], ""),
    "NaN": (json.dumps(home(load_kw=[math.nan] * 8)), ""),
    "endless": (json.dumps(home(load_kw=[math.inf] * 8)), ""),
    "beyond a double": (json.dumps(home()).replace("0.05", "1e999"), "export_price"),
    "an array too short": (json.dumps(home(pv_kw=[0.0] * 7)), "pv_kw"),
    "an array too long": (json.dumps(home(import_price=[0.1] * 9)), "import_price"),
    "floors: slots, not slots + 1": (json.dumps(home(battery__floor_kwh=[1.0] * 8)), "floor_kwh"),
    "a text for a number": (json.dumps(home(battery__soc_kwh="5")), "soc_kwh"),
    "floor above capacity": (json.dumps(home(battery__floor_kwh=11)), "floor_kwh"),
    "more stored than fits": (json.dumps(home(battery__soc_kwh=11)), "soc_kwh"),
    "negative load": (json.dumps(home(load_kw=[-1.0] * 8)), "load_kw"),
    "efficiency of nothing": (json.dumps(home(battery__charge_eff=0)), "charge_eff"),
    "more than all": (json.dumps(home(battery__discharge_eff=1.01)), "discharge_eff"),
    "least above most": (json.dumps(home(ev__min_kw=8)), "min_kw"),
    "no slots": (json.dumps(home(slots=0)), "slots"),
    "half a slot": (json.dumps(dict(home(), slots=7.5)), "slots"),
    "100,000 slots": (json.dumps(dict(home(), slots=100000)), "slots"),
    "100,000 slots in full": (json.dumps(home(slots=100000)), "1..4032"),
    "slots said, arrays not there": (json.dumps(dict(home(), slots=4032)), ""),
    "a slot of no time": (json.dumps(home(slot_s=0)), "slot_s"),
    "prices of 1e10": (json.dumps(home(import_price=[1e10] * 8)), "import_price"),
    "deep": ("[" * 100000, ""),
    "5 MiB": (json.dumps(home(name="x" * (5 << 20))), ""),
    "five batteries": (json.dumps({k: v for k, v in dict(home(), batteries=[home()["battery"]] * 5).items() if k != "battery"}), "batteries"),
}
# what cannot hold, and the limit that must be named
INFEASIBLE = {
    "deadline in the past": (home(ev__arrive_slot=7, ev__depart_slot=3), "ev.energy_kwh"),
    "energy that cannot fit": (home(ev__energy_kwh=60), "ev.energy_kwh"),
    "below the floor, and no way up": (home(battery__soc_kwh=0.5, battery__charge_max_kw=0), "battery.floor_kwh"),
    "load above the fuse": (home(load_kw=[15.0] * 8, ev=None), "grid.import_max_kw"),
    "sun above the export limit": (dict(home(pv_kw=[20.0] * 8, ev=None), curtail_max_kw=0), "grid.export_max_kw"),
}
# odd, but possible
FEASIBLE = {
    "prices of 1e9": home(import_price=[1e9] * 8, export_price=[-1e9] * 8),
    "prices of 1e8, all different": home(import_price=[1e8 * (1 + 0.1 * (t % 5)) for t in range(8)], export_price=[3e7] * 8, load_kw=[1 / 3] * 8),
    "below the floor, with a way up": home(battery__soc_kwh=0.2),
    "below the floor, priced": dict(home(battery__soc_kwh=0.2, battery__charge_max_kw=0), floor_price=0.1),
    "a store of nothing": home(battery__capacity_kwh=0, battery__soc_kwh=0, battery__floor_kwh=0),
    "no battery, no car": dict(home(), battery=None, ev=None),
    "slots of a second": home(slot_s=1, ev__energy_kwh=0),
    "one slot": home(slots=1, ev__arrive_slot=0, ev__depart_slot=1, ev__energy_kwh=1),
    "4032 slots": home(slots=4032),
    "4032 slots, a battery and a car": long_home(1),
    "4032 slots, four batteries and four cars": long_home(4),
    "1e6 kW": home(load_kw=[0.0] * 8, battery__charge_max_kw=1e6, battery__discharge_max_kw=1e6, grid={}),
}


class BadInput(unittest.TestCase):
    def test_refused(self):
        for name, (text, says) in REFUSED.items():
            with self.subTest(name):
                code, out, err, seconds = solve(text)
                self.assertEqual((code, out), (1, ""))
                self.assertIn(says, err)
                self.assertGreater(len(err.strip()), 12)
                self.assertLess(seconds, 2)

    def test_infeasible(self):
        for name, (inst, limit) in INFEASIBLE.items():
            with self.subTest(name):
                code, out, err, seconds = solve(json.dumps(inst))
                plan = json.loads(out)
                self.assertEqual((code, plan["status"], plan["bound"]), (1, "infeasible", None))
                self.assertIn(limit, {v["limit"] for v in plan["violations"]})
                self.assertIn(limit, err)
                self.assertIn(limit, {x[0] for x in judge(Problem(inst), plan).breaks})
                self.assertLess(seconds, 2)

    def test_feasible(self):
        for name, inst in FEASIBLE.items():
            with self.subTest(name):
                code, out, err, seconds = solve(json.dumps(inst))
                plan, scale = json.loads(out), 1 + max(abs(x) for x in inst["import_price"])
                self.assertEqual((code, err), (0, ""))
                verdict = judge(Problem(inst), plan)
                self.assertFalse(verdict.breaks)
                self.assertAlmostEqual(verdict.cost, plan["cost"], delta=max(1e-3, 1e-8 * abs(plan["cost"])))
                self.assertLessEqual(plan["bound"], plan["cost"] + 1e-6 * scale)
                self.assertLess(seconds, 2)


if __name__ == "__main__":
    unittest.main()
