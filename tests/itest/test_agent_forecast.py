"""The forecast: published with its error, learned from the history kept on disk, told by forecast.set over restarts and kills, shown
and set by hearthctl; bad input changes nothing. Real agent, simulated home, real broker."""
import calendar
import json
import os
import re
import sqlite3
import subprocess
import time

from agenttest import Home, R, SITE, stamp
from hearthtest import SLOW, program, run_tests, wait_for

HOUR = 3600
LOAD_W = 777
SUN_W = 1234
home = None


def forecast(check, timeout=15.0, what="R/forecast"):
    return home.mqtt.wait(R + "/forecast", check, timeout, what)


def pushed(hours=12, begins=-1, **more):
    """A flat forecast of whole hours around now."""
    begin = int(time.time()) // HOUR * HOUR + begins * HOUR
    what = {"load": [{"from": stamp(begin), "to": stamp(begin + hours * HOUR), "w": LOAD_W}],
            "pv": [{"from": stamp(begin + i * HOUR), "to": stamp(begin + (i + 1) * HOUR), "w": SUN_W} for i in range(hours)]}
    return {**what, **more}


def is_pushed(f):
    return f["source"] == {"load": "pushed", "pv": "pushed"} and f["hours"][1]["load_w"] == LOAD_W and f["hours"][1]["pv_w"] == SUN_W


def is_own(f):
    return "pushed" not in f["source"].values() and f["hours"][1]["load_w"] != LOAD_W


