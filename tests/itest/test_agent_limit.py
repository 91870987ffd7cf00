"""The grid operator's limit: cut at once, kept over kill -9, ended on time, failsafe when its source falls silent; ten a second do
neither shake the house nor wear the disk. Real agent, simulated home, real broker."""
import os
import sqlite3
import subprocess
import time

from agenttest import Home, R, stamp
from hearthtest import SLOW, run_tests, wait_for

home = None
TICK_S = 0.5
BUS_S = 0.6   # a transaction in the making, and ours
SHORT = "\n[site]\nlimit_heartbeat_s = 2\nlimit_failsafe_import_w = 6000\n"


def limit(check, timeout=10.0, what="R/limit"):
    return home.mqtt.wait(R + "/limit", check, timeout, what)


def set_limit(**what):
    return home.mqtt.ok(R, "limit.set", what)


class Publisher:
    """Publishes lines to one topic as they are written, without a process each."""

    def __init__(self, topic):
        self.process = subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.broker.port), "-V", "5", "-q", "1", "-l", "-t", topic],
                                        stdin=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self):
        return self.send

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)


def test_a_limit_cuts_the_car_at_once():
    with Publisher(R + "/request/limit.set") as send:
        time.sleep(0.3)
        assert home.sim.get()["car"]["offer_ma"] >= 6000
        begun = time.monotonic()
        send('{"import_w": 3000, "export_w": null}')
        while home.sim.get()["car"]["offer_ma"] > 0:
            assert time.monotonic() < begun + 10
        took = time.monotonic() - begun
    print(f"     limit on MQTT -> no more current offered by the wallbox: {took * 1000:.0f} ms")
    assert took < (TICK_S + BUS_S) * SLOW, took
    v = limit(lambda v: v["import_w"] == 3000)
    assert v["state"] == "limited" and v["export_w"] is None and not v["failsafe"] and "until" not in v and v["source"] == "hub", v
    home.sim.wait(lambda s: s["grid_w"] <= 3000, 10 * SLOW)
    assert any(m.json["request"] == "limit.set" and m.json["result"] == "ok" for m in home.mqtt.seen(R + "/audit"))


def test_ten_a_second():
    """Limits that change with each message: answered all, in force all, the car does not dance, the disk sees one a second."""
    home.sim.wait(lambda s: s["car_w"] > 4000, 40 * SLOW)
    answers_before, writes_before = len(home.mqtt.seen(R + "/response/limit.set")), home.agent.log().count("limit: to be kept")
    offers, begun, n = [], time.monotonic(), 0
    with Publisher(R + "/request/limit.set") as send:
        time.sleep(0.3)
        while n < 40:
            send('{"import_w": %d, "transaction": "burst-%d"}' % (4300 + n % 2 * 3200, n))
            n += 1
            time.sleep(max(0, begun + 0.3 + n * 0.1 - time.monotonic()))
            offers.append(home.sim.get()["car"]["offer_ma"])
    wait_for(lambda: len(home.mqtt.seen(R + "/response/limit.set")) >= answers_before + n, 10, "an answer to each")
    took = time.monotonic() - begun
    answers = [m.json for m in home.mqtt.seen(R + "/response/limit.set")][answers_before:]
    assert all(a["status"] == "ok" for a in answers), answers
    assert sorted(a["transaction"] for a in answers) == sorted(f"burst-{i}" for i in range(n))
    writes = home.agent.log().count("limit: to be kept") - writes_before
    changes = sum(1 for a, b in zip(offers, offers[1:]) if a != b)
    print(f"     {n} limits in {took:.1f} s: {writes} transactions, the wallbox's current changed {changes} times")
    assert writes <= took + 2, writes
    assert changes <= 3, offers
    assert home.sim.get()["grid_w"] < 7600
    # pure heartbeats, or what is in force already: no transaction, no audit
    limit(lambda v: v["import_w"] == 7500)
    writes, audits = home.agent.log().count("limit: to be kept"), len(home.mqtt.seen(R + "/audit"))
    with Publisher(R + "/request/limit.set") as send:
        for i in range(20):
            send("{}" if i % 2 else '{"import_w": 7500}')
    wait_for(lambda: len(home.mqtt.seen(R + "/response/limit.set")) >= answers_before + n + 20, 10, "an answer to each")
    assert home.agent.log().count("limit: to be kept") == writes and len(home.mqtt.seen(R + "/audit")) == audits


