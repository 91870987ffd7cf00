"""Bill, saving and history: as computed from the simulator's own counters, over reloads, restarts and a killed agent; bad input."""
import datetime
import os
import re
import sqlite3
import time

from agenttest import Home, R
from hearthtest import SLOW, run_tests, wait_for

LOAD_W = 3000
READ_S = 2.0       # a reading's age and the tick's: how far the agent's edges may lie from ours
home = None


def savings(**query):
    return home.mqtt.ok(R, "savings.get", query or {"days": 2})


def counters():
    s = home.sim.get()
    return {"import": s["import_wh"], "export": s["export_wh"],
            # what the house took whoever gave it, at the terminals of meter and battery
            "home": s["import_wh"] - s["export_wh"] - s["battery_charged_wh"] + s["battery_discharged_wh"]}


def cut(**changes):
    """Ends the interval that runs: another price is a reload. Returns counters before and after."""
    before = counters()
    home.apply(home.config(**changes))
    return before, counters()


def spent(c0, c1, key, power_w):
    """Least and most of what was counted between two cuts."""
    slack = power_w * READ_S * SLOW / 3600
    return c1[0][key] - c0[1][key] - slack, c1[1][key] - c0[0][key] + slack


def between(value, least, most, what):
    assert least <= value <= most, f"{what}: {value} is not within {least} .. {most}"


def test_bill_grows():
    home.sim.control("set", load_w=LOAD_W)
    home.ctl("override", "hold", "--for", "1h")
    home.site(lambda s: abs(s["grid_w"] - LOAD_W) < 60 and abs(s["battery_w"]) < 60, 30)
    zero = cut(tariff="0.20")
    first = savings()["total"]
    time.sleep(12)
    one = cut(tariff="0.40")                                  # at 0.20 until here: battery idle
    second = savings()["total"]
    bill, bare = (second[k] - first.get(k, 0) for k in ("bill", "without_battery"))
    least, most = spent(zero, one, "import", LOAD_W)
    between(bill, 0.20 * least / 1000, 0.20 * most / 1000, "bill at 0.20")
    between(bare, bill - 2e-4, bill + 2e-4, "an idle battery's saving")
    home.ctl("override", "discharge", "--power", "2kW", "--for", "1h")
    home.site(lambda s: abs(s["battery_w"] + 2000) < 60 and abs(s["grid_w"] - 1000) < 60, 30)
    one = cut(tariff="0.50")                                  # away with the ramp
    second = savings()["total"]
    time.sleep(12)
    two = cut(tariff="0.30")                                  # at 0.50 until here: the battery gives 2 kW
    third = savings()["total"]
    bill, bare = (third[k] - second[k] for k in ("bill", "without_battery"))
    least, most = spent(one, two, "import", 1000)
    between(bill, 0.50 * least / 1000, 0.50 * most / 1000, "bill at 0.50")
    least, most = spent(one, two, "home", LOAD_W)
    between(bare, 0.50 * least / 1000, 0.50 * most / 1000, "without the battery")
    for total in (second, third):
        assert abs(total["saved"] - (total["without_battery"] - total["bill"] + total["stored_value"])) < 3e-4, total
    assert abs(bare - bill - 2 * bill) < 0.15 * bill, (second, third)  # 2 kW of 3


def test_standing_charge():
    was = savings()
    cut(extra="standing_charge_per_day = 0.45", tariff="0.31")
    time.sleep(3)
    cut(tariff="0.30")
    now = savings()
    days = len({d["period"] for d in now["rows"] if "bill" in d})
    assert abs(now["total"]["standing"] - 0.45) < 1e-6 or days == 2, now   # of a day the agent did not see there is none
    assert abs(now["total"]["without_battery"] - now["total"]["bill"] - was["total"].get("without_battery", 0) + was["total"].get("bill", 0)) < 0.02 and now["currency"] == "GBP" and now["step"] == "day"


def test_event_energy():
    home.ctl("override", "clear")
    command = home.command(setpoint_w=2500, lasts=12)
    home.send(command)
    done = home.mqtt.wait(f"{R}/command/{command['id']}", lambda c: c["state"] == "done", 60, "the event's end")
    assert done["delivered_wh"] > 4, done
    wait_for(lambda: abs(savings()["total"]["event_kwh"] * 1000 - done["delivered_wh"]) < 0.6, 10,
             lambda: f"delivered {done['delivered_wh']} Wh, told {savings()['total']['event_kwh']} kWh")


