"""hearthctl on terminals: narrow and wide ones, without colours, without UTF-8; what plan, forecast, savings and ev say there and in a
pipe; where in a file a mistake is. The agent is played by this program, on a real broker."""
import json
import os
import re
import subprocess

from hearthtest import SOURCE, Broker, program, run_tests, scratch
from test_ctl_options import Agent, on_terminal

HOURS = [{"from": f"2026-01-{15 + h // 24:02d}T{h % 24:02d}:00:00.000Z", "load_w": 300 + 20 * (h % 24), "pv_w": 2000 if 10 <= h % 24 < 14 else 0,
          "pv_low_w": 500 if 10 <= h % 24 < 14 else 0, "pv_high_w": 3000 if 10 <= h % 24 < 14 else 0} for h in range(48)]
STATE = {
    "site": {"grid_w": 100, "load_w": 500, "battery_w": -400, "soc_pct": 62, "floor_pct": 20, "floor_source": "user", "mode": "plan",
             "reason": "plan: balancing the grid at 0 W within -5000..5000 W: plan: self-use; import 0.280, a stored kWh is worth 0.095"},
    "agent": {"version": "1", "warnings": []},
    "plan": {"status": "optimal", "cost": 2.678, "solve_ms": 1.2, "start": "2026-01-15T18:00:00.000Z", "slot_s": [3600] * 24,
             "prices": {"import": [0.38] * 6 + [0.09] * 6 + [0.28] * 12, "export": [0.05] * 24},
             "batteries": [{"id": "battery", "capacity_kwh": 10, "battery_kw": [-0.5] * 6 + [1] * 6 + [0] * 12, "soc_kwh": [5 + i / 10 for i in range(25)],
                            "floor_kwh": [2] * 25}],
             "blocks": [{"from": "2026-01-16T00:00:00.000Z", "to": "2026-01-16T06:00:00.000Z", "device": "battery", "action": "charge", "kwh": 6, "price": 0.09,
                         "gain": 1.2, "why": "charge 6.0 kWh at 0.09, covers the house at Fri 07:00 instead of 0.28, gain 1.20"}]},
    "tariff": {"import": {"currency": "EUR", "prices": []}},
    "forecast": {"source": {"load": "standard", "pv": "clear_sky"}, "bias": {}, "hours": HOURS},
    "devices": {"battery": {"kinds": ["battery"], "battery": {}}, "wallbox": {"kinds": ["charger"], "ac_power_w": 7200, "charger": {"state": "C"}},
                "second": {"kinds": ["charger"], "ac_power_w": 0, "charger": {"state": "A"}}},
    "owner": {"reserve_pct": 20, "evs": [{"device": "wallbox", "mode": "cheap", "energy_wh": 20000, "ready_by": "2031-01-16T07:00:00.000Z"}]},
}
SAVINGS = {"currency": "EUR", "rows": [{"period": "2026-01-14", "bill": 1.5, "without_battery": 3.25, "saved": 1.75, "event_kwh": 0, "measured_pct": 100},
                                       {"period": "2026-01-15", "bill": 2, "without_battery": 1.8, "saved": -0.2, "event_kwh": 1, "measured_pct": 40}],
           "total": {"stored_value": -0.314, "unpriced_kwh": 1.25, "bill": 3.5, "without_battery": 5.05, "saved": 1.55, "event_kwh": 1, "measured_pct": 70}}
VERBS = (["status"], ["plan"], ["forecast"], ["savings"], ["ev"], ["devices"])


def words_of(agent, *words):
    return ["--port", str(agent.broker.port), "--site", "home", *words]


def plain(text):
    return re.sub(r"\033\[\d*m", "", text)


def played(broker):
    agent = Agent(broker)
    agent.state = STATE
    agent.answers["savings.get"] = {"status": "ok", "data": SAVINGS}
    return agent


def widths():
    """No line is longer than the terminal, and nothing of what a wide one shows is missing on a narrow one."""
    with Broker() as broker, played(broker) as agent:
        for verb in VERBS:
            for columns in (40, 80, 200):
                lines = plain(on_terminal(words_of(agent, *verb), columns)).splitlines()
                # the picture of a plan and words without a blank may be what they are
                longest = max(lines, key=len)
                assert len(lines) > 2 and len(longest) <= columns, (verb, columns, longest)
        for columns in (40, 80, 200):
            text = " ".join(plain(on_terminal(words_of(agent, "plan"), columns)).split())
            for want in ("costs 2.68 EUR in the 24 h", "0.09..0.38 EUR/kWh", "5.0..7.", "covers the house at Fri 07:00 instead of 0.28, gain 1.20"):
                assert want in text, (columns, want, text)
            text = " ".join(plain(on_terminal(words_of(agent, "savings"), columns)).split())
            for want in ("In EUR", "saved = without battery - bill + stored", "-0.31", "For 1.25 kWh of exports no price was known", "3.25", "-0.20", "70 %", "█"):
                assert want in text, (columns, want, text)