def test_the_same_transaction_is_not_done_again():
    first = home.mqtt.request(R, "limit.set", {"import_w": 6500, "transaction": "once"})
    set_limit(import_w=7500)
    assert home.mqtt.request(R, "limit.set", {"import_w": 6500, "transaction": "once"}) == first
    other = home.mqtt.request(R, "limit.set", {"import_w": 6501, "transaction": "once"})
    assert other["error"]["code"] == "bad_request" and "other arguments" in other["error"]["message"], other
    wrong = home.mqtt.request(R, "ping", {"transaction": "once"})
    assert wrong["error"]["code"] == "bad_request", wrong
    refused = home.mqtt.request(R, "limit.set", {"import_w": -1, "transaction": "twice"})
    assert refused["error"]["code"] == "bad_request", refused
    assert home.mqtt.request(R, "limit.set", {"import_w": 7500, "transaction": "twice"})["status"] == "ok"
    time.sleep(TICK_S)
    assert limit(lambda v: True)["import_w"] == 7500


def test_bad_limits_change_nothing():
    set_limit(import_w=7000, export_w=3000)
    before = limit(lambda v: v["export_w"] == 3000)
    rows = [({"import_w": -1}, "outside 0"), ({"import_w": 2e6}, "outside 0"), ({"import_w": "7"}, "not a number"),
            ({"import": 1000}, "not known"), ({"import_w": 1, "until": "soon"}, "not a time"), ({"until": stamp(time.time() + 60)}, "goes with a limit"),
            ({"import_w": 1, "duration_s": 0}, "outside 1"), ({"import_w": 1, "until": stamp(time.time() + 60), "duration_s": 5}, "either"),
            ({"import_w": 1, "until": stamp(time.time() + 400 * 86400)}, "days ahead"), ('{"import_w":1,"import_w":2}', "twice")]
    for body, words in rows:
        a = home.mqtt.request(R, "limit.set", body)
        assert a["status"] == "error" and a["error"]["code"] == "bad_request" and words in a["error"]["message"], (body, a)
    a = home.mqtt.request(R, "limit.set", {"import_w": 1, "until": stamp(time.time() - 1)})
    assert a["error"]["code"] == "expired", a
    after = home.mqtt.ok(R, "state.get", {"parts": ["limit"]})["limit"]
    assert {k: after[k] for k in ("import_w", "export_w", "state")} == {k: before[k] for k in ("import_w", "export_w", "state")}, after


def test_rights():
    with open(os.path.join(home.agent.state_dir, "users"), "w", encoding="ascii") as f:
        f.write("olaf owner\ndso installer\n")
    assert home.mqtt.request(R, "limit.set", {}, user="olaf")["error"]["code"] == "refused"
    assert home.mqtt.request(R, "limit.set", {"import_w": 7100}, user="dso")["status"] == "ok"
    limit(lambda v: v["source"] == "dso" and v["import_w"] == 7100)


def test_hearthctl():
    home.ctl("limit", "set", "--import", "6.5kW", "--export", "0", "--for", "1h")
    text = home.ctl("limit")
    assert text.startswith("limited: import at most 6500 W until") and "export at most 0 W until" in text and "last said by hub" in text, text
    assert home.ctl("limit", "--json")["import_w"] == 6500
    home.ctl("limit", "set", "--export", "none")
    assert home.ctl("limit", "--json")["export_w"] is None and home.ctl("limit", "--json")["import_w"] == 6500
    home.ctl("limit", "heartbeat")
    home.ctl("limit", "clear")
    assert home.ctl("limit").startswith("unlimited_controlled: import not limited, export not limited")
    for words in (["nonsense"], ["set"], ["set", "--import"], ["set", "--import", "x"], ["set", "--for", "1h"], ["clear", "now"],
                  ["set", "--import", "1", "--import", "2"], ["set", "--import", "5", "--for", "1h", "--until", "18:00"]):
        home.ctl("limit", *words, code=2)
    assert "--import: 2e+06 is outside" in home.ctl("limit", "set", "--import", "2000000", code=1)