def test_kept_over_restarts():
    cut(tariff="0.33")
    was = savings()["total"]
    home.stop()                                               # what ran was counted at the end
    home.agent.start()
    home.ready()
    now = savings()["total"]
    between(now.get("bill", 0), was.get("bill", 0), was.get("bill", 0) + 0.02, "bill after a stop")
    told = home.mqtt.wait(R + "/savings", lambda s: "saved" in s, 20)
    assert told["today"]["period"] and told["month"]["bill"] >= told["today"].get("bill", 0) and "last_month" in told, told
    assert told["saved"] == told["month"]["saved"] and told["currency"] == "GBP" and told["at"], told
    assert abs(told["month"]["bill"] - now["bill"]) < 1e-3 or len(savings(months=1)["rows"]) == 2, (told, now)
    cut(tariff="0.34")
    was = savings()["total"]
    time.sleep(2)                                             # unsynced rows are in the kernel's hands within that
    home.kill()
    home.agent.start()
    home.ready()
    now = savings()["total"]
    assert abs(now["bill"] - was["bill"]) < 1e-4 and now["measured_pct"] <= 100, (was, now)  # what ran is lost, and not made up


def test_history():
    to = datetime.datetime.now(datetime.timezone.utc)
    since = to - datetime.timedelta(hours=47)
    h = home.mqtt.ok(R, "history.get", {"from": since.isoformat(), "to": to.isoformat()})
    n = len(h["load_w"])
    assert h["step_s"] == 300 and n in (564, 565) and h["start"].endswith("Z"), (h["start"], n)
    assert all(len(h[k]) == n for k in ("pv_w", "grid_w", "battery_w", "ev_w", "import_price", "export_price")), {k: len(v) for k, v in h.items() if isinstance(v, list)}
    assert h["load_w"][0] is None and h["grid_w"][0] is None                           # long before the agent was born
    assert all(p == 0.15 for p in h["export_price"][-3:]) and all(0.2 <= p <= 0.5 for p in h["import_price"]), h["import_price"][-3:]
    # the balance holds wherever it is known, and the house is what the simulator's house took
    for i in range(n):
        if h["load_w"][i] is not None:
            assert abs(h["grid_w"][i] - (h["load_w"][i] + h["battery_w"][i] - h["pv_w"][i] + (h["ev_w"][i] or 0))) <= 3, i
            assert 500 < h["load_w"][i] < 3300, (i, h["load_w"][i])


def stored_sessions(n):
    """Cars as the agent would have seen them: plugged in an hour ago on each of the days before, there for 7 hours, 9 kWh."""
    now = int(time.time())
    rows = [f"{now - 3600 - d * 86400} {now + 6 * 3600 - d * 86400} 9000" for d in range(n, 0, -1)]
    db = sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db"))
    with db:
        db.execute("INSERT OR REPLACE INTO setting (key, kind, at_ms, body) VALUES ('habit/charger', '', ?, ?)", (now * 1000, "h1 0 0 0 " + " ".join(rows)))
    db.close()


def car_reason(check, what):
    return home.mqtt.wait(R + "/decision", lambda d: check(d["devices"].get("charger", {}).get("reason", "")), 30, what)["devices"]["charger"]["reason"]


