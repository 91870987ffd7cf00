"""Why: every decision carries a code and a sentence; what changed stands in the diary, in order, also after a restart."""
import datetime
import json
import time
import zoneinfo

from agenttest import Home, R
from hearthtest import run_tests, wait_for

home = None


def decision(check, what, timeout=20):
    return home.mqtt.wait(R + "/decision", lambda d: check(d["devices"].get("battery", {})), timeout, what)["devices"]["battery"]


def test_history_in_order():
    d = decision(lambda b: b.get("rank") in ("plan", "self_use"), "the battery at work")
    assert d["code"] in ("self_use", "plan_self_use", "plan_cover", "plan_store", "plan_hold") and ": " in d["reason"], d
    home.ctl("override", "discharge", "--power", "1000", "--for", "1h")
    d = decision(lambda b: b.get("code") == "owner" and b["w"] == -1000, "the owner's discharge")
    assert d["reason"].startswith("discharging 1000 W: the owner's discharge of 1000 W, until "), d
    home.ctl("reserve", "90")                                             # above the SoC
    d = decision(lambda b: b.get("code") == "floor", "the floor")
    assert d["reason"].startswith("holding: SoC ") and "is at the floor 90 % set by the owner; asked: the owner's discharge" in d["reason"], d
    assert d["limited_by"] == ["reserve"] and d["rank"] == "override", d
    home.site(lambda s: s["code"] == "floor" and s["reason"] == home.mqtt.get(R + "/decision")["devices"]["battery"]["reason"])
    home.ctl("reserve", "20")
    home.ctl("override", "clear")
    decision(lambda b: b.get("rank") in ("plan", "self_use"), "its own work again")
    home.ctl("override", "pause", "10m")
    d = decision(lambda b: b.get("code") == "paused", "the pause")
    assert d["reason"].startswith("released: paused for service, until "), d
    home.ctl("override", "resume")
    decision(lambda b: b.get("rank") in ("plan", "self_use"), "its own work after the pause")
    check_history()
    home.stop()
    home.agent.start()
    home.ready()
    check_history()


def check_history():
    wait_for(lambda: "since" in home.mqtt.ok(R, "why", {"device": "battery"})["devices"][0], 10, "the battery to be found again")
    while True:  # until nothing new came in between
        a = home.mqtt.ok(R, "why", {"device": "battery"})
        lines = [line.split("\t") for line in home.ctl("why", "battery", "--history").splitlines()]
        if home.mqtt.ok(R, "why", {"device": "battery"})["history"] == a["history"]:
            break
    assert not a["truncated"] and "now" not in a and a["mode"], a                # the state once
    assert len(a["devices"]) == 1 and a["devices"][0]["device"] == "battery" and a["devices"][0]["since"] and a["devices"][0]["since_s"] >= 0, a["devices"]
    times = [row["at"] for row in a["history"]]
    assert times == sorted(times, reverse=True), times
    assert all(row["device"] == "battery" and row["reason"] and row["rank"] and row["order"] for row in a["history"]), a["history"]
    codes = [row["code"] for row in reversed(a["history"])]
    at = -1
    for code in ("owner", "floor", "paused"):
        assert code in codes[at + 1:], (code, codes)
        at = codes.index(code, at + 1)
    assert len(lines) == len(a["history"]) and all(len(line) == 5 and line[1] == "battery" for line in lines), lines
    words = [line[2] for line in lines]
    held = words.index("holding", words.index("discharging 1000 W"))
    assert "is at the floor 90 % set by the owner" in lines[held][4] and lines[held][3] == "override, cut by reserve", lines[held]
    assert "released" in words[held:], words


def test_now_and_arguments():
    home.mqtt.wait(R + "/decision", lambda d: len(d["devices"]) == 2)
    lines = [line.split("\t") for line in home.ctl("why").splitlines()]
    assert {line[1] for line in lines} == {"battery", "charger"} and all(len(line) == 5 for line in lines), lines
    a = home.ctl("why", "--json")
    assert a["history"] == [] and len(a["devices"]) == 2 and isinstance(a["doubts"], list), a
    size = len(json.dumps(home.mqtt.ok(R, "why", {"limit": 200})))
    assert size < 60000, size
    for args in ({"limit": 201}, {"limit": -1}, {"since": "yesterday"}, {"until": 7}, {"device": 7}):
        assert home.mqtt.request(R, "why", args)["error"]["code"] == "bad_request", args
    assert home.mqtt.request(R, "why", {"device": "nobody"})["error"]["code"] == "not_found"
    home.ctl("why", "nobody", code=1)
    home.ctl("why", "--since", "soon", code=2)
    home.ctl("why", "--since", code=2)
    home.ctl("why", "battery", "charger", code=2)
    wait_for(history_is_cut_as_asked, 60, "a history that nothing new came to meanwhile", interval=1)