def test_contradicting_limits():
    """Neither import nor export: no car, the battery covers the house."""
    set_limit(import_w=0, export_w=0)
    home.sim.wait(lambda s: s["car_w"] == 0 and abs(s["grid_w"]) < 60, 20 * SLOW)
    set_limit(import_w=7000, export_w=None)


def test_until_ends_it():
    end = time.time() + 1.5
    set_limit(import_w=9000, until=stamp(end))
    v = limit(lambda v: v["import_w"] == 9000)
    assert v["until"] == v["import_until"] == stamp(end), v
    limit(lambda v: v["import_w"] is None and v["state"] == "unlimited_controlled", what="the end")
    late = time.time() - end
    assert -0.05 < late < (TICK_S + 0.6) * SLOW, late
    set_limit(import_w=9000, duration_s=1)
    limit(lambda v: v["import_w"] == 9000)
    limit(lambda v: v["import_w"] is None, 3)


def test_kill_keeps_the_limit():
    end = stamp(time.time() + 3600)
    set_limit(import_w=6800, until=end)
    set_limit(export_w=0)
    home.agent.kill()
    since = home.mqtt.count()
    home.agent.start()
    wait_for(lambda: home.mqtt.seen(R + "/limit", since), 15, "R/limit of the next agent")
    v = home.mqtt.seen(R + "/limit", since)[0].json  # in force with its first tick
    assert (v["state"], v["import_w"], v["import_until"], v["export_w"]) == ("limited", 6800, end, 0), v
    assert v["source"] == "hub" and v["heartbeat_age_s"] is None and "export_until" not in v, v
    home.ready()
    # and an orderly stop, right behind a change
    home.mqtt.publish(R + "/request/limit.set", {"import_w": 6900})
    home.mqtt.publish(R + "/request/limit.set", {"import_w": 6901})
    home.agent.stop()
    since = home.mqtt.count()
    home.agent.start()
    wait_for(lambda: home.mqtt.seen(R + "/limit", since), 15, "R/limit of the next agent")
    assert home.mqtt.seen(R + "/limit", since)[0].json["import_w"] == 6901
    home.ready()


def test_failsafe():
    home.agent.configure(home.config(extra=SHORT))
    home.ctl("reload")
    limit(lambda v: v["heartbeat_s"] == 2)
    set_limit(import_w=9000, export_w=None)
    limit(lambda v: v["state"] == "limited" and not v["failsafe"])
    begun = time.monotonic()
    v = limit(lambda v: v["state"] == "failsafe", 5)
    assert v["import_w"] == 6000 and v["failsafe"] and v["export_w"] is None, v
    assert 1.4 < time.monotonic() - begun < (2 + TICK_S + 0.6) * SLOW
    assert any("failsafe" in w for w in home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["warnings"])
    set_limit()                                                       # heard again: no limit, so nothing changes
    time.sleep(2 * TICK_S)
    assert limit(lambda v: True)["state"] == "failsafe"
    assert "failsafe limits hold" in home.ctl("limit")
    set_limit(import_w=None)
    limit(lambda v: v["state"] == "unlimited_controlled" and v["import_w"] is None)
    for _ in range(8):                                                # the same transaction is not done again, but its source lives
        assert home.mqtt.request(R, "limit.set", {"import_w": 8000, "transaction": "beat"})["status"] == "ok"
        time.sleep(0.5)
    assert limit(lambda v: True)["state"] == "limited"
    set_limit(import_w=5000)                                          # tighter than the failsafe limit: that holds on
    assert limit(lambda v: v["state"] == "failsafe", 5)["import_w"] == 5000
    home.agent.kill()
    home.agent.start()                                                # a start is no limit
    v = limit(lambda v: v["state"] == "init", 15)
    assert v["import_w"] == 5000 and v["failsafe"], v
    home.ready()
    assert home.sim.get()["grid_w"] <= 6000


