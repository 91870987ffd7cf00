"""The agent under clocks that jump, sleep and lose their witnesses: nothing runs outside its window, nothing twice, nothing is
recorded under a wrong time. The clocks are those of wrong_clock.c; the servers' part is in test_cloud_clock.py."""
import json
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from agenttest import Home, R, stamp  # noqa: E402
from cloudtest import WrongClock, stamp_ms  # noqa: E402
from hearthtest import run_tests, wait_for  # noqa: E402

HOUR_S = 3600
TWO_WEEKS_S = 14 * 86400
DISCHARGED = 9  # the place of "battery discharged, Wh" in a packed point (agent/cloud/telemetry.c)
SHORT = "[outbox]\ntelemetry_interval_s = 1\n"


class ClockHome(Home):
    """A home whose agent believes nobody but whom the test lets vouch."""

    def __init__(self, **shown):
        self.clock = WrongClock(**shown)
        super().__init__(clock="auto", extra=SHORT, env=self.clock.env)

    def agent_clock(self):
        return self.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["clock"]

    def until_trusted(self, by):
        wait_for(lambda: (c := self.agent_clock())["trusted"] and c["by"] == by, 10, lambda: f"trust by {by}: {self.agent_clock()}")

    def until_not_trusted(self):
        wait_for(lambda: not self.agent_clock()["trusted"], 10, lambda: f"distrust: {self.agent_clock()}")

    def warned(self, words):
        self.mqtt.wait(R + "/agent", lambda a: any(words in w for w in a["warnings"]), 20, words)

    def event_runs(self, what):
        self.site(lambda s: s["mode"] == "event" and s["battery_w"] < -1500, 15, what)

    def no_event(self, seconds, what):
        """From now on, for so long."""
        self.site(lambda s: s["mode"] != "event", 5, what)
        since = self.mqtt.count()
        time.sleep(seconds)
        modes = {m.json["mode"] for m in self.mqtt.seen(R + "/site", since)}
        assert "event" not in modes, f"{what}: {modes}"

    def book(self, command):
        return self.mqtt.get(f"{R}/command/{command['id']}")

    def rows(self, table):
        """(start UTC ms, body) of what is on disk for the clouds ("telemetry": nobody takes it here) and for the owner ("history")."""
        with sqlite3.connect(f"file:{os.path.join(self.agent.state_dir, 'hearth.db')}?mode=ro", uri=True, timeout=10) as db:
            return db.execute(f"SELECT at_ms, body FROM {table}").fetchall()

    def told(self):
        return [at for at, _ in self.rows("telemetry")]


def boot_two_weeks_behind():
    with ClockHome(synchronised=True) as home:
        home.until_trusted("kernel")
        c = home.command(setpoint_w=2000, starts_in=12, lasts=HOUR_S)
        home.send(c)
        home.wait_ack(c["id"])
        assert home.agent_clock()["refuted_by"] == []
        wait_for(home.told, 10, "telemetry")
        home.stop()

        # a dead battery in the real-time clock, and the house's own time server has the same idea
        home.clock.set(off_s=-TWO_WEEKS_S)
        behind = time.time() - TWO_WEEKS_S
        home.agent.start()
        home.ready()
        while time.time() < stamp_ms(c["starts_at"]) / 1000:
            time.sleep(0.1)
        home.no_event(3, "an event ran by a clock that is two weeks behind")
        assert not home.agent_clock()["trusted"]
        home.warned("it shows a time that is over")
        home.clock.set(off_s=0)                                         # the step
        home.until_trusted("kernel")
        home.event_runs("the event in the rest of its window")
        assert home.agent_clock()["steps"] == 1
        count = len(home.told())
        wait_for(lambda: len(home.told()) > count, 10, "telemetry again")
        wrong = [t for t in home.told() + [at for at, _ in home.rows("history")] if abs(t / 1000 - behind) < 86400]
        assert not wrong, f"under a wrong date: {wrong}"


