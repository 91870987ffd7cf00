"""The agent and its devices: missing ones join, dead ones stall nothing, faults are data, stopping releases."""
import signal
import subprocess
import time

from agenttest import IN_FORCE, Home, R
from hearthtest import SLOW, run_tests, wait_for


def test_self_use_and_state():
    with Home(battery_wh=5000, soc=60) as home:
        home.sim.control("set", load_w=900, pv_w=0)
        home.site(lambda s: abs(s["grid_w"]) < 100 and s["battery_w"] < -700, 30, "the battery covering the house")
        home.sim.control("set", load_w=300, pv_w=2300)
        home.site(lambda s: abs(s["grid_w"]) < 120 and s["battery_w"] > 1700, 30, "the surplus stored")
        d = home.mqtt.wait(R + "/device/battery", lambda d: "soc_pct" in d["battery"])
        assert d["battery"]["soc_pct"] > 50 and d["quality"] in ("good", "derived") and "at" in d
        assert home.mqtt.wait(R + "/plan", lambda p: p["status"] in ("optimal", "feasible"), 20)["batteries"]
        home.mqtt.wait(R + "/tariff/import", lambda t: t["prices"])
        retained = [t for t in home.mqtt.topics(R + "/")]
        assert R + "/decision" in retained


def test_devices_join_later_and_leave():
    with Home(start_sim=False) as home:
        home.mqtt.wait(R + "/status", lambda s: s == "online", 15)
        home.mqtt.wait(R + "/agent", lambda a: any("battery" in w for w in a["warnings"]), 20)
        assert home.mqtt.get(R + "/device/battery/availability") != "online"
        home.begin_sim()
        home.ready()
        home.sim.control("fault", unit=1, kind="silent")
        home.mqtt.wait(R + "/device/battery/availability", lambda s: s == "offline", 40)
        grid = len(home.mqtt.seen(R + "/device/grid"))
        home.sim.control("set", load_w=1500)
        wait_for(lambda: len(home.mqtt.seen(R + "/device/grid")) > grid, 15, "the meter to go on beside a dead battery")
        home.sim.control("clear", unit=1)
        home.mqtt.wait(R + "/device/battery/availability", lambda s: s == "online", 40)


def test_faults_are_data():
    with Home(soc=60) as home:
        home.sim.control("fault", unit=1, kind="bad_soc")
        home.mqtt.wait(R + "/device/battery", lambda d: "soc_pct" not in d["battery"], 15, "a SoC of -453 to vanish")
        home.sim.control("clear")
        home.mqtt.wait(R + "/device/battery", lambda d: "soc_pct" in d["battery"], 15)
        for kind in ("exception", "garbage", "slow", "drip", "close"):
            home.sim.control("fault", unit=255, kind=kind, for_s=3)
            time.sleep(3)
            assert home.agent.running(), f"{kind}: {home.agent.tail()}"
        home.sim.control("clear")
        home.ready()
        assert home.mqtt.ok(R, "ping")


def test_a_device_has_its_own_timeout():
    with Home(soc=60) as home:
        home.sim.control("fault", unit=10, kind="slow", ms=900)      # the bus waits 500 ms
        home.mqtt.wait(R + "/device/grid/availability", lambda s: s != "online", 40)
        home.agent.configure(home.config().replace("roles = grid", "roles = grid\ntimeout_ms = 2500"))
        home.agent.signal(signal.SIGHUP)
        home.mqtt.wait(R + "/device/grid/availability", lambda s: s == "online", 20)
        home.sim.control("clear")


def test_meter_lost():
    with Home(soc=60) as home:
        home.sim.control("set", load_w=300, pv_w=3000)
        home.site(lambda s: s["battery_w"] > 1500, 30)
        home.sim.control("fault", unit=10, kind="silent")
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto" or s["battery_w"] <= 50, 25)
        home.site(lambda s: "grid_w" not in s, 25, "the meter missed")
        home.sim.control("clear")
        home.site(lambda s: "grid_w" in s and s["mode"] in ("plan", "self_use"), 40, "steering again")


def test_broker_restart():
    with Home(soc=60) as home:
        home.broker.stop()
        home.sim.control("set", load_w=1200, pv_w=0)
        home.sim.wait(lambda s: s["battery_w"] < -1000, 30)            # control goes on without a broker
        home.broker.start()
        home.mqtt.close()
        home.mqtt.start()
        home.ready()
        home.mqtt.wait(R + "/plan", timeout=20)


