"""The homes whose solving is timed: days as they are, without odd rules. Each out of its seed, prices by the half hour."""
import math
import random

TARIFFS = ("flat", "two_rate", "agile", "negative", "bonus")


def half_hours(rng, tariff, count):
    """Import and export price of each half hour from midnight."""
    buy, sell, drift = [], [], 0.0
    for i in range(count):
        hour, drift = i / 2 % 24, 0.8 * drift + rng.gauss(0, 0.015)
        if tariff == "flat":
            p, s = 0.28, 0.15
        elif tariff == "two_rate":
            p, s = (0.07 if hour < 5 else 0.27), 0.15
        else:
            p = 0.19 + drift + 0.13 * (16 <= hour < 19) - 0.07 * (hour < 6) - 0.06 * (11 <= hour < 15)
            if tariff == "negative" and (2 <= hour < 5 or 11 <= hour < 15):
                p -= 0.17
            s = p * 0.9 - 0.03
            if tariff == "bonus" and 17 <= hour < 20:
                s = p + 0.12
        if tariff != "negative":
            p, s = max(p, 0.01), max(s, 0.0)
        buy.append(round(p, 4))
        sell.append(round(s, 4))
    return buy, sell


def weather(rng, slots, step_s, summer):
    load, pv, cloud, noise = [], [], 0.6, 0.0
    for t in range(slots):
        hour, day = t * step_s / 3600 % 24, t * step_s // 86400
        if t == 0 or t * step_s // 86400 != (t - 1) * step_s // 86400:
            cloud = rng.uniform(0.15, 1)
        noise = 0.9 * noise + rng.gauss(0, 0.08)
        evening = 1.2 * math.exp(-((hour - 18.5) / 2) ** 2) + 0.7 * math.exp(-((hour - 7.5) / 1.2) ** 2)
        load.append(round(max(0.1, 0.35 + evening + noise + (2 if rng.random() < 0.02 else 0) + 0.02 * (day % 3)), 4))
        half, peak = (7.5, 4.5) if summer else (4, 1.8)
        sun = max(0.0, math.cos((hour - 12.7) / half * math.pi / 2)) if abs(hour - 12.7) < half else 0.0
        pv.append(round(peak * sun * min(1, max(0.05, cloud + 0.4 * noise)), 4))
    return load, pv


def home(seed, slots, step_s, with_car):
    rng = random.Random(seed)
    tariff, summer = TARIFFS[seed % len(TARIFFS)], seed // len(TARIFFS) % 2 == 0
    buy, sell = half_hours(rng, tariff, slots * step_s // 1800 + 1)
    load, pv = weather(rng, slots, step_s, summer)
    capacity, power = rng.choice(((5.0, 2.5), (9.5, 3.6), (13.5, 5.0), (27.0, 10.0)))
    inst = {"format": "ems-instance/1", "start": "2026-06-15T00:00:00Z" if summer else "2026-01-15T00:00:00Z", "slot_s": step_s, "slots": slots,
            "name": f"{seed}-{tariff}-{'summer' if summer else 'winter'}-{capacity:g}-{'car' if with_car else 'battery'}-{slots}",
            "import_price": [buy[t * step_s // 1800] for t in range(slots)], "export_price": [sell[t * step_s // 1800] for t in range(slots)],
            "load_kw": load, "pv_kw": pv, "grid": {"import_max_kw": 15.0, "export_max_kw": rng.choice((3.68, 5.0, 10.0))},
            "battery": {"capacity_kwh": capacity, "floor_kwh": 0.05 * capacity, "soc_kwh": round(rng.uniform(0.1, 0.9) * capacity, 3),
                        "charge_max_kw": power, "discharge_max_kw": power, "charge_eff": 0.95, "discharge_eff": 0.95,
                        "terminal_value": rng.choice((0.0, 0.1, 0.15)), "wear_cost": rng.choice((0.0, 0.01, 0.03))}, "ev": None}
    if with_car:
        least, most = rng.choice(((1.4, 7.4), (4.1, 11.0), (1.4, 3.6)))
        arrive = round(rng.uniform(17, 21) * 3600 / step_s)
        inst["ev"] = {"arrive_slot": arrive, "depart_slot": arrive + round(rng.uniform(9, 13) * 3600 / step_s),
                      "energy_kwh": round(rng.uniform(6, min(45, 8 * most)), 2), "min_kw": least, "max_kw": most}
    return inst


def suite():
    """[(kind, instance)]: kinds as the figures name them."""
    out = [("battery, 576 slots", home(s, 576, 300, False)) for s in range(100, 120)]
    out += [("battery, 2880 slots", home(s, 2880, 300, False)) for s in range(200, 210)]
    out += [("battery and car, 576 slots", home(s, 576, 300, True)) for s in range(300, 320)]
    out += [("battery, 96 slots", home(s, 96, 1800, False)) for s in range(400, 410)]
    return out + [("battery and car, 96 slots", home(s, 96, 1800, True)) for s in range(500, 510)]
