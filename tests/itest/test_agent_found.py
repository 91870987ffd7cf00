"""What somebody else left in a battery's registers, for ever: it bounds the agent, and is there again after a stop and after a crash."""
import signal

from agenttest import Home, R
from hearthtest import run_tests, wait_for
from test_sim import Client, words32


class Found:
    """The control registers of one model, set before the agent sees them."""

    def __init__(self, home, model, **raw):
        self.client = Client(home.modbus_port)
        self.at = self.client.chain()[model]
        for offset, words in raw.items():
            self.client.write(self.at + int(offset[1:]), *words)
        self.offsets = {int(offset[1:]): list(words) for offset, words in raw.items()}

    def now(self):
        return {offset: self.client.read(self.at + offset, len(words)) for offset, words in self.offsets.items()}

    def same(self):
        assert self.now() == self.offsets, f"{self.now()}, found were {self.offsets}"

    def wait(self):
        wait_for(lambda: self.now() == self.offsets, 10, "what was found")


def begin(home):
    home.agent.configure(home.config().replace("soc_min_pct = 5", "soc_min_pct = 5\nallow_unguarded = yes"))
    home.agent.start()
    home.ready()


def limits(home):
    """At most half of it out, at most 30 % in: 2500 and 1500 W of 5 kW."""
    return Found(home, 124, _12=(5000,), _13=(3000,), _5=(3,))


def test_limits_of_124_bound_us_and_stay():
    with Home(soc=60, start_agent=False, sim_args=("--battery-models", "124")) as home:
        found = limits(home)
        begin(home)
        device = home.mqtt.wait(R + "/device/battery", lambda d: d["battery"].get("charge_limit_w") == 1500, 20)
        assert device["battery"]["discharge_limit_w"] == 2500 and "not ours" in device["note"], device
        for life in range(2):
            home.ctl("override", "charge", "battery", "--power", "5000", "--for", "5m")
            home.sim.wait(lambda s: 1400 < s["battery_w"] <= 1501, 20)
            assert found.now()[13] == [3000]
            home.ctl("override", "discharge", "battery", "--power", "5000", "--for", "5m")
            home.sim.wait(lambda s: -2501 <= s["battery_w"] < -2400, 20)
            assert found.now()[12] == [5000]
            home.ctl("override", "charge", "battery", "--power", "800", "--for", "5m")
            home.sim.wait(lambda s: 700 < s["battery_w"] < 900, 20)
            if life == 0:
                home.kill()
                home.agent.start()
                home.ready()
        home.agent.signal(signal.SIGTERM)
        assert home.agent.wait(10) == 0
        found.same()
        home.agent.start()
        home.ready()


def test_a_setpoint_of_704_is_given_back():
    with Home(soc=60, start_agent=False) as home:
        found = Found(home, 704, _23=(1,), _24=words32(10000), _31=words32(0), _22=(1,))  # 1000 W out, for ever
        begin(home)
        home.mqtt.wait(R + "/device/battery", lambda d: d["battery"].get("power_ac_w") is not None, 20)
        for stop in (True, False):
            home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
            home.sim.wait(lambda s: s["battery_w"] > 1900 and s["reversion_left_s"]["wset"] > 20, 20)
            if stop:
                assert home.agent.stop() == 0
                found.same()
            else:
                home.kill()  # the inverter's own timer gives it back, and it is still theirs to the next life
                home.sim.wait(lambda s: s["battery_w"] < -900, 70)
            home.agent.start()
            home.ready()
        assert home.agent.stop() == 0
        found.wait()
        home.agent.start()


def test_what_is_off_is_put_back_too():
    with Home(soc=60, start_agent=False) as home:
        found = Found(home, 704, _22=(0,), _23=(0,), _24=words32(70), _26=words32(30), _30=(1,))
        begin(home)
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "5m")
        home.sim.wait(lambda s: s["battery_w"] > 1900, 20)
        home.kill()
        home.agent.start()
        home.ready()
        assert home.agent.stop() == 0
        found.same()
        home.agent.start()


if __name__ == "__main__":
    run_tests([test_limits_of_124_bound_us_and_stay, test_a_setpoint_of_704_is_given_back, test_what_is_off_is_put_back_too], abreast=3)