def test_habit():
    home.stop()
    stored_sessions(12)
    home.agent.configure(home.config(extra="[plan]\nev_habit = yes"))
    home.agent.start()
    home.ready()
    home.ctl("ev", "cheap")
    car_reason(lambda r: "no car is plugged in" in r, "an empty place")              # a car that was there before the agent came from nobody knows when
    home.sim.control("set", car={"plugged": True})
    reason = car_reason(lambda r: "by habit" in r, "a plan by habit")
    leaves = time.strftime("%H:%M", time.gmtime(int(time.time() + 6 * 3600) // 600 * 600))
    assert re.search(r"by habit: leaves \d\d:\d0, needs 9 kWh; of \d+ sessions", reason), reason
    plan = home.mqtt.wait(R + "/plan", lambda p: any("by habit" in b["why"] for b in p.get("blocks", [])), 20, "the plan that says so")
    assert all("by habit: leaves" in b["why"] for b in plan["blocks"] if b["action"] == "car"), plan["blocks"]
    home.ctl("ev", "ready", "--by", leaves, "--energy", "4kWh")                        # the owner's word comes first
    reason = car_reason(lambda r: "by habit" not in r and r.startswith(("charging", "not charging", "holding")), "the owner's word")
    home.apply(home.config(extra=""))
    home.ctl("ev", "cheap")
    time.sleep(2)
    assert "by habit" not in car_reason(lambda r: r, "a reason"), "nothing is guessed unless the owner agrees"
    home.sim.control("set", car={"plugged": False})


def test_bad_input():
    for query, message in (({"days": 0}, "days"), ({"days": 101}, "days"), ({"days": "7"}, "days"), ({"months": 14}, "months"),
                           ({"month": "2026-13"}, "is not a month"), ({"month": "2026-1"}, "is not a month"), ({"month": 7}, "month"),
                           ({"month": "0000-00"}, "is not a month"), ({"days": 1, "months": 1}, "only one of them")):
        a = home.mqtt.request(R, "savings.get", query)
        assert a["status"] == "error" and a["error"]["code"] == "bad_request" and message in a["error"]["message"], (query, a)
    t = "2026-01-15T12:00:00Z"
    for query, message in (({}, "from is missing"), ({"from": t}, "to is missing"), ({"from": "x", "to": t}, "'x' is not a time"),
                           ({"from": 3, "to": t}, "from"), ({"from": t, "to": t}, "not later than"), ({"from": t, "to": "2026-01-14T12:00:00Z"}, "not later"),
                           ({"from": t, "to": "2026-01-17T12:00:01Z"}, "more than 2 days"), ({"from": "1969-01-01T00:00:00Z", "to": t}, "is not a time")):
        a = home.mqtt.request(R, "history.get", query)
        assert a["status"] == "error" and a["error"]["code"] == "bad_request" and message in a["error"]["message"], (query, a)
    h = home.mqtt.ok(R, "history.get", {"from": t, "to": "2026-01-17T12:00:00Z"})      # nothing known is an answer too
    assert len(h["load_w"]) == 576 and set(h["load_w"]) == {None}
    assert len(savings(months=13)["rows"]) == 13 and len(savings(days=100)["rows"]) == 100
    assert savings(month="2020-02")["rows"][28]["period"] == "2020-02-29" and savings(month="2199-01")["rows"] == []


def test_ctl():
    lines = [line.split("\t") for line in home.ctl("savings").splitlines()]
    assert len(lines) == 8 and all(len(line) == 8 for line in lines) and lines[-1][0] == "total", lines
    bill, bare, stored, saved = (float(word) for word in lines[-1][1:5])
    assert abs(saved - (bare - bill + stored)) < 0.021, lines[-1]            # as printed: each to half a cent
    assert abs(stored - savings(days=7)["total"]["stored_value"]) < 0.011, lines[-1]
    assert lines[-2][1] != "-" and lines[0][1] == "-", lines
    assert [line[0] for line in lines[:-1]] == [r["period"] for r in savings(days=7)["rows"]]
    assert len(home.ctl("savings", "--days", "3").splitlines()) == 4 and len(home.ctl("savings", "--month").splitlines()) == 14
    assert len(home.ctl("savings", "--month=2020-02").splitlines()) == 30
    data = home.ctl("savings", "--days", "1", "--json")
    assert data["step"] == "day" and data["total"]["bill"] == data["rows"][0]["bill"], data
    for words, code, message in ((["--days", "0"], 2, "1 to 100"), (["--days", "x"], 2, "1 to 100"), (["--days"], 2, "usage"), (["--week"], 2, "--week"),
                                 (["7"], 2, "usage"), (["--month", "2026"], 2, "is not a month"), (["--days", "1", "--month"], 2, "usage")):
        assert message in home.ctl("savings", *words, code=code), words


if __name__ == "__main__":
    with Home(soc=80) as home:
        run_tests([test_bill_grows, test_standing_charge, test_event_energy, test_kept_over_restarts, test_history, test_habit, test_bad_input, test_ctl])
