"""One instance: the planner's answer against the judge and against HiGHS. Returns what is wrong, in words, and what is worth counting."""
import exact
from problem import MONEY, Problem, judge

GAP_OF_SAVING = 1e-4   # a plan may be this far from the optimum, as a share of what can be saved
RULES = ("grid_charge", "battery_export", "battery_to_ev")
PROOF = 1e-6           # what "optimal" and "bound" are good for, relative to the cost or a tenth of the money moved


class Finding:
    """wrong: [(what, by)]. behind: money beyond the best schedule HiGHS found and what is granted. missed: what
    was said of a home that can be planned. gap, proven_gap: share of the
    saving; None where HiGHS proved no optimum."""

    def __init__(self):
        self.wrong, self.behind, self.missed, self.gap, self.proven_gap, self.highs_failed = [], 0.0, None, None, None, False
        self.status, self.exact, self.ms, self.exact_s = "?", "?", 0.0, 0.0

    def fault(self, what, by=0.0):
        self.wrong.append((what, by))


def check_infeasible(plan, verdict, result, f):
    """It must be so, and what is named must be what is broken."""
    named = {v["limit"] for v in plan.get("violations", ())}
    if result.schedule is not None:
        f.missed = f"called infeasible ({plan.get('reason')}), but HiGHS has a schedule"
    if plan["bound"] is not None:
        f.fault("infeasible with a bound", plan["bound"])
    if not plan.get("reason") or not named:
        f.fault("infeasible without a reason")
    for limit, t, by in verdict.breaks:
        rule = limit in RULES and any(RULES[0] in x for x in named)
        if limit not in named and not rule and by > MONEY:
            f.fault(f"{limit} is broken in slot {t} and not named", by)


def check_feasible(p, plan, verdict, result, f):
    scale = max(PROOF * max(abs(plan["cost"]), p.money_moved()), 1e-9)
    for limit, t, by in verdict.breaks:
        f.fault(f"{limit} is broken in slot {t}", by)
    if not abs(verdict.cost - plan["cost"]) <= MONEY:
        f.fault("cost is not what the schedule costs", plan["cost"] - verdict.cost)
    if plan["bound"] is None or not plan["bound"] <= plan["cost"] + scale:
        f.fault("bound above the cost", (plan["bound"] or 0) - plan["cost"])
    if plan["status"] == "optimal" and not plan["cost"] - plan["bound"] <= 1.01 * scale:
        f.fault("optimal, but bound and cost are apart", plan["cost"] - plan["bound"])
    if result.bound is not None and plan["cost"] < result.bound - max(MONEY, scale):
        f.fault("cheaper than HiGHS proves possible", result.bound - plan["cost"])
    if result.cost is None or plan["bound"] is None:
        return
    slack = scale + result.slack
    if plan["bound"] > result.cost + slack:
        f.fault("bound above a schedule that HiGHS found", plan["bound"] - result.cost)
    if plan["status"] == "optimal" and plan["cost"] > result.cost + scale + slack:
        f.fault("optimal, but HiGHS found a cheaper one", plan["cost"] - result.cost)
    if result.status == "optimal":
        saving = max(p.idle_cost() - result.cost, p.money_moved() * 1e-3)
        f.gap = max(0.0, plan["cost"] - result.cost - slack) / saving
        f.proven_gap = max(0.0, plan["cost"] - plan["bound"]) / saving
    if plan["cost"] > result.cost + GAP_OF_SAVING * max(p.idle_cost() - result.cost, 0) + slack:
        f.behind = plan["cost"] - result.cost


def compare(p, plan, result):
    f, verdict = Finding(), judge(p, plan)
    f.status, f.exact, f.ms, f.exact_s = plan["status"], result.status, plan["solve_ms"], result.seconds
    if plan["status"] == "infeasible":
        check_infeasible(plan, verdict, result, f)
    else:
        if result.status == "infeasible":
            f.fault("has a plan, but HiGHS says infeasible", plan["cost"])
        check_feasible(p, plan, verdict, result, f)
    return f


def attempt(p, seconds, presolve, all_binaries=True):
    """HiGHS' answer. A schedule of its own that the judge does not take is an error of this program."""
    result = exact.solve(p, seconds, all_binaries=all_binaries, presolve=presolve)
    if result.schedule is not None:
        own = judge_schedule(p, result.schedule)
        if own.breaks:
            raise AssertionError(f"HiGHS' schedule breaks {own.breaks[0]}")
        result.slack = abs(own.cost - result.cost)
    return result


def merged(a, b):
    """Two answers to one question. A schedule is a witness, so the cheapest counts, and a claim only where both make it."""
    best = min((x for x in (a, b) if x.cost is not None), key=lambda x: x.cost, default=a)
    bounds = [x.bound for x in (a, b) if x.bound is not None]
    out = exact.Result(best.status, a.seconds + b.seconds, best.cost, min(bounds, default=None), best.schedule)
    out.slack = best.slack
    return out


def check(inst, plan, seconds):
    """HiGHS 1.2 (Debian 12) is wrong now and then, with its presolve or without: it calls a home infeasible that has a
    schedule, or a dearer schedule the optimum. So what is in dispute is solved both ways, and what both call infeasible. Where both
    call it so although the judge takes our plan, the problem is stated once more with binaries only where they are needed."""
    if "error" in plan:
        f = Finding()
        f.fault("refused: " + plan["error"])
        return f
    p = Problem(inst)
    result = attempt(p, seconds, True)
    f = compare(p, plan, result)
    if f.wrong or f.behind or f.status == "infeasible":
        first, both = f, merged(result, attempt(p, seconds, False))
        if both.status == "infeasible" and plan["status"] != "infeasible" and not judge(p, plan).breaks:
            both = attempt(p, seconds, True, all_binaries=False)
        f = compare(p, plan, both)
        f.highs_failed = len(f.wrong) < len(first.wrong)
    return f


def judge_schedule(p, schedule):
    battery, car, curtail = schedule
    if p.lists:
        plan = {"batteries": [{"battery_kw": x} for x in battery], "evs": [{"ev_kw": x} for x in car], "curtail_kw": curtail}
    else:
        plan = {"battery_kw": battery[0] if battery else [0] * p.n, "ev_kw": car[0] if car else [0] * p.n, "curtail_kw": curtail}
    return judge(p, plan)
