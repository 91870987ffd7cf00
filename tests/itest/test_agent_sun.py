"""The agent, an inverter that can be bounded and a battery with a reserve register: no export where it costs, the sun back when
the hub dies or stops, and a floor that stays when nobody is left to keep it."""
import json
import os
import signal
import sqlite3

from agenttest import Home
from hearthtest import run_tests, wait_for

SUN = """
[device sun]
profile = sunspec
bus = house
unit = 2
roles = pv
"""


def begin(home, export):
    home.agent.configure(home.config().replace("export = 0.15", f"export = {export}").replace("soc_min_pct = 5",
                                                                                        "soc_min_pct = 5\nmirror_reserve = yes"))
    home.agent.start()
    home.ready()
    if "[device sun]" in home.config():
        home.mqtt.wait("hearth/1/home-0042/device/sun/availability", lambda s: s == "online", 20)


def price(home, old, new):
    text = open(home.agent.config_path, encoding="utf-8").read()
    home.agent.configure(text.replace(f"export = {old}", f"export = {new}"))
    home.agent.signal(signal.SIGHUP)


def bounded(s):
    return s["pv_w"] < 900 and abs(s["grid_w"]) < 250


def free(s):
    return s["pv_w"] > 3900 and s["reversion_left_s"]["pv"] == 0


def test_no_export_where_it_costs():
    with Home(soc=100, extra=SUN, start_agent=False) as home:
        home.sim.control("set", load_w=600, pv_w=4000)
        begin(home, -0.05)
        home.sim.wait(lambda s: bounded(s) and s["reversion_left_s"]["pv"] > 20, 60)  # no more sun than is used
        decision = home.mqtt.wait("hearth/1/home-0042/decision", lambda d: "negative_price" in str(d), 20)
        assert "export costs 0.050" in str(decision), decision
        home.sim.control("set", load_w=2500)
        home.sim.wait(lambda s: s["pv_w"] > 2000 and s["grid_w"] < 300, 60)  # the sun for more load
        price(home, -0.05, 0.15)
        home.sim.wait(free, 40)  # all the sun where export pays


def test_a_dead_hub_gives_the_sun_back():
    with Home(soc=100, extra=SUN, start_agent=False) as home:
        home.sim.control("set", load_w=600, pv_w=4000)
        begin(home, -0.05)
        home.sim.wait(bounded, 60)
        home.agent.kill()
        home.sim.wait(free, 70)  # the inverter's own timer
        home.agent.start()
        home.sim.wait(bounded, 60)  # bounded again after a restart
        home.agent.signal(signal.SIGTERM)
        home.sim.wait(free, 10)  # released by a stop
        home.agent.wait(10)
        home.agent.start()
        home.ready()


def test_somebody_elses_limit_stays():
    with Home(soc=100, extra=SUN, start_agent=False) as home:
        home.sim.control("set", load_w=600, pv_w=4000, pv_limit_pct=50)  # 3000 W, for ever
        begin(home, 0.15)
        home.mqtt.wait("hearth/1/home-0042/device/sun", lambda d: d["pv"].get("limit_pct") == 50, 20)
        assert home.sim.control("get")["pv_limit_w"] == 3000
        price(home, 0.15, -0.05)  # nobody could give back what is below theirs: a price is no reason for that
        home.mqtt.wait("hearth/1/home-0042/decision", lambda d: "nobody guards" in str(d), 30)
        assert home.sim.control("get")["pv_limit_w"] == 3000


def test_somebody_elses_limit_outlives_a_crash():
    """Below theirs our bound has no timer: the next life knows what was found, and leaves that."""
    limit = "hearth/1/home-0042", "limit.set"
    with Home(soc=100, extra=SUN, start_agent=False) as home:
        home.sim.control("set", load_w=600, pv_w=4000, pv_limit_pct=50)
        begin(home, 0.15)
        home.mqtt.wait("hearth/1/home-0042/device/sun", lambda d: d["pv"].get("limit_pct") == 50, 20)
        for _ in range(2):  # it does not creep down either
            home.mqtt.ok(*limit, {"export_w": 0})
            home.sim.wait(lambda s: bounded(s) and s["pv_limit_w"] < 900, 60)
            home.agent.kill()
            home.agent.start()
            home.ready()
            home.mqtt.ok(*limit, {"export_w": None})
            home.sim.wait(lambda s: s["pv_limit_w"] == 3000 and 2900 < s["pv_w"] <= 3000, 40)
        home.agent.stop()
        assert home.sim.control("get")["pv_limit_w"] == 3000
        home.agent.start()
        home.ready()


def test_the_floor_is_mirrored_and_stays():
    with Home(soc=60, start_agent=False, reserve=20) as home:
        begin(home, 0.15)
        home.sim.wait(lambda s: s["setpoint"]["reserve_pct"] == 20, 30)  # the floor in the battery's register
        home.ctl("reserve", "35")
        home.sim.wait(lambda s: s["setpoint"]["reserve_pct"] == 35, 20)  # a new floor
        writes = home.sim.control("writes", unit=1)["writes"]
        home.agent.kill()
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto", 90)  # the battery's own control
        assert home.sim.control("get")["setpoint"]["reserve_pct"] == 35
        assert sum(w["fc"] == 16 and w["values"] == [3500] for w in writes) == 1, "written once"
        home.agent.start()
        home.ready()
        wait_for(lambda: home.sim.control("get")["setpoint"]["reserve_pct"] == 35, 10, "the same floor")
        home.ctl("reserve", "0")                                         # there is a hardware minimum
        home.sim.wait(lambda s: s["setpoint"]["reserve_pct"] == 5, 20)
        home.agent.stop()                                                # three writes in two lives, for the next one to know
        with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
            assert len(json.loads(db.execute("SELECT body FROM setting WHERE key LIKE 'wear/1@%'").fetchone()[0])["v"]) == 3
        db.close()
        home.agent.start()


if __name__ == "__main__":
    run_tests([test_no_export_where_it_costs, test_a_dead_hub_gives_the_sun_back, test_somebody_elses_limit_stays,
               test_somebody_elses_limit_outlives_a_crash, test_the_floor_is_mirrored_and_stays], abreast=4)