def hearthctl(*words, text=""):
    done = subprocess.run([program("hearthctl"), "--port", str(home.broker.port), "--site", SITE, "--timeout", str(int(5 * SLOW)), *words],
                          input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_published():
    f = forecast(lambda f: len(f["hours"]) == 48)
    assert f["source"]["load"] in ("standard", "history") and f["source"]["pv"] == "none", f["source"]
    assert "load_error_pct" not in f and f["compared_h"] == 0                       # nothing to compare yet
    for hour in f["hours"]:
        assert 0 <= hour["load_low_w"] <= hour["load_w"] <= hour["load_high_w"] < 5000, hour
        assert hour["pv_w"] == 0
    begins = [hour["from"] for hour in f["hours"]]
    assert begins == sorted(set(begins)) and all(b.endswith(":00:00.000Z") for b in begins)
    assert f["at"]


def test_set_and_clear():
    since = home.mqtt.count()
    data = home.mqtt.ok(R, "forecast.set", pushed())
    assert data["load"] == 1 and data["pv"] == 12, data
    f = forecast(is_pushed)
    assert f["pushed_until"] == data["pushed_until"]
    assert f["hours"][40]["load_w"] != LOAD_W and f["hours"][40]["pv_w"] == 0       # beyond its end the own forecast goes on
    assert home.mqtt.heard(R + "/audit", lambda a: a["request"] == "forecast.set" and a["result"] == "ok", since)
    home.mqtt.ok(R, "forecast.set", {})
    assert "pushed_until" not in forecast(is_own)


def test_until():
    home.mqtt.ok(R, "forecast.set", pushed(until=stamp(time.time() + HOUR)))
    f = forecast(is_pushed)
    assert abs(time.time() + HOUR - calendar.timegm(time.strptime(f["pushed_until"][:19], "%Y-%m-%dT%H:%M:%S"))) < 60 * SLOW
    home.mqtt.ok(R, "forecast.set", {})


def test_bad_input_changes_nothing():
    good = pushed()
    home.mqtt.ok(R, "forecast.set", good)
    forecast(is_pushed)
    late = stamp(time.time() + 40 * 24 * HOUR)
    for bad, says in (({"load": 5}, "load: a list"), ({"lod": []}, "'lod' is not known"), ({"load": [{}]}, "load[0]: {from, to, w}"),
                      ({"pv": [{"from": stamp(time.time()), "to": stamp(time.time() - 60), "w": 1}]}, "ends before it begins"),
                      ({"pv": [{"from": stamp(time.time()), "to": stamp(time.time() + 60), "w": -1}]}, "pv[0].w"),
                      ({"load": [{"from": stamp(time.time()), "to": stamp(time.time() + 60), "w": 1e9}]}, "load[0].w"),
                      ({"load": [{"from": stamp(time.time()), "to": late, "w": 1}]}, "31 days"),
                      ({"load": good["load"] * 2}, "load[1]: it begins before"),
                      ({"load": good["load"] * 700}, "700 entries, 672 are allowed"),
                      ({"until": stamp(time.time() - 60)}, "until: it is over"), ({"until": "soon"}, "until: a time")):
        answer = home.mqtt.request(R, "forecast.set", bad)
        assert answer["status"] == "error" and answer["error"]["code"] == "bad_request" and says in answer["error"]["message"], (bad, answer)
    assert is_pushed(home.ctl("forecast", "--json"))
    home.mqtt.ok(R, "forecast.set", {})


def test_hearthctl():
    path = os.path.join(home.folder, "forecast.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(pushed(), f)
    assert "in force" in home.ctl("forecast", "set", path)
    text = home.ctl("forecast")
    assert re.search("^load: .*pushed from outside", text, re.M) and "pushed until" in text and "█" in text, text
    assert len(text.splitlines()) == 8 and "not compared for a day yet" in text, text
    assert "own" in home.ctl("forecast", "clear")
    assert is_own(home.ctl("forecast", "--json"))
    assert hearthctl("forecast", "set", "-", text=json.dumps(pushed()))[0] == 0
    assert is_pushed(home.ctl("forecast", "--json"))
    for words, text, code, says in ((("set", "/nonexistent"), "", 1, "No such file"), (("set", "-"), "[1,", 1, "hearthctl: -:"),
                                    (("set", "-"), "[]", 1, "an object"), (("set", "-"), "{\"load\":5}", 1, "load: a list"),
                                    (("set", "-"), " " * 70000, 1, "hearthctl: -:"), (("set",), "", 2, "usage"), (("away",), "", 2, "usage")):
        done = hearthctl("forecast", *words, text=text)
        assert done[0] == code and says in done[2] and not done[1], (words, done)
    assert is_pushed(home.ctl("forecast", "--json"))
    home.ctl("forecast", "clear")


def test_restart():
    """What was pushed survives a stop and a kill; what was cleared stays so."""
    home.mqtt.ok(R, "forecast.set", pushed())
    for end in (home.stop, home.kill):
        end()
        home.agent.start()
        home.ready()
        forecast(is_pushed)
    home.ctl("forecast", "clear")
    home.kill()
    home.agent.start()
    home.ready()
    forecast(is_own)


def seed_history(db, days):
    """As the recorder writes it: a house of 500 W and 1500 W from 18 to 20 UTC, a car of 3 kW from 1 to 4, sun from 10 to 14."""
    now = int(time.time()) // 300 * 300
    rows = []
    for at in range(now - days * 24 * HOUR, now, 300):
        hour = at // HOUR % 24
        car = 3000 if 1 <= hour < 4 else 0
        house = 1500 if 18 <= hour < 20 else 500
        sun = 2000 if 10 <= hour < 14 else 0
        rows.append(("site", at * 1000, f"1 300 300 {house + car - sun} {max(0, house + car - sun) * 10 // 12} 0 - {(house + car) * 10 // 12} {sun * 10 // 12}"))
        rows.append(("charger", at * 1000, f"1 300 300 {car} {car * 10 // 12} 0 -"))
    db.executemany("INSERT INTO history (kind, at_ms, body) VALUES (?, ?, ?)", rows)
    # what was forecast for the last two days, a day before: right for the house, half of the sun
    for hour in range(now // HOUR - 48, now // HOUR):
        w = 1500 if 18 <= hour % 24 < 20 else 500
        sun = 1000 if 10 <= hour % 24 < 14 else 0
        db.execute("INSERT OR REPLACE INTO daily (key, kind, at_ms, body) VALUES (?, '', ?, ?)",
                   (f"forecast.ahead.{hour % 216}", hour * HOUR * 1000, json.dumps([hour] + [w] * 4 + [sun] * 4)))


def test_learned_from_history():
    """Sixty days out of the store, without the car; the error over the restart too."""
    home.stop()
    with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
        seed_history(db, 59)
        for ahead in (2, 3650):                                                     # from a clock that once ran ahead
            db.execute("INSERT INTO history (kind, at_ms, body) VALUES ('site', ?, '1 300 300 500 416 0 - 416 0')",
                       ((int(time.time()) // 300 * 300 + ahead * 86400) * 1000,))
    db.close()
    home.agent.start()
    home.ready()
    f = forecast(lambda f: f["source"]["load"] == "history" and f["source"]["pv"] == "history" and "pv_error_pct" in f, 30 * SLOW)
    wait_for(lambda: "learned from 16" in home.agent.log(), 30, "59 days of five minutes")
    for hour in f["hours"][8:]:
        clock = int(hour["from"][11:13])
        if clock in (17, 18, 19, 20, 9, 10, 13, 14):                                # edges count their neighbours
            continue
        assert 400 < hour["load_w"] < 650, hour                                     # the car at night is not the house
        assert (1500 < hour["pv_w"] < 2300) if 11 <= clock < 13 else hour["pv_w"] < 50, hour
    assert f["load_error_pct"] < 5 and 45 < f["pv_error_pct"] < 55 and -55 < f["bias"]["pv_pct"] < -45, f
    assert 40 < f["compared_h"] <= 48.25, f["compared_h"]
    text = home.ctl("forecast")
    assert re.search("^load: .*; learned from this home's history; a day ahead it was ", text, re.M) and "50 % too low" in text, text


def test_stopped_while_history_is_read():
    """The reads that the closing store still answers find nothing that is gone: a clean end, under the address sanitizer too."""
    home.stop()
    with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
        seed_history(db, 20)
    db.close()
    now = int(time.time())
    span = json.dumps({"from": stamp(now - 2 * 86400), "to": stamp(now)})
    for wait_s in (0, 0.05, 0.1):
        home.agent.start()
        home.ready()
        subprocess.run(["mosquitto_pub", "-V", "5", "-p", str(home.broker.port), "-q", "1", "-t", R + "/request/history.get", "-l"],
                       input=100 * (span + "\n"), text=True, timeout=20 * SLOW, check=True)
        time.sleep(wait_s)
        home.stop()
    assert "Sanitizer" not in home.agent.log(), home.agent.tail()


if __name__ == "__main__":
    run_tests([test_published, test_set_and_clear, test_until, test_bad_input_changes_nothing, test_hearthctl, test_restart,
               test_stopped_while_history_is_read, test_learned_from_history], abreast=2, home=lambda: Home(soc=60))
