"""The plan problem read out of its file, and a judge of schedules: the physics and rules of the format, once more in words
of its own. Nothing here comes from the planner's sources."""
import math

KW, CAR_KWH, MONEY = 1e-4, 1e-3, 1e-3  # the format's tolerances
FAR = 1e6


def spread(value, n, default=None):
    value = default if value is None else value
    return list(value) if isinstance(value, list) else [value] * n


class Battery:
    def __init__(self, b, n):
        self.capacity, self.soc = b["capacity_kwh"], b["soc_kwh"]
        self.floor = spread(b["floor_kwh"], n + 1)
        self.charge, self.discharge = spread(b["charge_max_kw"], n), spread(b["discharge_max_kw"], n)
        self.eff_in, self.eff_out = b["charge_eff"], b["discharge_eff"]
        self.terminal, self.wear = b.get("terminal_value", 0), b.get("wear_cost", 0)
        self.fixed = b.get("fixed_kw") or [None] * n
        self.grid_charge, self.battery_export = b.get("grid_charge", True), b.get("battery_export", True)
        self.name = b.get("id", "battery")


class Car:
    def __init__(self, e):
        self.arrive, self.depart, self.energy = e["arrive_slot"], e["depart_slot"], e["energy_kwh"]
        self.min, self.max, self.name = e.get("min_kw", 0), e["max_kw"], e.get("id", "ev")

    def here(self, t):
        return self.arrive <= t < self.depart


class Problem:
    def __init__(self, inst):
        n = self.n = inst["slots"]
        grid = inst.get("grid") or {}
        self.h = [s / 3600 for s in spread(inst["slot_s"], n)]
        self.buy, self.sell = inst["import_price"], inst["export_price"]
        self.load, self.pv = inst["load_kw"], inst["pv_kw"]
        self.import_max = spread(grid.get("import_max_kw"), n, FAR)
        self.export_max = spread(grid.get("export_max_kw"), n, FAR)
        self.curtail_max = [min(c, p) for c, p in zip(spread(inst.get("curtail_max_kw"), n, FAR), self.pv)]
        self.floor_price = inst.get("floor_price")
        self.to_ev = inst.get("battery_to_ev", True)
        self.lists = "batteries" in inst or "evs" in inst
        batteries = inst["batteries"] if "batteries" in inst else [inst["battery"]] if inst.get("battery") else []
        evs = inst["evs"] if "evs" in inst else [inst["ev"]] if inst.get("ev") else []
        self.batteries, self.evs = [Battery(b, n) for b in batteries], [Car(e) for e in evs]

    def slot_cost(self, t, grid_kw):
        return self.h[t] * grid_kw * (self.buy[t] if grid_kw > 0 else self.sell[t])

    def idle_cost(self):
        """The bill with batteries at rest and cars at full power from arrival; a surplus is curtailed where
        the export limit or a negative export price asks for it."""
        cost, left = 0.0, [e.energy for e in self.evs]
        for t in range(self.n):
            net = self.load[t] - self.pv[t]
            for k, e in enumerate(self.evs):
                kw = min(e.max, left[k] / self.h[t]) if e.here(t) else 0
                left[k] -= kw * self.h[t]
                net += kw
            sold = 0 if self.sell[t] < 0 else self.export_max[t]
            curtail = min(max(0, -sold - net), self.curtail_max[t])
            cost += self.slot_cost(t, net + curtail)
            if self.floor_price is not None:
                cost += sum(self.floor_price * self.h[t] * max(0, b.floor[t + 1] - b.soc) for b in self.batteries)
        return cost - sum(b.terminal * b.soc for b in self.batteries)

    def money_moved(self):
        """The scale of small sums: what all load would cost at the greatest price, at least 1e-3."""
        price = max([abs(x) for x in self.buy] + [abs(x) for x in self.sell] + [1e-3])
        kwh = sum(h * (a + b) for h, a, b in zip(self.h, self.load, self.pv)) + sum(b.capacity for b in self.batteries)
        return max(1e-3, price * (kwh + sum(e.energy for e in self.evs)) / 10)


class Verdict:
    """What a schedule costs and breaks. breaks: [(limit, slot, by)] beyond the tolerances."""

    def __init__(self):
        self.cost, self.breaks = 0.0, []

    def excess(self, limit, t, by, tolerance=KW):
        if not by <= tolerance:  # a NaN is an excess too
            self.breaks.append((limit, t, by))


