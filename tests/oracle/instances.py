"""Random instances of the plan problem, each out of its seed alone. Every optional field of the format occurs; so do the
edges: stores of no size, orders beyond the floor, cars that just fit, limits nobody can keep."""
import itertools
import random

TARIFFS = ("flat", "two_rate", "agile", "negative", "bonus", "wild")
STEPS_S = (300, 900, 1800, 1800, 3600)


def chance(rng, p):
    return rng.random() < p


def slot_lengths(rng, n):
    """Lengths in seconds, and whether the file says them as one number."""
    if chance(rng, 0.7):
        return [rng.choice(STEPS_S)] * n, True
    kind = rng.randrange(3)
    if kind == 0:  # the first ends on a boundary, the far ones are coarser
        step = rng.choice((900, 1800))
        return [rng.randint(1, step)] + [step if i < n // 2 else 2 * step for i in range(1, n)], False
    if kind == 1:  # an event begins on its second and cuts a slot in two
        s, at = [1800] * n, rng.randrange(n)
        s[at] = rng.randint(60, 1740)
        s[min(at + 1, n - 1)] = 1800 - s[at] if at + 1 < n else s[at]
        return s, False
    return [rng.randint(60, 7200) for _ in range(n)], False


def hours_of(slot_s):
    at, out = 0.0, []
    for s in slot_s:
        out.append(at / 3600 % 24)
        at += s
    return out


def prices(rng, tariff, clock):
    n = len(clock)
    if tariff == "flat":
        p = rng.uniform(0.15, 0.4)
        return [p] * n, [p if chance(rng, 0.1) else rng.uniform(0, 1) * p] * n
    if tariff == "two_rate":
        low, high, out = rng.uniform(0.05, 0.15), rng.uniform(0.2, 0.4), rng.choice((0.0, 0.15, 0.05, 0.12))
        begin, end = rng.uniform(0, 12), rng.uniform(12, 24)
        return [high if begin <= h < end else low for h in clock], [out] * n
    if tariff == "wild":
        buy = [rng.uniform(-0.2, 0.5) for _ in range(n)]
        return buy, [rng.uniform(-0.3, 0.5) for _ in range(n)]
    hold, buy, base = max(1, rng.choice((1, 1, 2, 6))), [], rng.uniform(0.1, 0.25)
    for i in range(n):
        if i % hold:
            buy.append(buy[-1])
            continue
        p = base + 0.12 * (16 <= clock[i] < 19) + rng.gauss(0, 0.05)
        if tariff == "negative" and chance(rng, 0.3):
            p = rng.uniform(-0.12, 0.03)
        buy.append(round(p, rng.choice((4, 6))))
    part = rng.uniform(0.3, 1)
    sell = [p * part - 0.01 if p > 0 else p - rng.choice((0, 0.01)) for p in buy]
    if tariff == "bonus":
        first, last, pay = rng.uniform(0, 12), rng.uniform(12, 24), rng.uniform(0.3, 0.6)
        sell = [pay if first <= h < last and chance(rng, 0.8) else s for h, s in zip(clock, sell)]
    if tariff == "agile":
        buy, sell = [max(p, 0) for p in buy], [max(s, 0) for s in sell]
    if tariff == "negative" and chance(rng, 0.4):  # paid for import, but never charged for export
        sell = [max(s, 0) for s in sell]
    return buy, sell


def house(rng, clock):
    base, sun = rng.uniform(0.15, 0.6), rng.choice((0, 0, 3, 6, 10))
    load = [base + (rng.uniform(0, 4) if chance(rng, 0.2) else rng.uniform(0, 0.4)) for _ in clock]
    pv = [max(0.0, sun * (1 - ((h - 12.5) / 6.5) ** 2) * rng.uniform(0.1, 1)) for h in clock]
    return load, pv


def series_or_number(rng, n, low, high):
    if chance(rng, 0.7):
        return rng.uniform(low, high)
    a, b = rng.uniform(low, high), rng.uniform(low, high)
    return [a if i < n // 2 else b for i in range(n)]


def grid(rng, n, load, pv):
    g = {}
    if chance(rng, 0.4):
        g["import_max_kw"] = series_or_number(rng, n, 0.8 * max(load), max(load) + 8)
    if chance(rng, 0.4):
        g["export_max_kw"] = rng.choice((0.0, 3.68, 5.0)) if chance(rng, 0.6) else series_or_number(rng, n, 0, max(pv) + 3)
    return g


def battery(rng, n, slot_s, one_way):
    hours, power = sum(slot_s) / 3600, rng.choice((2.5, 3.6, 5.0, rng.uniform(0.5, 8)))
    capacity = rng.choice((5.0, 9.5, 13.5)) if hours > 12 and chance(rng, 0.6) else rng.uniform(0.05, 0.6) * hours * power
    low = rng.choice((0, 0.05, 0.1, 0.3)) * capacity
    b = {"capacity_kwh": capacity, "soc_kwh": rng.choice((low, capacity, rng.uniform(low, capacity), rng.uniform(low, capacity))),
         "charge_max_kw": power, "discharge_max_kw": power * rng.choice((1, 1, 0.6)),
         "charge_eff": rng.choice((0.95, 0.9, 1.0, rng.uniform(0.7, 1))), "floor_kwh": low,
         "terminal_value": rng.choice((0, 0.1, 0.15, rng.uniform(0, 0.3), -0.05 if one_way else 0.2)),
         "wear_cost": rng.choice((0, 0, 0.02, rng.uniform(0, 0.08)))}
    b["discharge_eff"] = rng.choice((b["charge_eff"], 0.95, 0.97))
    if chance(rng, 0.03):
        b.update(capacity_kwh=0.0, soc_kwh=0.0, floor_kwh=0.0)
        return b
    if chance(rng, 0.15):  # a window that holds a reserve
        first, last, more = rng.randrange(n), rng.randint(1, n), rng.uniform(low, capacity)
        b["floor_kwh"] = [more if first <= i <= max(first, last) else low for i in range(n + 1)]
    if chance(rng, 0.15):
        b["charge_max_kw"] = [power * (not chance(rng, 0.15)) * (i >= n // 3 or 0.5) for i in range(n)]
    if chance(rng, 0.1):
        b["discharge_max_kw"] = [power * (not chance(rng, 0.2)) for _ in range(n)]
    return b


def orders(rng, n, b):
    """Event orders: runs of one power within the ratings; now and then beyond what is stored."""
    fixed, up, down = [None] * n, b["charge_max_kw"], b["discharge_max_kw"]
    for _ in range(rng.randint(1, 2)):
        at, length, share, sign = rng.randrange(n), rng.randint(1, 6), rng.uniform(0.1, 1), rng.choice((-1, -1, 1, 0))
        for i in range(at, min(n, at + length)):
            most = up if sign > 0 else down
            fixed[i] = sign * share * (most[i] if isinstance(most, list) else most)
    b["fixed_kw"] = fixed


def car(rng, n, slot_s):
    arrive = rng.randrange(n)
    depart = rng.randint(arrive + 1, n)
    most = rng.choice((3.6, 7.4, 11.0, 7.4))
    least = rng.choice((0, 1.4, 1.4, 4.1 if most > 4.1 else 1.4, most))
    window, share = slot_s[arrive:depart], rng.choice((rng.random(), rng.random(), rng.random() ** 2, 1))
    if chance(rng, 0.9):  # what some slots of its window would give, so that it can be had
        on = [x for x in window if chance(rng, share)]
        energy = sum(x * (most if share == 1 else rng.uniform(least, most)) for x in on) / 3600
    else:
        energy = most * sum(window) / 3600 * rng.random() * 1.1
    if chance(rng, 0.02):
        arrive, depart, energy = depart, arrive, rng.choice((0, energy))
    return {"arrive_slot": arrive, "depart_slot": depart, "energy_kwh": energy, "min_kw": least, "max_kw": most}


def rules(rng, inst, batteries):
    if chance(rng, 0.4):
        return
    for b in batteries:
        if chance(rng, 0.2):
            b["grid_charge"] = False
        if chance(rng, 0.2):
            b["battery_export"] = False
        if chance(rng, 0.2):
            orders(rng, inst["slots"], b)
        if chance(rng, 0.1) and b["capacity_kwh"]:
            b["soc_kwh"] *= rng.random()  # perhaps below the floor
    if chance(rng, 0.25):
        inst["battery_to_ev"] = False
    if chance(rng, 0.3):
        inst["floor_price"] = rng.choice((0.01, 0.05, rng.uniform(0, 1)))


def counts(rng):
    kind = rng.random()
    if kind < 0.4:
        return 1, 0
    if kind < 0.75:
        return 1, 1
    return rng.choice(((2, 0), (2, 1), (1, 2), (0, 1), (2, 2), (3, 0), (0, 0)))


def one_power(first, slots_max):
    """Homes from seed @first on, endlessly: one car that knows one power only, at most one battery, slots of different lengths. Which
    slots give the car exactly its energy is a subset sum."""
    for seed in itertools.count(first):
        inst = instance(seed, slots_max)
        evs = inst.get("evs") or [x for x in (inst.get("ev"),) if x]
        one = len(evs) == 1 and evs[0]["min_kw"] == evs[0]["max_kw"] and len(inst.get("batteries", ())) < 2
        if one and isinstance(inst["slot_s"], list):
            yield seed


def dst_day(rng):
    hours, day = rng.choice(((23, "2026-03-29T00:00:00Z"), (25, "2026-10-24T23:00:00Z")))
    step = rng.choice((1800, 3600))
    return [step] * (hours * 3600 // step), day


def instance(seed, slots_max=48, slots_min=4):
    """One instance as a dict, ready for JSON."""
    rng = random.Random(seed)
    n = rng.randint(slots_min, max(slots_min, rng.choice((slots_max // 2, slots_max))))
    slot_s, plain = slot_lengths(rng, n)
    inst = {"format": "ems-instance/1", "start": "2026-01-15T00:00:00Z"}
    if chance(rng, 0.05) and slots_max >= 50:
        slot_s, inst["start"] = dst_day(rng)
        plain, n = True, len(slot_s)
    clock, tariff = hours_of(slot_s), rng.choice(TARIFFS)
    shift = rng.uniform(0, 24) if sum(slot_s) < 12 * 3600 else 0
    clock = [(h + shift) % 24 for h in clock]
    n_batteries, n_evs = counts(rng)
    inst.update(name=f"{seed}-{tariff}-b{n_batteries}-ev{n_evs}", slots=n, slot_s=slot_s[0] if plain else slot_s)
    inst["import_price"], inst["export_price"] = prices(rng, tariff, clock)
    inst["load_kw"], inst["pv_kw"] = house(rng, clock)
    inst["grid"] = grid(rng, n, inst["load_kw"], inst["pv_kw"])
    if chance(rng, 0.3):
        inst["curtail_max_kw"] = 0.0 if chance(rng, 0.5) else series_or_number(rng, n, 0, max(inst["pv_kw"]) + 1)
    batteries = [battery(rng, n, slot_s, tariff == "wild") for _ in range(n_batteries)]
    evs = [car(rng, n, slot_s) for _ in range(n_evs)]
    rules(rng, inst, batteries)
    if max(n_batteries, n_evs) > 1 or chance(rng, 0.2):
        inst["batteries"] = [dict(b, id=f"b{i}") for i, b in enumerate(batteries)]
        inst["evs"] = [dict(e, id=f"e{i}") for i, e in enumerate(evs)]
    else:
        if batteries:
            inst["battery"] = batteries[0]
        inst["ev"] = evs[0] if evs else None
    return inst
