#!/usr/bin/python3
"""The planner against HiGHS, on seeded random instances or on files.

    tests/oracle/oracle.py [--build DIR] [--seeds FIRST-LAST] [--slots MOST] [--seconds S] [--keep FOLDER] [FILE...]

Prints a line for each instance with a fault and a summary; --keep writes those instances and what is wrong with them. Exit
code 1 when there is a fault. --seconds is HiGHS' time for one instance; what it leaves open is held to its bounds."""
import argparse
import collections
import json
import multiprocessing
import os
import subprocess
import sys

from check import Finding, check
from instances import instance

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name):
    build = os.environ.get("HEARTH_BUILD", os.path.join(SOURCE, "build"))
    for folder in (os.path.join(build, "tests"), build):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise RuntimeError(f"{name} is not built in {build}")


class Batch:
    """One plan_batch process; one line in, one line out."""

    def __init__(self):
        self.process = subprocess.Popen([program("plan_batch")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def plan(self, inst):
        self.process.stdin.write(json.dumps(inst) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"the planner ended with {self.process.wait()}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def check_seeds(job):
    seeds, slots_max, seconds = job
    out = []
    with Batch() as batch:
        for seed in seeds:
            inst = instance(seed, slots_max)
            plan = batch.plan(inst)
            out.append((inst, check(inst, plan, seconds)))
            if plan.get("error", "").startswith("the planner ended"):
                break
    return out + [(instance(s, slots_max), lost()) for s in seeds[len(out):]]


def lost():
    f = Finding()
    f.fault("not tried: the planner ended at the instance before")
    return f


def check_all(seeds, slots_max, seconds):
    """[(instance, finding)] in the order of the seeds, on all cores."""
    program("plan_batch")  # said here once, not by each of the processes
    seeds, cores = list(seeds), os.cpu_count() or 1
    size = max(1, min(10, len(seeds) // cores))
    jobs = [(seeds[i:i + size], slots_max, seconds) for i in range(0, len(seeds), size)]
    with multiprocessing.Pool(cores) as pool:
        return [x for part in pool.imap(check_seeds, jobs) for x in part]


def check_files(paths, seconds):
    out = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            inst = json.load(f)
        with Batch() as batch:
            out.append((inst, check(inst, batch.plan(inst), seconds)))
    return out


def words(f):
    behind = [("behind the optimum", f.behind)] if f.behind else []
    return "; ".join([f"{what} by {by:.3g}" for what, by in f.wrong + behind] + ([f.missed] if f.missed else []))


def part(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def summary(results):
    """Lines for a reader: how many were what, gaps as shares of the saving, times."""
    found = [f for _, f in results]
    both = collections.Counter((f.status, f.exact) for f in found)
    yield ", ".join(f"{n} {ours}/{theirs}" for (ours, theirs), n in both.most_common()) + " (planner/HiGHS)"
    for name, values in (("gap to the optimum", [f.gap for f in found if f.gap is not None]),
                         ("gap to its own bound", [f.proven_gap for f in found if f.proven_gap is not None])):
        yield f"{name}, of the saving: p50 {part(values, .5):.1e}, p90 {part(values, .9):.1e}, p99 {part(values, .99):.1e}, max {part(values, 1):.1e}"
    for name, values in (("planner", [f.ms for f in found]), ("HiGHS", [f.exact_s * 1e3 for f in found])):
        yield f"{name}, ms: p50 {part(values, .5):.2f}, p99 {part(values, .99):.2f}, max {part(values, 1):.2f}"
    wrong = [inst["name"] for inst, f in results if f.highs_failed]
    if wrong:
        yield f"HiGHS was wrong with its presolve and agreed without it: {', '.join(wrong)}"


def keep(folder, inst, f):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, inst["name"])
    with open(path + ".json", "w", encoding="utf-8") as out:
        json.dump(inst, out)
    with open(path + ".txt", "w", encoding="utf-8") as out:
        out.write(words(f) + "\n")


def kind_of(inst):
    """How much of the problem is in it: what may be asked of the planner depends on it."""
    batteries, evs = inst.get("batteries") or [x for x in (inst.get("battery"),) if x], inst.get("evs") or [x for x in (inst.get("ev"),) if x]
    return "several" if max(len(batteries), len(evs)) > 1 else "battery and car" if batteries and evs else "battery or car alone"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build")
    p.add_argument("--seeds", default="1-500")
    p.add_argument("--slots", type=int, default=48)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--keep")
    p.add_argument("file", nargs="*")
    a = p.parse_args()
    if a.build:
        os.environ["HEARTH_BUILD"] = os.path.abspath(a.build)
    first, last = [int(x) for x in (a.seeds.split("-") * 2)[:2]]
    results = check_files(a.file, a.seconds) if a.file else check_all(range(first, last + 1), a.slots, a.seconds)
    wrong = [(inst, f) for inst, f in results if f.wrong or f.behind or f.missed]
    for inst, f in wrong:
        print(f"{inst['name']} ({inst['slots']} slots, {f.status}, HiGHS {f.exact}): {words(f)}")
        if a.keep:
            keep(a.keep, inst, f)
    print("\n".join(summary(results)))
    print(f"{len(results)} instances, {len(wrong)} with a fault")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
