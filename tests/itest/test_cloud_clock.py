"""The wall clock is wrong at boot and nobody vouches for it: nothing that goes by the time of day runs, nothing is recorded under a
wrong date, until a server with a verified certificate proves the clock."""
import datetime
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, R, certificates, preload, wait_for  # noqa: E402
from hearthtest import run_tests, scratch  # noqa: E402

TWO_WEEKS_S = 14 * 86400


class ClockHome(CloudHome):
    """An agent whose clock is off by what set_clock() says."""

    def __init__(self, off_s, verified=True, **more):
        folder = scratch()
        self.clock_file = os.path.join(folder, "clock")
        self.set_clock(off_s)
        ca, cert, key = certificates(folder)
        tls = dict(scheme="https", sim_args=["--cloud-cert", cert, "--cloud-key", key], flip_extra=f"ca_file = {ca}",
                   flatpeak_extra=f"ca_file = {ca}") if verified else {}
        super().__init__(clock="auto", env={"CLOCK_FILE": self.clock_file, **preload("wrong_clock")}, **tls, **more)

    def set_clock(self, off_s):
        with open(self.clock_file + ".new", "w", encoding="ascii") as f:
            f.write(str(off_s))
        os.replace(self.clock_file + ".new", self.clock_file)

    def trusted(self):
        return self.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["clock_trusted"]


def two_weeks_behind():
    with ClockHome(-TWO_WEEKS_S, start_agent=False) as home:
        command = home.flip_command(starts_in_s=-5, duration_s=600, reserve_pct=30)
        home.agent.start()
        home.ready()
        time.sleep(4)
        assert not home.trusted(), "the server's verified Date is two weeks ahead: the clock is wrong"
        assert home.mqtt.get(R + "/site")["mode"] != "event", "an event ran by a wrong clock"
        assert not home.points() and not home.owed()[0], "telemetry under a wrong date"
        home.set_clock(0)
        home.site(lambda s: s["mode"] == "event" and s["battery_w"] < -1500, 100, "the event once the clock is right")
        wait_for(home.points, 30, "telemetry")
        newest = max(start for _, start in home.points())
        age = time.time() - datetime.datetime.fromisoformat(newest.replace("Z", "+00:00")).timestamp()
        assert abs(age) < 60, f"telemetry of {newest}"
        assert home.at_flip(command["id"])["device_status"] == "OK"


def proven_by_a_verified_server():
    with ClockHome(0) as home:
        wait_for(home.trusted, 20, "trust by the Date of a verified server")
        wait_for(home.points, 20, "telemetry")


def plain_http_proves_nothing():
    with ClockHome(0, verified=False) as home:
        time.sleep(3)
        assert not home.trusted() and not home.points(), "a Date without TLS proves nothing"


run_tests([two_weeks_behind, proven_by_a_verified_server, plain_http_proves_nothing])
