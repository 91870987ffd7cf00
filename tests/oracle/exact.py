"""The plan problem as a mixed-integer program for HiGHS (scipy.optimize.milp). Written from the format's text alone.

Where are binaries needed? Charging and discharging at once wastes energy, and a relaxation does so wherever waste pays: with a
negative price *anywhere* in the horizon (a battery emptied by waste now can be paid for charging then), where power that
may not be curtailed meets an export limit, or where what is left at the end costs money. So `needed` is said of the whole horizon, not
of a slot. Importing and exporting at once pays where export is dearer than import; a rule that asks for the grid's direction
needs its binary wherever it holds."""
import time

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

SCALE = 100.0  # of the objective: HiGHS stops at an absolute gap of 1e-6, whatever is asked


class Result:
    """status: "optimal", "infeasible" or "open" (time was up); cost and schedule (battery_kw, ev_kw, curtail_kw) None without one;
    bound is HiGHS' own. slack: what the schedule really costs beyond `cost`, for binaries may be off by HiGHS' tolerance."""

    def __init__(self, status, seconds, cost=None, bound=None, schedule=None):
        self.status, self.seconds, self.cost, self.bound, self.schedule, self.slack = status, seconds, cost, bound, schedule, 0.0


class Model:
    """Columns and rows as they come."""

    def __init__(self):
        self.low, self.high, self.price, self.whole = [], [], [], []
        self.entries, self.row_low, self.row_high = [], [], []

    def column(self, low, high, price=0.0, whole=False):
        self.low.append(low)
        self.high.append(max(low, high))
        self.price.append(price)
        self.whole.append(whole)
        return len(self.low) - 1

    def binary(self):
        return self.column(0, 1, whole=True)

    def row(self, terms, low=-np.inf, high=np.inf):
        for column, factor in terms:
            if factor:  # HiGHS 1.2 answers wrongly where a zero is written out
                self.entries.append((len(self.row_low), column, factor))
        self.row_low.append(low)
        self.row_high.append(high)

    def solve(self, seconds, gap, presolve):
        r, c, f = zip(*self.entries)
        matrix = csr_matrix((f, (r, c)), shape=(len(self.row_low), len(self.low)))
        return milp(SCALE * np.array(self.price), integrality=np.array(self.whole, dtype=int), bounds=Bounds(self.low, self.high),
                    constraints=LinearConstraint(matrix, self.row_low, self.row_high),
                    options={"time_limit": seconds, "mip_rel_gap": gap, "presolve": presolve})


def waste_pays(p):
    """True unless it is certain that no one gains by throwing energy away."""
    stuck = any(c < pv and x < pv + 1e-9 + sum(b.discharge[t] for b in p.batteries)
                for t, (c, pv, x) in enumerate(zip(p.curtail_max, p.pv, p.export_max)))
    ordered = any(x is not None for b in p.batteries for x in b.fixed)
    return min(p.buy) < 0 or min(p.sell) < 0 or any(b.terminal < 0 for b in p.batteries) or stuck or ordered


