"""Money has a currency without the owner naming one: Home Assistant is told that of FlatPeak's prices, once they are there."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import SITE, CloudHome, R  # noqa: E402
from hearthtest import Mqtt, run_tests  # noqa: E402


class NoTariff(CloudHome):
    def config(self, **changes):
        before, _, rest = super().config(**changes).partition("[tariff]")
        return before + "[flip]" + rest.partition("[flip]")[2]


def of_the_prices():
    with NoTariff(flip_mode="off", start_agent=False) as home:
        home.sim.control("flatpeak_set", currency="EUR")
        ha = Mqtt(home.broker, "homeassistant/#")
        home.agent.start()
        home.ready()
        home.mqtt.wait(R + "/tariff/import", lambda t: t["currency"] == "EUR" and t["prices"], 30, "FlatPeak's prices")
        site = ha.wait(f"homeassistant/device/hearth_{SITE}/config", lambda c: "unit_of_meas" in c["cmps"]["saved_today"], 15, "a currency")
        for key in ("saved_today", "saved_month"):
            assert site["cmps"][key]["unit_of_meas"] == "EUR" and site["cmps"][key]["dev_cla"] == "monetary", site["cmps"][key]
        ha.close()


if __name__ == "__main__":
    run_tests([of_the_prices])
