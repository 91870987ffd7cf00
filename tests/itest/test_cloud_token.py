"""Flip's token is changed while days of telemetry go out: the agent pauses and says why, loses nothing, and goes on where it was
once it is given the new one."""
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, wait_for  # noqa: E402
from hearthtest import SLOW, run_tests  # noqa: E402

ROWS = 4000
PAUSE_S = 4


def fill(home):
    """Copies of a row the agent made itself, each a second older, as after an outage of an hour."""
    with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
        kind, body = db.execute("SELECT kind, body FROM telemetry ORDER BY seq DESC LIMIT 1").fetchone()
        oldest = db.execute("SELECT min(at_ms) FROM telemetry").fetchone()[0]
        db.executemany("INSERT INTO telemetry (kind, at_ms, body) VALUES (?, ?, ?)",
                       ((kind, oldest - 1000 * k, body) for k in range(ROWS, 0, -1)))
    db.close()
    return home.owed()[0]


def token_rotated():
    with CloudHome(flatpeak_mode="off", telemetry_s=1) as home:
        home.sim.control("cloud", cloud="flip", state="cut")
        home.outbox(lambda o: o["link"] == "down" and o["telemetry"]["rows"] >= 1, 30, "rows of its own")
        home.agent.stop()
        owed = fill(home)
        assert len(owed) > ROWS
        before = home.stats()["flip"]["points"]
        home.sim.control("cloud_fault", cloud="flip", kind="slow", ms=300, path="/v1/telemetry")  # 2.4 s a batch
        home.sim.control("cloud", cloud="flip", state="up")
        home.agent.configure(home.config(telemetry_s=10))  # new intervals go first: here they are to be few
        home.agent.start()

        def see(what):
            """What is on disk joins what is owed."""
            owed.update(home.owed()[0])
            return what

        wait_for(lambda: see(home.stats()["flip"]["points"] - before > 1000), 30, "the drain under way", interval=0.02)
        home.sim.control("flip_token", rotate="fl_rotated")
        had = home.stats()["flip"]
        assert had["points"] - before < ROWS - 500, "the drain was over before the token changed: the test tests nothing"

        wait_for(lambda: see(any("token" in w and "401" in w for w in home.warnings())), 20, lambda: f"words that help; {home.warnings()}")
        asked, begun = home.stats()["flip"]["requests"], time.monotonic()
        while time.monotonic() - begun < PAUSE_S * SLOW:
            time.sleep(0.5)
            see(None)
        home.outbox(lambda o: o["link"] == "down", 10, "the pause")
        paused = home.stats()["flip"]
        waiting = home.waiting()
        assert paused["points"] == had["points"], f"points went in without the token: {had['points']}, then {paused['points']}"
        assert paused["requests"] - asked <= 3 * SLOW, f"{paused['requests'] - asked} requests in a pause of {PAUSE_S} s"
        lost = home.missing(owed - waiting)
        assert not lost, f"{len(lost)} points left the disk and never reached Flip: {sorted(lost)[:3]}"
        assert 500 < len(waiting) < len(owed), f"{len(waiting)} of {len(owed)} rows wait"

        home.sim.control("cloud_clear", cloud="flip")
        home.agent.secret("flip-token", "fl_rotated")
        home.reload()
        home.outbox(lambda o: o["link"] == "up" and o["rows"] <= 2 and o["quarantined"] == 0, 60, "the rest delivered")
        home.delivered(owed)
        wait_for(lambda: not any("token" in w for w in home.warnings()), 10, lambda: f"the warning gone; {home.warnings()}")
        repeated = sum(1 for times in home.points().values() if times > 1)
        print(f"{len(owed)} points owed, {had['points'] - before} had gone when the token changed, {len(waiting)} waited; 0 lost, "
              f"{repeated} sent more than once")


run_tests([token_rotated])