def powers(problem, plan):
    """battery_kw, ev_kw as lists of lists, out of either form of a plan."""
    if problem.lists:
        return [b["battery_kw"] for b in plan["batteries"]], [e["ev_kw"] for e in plan["evs"]]
    return ([plan["battery_kw"]] if problem.batteries else []), ([plan["ev_kw"]] if problem.evs else [])


def judge_slot(p, t, battery_kw, ev_kw, curtail, v):
    charge, discharge = sum(max(x, 0) for x in battery_kw), sum(max(-x, 0) for x in battery_kw)
    cars = sum(ev_kw)
    grid = p.load[t] + charge - discharge + cars - p.pv[t] + curtail
    for b, kw in zip(p.batteries, battery_kw):
        v.excess("ratings", t, max(kw - b.charge[t], -kw - b.discharge[t]))
        if kw > KW and not b.grid_charge:
            v.excess("grid_charge", t, grid)
        if kw < -KW and not b.battery_export:
            v.excess("battery_export", t, -grid)
        if kw < -KW and cars > KW and not p.to_ev:
            v.excess("battery_to_ev", t, cars - grid)
    for e, kw in zip(p.evs, ev_kw):
        v.excess("car", t, abs(kw) if not e.here(t) else max(kw - e.max, -kw, e.min - kw if kw > KW else 0))
    v.excess("one battery charges another", t, min(charge, discharge))
    v.excess("curtail", t, max(-curtail, curtail - p.curtail_max[t]))
    v.excess("grid.import_max_kw", t, grid - p.import_max[t])
    v.excess("grid.export_max_kw", t, -grid - p.export_max[t])
    v.cost += p.slot_cost(t, grid)


def judge_order(b, t, kw, after, v):
    """An order runs until floor or capacity ends it; clipped it is less, but never the other way."""
    due = b.fixed[t]
    if due is None:
        return
    ended = (due > 0 and after >= b.capacity - KW) or (due < 0 and after <= b.floor[t + 1] + KW)
    along = kw if due > 0 else -kw
    if not (ended and -KW <= along <= abs(due) + KW):
        v.excess(b.name + ".fixed_kw", t, abs(kw - due))


def judge_battery(p, b, kw, v):
    soc, socs = b.soc, [b.soc]
    for t in range(p.n):
        before = soc
        soc += p.h[t] * (kw[t] * b.eff_in if kw[t] > 0 else kw[t] / b.eff_out)
        short = b.floor[t + 1] - soc
        v.excess(b.name + ".capacity_kwh", t, soc - b.capacity)
        if p.floor_price is None:
            v.excess(b.name + ".floor_kwh", t, short)
        else:
            v.excess("discharge below the floor", t, min(short, before - soc))
            v.cost += p.floor_price * p.h[t] * max(0, short)
        v.cost += b.wear * p.h[t] * max(0, -kw[t])
        judge_order(b, t, kw[t], soc, v)
        socs.append(soc)
    v.cost -= b.terminal * soc
    return socs


def judge(p, plan):
    v = Verdict()
    battery_kw, ev_kw = powers(p, plan)
    curtail = plan["curtail_kw"]
    if len(battery_kw) != len(p.batteries) or len(ev_kw) != len(p.evs) or any(len(x) != p.n for x in battery_kw + ev_kw + [curtail]):
        v.breaks.append(("length", 0, math.inf))
        return v
    for t in range(p.n):
        judge_slot(p, t, [x[t] for x in battery_kw], [x[t] for x in ev_kw], curtail[t], v)
    said = plan["batteries"] if p.lists else [plan]
    for b, kw, s in zip(p.batteries, battery_kw, said):
        socs = judge_battery(p, b, kw, v)
        if "soc_kwh" in s:
            v.excess("soc_kwh is not what the powers give", 0, max(abs(x - y) for x, y in zip(socs, s["soc_kwh"])))
            v.excess("value[]", 0, 0 if len(s["value"]) == p.n + 1 and all(math.isfinite(x) for x in s["value"]) else 1)
    for e, kw in zip(p.evs, ev_kw):
        v.excess(e.name + ".energy_kwh", e.depart, abs(sum(x * h for x, h in zip(kw, p.h)) - e.energy), CAR_KWH)
    return v