def without():
    """No colour where none is wanted, no UTF-8 where the locale has none, neither in a pipe."""
    with Broker() as broker, played(broker) as agent:
        for verb in VERBS:
            usual = on_terminal(words_of(agent, *verb))
            colored = verb[0] not in ("status", "forecast")
            assert ("\033[" in usual) == colored, (verb, usual)
            for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
                assert on_terminal(words_of(agent, *verb), **env) == plain(usual), (verb, env)
            assert on_terminal(words_of(agent, *verb), NO_COLOR="") == usual, verb
            ascii_only = plain(on_terminal(words_of(agent, *verb), LC_ALL="C"))
            assert ascii_only.isascii() and "?" not in ascii_only, (verb, ascii_only)
            assert len(ascii_only) == len(plain(usual)), verb  # a character for each
            for env in ({"LC_ALL": "C.UTF-8"}, {"LANG": "xx_YY.utf8"}, {"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}):
                assert on_terminal(words_of(agent, *verb), **env) == usual, (verb, env)
            assert "\033" not in agent.ctl(*verb)[1], verb
        assert not plain(on_terminal(words_of(agent, "plan"))).isascii() and not plain(on_terminal(words_of(agent, "status"))).isascii()


def said():
    with Broker() as broker, played(broker) as agent:
        text = plain(on_terminal(words_of(agent, "forecast"), 80))
        assert "up to 0.8 kW" in text and "8.0 kWh in 24 h (dull 2.0, bright 12.0" in " ".join(text.split()), text
        assert "a standard household" in text and "a clear sky" in text and "not compared for a day yet" in text, text
        agent.state = {**STATE, "forecast": {"source": {"load": "history", "pv": "none"}, "load_error_pct": 31.4, "bias": {"load_pct": -8}, "hours": [
            {**h, "pv_w": 0, "pv_low_w": 0, "pv_high_w": 0} for h in HOURS]}}
        text = " ".join(agent.ctl("forecast")[1].split())
        assert "31 % off (8 % too low), last 7 days" in text and "sun: no forecast; it needs latitude" in text and "sun, dull" not in text, text
        # cars
        assert agent.ctl("ev") == (0, "wallbox\tcheap\t20 kWh\tThu 16 Jan 2031 07:00\tcharging\t7200 W\nsecond\tnot chosen\t-\t-\tno car\t0 W\n", ""), agent.ctl("ev")
        assert json.loads(agent.ctl("ev", "--json")[1]) == STATE["owner"]["evs"]
        # nothing measured, and what a month is
        agent.answers["savings.get"]["data"] = {"currency": "EUR", "rows": [{"period": "2026-01", "event_kwh": 0, "measured_pct": 0}], "total": {}}
        text = plain(on_terminal(words_of(agent, "savings", "--month")))
        assert "Nothing has been measured yet" in text and re.search(r"^month +bill", text, re.M), text
        # another month than this one, no currency
        agent.answers["savings.get"]["data"] = {"rows": [{"period": "2020-01-01", "event_kwh": 0, "measured_pct": 0}],
                                                "total": {"event_kwh": 0, "measured_pct": 0}}
        text = plain(on_terminal(words_of(agent, "savings", "--month", "2020-01")))
        assert "Nothing was measured in 2020-01." in text and "yet" not in text and "In " not in text.split("\n")[0], text
        assert re.search(r"^2020-01-01 +- +- +- +- +- +0 %\s*$", text, re.M), text
        # five minutes of a month are 0.0 % of it: they count; nothing lost, and no bar for it
        agent.answers["savings.get"]["data"] = {"rows": [{"period": "2026-01", "bill": 0.01, "without_battery": 0.01, "saved": -0.001, "event_kwh": 0,
                                                          "measured_pct": 0.0}], "total": {"saved": -0.001, "event_kwh": 0, "measured_pct": 0}}
        text = plain(on_terminal(words_of(agent, "savings", "--month")))
        assert "Nothing has been measured" not in text, text
        assert re.search(r"^2026-01 +0\.01 +0\.01 +- +0\.00 +0\.00 +0 %\s*$", text, re.M) and not re.search("[█░]", text), text
        asked = len(agent.asked)
        for month in ("2026-13", "2026-00", "2026-1", "202601", "foo", "2026-01-01", ""):
            code, out, err = agent.ctl("savings", "--month", month)
            assert code == 2 and f"--month: '{month}' is not a month, allowed: YYYY-MM" in err and not out, (month, code, err)
        assert [v for v, _ in agent.asked[asked:] if v == "savings.get"] == []
        assert agent.ctl("savings", "--month", "2026-12")[0] == 0 and agent.asked[-1] == ("savings.get", {"month": "2026-12"})
        # no plan
        agent.state = {**STATE, "plan": {"status": "none", "reason": "no import price is known for the hours to come, " * 4}}
        assert agent.ctl("plan")[1] == "no plan: " + agent.state["plan"]["reason"] + "\n"
        agent.state = {"tariff": {}}
        assert agent.ctl("plan") == (1, "", "hearthctl: the agent says nothing about 'plan'\n"), agent.ctl("plan")


def written():
    """The files of a simulation are named to people, unless they want it quiet."""
    folder = scratch()
    table, page = os.path.join(folder, "a.csv"), os.path.join(folder, "a.html")
    words = ["simulate", os.path.join(SOURCE, "packaging", "scenarios", "two-rate-week.json"), "--days", "1", "--csv", table, "--html", page]
    assert on_terminal(words).endswith(f"written: {table}\nwritten: {page}\n"), on_terminal(words)
    assert on_terminal([*words, "--quiet"]) == ""
    os.symlink(table, os.path.join(folder, "b.html"))
    done = subprocess.run([program("hearthctl"), *words[:-1], os.path.join(folder, "b.html")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "cannot be both" in done.stderr, done


def unknown_keys():
    """A key that has no effect is named, with the one that was meant; the plan and the exit code are the same."""
    good = {"format": "ems-instance/1", "slots": 1, "slot_s": 3600, "import_price": [1], "export_price": [0], "load_kw": [1], "pv_kw": [0],
            "battery": {"capacity_kwh": 5, "soc_kwh": 1, "floor_kwh": 1, "charge_max_kw": 2, "discharge_max_kw": 2, "charge_eff": 1, "discharge_eff": 1}}
    odd = {**good, "flor_price": 1, "grid": {"import_max": 3}, "battery": {**good["battery"], "zzzzzzzzzzzz": 1}}
    done = [subprocess.run([program("hearthctl"), "plan", "solve", "-"], input=json.dumps(o), capture_output=True, text=True, timeout=60) for o in (good, odd)]
    plans = [{k: v for k, v in json.loads(d.stdout).items() if k != "solve_ms"} for d in done]
    assert plans[0] == plans[1] and [d.returncode for d in done] == [0, 0] and done[0].stderr == "", done
    assert done[1].stderr.splitlines() == ["hearthctl: warning: -: flor_price is not known and has no effect, did you mean floor_price?",
                                           "hearthctl: warning: -: grid.import_max is not known and has no effect, did you mean import_max_kw?",
                                           "hearthctl: warning: -: battery.zzzzzzzzzzzz is not known and has no effect"], done[1].stderr


def places():
    """A mistake in a file is told with its line and key."""
    good = {"format": "ems-instance/1", "slots": 3, "slot_s": 3600, "import_price": [1, 2, 3], "export_price": [0, 0, 0], "load_kw": [1, 1, 1], "pv_kw": [0, 0, 0],
            "battery": {"capacity_kwh": 5, "soc_kwh": 1, "floor_kwh": 1, "charge_max_kw": 2, "discharge_max_kw": 2, "charge_eff": 1, "discharge_eff": 1}}
    huge = [0.123456] * 100000
    rows = [  # what is changed, what is said behind the name of the file
        ({"load_kw": [1, float("nan"), 1]}, ":17:3: load_kw[1]: NaN is not a number in JSON"),
        ({"load_kw": [1, 1, float("-inf")]}, ":18:3: load_kw[2]: -Infinity is not a number in JSON"),
        ({"load_kw": [1, -1, 1]}, ":17: load_kw[1]: -1 is outside 0..1e+06"),
        ({"load_kw": [1, 1]}, ":15: load_kw: has 2 values, must have 3"),
        ({"battery": {**good["battery"], "soc_kwh": 9}}, ":27: battery.soc_kwh: 9 is above capacity_kwh 5"),
        ({"battery": {"capacity_kwh": 5}}, ":25: battery.soc_kwh: missing"),
        ({"slots": 4033}, ":3: slots: 4033 is outside 1..4032"),
        ({"slots": 100000, "import_price": huge, "export_price": huge, "load_kw": huge, "pv_kw": huge}, ":3: slots: 100000 is outside 1..4032"),
    ]
    path = os.path.join(scratch(), "x.json")
    for change, want in rows:
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**good, **change}, f, indent=1)
        done = subprocess.run([program("hearthctl"), "plan", "solve", path], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"hearthctl: {path}{want}\n"), (want, done.stderr)
    for text, want in (('{"load": [\n{"w": 1},\n', "-:3:1: load[1]: JSON: ends early, 2 brackets still open"), ("{\n 'load'}", "-:2:3: JSON: not understood"),
                       ("[]", "-: an object with load, pv, until is expected")):
        done = subprocess.run([program("hearthctl"), "forecast", "set", "-"], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("hearthctl: " + want), (want, done.stderr)


run_tests([widths, without, said, written, unknown_keys, places])
