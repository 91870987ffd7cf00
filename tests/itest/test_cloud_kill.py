"""kill -9 at random moments while rows flow. After each kill the database says what was promised; at the end Flip must have all
of it. What Flip heard as acknowledged, and what a person heard as done, must be on disk after every single kill.
200 kills (HEARTH_LONG=1: 1000; fewer under sanitizers); HEARTH_SEED repeats a run."""
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, DEVICE, R, wait_for  # noqa: E402
from hearthtest import SLOW, run_tests  # noqa: E402

KILLS = 1000 if os.environ.get("HEARTH_LONG") == "1" else 200 if SLOW == 1 else 40
SEED = int(os.environ.get("HEARTH_SEED", time.time_ns() % 1000000))


class Checker:
    def __init__(self, home):
        self.home = home
        self.rows, self.acks, self.told = set(), set(), None

    def after_kill(self, i):
        """What is on disk joins what is promised, and what was said before must be there."""
        rows, promises = self.home.owed()
        self.rows |= rows
        for kind, body in promises.values():
            if kind == "command_status":
                self.acks.add(json.loads(body)["id"])
        with self.home.database() as db:
            assert db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok", f"kill {i}: the database is damaged"
            known = {key for (key,) in db.execute("SELECT key FROM command")}
            owner = db.execute("SELECT body FROM setting WHERE key = 'owner'").fetchone()
        acked = {c["id"] for c in self.home.sim.control("flip_commands")["commands"] if c["device_status"] == "OK"}
        assert acked <= known, f"kill {i}: acknowledged to Flip and not on disk: {sorted(acked - known)}"
        if self.told is not None:
            assert owner and json.loads(owner[0])["reserve_pct"] >= self.told, f"kill {i}: answered {self.told} %, stored {owner}"


def kills():
    dice = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    with CloudHome(start_agent=False, telemetry_s=1, tick_ms=100, wait_links=False) as home:
        checker = Checker(home)
        for i in range(KILLS):
            home.sim.control("cloud", cloud="flip", state=dice.choice(["up", "up", "up", "cut", "hang"]))
            if dice.random() < 0.5:
                home.flip_command(starts_in_s=7200 + 10 * i, duration_s=5)
            home.agent.start()
            if i % 10 == 9:
                value = 20 + i // 10 % 70
                answer = home.mqtt.request(R, "reserve.set", {"pct": value}, timeout=20) if wait_online(home) else {}
                if answer.get("status") == "ok" and checker.told is None or value > (checker.told or 0):
                    checker.told = value
            time.sleep(dice.uniform(0.02, 1.0) * SLOW)
            home.agent.kill()
            home.mqtt.state.pop(R + "/status", None)
            checker.after_kill(i)
        home.sim.control("cloud", cloud="flip", state="up")
        home.agent.start()
        home.outbox(lambda o: o["link"] == "up" and o["rows"] <= 1, 60, "everything delivered")
        check_delivered(home, checker)


def wait_online(home):
    home.mqtt.wait(R + "/status", lambda s: s == "online", 20)
    return True


def check_delivered(home, checker):
    got = {(device, stamp_ms(start)) for device, start in home.points()}
    lost = checker.rows - got
    assert not lost, f"{len(lost)} of {len(checker.rows)} promised points never arrived: {sorted(lost)[:3]}"
    assert checker.rows and {d for d, _ in checker.rows} == {DEVICE}, "no telemetry was promised: the test tests nothing"
    commands = home.sim.control("flip_commands")["commands"]
    wait_for(lambda: all(c["device_status"] == "OK" for c in home.sim.control("flip_commands")["commands"]), 90, "all acknowledged")
    repeated = sum(1 for times in home.points().values() if times > 1)
    print(f"{len(checker.rows)} points and {len(checker.acks)} acknowledgements seen on disk after kills, {len(got)} points and "
          f"{len(commands)} commands at Flip, 0 lost, {repeated} points sent more than once")


def stamp_ms(text):
    import datetime
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


run_tests([kills])