def test_stop_releases_and_will_tells():
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "power", 15)
        begun = time.monotonic()
        assert home.agent.stop() == 0
        assert time.monotonic() - begun < 8 * SLOW
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto", 10)
        home.mqtt.wait(R + "/status", lambda s: s == "offline")
        home.mqtt.state.clear()
        home.agent.start()
        home.ready()
        home.kill()                                                    # waits for the broker's will


def test_a_reload_does_not_stop_the_ending():
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "power", 15)
        home.agent.configure(home.config().replace("soc_min_pct = 5", "soh_pct = 97"))
        home.agent.signal(signal.SIGTERM)
        home.agent.signal(signal.SIGHUP)
        assert home.agent.wait(10) == 0
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto", 10)
        home.agent.start()
        home.ready()


BATTERY, WSET_ENA = 1, 40419  # unit, and where its DER AC controls (model 704) have "a fixed power is in force"

SECOND = """[device second]
profile = sunspec
bus = house
unit = 2
roles = pv

"""


def test_a_reload_restarts_only_what_changed():
    """The battery goes on as it was told while others are changed, started anew, or put before it in the file."""
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "power" and s["battery_w"] > 1800, 20)
        was = home.config()
        car = was.replace("unit = 255", "unit = 255\npriority = 7")
        for what, config, begun in (("a key no driver takes", car, []),
                                    ("a charger with another timeout", car.replace("unit = 255", "unit = 255\ntimeout_ms = 700"), ["charger"]),
                                    ("a device more, in front", car.replace("[device battery]", SECOND + "[device battery]"), ["charger", "second"]),
                                    ("and it leaves", car, [])):
            done, seen = home.agent.log().count(IN_FORCE), len(home.agent.log())
            home.agent.configure(config)
            home.agent.signal(signal.SIGHUP)
            until = time.monotonic() + 20 * SLOW
            while home.agent.log().count(IN_FORCE) == done or time.monotonic() < until - 15 * SLOW:
                assert time.monotonic() < until, f"{what}: {home.agent.tail()}"
                state = home.sim.control("get")
                assert state["setpoint"]["mode"] == "power" and state["battery_w"] > 1500, f"{what}: {state}"
                time.sleep(0.05)
            for device in begun:
                wait_for(lambda d=device: f"device {d} is online" in home.agent.log()[seen:], 20, f"{what}: {device} begun anew")
            assert "device battery is" not in home.agent.log()[seen:] and "device grid is" not in home.agent.log()[seen:], what
        wait_for(lambda: not home.mqtt.topics(R + "/device/second"), 10, "the one that left to be gone")
        home.agent.configure(was.replace("soc_min_pct = 5", "soh_pct = 97"))  # its own turn: given back, then told again
        before = home.sim.control("writes")["next"]
        home.agent.signal(signal.SIGHUP)

        def enabled():  # what was written, oldest first: an order may follow within the battery's dead time, its mode never shows
            writes = home.sim.control("writes", since=before, unit=BATTERY)["writes"]
            return [w["values"][0] for w in writes if w["address"] == WSET_ENA]
        wait_for(lambda: enabled()[:1] == [0] and enabled()[-1] == 1, 20, "the battery given back, then told again")
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "power" and s["battery_w"] > 1800, 20)


def test_killed_agent_leaves_devices_safe():
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: s["battery_w"] > 1800, 20)
        home.kill()
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto", 80)   # its own timer
        home.agent.start()
        home.ready()


def test_release_hook():
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "power", 15)
        home.kill()
        done = subprocess.run(home.agent.argv + ["--release"], env=home.agent.env, timeout=30 * SLOW, check=False)
        assert done.returncode == 0
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto", 10)
        home.agent.start()
        home.ready()


if __name__ == "__main__":
    run_tests([test_killed_agent_leaves_devices_safe, test_self_use_and_state, test_devices_join_later_and_leave, test_faults_are_data, test_a_device_has_its_own_timeout,
               test_meter_lost, test_broker_restart, test_stop_releases_and_will_tells, test_a_reload_does_not_stop_the_ending,
               test_a_reload_restarts_only_what_changed,
               test_release_hook], abreast=3)
