"""The agent without its senses: the broker is killed and control goes on; the meter falls silent meanwhile and within ten seconds
nothing seeks import or export any more; both come back. Watched at the devices' registers, not by what the agent says."""
import time

from agenttest import Home, R
from hearthtest import SLOW, run_tests

METER_LOST_S = 10
SPARE_S = 4 * SLOW  # poll, tick, one transaction and the device's own 0.7 s


def seeks(state):
    """An order in the battery's registers that moves power by itself."""
    s = state["setpoint"]
    return s["mode"] == "power" and abs(s["power_w"]) > 1


def watch(home, seconds, wrong, what):
    """The registers again and again: nothing of the kind."""
    until = time.monotonic() + seconds * SLOW
    while time.monotonic() < until:
        state = home.sim.get()
        assert not wrong(state), f"{what}: {state['setpoint']}, battery {state['battery_w']} W"
        time.sleep(0.1)


def test_without_broker_and_meter():
    with Home(soc=60) as home:
        home.sim.control("set", load_w=800, pv_w=0)
        home.sim.wait(lambda s: s["battery_w"] < -700, 20)
        home.broker.kill()                                             # SIGKILL: no goodbye

        home.sim.control("set", load_w=1700)                           # control goes on ...
        home.sim.wait(lambda s: s["battery_w"] < -1600 and abs(s["grid_w"]) < 100, 15)
        home.sim.control("set", load_w=300, pv_w=2300)
        home.sim.wait(lambda s: s["battery_w"] > 1900 and abs(s["grid_w"]) < 100, 15)

        home.sim.control("fault", unit=10, kind="silent")              # ... and so does safety
        time.sleep(METER_LOST_S + SPARE_S)                             # before that, setpoints may still come and go
        watch(home, 3, seeks, "a setpoint without a meter")

        home.sim.control("clear")
        home.sim.control("set", load_w=1500, pv_w=0)
        home.sim.wait(lambda s: s["battery_w"] < -1400 and abs(s["grid_w"]) < 100, 25)
        home.broker.start()
        home.mqtt.close()
        home.mqtt.start()
        home.mqtt.wait(R + "/status", lambda s: s == "online", 20)
        home.site(lambda s: s["mode"] in ("plan", "self_use") and "grid_w" in s, 20, "the site's state on the new broker")
        assert home.agent.running()


def test_a_forced_charge_ends_with_the_meter():
    with Home(soc=40) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: seeks(s) and s["battery_w"] > 1900, 15)
        home.sim.control("fault", unit=10, kind="silent")
        home.sim.wait(lambda s: not seeks(s), (METER_LOST_S + SPARE_S) / SLOW)
        home.sim.wait(lambda s: s["battery_w"] < 50, 10)               # it ramps down
        watch(home, 2, lambda s: seeks(s) or s["battery_w"] > 50, "charging without a meter")
        home.sim.control("clear")
        home.sim.wait(lambda s: s["battery_w"] > 1900, 20)             # the owner's word still stands


if __name__ == "__main__":
    run_tests([test_without_broker_and_meter, test_a_forced_charge_ends_with_the_meter], abreast=2)