class Stated:
    """The model with the columns one asks for afterwards."""

    def __init__(self, p, all_binaries):
        self.p, self.m = p, Model()
        self.modes = all_binaries or waste_pays(p)
        self.all = all_binaries
        self.charge, self.discharge, self.car = [], [], [[] for _ in p.evs]
        self.car_on = [[] for _ in p.evs]
        self.soc = [[self.m.column(b.soc, b.soc)] for b in p.batteries]
        self.import_kw, self.export_kw, self.curtail = [], [], []
        for t in range(p.n):
            self.slot(t)
        for b, soc in zip(p.batteries, self.soc):
            self.m.price[soc[-1]] -= b.terminal
        for e, columns in zip(p.evs, self.car):
            inside = [(x, p.h[t]) for t, x in enumerate(columns)]
            self.m.row(inside or [(self.soc[0][0], 0.0)], e.energy, e.energy)

    def slot(self, t):
        p, m, h = self.p, self.m, self.p.h[t]
        charge = [m.column(0, b.charge[t]) for b in p.batteries]
        discharge = [m.column(0, b.discharge[t], b.wear * h) for b in p.batteries]
        most = p.load[t] + sum(b.charge[t] for b in p.batteries) + sum(e.max for e in p.evs)
        least = p.pv[t] + sum(b.discharge[t] for b in p.batteries)
        most, least = min(most, p.import_max[t]), min(least, p.export_max[t])
        bought, sold = m.column(0, most, p.buy[t] * h), m.column(0, least, -p.sell[t] * h)
        curtail = m.column(0, p.curtail_max[t])
        for k, e in enumerate(p.evs):
            self.car_slot(k, e, t)
        cars = [self.car[k][t] for k in range(len(p.evs))]
        m.row([(x, 1) for x in charge] + [(x, -1) for x in discharge] + [(x, 1) for x in cars] + [(curtail, 1), (bought, -1), (sold, 1)],
              p.pv[t] - p.load[t], p.pv[t] - p.load[t])
        if self.all or p.sell[t] > p.buy[t]:
            w = m.binary()
            m.row([(bought, 1), (w, -most)], high=0)
            m.row([(sold, 1), (w, least)], high=least)
        self.charge.append(charge)
        self.discharge.append(discharge)
        self.import_kw.append(bought)
        self.export_kw.append(sold)
        self.curtail.append(curtail)
        self.directions(t, most, least)
        for b in range(len(p.batteries)):
            self.store(b, t)

    def car_slot(self, k, e, t):
        m, here = self.m, e.here(t)
        kw = m.column(0, e.max if here else 0)
        on = None
        if here and (e.min > 0 or not self.p.to_ev):
            on = m.binary()
            m.row([(kw, 1), (on, -e.max)], high=0)
            m.row([(kw, 1), (on, -e.min)], low=0)
        self.car[k].append(kw)
        self.car_on[k].append(on)

    def directions(self, t, most, least):
        """One direction for all batteries of a slot, and the rules that depend on it."""
        p, m = self.p, self.m
        bought, sold = self.import_kw[t], self.export_kw[t]
        ruled = not p.to_ev or any(not b.grid_charge or not b.battery_export for b in p.batteries)
        soft = p.floor_price is not None
        mode = m.binary() if p.batteries and (self.modes or len(p.batteries) > 1 or ruled or soft) else None
        self.mode = mode
        if mode is None:
            return
        for i, b in enumerate(p.batteries):
            c, d = self.charge[t][i], self.discharge[t][i]
            m.row([(c, 1), (mode, -b.charge[t])], high=0)
            m.row([(d, 1), (mode, b.discharge[t])], high=b.discharge[t])
            if not b.grid_charge:
                own = m.binary()
                m.row([(c, 1), (own, -b.charge[t])], high=0)
                m.row([(bought, 1), (own, most)], high=most)
            if not b.battery_export:
                own = m.binary()
                m.row([(d, 1), (own, -b.discharge[t])], high=0)
                m.row([(sold, 1), (own, least)], high=least)
        if p.to_ev:
            return
        for on in [self.car_on[k][t] for k in range(len(p.evs)) if self.car_on[k][t] is not None]:
            cars = [self.car[k][t] for k in range(len(p.evs))]
            far = least + sum(e.max for e in p.evs)
            # discharging (mode 0) while a car charges (on 1): import - export >= all cars
            m.row([(bought, 1), (sold, -1), (mode, far), (on, -far)] + [(x, -1) for x in cars], low=-far)

    def store(self, i, t):
        p, m, b, h = self.p, self.m, self.p.batteries[i], self.p.h[t]
        c, d, before = self.charge[t][i], self.discharge[t][i], self.soc[i][t]
        soft = p.floor_price is not None
        after = m.column(0 if soft else b.floor[t + 1], b.capacity)
        if not soft and b.floor[t + 1] > b.capacity:
            m.row([(after, 1)], low=b.floor[t + 1])
        m.row([(after, 1), (before, -1), (c, -h * b.eff_in), (d, h / b.eff_out)], 0, 0)
        self.soc[i].append(after)
        if soft:  # short of the floor costs, and nobody discharges then
            short = m.column(0, max(b.floor[t + 1], 0), p.floor_price * h)
            m.row([(short, 1), (after, 1)], low=b.floor[t + 1])
            beyond = m.binary()
            m.row([(short, 1), (beyond, -b.floor[t + 1])], high=0)
            m.row([(d, 1), (beyond, b.discharge[t])], high=b.discharge[t])
        if b.fixed[t] is not None:
            self.order(i, t, after)

    def order(self, i, t, after):
        m, b, due = self.m, self.p.batteries[i], self.p.batteries[i].fixed[t]
        along, other = (self.charge[t][i], self.discharge[t][i]) if due >= 0 else (self.discharge[t][i], self.charge[t][i])
        m.row([(other, 1)], 0, 0)
        m.row([(along, 1)], high=abs(due))
        if due == 0:
            return
        ended = m.binary()
        m.row([(along, 1), (ended, abs(due))], low=abs(due))
        if due > 0:  # ended: full
            m.row([(after, 1), (ended, -b.capacity)], low=0)
        else:        # ended: at the floor, or below it from before
            m.row([(after, 1), (ended, b.capacity - b.floor[t + 1])], high=b.capacity)

    def schedule(self, x):
        """As a plan of lists, for the judge."""
        p = self.p
        battery = [[x[self.charge[t][i]] - x[self.discharge[t][i]] for t in range(p.n)] for i in range(len(p.batteries))]
        car = [[x[c] for c in columns] for columns in self.car]
        return battery, car, [x[c] for c in self.curtail]


def solve(p, seconds=10.0, gap=1e-9, all_binaries=True, presolve=True):
    begun = time.process_time()
    stated = Stated(p, all_binaries)
    r = stated.m.solve(seconds, gap, presolve)
    spent = time.process_time() - begun
    if r.status == 2:
        return Result("infeasible", spent)
    bound = r.fun if r.status == 0 and r.mip_dual_bound is None else r.mip_dual_bound
    bound = None if bound is None or not np.isfinite(bound) else bound / SCALE
    if r.x is None:
        return Result("open", spent, bound=bound)
    return Result("optimal" if r.status == 0 else "open", spent, r.fun / SCALE, bound, stated.schedule(r.x))
