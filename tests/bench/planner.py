"""The planner's figures: time, gap and memory on the shipped samples and the suite of tests/oracle, and HiGHS on the same
instances in the same run. Gaps are shares of the saving: what the home pays with its battery at rest and a car at full power from arrival,
less the optimum. HiGHS gets binaries only where they are needed (tests/oracle/exact.py) and as much proof to give as the
planner: 1e-6."""
import glob
import json
import multiprocessing
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TESTS, "oracle"))

from figures import Row, program, quantile  # noqa: E402
import exact  # noqa: E402
from oracle import Batch  # noqa: E402
from problem import Problem, judge  # noqa: E402
from suite import suite  # noqa: E402

HIGHS_SECONDS = 4   # for one instance: the whole must end within three minutes
PROVEN = 1e-6


class Home:
    """One instance with what was measured on it."""

    def __init__(self, kind, inst):
        self.kind, self.inst, self.problem = kind, inst, Problem(inst)
        self.plan = self.time = self.highs = None

    def best_bound(self):
        bounds = [x for x in (self.plan["bound"], self.highs and self.highs.bound) if x is not None and x <= self.plan["cost"] + 1e-9]
        return max(bounds)

    def saving(self):
        return max(self.problem.idle_cost() - self.plan["cost"], 1e-3)

    def proven_gap(self):
        return max(0.0, self.plan["cost"] - self.plan["bound"]) / self.saving()

    def gap(self):
        """To the best bound anyone proved."""
        return max(0.0, self.plan["cost"] - self.best_bound()) / self.saving()

    def ratio(self):
        return self.highs.seconds * 1e3 / self.time["median_ms"]


def homes():
    out = []
    for path in sorted(glob.glob(os.path.join(TESTS, "data", "plan", "*.json"))):
        with open(path, encoding="utf-8") as f:
            inst = json.load(f)
        plain = "batteries" not in inst and "evs" not in inst and not isinstance(inst["slot_s"], list)
        slots = inst["slots"] if inst["slots"] in (96, 576, 2880) else None
        kind = "battery and car" if inst.get("ev") else "battery"
        out.append(Home(f"{kind}, {slots} slots" if plain and slots else "others", inst))
    return out + [Home(kind, inst) for kind, inst in suite()]


def measure_planner(all_homes, span_ms):
    text = "".join(json.dumps(h.inst) + "\n" for h in all_homes)
    done = subprocess.run([program("bench_plan")], input=text, stdout=subprocess.PIPE, text=True, check=True,
                          env=dict(os.environ, HEARTH_BENCH_MS=str(span_ms)))
    for home, line in zip(all_homes, done.stdout.splitlines()):
        home.time = json.loads(line)
    with Batch() as batch:
        for home in all_homes:
            home.plan = batch.plan(home.inst)
            broken = judge(home.problem, home.plan).breaks
            if broken or home.plan["status"] == "infeasible":
                raise RuntimeError(f"{home.inst['name']}: {home.plan['status']}, {broken[:1]}")


def highs_alone(inst):
    result = exact.solve(Problem(inst), HIGHS_SECONDS, PROVEN, all_binaries=False)
    result.schedule = None  # not worth carrying between processes
    return result


def measure_highs(all_homes):
    with multiprocessing.Pool(os.cpu_count() or 1) as pool:
        for home, result in zip(all_homes, pool.imap(highs_alone, [h.inst for h in all_homes])):
            home.highs = result


def time_rows(kind, mine, most_median, most_worst):
    medians = [h.time["median_ms"] for h in mine]
    median, slowest, worst = quantile(medians, 0.5), max(medians), max(h.time["worst_ms"] for h in mine)
    row = Row(f"planner: {kind}, median home (ms)", f"{median:.2f}", f"<= {most_median}" if most_median else "",
              median <= most_median if most_median else None,
              f"{len(mine)} homes, slowest home {slowest:.2f}, worst solve {worst:.2f} ms, {sum(h.plan['status'] == 'optimal' for h in mine)} proven")
    if not most_worst:
        return [row]
    return [row, Row("... worst solve of all homes (ms)", f"{worst:.2f}", f"<= {most_worst}", worst <= most_worst)]


def gap_row(what, mine, most):
    worst = max(mine, key=Home.proven_gap)
    gap = worst.proven_gap()
    return Row(f"planner: proven gap of the worst home, {what} (of the saving)", f"{gap:.1e}", f"<= {most:.0e}", gap <= most,
               f"{worst.inst['name']}; to the better of both bounds {max(h.gap() for h in mine):.1e}")


def ratio_rows(all_homes):
    done = [h for h in all_homes if h.highs.status == "optimal"]
    ratio = quantile([h.ratio() for h in all_homes], 0.5)  # of one that did not finish: at least this
    per_kind = ", ".join(f"{kind} {quantile([h.ratio() for h in all_homes if h.kind == kind], 0.5):.0f}x"
                         for kind in dict.fromkeys(h.kind for h in all_homes))
    wrong = sum(h.highs.bound is not None and h.highs.bound > h.plan["cost"] + 1e-3 or h.highs.status == "infeasible" for h in all_homes)
    return [Row("planner: HiGHS' time against it, median of the suite", f"{ratio:.0f}x", ">= 100x", ratio >= 100,
                f"{len(all_homes)} homes; HiGHS did not finish {len(all_homes) - len(done)} within {HIGHS_SECONDS} s, which count as {HIGHS_SECONDS} s; "
                f"{wrong} of its claims a schedule of ours refutes; {per_kind}")]


def planner(long=False):
    all_homes = homes()
    measure_planner(all_homes, 1000 if long else 150)
    measure_highs(all_homes)
    kinds = {}
    for h in all_homes:
        kinds.setdefault(h.kind, []).append(h)
    rows = []
    for kind, most_median, most_worst in (("battery, 576 slots", 1, None), ("battery, 2880 slots", 6, None), ("battery and car, 576 slots", 10, 100),
                                          ("battery, 96 slots", None, None), ("battery and car, 96 slots", None, None)):
        rows += time_rows(kind, kinds[kind], most_median, most_worst)
    alone = [h for h in all_homes if h.kind.startswith("battery, ")]
    convex = [h for h in alone if min(b - s for b, s in zip(h.problem.buy, h.problem.sell)) >= 0 and min(h.problem.sell) >= 0]
    with_car = kinds["battery and car, 576 slots"]
    proven = sum(h.plan["status"] == "optimal" for h in with_car) / len(with_car)
    rows += [gap_row(f"{len(convex)} convex with battery", convex, 1e-6),
             gap_row(f"{len(alone) - len(convex)} others with battery", [h for h in alone if h not in convex], 1e-5),
             gap_row(f"{len(with_car)} with car, 576 slots", with_car, 1e-4),
             Row("planner: proven optimal with car, 576 slots", f"{100 * proven:.0f} %", ">= 95 %", proven >= 0.95)]
    for slots in (576, 2880):
        heap = max(h.time["heap_bytes"] for h in all_homes if h.inst["slots"] == slots) / 2 ** 20
        rows.append(Row(f"planner: memory of a solve, {slots} slots (MiB)", f"{heap:.2f}", "<= 1.00" if slots == 576 else "",
                        heap <= 1 if slots == 576 else None))
    return rows + ratio_rows(all_homes)
