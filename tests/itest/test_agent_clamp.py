"""A grid clamp that is configured the wrong way round, in a house whose load changes once: the battery's own steps give it away,
it is named, and what the agent made of it is over."""
import time

from agenttest import Home, R
from hearthtest import SLOW, run_tests

NAMED_S = 90  # policies/README.md: 50 s of the first step; here every second that a busy machine comes late to a trial makes it a little longer
home = None


def inverted(site):
    return any(d["kind"] == "meter_inverted" for d in site["doubts"])


def test_named():
    home.sim.control("set", load_w=1300)
    home.agent.start()
    home.ready()
    home.mqtt.wait(R + "/decision", lambda d: d["devices"]["battery"].get("w") is not None, 20, "the battery steered")
    home.sim.control("set", load_w=1700)
    begun = time.monotonic()
    home.site(inverted, NAMED_S * SLOW, "the clamp named")
    print(f"named after {time.monotonic() - begun:.1f} s")
    home.sim.wait(lambda s: s["grid_w"] < 100, 15 * SLOW)  # the battery balances by itself again
    assert "wrong way round" in home.ctl("why")


if __name__ == "__main__":
    run_tests([test_named], home=lambda: Home(tick_ms=1000, tariff="0.40", extra="[device grid]\ninvert = yes\n", start_agent=False))