def history():
    return home.ctl("why", "--history", "--json")["history"]


def history_is_cut_as_asked():
    """False when something new came in between."""
    all_rows = wait_for(history, 20, "a history")
    newest_at = all_rows[0]["at"]
    got = (home.ctl("why", "--since", "2h", "--json")["history"], home.mqtt.ok(R, "why", {"limit": 1}),
           home.mqtt.ok(R, "why", {"until": newest_at, "limit": 200})["history"],
           home.mqtt.ok(R, "why", {"since": newest_at})["history"], home.mqtt.ok(R, "why", {"since": "2099-01-01T00:00:00Z"})["history"])
    if {row["device"] for row in all_rows} < {"battery", "charger"} or history() != all_rows:
        return False
    assert got[0] == all_rows
    assert got[1]["truncated"] and got[1]["history"] == all_rows[:1], got[1]
    assert got[2] == [r for r in all_rows if r["at"] < newest_at]
    assert got[3] == [r for r in all_rows if r["at"] == newest_at]
    assert got[4] == []
    return True


def test_whatever_turns_round_is_told():
    since = time.time()
    for i in range(30):
        home.ctl("override", "charge" if i % 2 else "discharge", "--power", "500", "--for", "1h")
        decision(lambda b, w=(500 if i % 2 else -500): b.get("w") == w, "the other way", 10)
    home.ctl("override", "clear")
    wait_for(lambda: home.mqtt.get(R + "/decision")["devices"]["battery"]["rank"] != "override", 10, "the end of it")
    rows = [r for r in home.mqtt.ok(R, "why", {"device": "battery", "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))})["history"]]
    starts = [r for r in rows if r["rank"] == "override" and r["code"] == "owner"]
    assert 30 <= len(starts) <= 40 and len(rows) <= 60, rows                     # each time it turned round is told


def test_local_time():
    """The sentence speaks the site's own time, also after a reload with another zone."""
    home.apply(home.config().replace("Europe/London", "Asia/Kolkata"))
    assert "Asia/Kolkata" in home.mqtt.ok(R, "state.get", {"parts": ["config"]})["config"]
    home.mqtt.ok(R, "override.set", {"device": "battery", "mode": "hold", "duration_s": 600})
    d = decision(lambda b: b.get("code") == "owner", "the owner's hold")
    end = datetime.datetime.fromisoformat(d["until"].replace("Z", "+00:00")).astimezone(zoneinfo.ZoneInfo("Asia/Kolkata"))
    now = datetime.datetime.now(zoneinfo.ZoneInfo("Asia/Kolkata"))
    words = end.strftime("%H:%M") if end.date() == now.date() else end.strftime("%a %H:%M")
    assert d["reason"] == f"holding: the owner's hold, until {words}", (d, words)
    home.mqtt.ok(R, "override.clear", {"device": "battery"})


def test_what_is_not_believed():
    """A meter that stands still is named on R/site, in the warnings, once in the log, and in the diary."""
    def frozen(site):
        return next((d for d in site["doubts"] if d["kind"] == "meter_frozen"), None)  # a loaded machine may doubt others too

    home.sim.control("fault", unit=10, kind="freeze")
    for i in range(40):
        home.mqtt.ok(R, "override.set", {"device": "battery", "mode": "charge" if i % 2 else "discharge", "power_w": 2000, "duration_s": 600})
        if frozen(home.mqtt.get(R + "/site")):
            break
        time.sleep(3)
    doubt = frozen(home.site(frozen, 5, "the frozen meter named"))
    assert doubt["device"] == "grid" and "grid meter" in doubt["why"], doubt
    home.mqtt.wait(R + "/agent", lambda a: any(w.startswith("grid: ") and w.endswith("(meter_frozen)") for w in a["warnings"]), 15)
    assert "not believed: grid: " in home.ctl("why")
    rows = [r for r in home.mqtt.ok(R, "why", {"device": "grid"})["history"] if r.get("doubt") == "meter_frozen"]  # as above
    assert len(rows) == 1 and rows[0]["code"] == "doubt" and not rows[0]["over"], rows
    assert home.agent.log().count("(meter_frozen)") == 1
    home.sim.control("clear")
    home.mqtt.ok(R, "override.clear", {"device": "battery"})


if __name__ == "__main__":
    run_tests([test_what_is_not_believed, test_history_in_order, test_now_and_arguments, test_whatever_turns_round_is_told,
               test_local_time], abreast=3, home=lambda: Home(soc=60))
