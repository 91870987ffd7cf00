"""Home Assistant's side: announcements on the broker, set messages, birth, and what is cleared again."""
import signal
import time

from agenttest import Home, R, SITE
from hearthtest import Mqtt, run_tests, wait_for

PREFIX = "homeassistant"
SECOND = """
[bus annex]
type = tcp
host = localhost
port = {port}

[device second]
profile = eastron-sdm630
bus = annex
unit = 10
roles = load
"""
home = None
ha = None


def config_topic(device=None, prefix=PREFIX):
    return f"{prefix}/device/hearth_{SITE}{'_' + device if device else ''}/config"


def set_and_audit(entity, payload, **how):
    """Publishes to R/set/<entity>; returns what the audit says about it first."""
    since = home.mqtt.count()
    home.mqtt.publish(f"{R}/set/{entity}", payload, **how)
    return wait_for(lambda: [m.json for m in home.mqtt.seen(R + "/audit", since)], 10, f"audit of {entity} {payload!r:.60}")[0]


def test_everything_is_announced():
    battery = ha.wait(config_topic("battery"), lambda c: "battery_soc_pct" in c["cmps"], 15)
    charger = ha.wait(config_topic("charger"), lambda c: "charger_state" in c["cmps"], 15)
    grid = ha.wait(config_topic("grid"), lambda c: "meter_power_w" in c["cmps"], 15)
    site = ha.wait(config_topic(), lambda c: "grid_w" in c["cmps"], 15)
    assert all(ha.seen(config_topic(d))[-1].retained for d in ("battery", "charger", "grid", None))
    uniques = [c["unique_id"] for d in (battery, charger, grid, site) for c in d["cmps"].values()]
    assert len(uniques) == len(set(uniques)) and all(u.startswith(f"hearth_{SITE}_") for u in uniques), uniques
    for d in (battery, charger, grid):
        assert d["availability_mode"] == "all", d
        for a in d["availability"]:  # what is waited for is really said
            assert home.mqtt.get(a["topic"]) == "online", a
        for key, c in d["cmps"].items():
            if c["p"] in ("sensor", "binary_sensor"):
                kind, field = c["val_tpl"].split("value_json.")[1].split(" ")[0].split(".")
                state = home.mqtt.wait(d["state_topic"], lambda s: field in s[kind], 15, f"{key} is announced: {field}")
                assert "ops" not in c or state[kind][field] in c["ops"], (key, state[kind][field])
    assert battery["dev"]["via_device"] in site["dev"]["ids"]
    assert {"reserve", "pause", "plan_refresh", "grid_w", "mode"} <= set(site["cmps"]) and "pv_w" not in site["cmps"], site["cmps"].keys()
    assert home.mqtt.get(R + "/site")["mode"] in site["cmps"]["mode"]["ops"]
    owner = home.mqtt.wait(R + "/owner")
    assert owner["reserve_pct"] == 20 and owner["paused"] is False and owner["override"] == {"battery": "auto"} and owner["ev"] == {}, owner


def test_set_reserve():
    a = set_and_audit("reserve", "35")
    assert (a["origin"], a["request"], a["result"]) == ("home-assistant", "reserve.set", "ok"), a
    home.site(lambda s: s["floor_pct"] == 35, what="the reserve as floor")
    home.mqtt.wait(R + "/owner", lambda o: o["reserve_pct"] == 35)
    assert set_and_audit("reserve", "20")["result"] == "ok"
    home.site(lambda s: s["floor_pct"] == 20)


def test_set_override_ev_pause():
    assert set_and_audit("battery_override", "charge")["result"] == "ok"
    home.site(lambda s: s["mode"] == "override" and s["battery_w"] > 1000, what="charging by hand")
    home.mqtt.wait(R + "/owner", lambda o: o["override"]["battery"] == "charge")
    a = set_and_audit("battery_override", "auto")
    assert (a["request"], a["result"]) == ("override.clear", "ok"), a
    home.mqtt.wait(R + "/owner", lambda o: o["override"]["battery"] == "auto")
    assert set_and_audit("charger_ev", "solar")["result"] == "ok"
    home.mqtt.wait(R + "/owner", lambda o: o["ev"].get("charger") == "solar")
    assert set_and_audit("pause", "ON")["result"] == "ok"
    home.mqtt.wait(R + "/owner", lambda o: o["paused"] is True)
    assert set_and_audit("pause", "OFF")["result"] == "ok"
    home.mqtt.wait(R + "/owner", lambda o: o["paused"] is False)
    assert set_and_audit("plan_refresh", "PRESS")["request"] == "plan.refresh"


def test_what_is_refused():
    rows = [("reserve", "130", "bad_request"), ("reserve", "much", "bad_request"), ("reserve", "3" * 300, "bad_request"),
            ("reserve", b"3\x000", "bad_request"), ("reserve", b"\xff\xfe", "bad_request"), ("reserve", None, "bad_request"),
            ("pause", "yes", "bad_request"), ("nonsense", "1", "bad_request"), ("battery_override", "dance", "bad_request"),
            ("nobody_override", "hold", "not_found"), ("grid_override", "hold", "bad_request"), ("charger_ev", "fast", "bad_request")]
    for entity, payload, code in rows:
        a = set_and_audit(entity, payload)
        assert a["origin"] == "home-assistant" and a["result"].startswith(code + ":"), (entity, payload, a)
    assert home.mqtt.get(R + "/owner")["reserve_pct"] == 20


