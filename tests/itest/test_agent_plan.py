"""The plan in a running agent: what makes it plan again and says so on R/plan, events it waits for, what cannot be kept is named, and
what `hearthctl plan` shows. Real agent, real broker, simulated devices."""
import calendar
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time

from agenttest import Home, R, SITE, stamp
from hearthtest import SLOW, program, run_tests

TARIFF = "00:00-07:00 0.09, 07:00-16:00 0.28, 16:00-19:00 0.38, 19:00-00:00 0.28"
ACTIONS = {"charge", "discharge", "hold", "self_use", "sell", "car"}
home = None


def plan(check, timeout=20.0, what="R/plan"):
    return home.mqtt.wait(R + "/plan", lambda p: p["status"] in ("optimal", "feasible") and check(p), timeout, what)


def because(words, timeout=20.0):
    return plan(lambda p: words in p.get("trigger", ""), timeout, f"a plan because '{words}'")


def on_a_terminal(*words, columns=80, **env):
    """hearthctl with a terminal for its output: what it wrote."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    plain = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TERM")}
    with subprocess.Popen([program("hearthctl"), "--port", str(home.broker.port), "--site", SITE, "--timeout", str(int(5 * SLOW)), *words],
                          stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env={**plain, "TERM": "xterm", **env}) as p:
        os.close(slave)
        text = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:                     # the other end is closed
                break
            if not more:
                break
            text += more
        os.close(master)
    assert p.returncode == 0, text.decode()
    return text.decode().replace("\r\n", "\n")


def test_what_it_says():
    p = plan(lambda p: p["batteries"])
    n = len(p["slot_s"])
    assert len(p["prices"]["import"]) == n == len(p["curtail_kw"]) and len(p["batteries"][0]["floor_kwh"]) == n + 1
    assert abs(sum(p["slot_s"]) / 3600 - 48) < 1 and p["batteries"][0]["capacity_kwh"] == 13.5
    assert p["prices_known_until"] > p["start"] and p["trigger"] and "forecast" in p
    ends = {}
    for b in p["blocks"]:
        assert set(b) == {"from", "to", "device", "action", "kwh", "price", "why", "gain"}, b
        assert b["action"] in ACTIONS and b["from"] < b["to"] and b["why"] and b["from"] >= ends.get(b["device"], ""), b
        ends[b["device"]] = b["to"]
    # there is a cheap night and a dear evening within 48 hours: that is used, and said
    charge = [b for b in p["blocks"] if b["action"] == "charge"]
    assert charge and all(" kWh at " in b["why"] for b in charge), p["blocks"]
    assert any(abs(b["price"] - 0.09) < 0.005 and b["gain"] > 0.05 for b in charge), charge


def test_what_makes_it_plan_again():
    plan(lambda p: True)                                    # the reasons of the start are one: the start
    home.ctl("reserve", "35")
    because("the reserve is 35 % now")
    p = plan(lambda p: p["batteries"][0]["floor_kwh"][1] > 4.7)
    assert abs(p["batteries"][0]["floor_kwh"][1] - 13.5 * 0.35) < 0.01
    home.ctl("reserve", "20")
    because("the reserve is 20 % now")
    home.mqtt.ok(R, "plan.refresh")
    because("asked for")
    home.mqtt.ok(R, "ev.set", {"device": "charger", "mode": "cheap", "energy_wh": 8000, "ready_by": stamp(time.time() + 20 * 3600)})
    because("charger: the car is to get something else")
    home.sim.control("set", car={"plugged": True})
    because("charger: the car is plugged in", 40)
    p = plan(lambda p: p["evs"], what="a plan with the car")
    assert sum(kw * s for kw, s in zip(p["evs"][0]["ev_kw"], p["slot_s"])) / 3600 > 7.9
    assert any(b["action"] == "car" and b["device"] == "charger" for b in p["blocks"])
    home.sim.control("set", car={"plugged": False})
    because("charger: the car is plugged out", 40)
    plan(lambda p: not p["evs"], what="a plan without the car")
    home.mqtt.ok(R, "limit.set", {"import_w": 4200, "duration_s": 3600})
    because("limits from outside: import 4200 W", 50)       # they may come ten times a second: a plan each half minute


def test_new_prices():
    plan(lambda p: True)
    home.apply(home.config(tariff="0.31"))
    assert "new prices" in plan(lambda p: set(p["prices"]["import"]) == {0.31})["trigger"]
    home.apply(home.config(tariff=TARIFF))
    assert "new prices" in plan(lambda p: min(p["prices"]["import"]) == 0.09)["trigger"]


def test_another_battery():
    plan(lambda p: p["batteries"] and p["batteries"][0]["capacity_kwh"] == 13.5)
    home.apply(home.config(battery_wh=6700))
    p = plan(lambda p: p["batteries"] and p["batteries"][0]["capacity_kwh"] == 6.7, 30, "a plan for the battery as it is now")
    assert "other devices" in p["trigger"] and max(p["batteries"][0]["soc_kwh"]) <= 6.7, p["trigger"]
    home.apply(home.config(battery_wh=13500))
    plan(lambda p: p["batteries"] and p["batteries"][0]["capacity_kwh"] == 13.5, 30)


def test_ready_for_an_event():
    home.apply(home.config(tariff="0.28"))                  # the dear evening before an event would not be bought in, at whatever hour this runs
    plan(lambda p: set(p["prices"]["import"]) == {0.28}, what="a plan at one price")
    starts = time.time() + 4 * 3600
    command = home.command(mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=4000, starts_in=4 * 3600, lasts=2 * 3600, reserve=10)
    home.send(command)
    p = because("a command or an event")
    block = next(b for b in p["blocks"] if b["action"] == "discharge")
    assert block["why"].startswith("Flip event until "), block
    assert abs(block["kwh"] - 8) < 0.2, block
    at, t = p["start"], 0
    begin = calendar.timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S"))
    while begin < starts - 1:
        begin += p["slot_s"][t]
        t += 1
    assert p["batteries"][0]["soc_kwh"][t] > 8 / 0.95 + 1.35 - 0.1, "not ready for the event"
    assert max(p["prices"]["import"]) < 0.5, "what an event is worth is no price"
    assert abs(min(p["batteries"][0]["floor_kwh"]) - 1.35) < 0.01, "the command's floor"
    home.apply(home.config().replace("[flip]\n", "[flip]\nhonour_user_floor = yes\n", 1))
    home.mqtt.publish(R + "/request/plan.refresh", {})
    plan(lambda p: abs(min(p["batteries"][0]["floor_kwh"]) - 2.7) < 0.01, what="a plan that keeps the owner's floor in the event")
    home.apply(home.config())
    home.send(dict(command, status="CANCELED", updated_at=stamp(time.time() + 1)), event_type="command.updated")
    plan(lambda p: not any(b["action"] == "discharge" for b in p["blocks"]), what="a plan without the event")


def test_what_cannot_be_kept():
    """60 kWh within an hour: the car gets what it can, and the plan says what it does not get."""
    home.sim.control("set", car={"plugged": True})
    home.mqtt.ok(R, "ev.set", {"device": "charger", "mode": "cheap", "energy_wh": 60000, "ready_by": stamp(time.time() + 3600)})
    p = plan(lambda p: "charger.energy_kwh" in p.get("softened", []), what="the car's energy named")
    assert "charger.energy_kwh" in p["reason"] and p["violations"], p.get("reason")
    assert p["reason"] in on_a_terminal("plan")
    home.mqtt.ok(R, "ev.set", {"device": "charger", "mode": "off"})
    plan(lambda p: not p.get("softened"))


def test_drawn():
    p = plan(lambda p: p["blocks"])
    for columns in (80, 120):
        text = on_a_terminal("plan", columns=columns, NO_COLOR="1")
        head, blocks = text.split("\n\n", 1)
        lines = head.split("\n")
        assert re.match(r"(optimal|feasible); costs -?\d+\.\d\d [A-Z]{3} in the 48 h from ", lines[0]), lines[0]
        assert all(len(line) <= columns for line in lines), head
        assert any(len(line) > columns - 20 for line in lines) and "\033[3" not in head
        rows = lines[next(i for i, line in enumerate(lines) if line.startswith("import")):]  # under a headline that may be wrapped
        assert [w for w in (line.split(" ")[0] for line in rows) if w][:4] == ["import", "export", "battery", "stored"], head
        assert "▒ floor 2.7" in head and "┼" in head and "─" in head and any(c in head for c in "▁▂▃▄▅▆▇█")
        assert all(len(line) <= columns for line in blocks.split("\n")), blocks
        words = " ".join(blocks.split())  # the last column is wrapped
        assert words.startswith("from to device why ") and all(b["why"] in words for b in p["blocks"]), blocks
    assert "\033[32m" in on_a_terminal("plan")
    assert "\033[32m" not in on_a_terminal("plan", TERM="dumb")
    piped = [line.split("\t") for line in home.ctl("plan").strip().split("\n")]
    assert [row[3] for row in piped] == [b["action"] for b in p["blocks"]] and all(len(row) == 8 for row in piped)
    shown = home.ctl("--json", "plan")
    assert shown["blocks"] == p["blocks"] and shown["format"] == "ems-plan/1"


def test_broker_comes_back():
    before = plan(lambda p: True)
    home.broker.stop()
    home.broker.start()
    home.mqtt.close()
    home.mqtt.start()
    home.ready()
    p = home.mqtt.wait(R + "/plan", lambda p: p["start"] >= before["start"], 30)
    assert p["blocks"] and home.ctl("--json", "plan")["blocks"]


if __name__ == "__main__":
    run_tests([test_what_it_says, test_drawn, test_what_makes_it_plan_again, test_new_prices, test_another_battery, test_ready_for_an_event, test_what_cannot_be_kept,
               test_broker_comes_back], abreast=2, home=lambda: Home(tariff=TARIFF, soc=30))