def test_a_rolling_limit_does_not_wear_the_disk():
    """Each quarter of a second the same limit for the next minute: in force, hardly stored, not audited."""
    before = home.mqtt.count()
    set_limit(import_w=7300, duration_s=60)
    wait_for(lambda: home.mqtt.seen(R + "/audit", before), 10, "the first is audited, behind its answer")
    writes, audits = home.agent.log().count("limit: to be kept"), len(home.mqtt.seen(R + "/audit"))
    for _ in range(20):
        set_limit(import_w=7300, duration_s=60)
        time.sleep(0.25)
    assert home.agent.log().count("limit: to be kept") <= writes + 1 and len(home.mqtt.seen(R + "/audit")) == audits
    assert limit(lambda v: True)["import_until"] > stamp(time.time() + 56)
    set_limit(import_w=5000)


def test_a_stored_limit_that_cannot_be_read():
    """Is no reason to lift it, with heartbeats or without."""
    home.agent.configure(home.config(extra="\n[site]\nlimit_failsafe_import_w = 6000\n"))
    home.agent.stop()
    with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
        assert db.execute("UPDATE setting SET body = '{\"import\":{\"w\":7000,\"unt' WHERE key = 'limit'").rowcount == 1
    db.close()
    for _ in range(2):                                                # the next start knows it too
        since = home.mqtt.count()
        home.agent.start()
        wait_for(lambda: home.mqtt.seen(R + "/limit", since), 15, "R/limit of the next agent")
        v = home.mqtt.seen(R + "/limit", since)[0].json
        assert v["failsafe"] and v["import_w"] == 6000 and v["state"] == "init", v
        home.ready()
        assert any("stored limit could not be read" in w for w in home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["warnings"])
        home.agent.stop()
    home.agent.start()
    home.ready()
    set_limit(import_w=7000, export_w=None)
    limit(lambda v: v["import_w"] == 7000 and not v["failsafe"])
    assert not any("could not be read" in w for w in home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["warnings"])


def test_failsafe_must_be_configured():
    home.agent.configure(home.config(extra="\n[site]\nlimit_heartbeat_s = 120\n"))
    assert "needs limit_failsafe_import_w or limit_failsafe_export_w" in home.ctl("reload", code=1)
    home.agent.configure(home.config(extra="\n[plan]\ndemand_target_w = 3000\n"))
    home.ctl("reload")


def test_demand_is_shown():
    v = home.mqtt.wait(R + "/demand", lambda v: v["target_w"] == 3000, 15)
    assert v["interval_min"] == 15 and v["allowed_w"] >= 1 and v["until"] > stamp(time.time()), v
    assert "demand: 3000 W is kept" in home.ctl("limit")
    home.agent.configure(home.config(extra=""))
    home.ctl("reload")
    wait_for(lambda: R + "/demand" not in home.mqtt.state, 15, "a cleared R/demand")


if __name__ == "__main__":
    with Home(soc=60) as home:
        home.sim.control("set", car={"plugged": True, "soc_pct": 20})  # chargers ramp up slowly: meanwhile what needs no car
        home.mqtt.ok(R, "ev.set", {"device": "charger", "mode": "now"})
        run_tests([test_the_same_transaction_is_not_done_again, test_bad_limits_change_nothing, test_rights, test_hearthctl,
                   test_until_ends_it, test_ten_a_second, test_a_limit_cuts_the_car_at_once, test_contradicting_limits, test_kill_keeps_the_limit,
                   test_failsafe, test_a_rolling_limit_does_not_wear_the_disk, test_a_stored_limit_that_cannot_be_read, test_failsafe_must_be_configured, test_demand_is_shown])
