"""Flip refuses single points: only they stay behind, with Flip's reason, and go once it wants them."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, R  # noqa: E402
from hearthtest import run_tests  # noqa: E402


def refused_points():
    """One bad point among good ones: only it stays behind, with Flip's reason."""
    with CloudHome(telemetry_s=2) as home:
        home.sim.control("cloud", cloud="flip", state="cut")
        home.outbox(lambda o: o["link"] == "down" and o["telemetry"]["rows"] >= 7, 60, "rows waiting")
        home.sim.control("flip_reject", every=4)
        home.sim.control("cloud", cloud="flip", state="up")
        state = home.outbox(lambda o: o["link"] == "up" and o["telemetry"]["rows"] <= 2 and o["telemetry"]["refused"] > 0, 60, "the refused")
        assert state["telemetry"]["refused_reason"], state
        home.sim.control("flip_reject")
        home.mqtt.ok(R, "outbox.retry")
        home.outbox(lambda o: o["telemetry"]["refused"] == 0 and o["rows"] <= 2, 60, "taken after all")


def refused_requests():
    """The whole request for one bad point: halved until that is alone."""
    with CloudHome(telemetry_s=2) as home:
        home.sim.control("cloud", cloud="flip", state="cut")
        home.outbox(lambda o: o["link"] == "down" and o["telemetry"]["rows"] >= 7, 60, "rows waiting")
        home.sim.control("flip_reject", every=5, status=422)
        home.sim.control("cloud", cloud="flip", state="up")
        state = home.outbox(lambda o: o["link"] == "up" and o["telemetry"]["refused"] >= 2, 90, "halved until alone")
        home.sim.control("flip_reject")
        home.mqtt.ok(R, "outbox.retry")
        home.outbox(lambda o: o["telemetry"]["refused"] == 0 and o["rows"] <= 2, 60, "taken after all")


run_tests([refused_points, refused_requests], abreast=2)