def steps_in_an_event():
    with ClockHome(synchronised=True) as home:
        home.until_trusted("kernel")
        c = home.command(setpoint_w=2000, starts_in=1, lasts=HOUR_S)
        home.send(c)
        home.event_runs("the event")
        for n, off_s in enumerate((-1, 0, 1)):                          # a leap second, and back; then one left out
            home.clock.set(off_s=off_s)
            wait_for(lambda: home.agent_clock()["steps"] == n + 1, 10, lambda: f"step {n + 1}: {home.agent_clock()}")
        home.event_runs("the event goes on")
        assert [a["device_status"] for a in home.acks(c["id"])] == ["OK"]
        home.clock.set(off_s=2 * HOUR_S)                                # a server's mistake: the window is over
        home.site(lambda s: s["mode"] != "event" and s["battery_w"] > -1200, 10, "the end of the event at once")
        home.mqtt.wait(f"{R}/command/{c['id']}", lambda v: v["state"] == "done", 10)
        home.clock.set(off_s=0)                                         # back in the middle of the window
        home.no_event(3, "an event that was over ran again")
        assert home.book(c)["state"] == "done"
        starts = home.told()
        assert len(starts) == len(set(starts)), "an interval was told twice"


def lost_witnesses():
    with ClockHome() as home:
        c = home.command(setpoint_w=2000, starts_in=0.5, lasts=HOUR_S)
        old = time.time() - HOUR_S                                      # waited on the broker: says nothing
        home.send_body('{"event_type": "command.created", "event_object": %s, "timestamp": "%s"}' % (json.dumps(c), stamp(old)), timestamp=old)
        home.wait_ack(c["id"])
        home.no_event(2, "nobody vouches")
        home.warned("nobody vouches")
        home.clock.set(timesyncd_s=1)
        home.until_trusted("timesyncd")
        home.event_runs("the event")
        home.clock.set(timesyncd_s=-1)                                  # flag and file are lost, the clock is as good as before
        time.sleep(1.5)
        assert home.agent_clock()["trusted"]
        home.clock.set(off_s=-60)                                       # set by hand
        home.until_not_trusted()
        home.no_event(2, "an event ran by a clock that was set by hand")
        home.clock.set(off_s=0, synchronised=True)
        home.until_trusted("kernel")
        home.event_runs("the event again")


def suspended():
    with ClockHome(synchronised=True) as home:
        home.until_trusted("kernel")
        c = home.command(setpoint_w=2000, starts_in=1, lasts=HOUR_S)
        begun = time.time()
        home.send(c)
        home.event_runs("the event")
        home.clock.set(slept_s=600)
        wait_for(lambda: home.agent_clock()["sleeps"] == 1, 5, "the sleep")
        told = home.agent_clock()
        assert told["trusted"] and told["steps"] == 0 and abs(told["slept_s"] - 600) < 2, told
        home.event_runs("the event goes on after ten minutes of sleep")
        time.sleep(1.5)
        told = [a["device_status"] for a in home.acks(c["id"])]
        assert set(told) == {"OK"}, f"a device nobody could ask was called silent: {told}"
        told = [words for _, body in home.rows("telemetry") if len(words := body.split()) > DISCHARGED]  # offline ones have no numbers
        sum_wh = sum(int(words[DISCHARGED]) for words in told if words[DISCHARGED] != "-") / 10
        most_wh = 2100 * (time.time() - begun + 5) / 3600
        assert sum_wh <= most_wh, f"{sum_wh} Wh told, the battery was seen to give {most_wh} at most"
        home.clock.set(slept_s=600 + 2 * HOUR_S)
        home.mqtt.wait(f"{R}/command/{c['id']}", lambda v: v["state"] == "done", 10)
        home.site(lambda s: s["mode"] != "event", 10, "an event that ended while the machine slept")
        most_wh = 2100 * (time.time() - begun + 5) / 3600
        assert home.book(c)["delivered_wh"] <= most_wh + 2, (home.book(c)["delivered_wh"], most_wh)
        home.mqtt.ok(R, "override.set", {"device": "battery", "mode": "hold", "duration_s": 60})
        home.site(lambda s: s["mode"] == "override", 5, "the override")
        home.clock.set(off_s=-HOUR_S + 60)                              # a minute stays a minute
        home.until_not_trusted()
        home.clock.set(off_s=0)
        home.site(lambda s: s["mode"] == "override", 8, "the override still")
        home.clock.set(slept_s=700 + 2 * HOUR_S)
        home.site(lambda s: s["mode"] != "override", 10, "the end of the override")
        late = home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["tick_late_ms_p99"]
        assert late < 60000, f"the sleep counts as lateness: {late}"


if __name__ == "__main__":
    run_tests([boot_two_weeks_behind, steps_in_an_event, lost_witnesses, suspended], abreast=2)
