"""The wall clock is wrong at boot and nobody vouches for it: nothing that goes by the time of day runs, nothing is recorded under a
wrong date, until a server with a verified certificate proves the clock."""
import datetime
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, R, WrongClock, certificates, wait_for  # noqa: E402
from hearthtest import run_tests, scratch  # noqa: E402

TWO_WEEKS_S = 14 * 86400


class ClockHome(CloudHome):
    """An agent whose clock is off."""

    def __init__(self, off_s, verified=True, **more):
        self.clock = WrongClock(off_s=off_s)
        ca, cert, key = certificates(scratch())
        tls = dict(scheme="https", sim_args=["--cloud-cert", cert, "--cloud-key", key], flip_extra=f"ca_file = {ca}",
                   flatpeak_extra=f"ca_file = {ca}") if verified else {}
        super().__init__(clock="auto", env=self.clock.env, **tls, **more)

    def agent_clock(self):
        return self.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["clock"]

    def trusted(self):
        return self.agent_clock()["trusted"]


def two_weeks_behind():
    with ClockHome(-TWO_WEEKS_S, start_agent=False) as home:
        command = home.flip_command(starts_in_s=-5, duration_s=600, reserve_pct=30)
        home.agent.start()
        home.ready()
        wait_for(lambda: "flip" in home.agent_clock()["refuted_by"], 20, "a server's verified Date, two weeks ahead")
        time.sleep(3)
        told = home.agent_clock()
        assert not told["trusted"] and "flip" in told["refuted_by"], told
        assert abs(told["off_s"] - TWO_WEEKS_S) < 60, told
        assert home.mqtt.get(R + "/site")["mode"] != "event", "an event ran by a wrong clock"
        assert not home.points() and not home.owed()[0], "telemetry under a wrong date"
        home.clock.set(off_s=0)
        home.site(lambda s: s["mode"] == "event" and s["battery_w"] < -1500, 100, "the event once the clock is right")
        wait_for(home.points, 30, "telemetry")
        newest = max(start for _, start in home.points())
        age = time.time() - datetime.datetime.fromisoformat(newest.replace("Z", "+00:00")).timestamp()
        assert abs(age) < 60, f"telemetry of {newest}"
        wait_for(lambda: home.at_flip(command["id"])["device_status"] == "OK", 20, "the acknowledgement")


def proven_by_a_verified_server():
    with ClockHome(0) as home:
        wait_for(home.trusted, 20, "trust by the Date of a verified server")
        wait_for(home.points, 20, "telemetry")


def a_clock_that_runs_ahead():
    """The certificates hold, so the server's answers do too: it has just said that it is an hour earlier."""
    with ClockHome(3600, start_agent=False) as home:
        command = home.flip_command(starts_in_s=3600, duration_s=600)
        home.agent.start()
        home.ready()
        wait_for(lambda: "flip" in home.agent_clock()["refuted_by"], 20, "the refutation")
        assert home.agent_clock()["off_s"] < -3500
        time.sleep(2)
        assert not home.trusted() and home.mqtt.get(R + "/site")["mode"] != "event", "an event ran an hour too early"
        assert not home.points(), "telemetry under a wrong date"
        wait_for(lambda: home.at_flip(command["id"])["device_status"] == "OK", 20, "the acknowledgement")


def plain_http_proves_nothing():
    with ClockHome(0, verified=False) as home:
        time.sleep(3)
        assert not home.trusted() and not home.points(), "a Date without TLS proves nothing"


run_tests([two_weeks_behind, proven_by_a_verified_server, a_clock_that_runs_ahead, plain_http_proves_nothing], abreast=3)