def test_retained_set_is_refused_and_cleared():
    since = home.mqtt.count()
    a = set_and_audit("reserve", "77", retain=True)
    assert a["request"] == "set/reserve" and a["result"].startswith("refused:"), a
    wait_for(lambda: any(not m.payload for m in home.mqtt.seen(R + "/set/reserve", since)), 10, "clearing")
    time.sleep(1)
    assert home.mqtt.get(R + "/site")["floor_pct"] == 20
    assert len(home.mqtt.seen(R + "/audit", since)) == 1, "its own clearing is no wish"


def test_birth_announces_again():
    topics = [config_topic(d) for d in ("battery", "charger", "grid", None)]
    since = ha.count()
    ha.publish(PREFIX + "/status", "offline")
    time.sleep(2)
    assert not any(ha.seen(t, since) for t in topics), "announced without a reason"
    ha.publish(PREFIX + "/status", "online")
    wait_for(lambda: all(ha.seen(t, since) for t in topics), 10, "announcements after the birth")
    assert all(len(ha.seen(t, since)) == 1 for t in topics)


def test_removed_device_is_cleared():
    strangers = {config_topic("ghost"): False, f"{PREFIX}/device/hearth_{SITE}-2_battery/config": True,
                 f"{PREFIX}/device/zigbee_{SITE}_ghost/config": True}  # topic: stays
    for topic in strangers:
        ha.publish(topic, {"cmps": {}}, retain=True)
    home.agent.configure(home.config(extra=SECOND.format(port=home.modbus_port)))
    home.mqtt.ok(R, "config.reload")
    home.mqtt.wait(R + "/device/second/availability", lambda a: a == "online", 20)
    ha.wait(config_topic("second"), lambda c: "meter_power_w" in c["cmps"], 20)
    home.agent.configure(home.config(extra=""))
    home.mqtt.ok(R, "config.reload")
    wait_for(lambda: ha.get(config_topic("second")) is None, 20, "its announcement to be cleared")
    wait_for(lambda: all(ha.get(t) is None for t, stays in strangers.items() if not stays), 20, "and that of one nobody knows")
    assert all((ha.get(t) is not None) == stays for t, stays in strangers.items()), strangers
    assert all(ha.get(config_topic(d)) for d in ("battery", "charger", "grid", None)), "ours stay"
    for topic in strangers:
        ha.publish(topic, None, retain=True)
    home.ready()


def test_broker_comes_back_empty():
    for client in (home.mqtt, ha):
        client.close()
        client.state.clear()
    home.broker.restart()
    ha.start()
    home.mqtt.start()
    for d in ("battery", "charger", "grid", None):
        ha.wait(config_topic(d), timeout=30)
    home.mqtt.wait(R + "/owner", timeout=10)
    assert set_and_audit("reserve", "20")["result"] == "ok"


def test_another_prefix_and_none():
    other = Mqtt(home.broker, "ha-test/#")
    home.agent.configure(home.config(extra="\n[mqtt]\ndiscovery_prefix = ha-test\n"))
    home.agent.signal(signal.SIGHUP)
    wait_for(lambda: all(other.get(config_topic(d, "ha-test")) for d in ("battery", "charger", "grid", None)), 30, "the new prefix")
    wait_for(lambda: not ha.topics(PREFIX + "/device/"), 10, lambda: f"clearing of the old ones; left {ha.topics(PREFIX)}")
    home.agent.configure(home.config(extra="\n[mqtt]\ndiscovery_prefix =\n"))
    home.agent.signal(signal.SIGHUP)
    wait_for(lambda: not other.topics("ha-test/device/"), 30, "clearing")
    wait_for(lambda: home.mqtt.get(R + "/owner") is None, 10, "R/owner to go")
    home.ready()
    time.sleep(3)
    since, began = home.mqtt.count(), (ha.count(), other.count())
    home.mqtt.publish(R + "/set/reserve", "60")
    ha.publish(PREFIX + "/status", "online")
    time.sleep(2)
    assert home.mqtt.get(R + "/site")["floor_pct"] == 20 and not home.mqtt.seen(R + "/audit", since), "nobody listens"
    wait_for(lambda: ha.count() > began[0], 10, "our own word")
    assert (ha.count(), other.count()) == (began[0] + 1, began[1]) and home.mqtt.get(R + "/owner") is None
    other.close()


if __name__ == "__main__":
    with Home(soc=60) as home:
        ha = Mqtt(home.broker, PREFIX + "/#")
        run_tests([test_everything_is_announced, test_set_reserve, test_set_override_ev_pause, test_what_is_refused,
                   test_retained_set_is_refused_and_cleared, test_birth_announces_again, test_removed_device_is_cleared,
                   test_broker_comes_back_empty, test_another_prefix_and_none])
        ha.close()
