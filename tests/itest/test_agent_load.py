"""The load people are told does not jump by the car's power, though the charger is read every ten seconds and the meter each one. Real
agent, simulated home, real broker."""
from agenttest import Home, R
from hearthtest import run_tests

home = None


def test_a_car_starts_and_stops():
    home.sim.control("set", load_w=600, pv_w=0, car={"plugged": True, "soc_pct": 20})
    home.site(lambda s: abs(s["load_w"] - 600) < 100, what="the house alone")
    since = home.mqtt.count()
    home.mqtt.ok(R, "ev.set", {"device": "charger", "mode": "now"})
    home.sim.wait(lambda s: s["car_w"] > 4000, 100)
    home.site(lambda s: s["ev_w"] > 4000, 60)
    home.mqtt.ok(R, "ev.set", {"device": "charger", "mode": "off"})
    home.sim.wait(lambda s: s["car_w"] == 0, 30)
    home.site(lambda s: s["ev_w"] == 0 and abs(s["load_w"] - 600) < 100, 60, "the house alone again")
    told = [m.json.get("load_w") for m in home.mqtt.seen(R + "/site", since)]
    print(f"     {len(told)} times, {told.count(None)} without: {sorted({w for w in told if w is not None})} W")
    assert all(w is None or abs(w - 600) < 700 for w in told), told


if __name__ == "__main__":
    with Home() as home:
        run_tests([test_a_car_starts_and_stops])
