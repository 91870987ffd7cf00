"""kill -9 at random moments while rows flow. After each kill the database says what was promised; at the end Flip must have all
of it: points, acknowledgements, opt-outs. What Flip heard as acknowledged, and what a person heard as done, must be on disk
after every single kill.
200 kills in two homes (HEARTH_LONG=1: 1000; fewer under sanitizers); HEARTH_SEED repeats a run."""
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, DEVICE, R, wait_for  # noqa: E402
from hearthtest import SLOW, run_tests, seed  # noqa: E402

KILLS = 500 if os.environ.get("HEARTH_LONG") == "1" else 100 if SLOW == 1 else 20  # in each home
SEED = seed()


class Checker:
    def __init__(self, home):
        self.home = home
        self.rows, self.acks, self.opted_out, self.promised = set(), {}, set(), {}
        self.known = set()  # commands on disk
        self.reserves = set()  # one of these must be stored; empty = no matter which

    def after_kill(self, i):
        """What is on disk joins what is promised, and what was said before must be there."""
        rows, promises = self.home.owed()
        self.rows |= rows
        for kind, body in promises.values():
            if kind == "command_status":
                ack = json.loads(body)
                self.acks.setdefault(ack["id"], set()).add(ack["device_status"])
        self.check_promises(i, promises)
        with self.home.database() as db:
            assert db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok", f"kill {i}: the database is damaged"
            self.known = {key for (key,) in db.execute("SELECT key FROM command")}
            owner = db.execute("SELECT body FROM setting WHERE key = 'owner'").fetchone()
            events = dict(db.execute("SELECT key, body FROM event"))
        db.close()
        acked = {c["id"] for c in self.commands() if c["device_status"] == "OK"}
        assert acked <= self.known, f"kill {i}: acknowledged to Flip and not on disk: {sorted(acked - self.known)}"
        if self.reserves:
            assert owner and json.loads(owner[0])["reserve_pct"] in self.reserves, f"kill {i}: answered {self.reserves} %, stored {owner}"
        forgot = {e for e in self.opted_out if "\"opted_out\":true" not in events.get(e, "")}
        assert not forgot, f"kill {i}: opt-outs answered ok and not on disk: {sorted(forgot)}"

    def commands(self):
        return self.home.sim.control("flip_commands")["commands"]

    def check_promises(self, i, promises):
        """A promise leaves the disk on Flip's word only: what was there after the last kill and is not now, Flip has. (Later is
        too late to look: Flip asks again for an acknowledgement it misses.)"""
        commands = {c["id"]: {a["device_status"] for a in c["acks"]} for c in self.commands()}
        patched = {p["event_id"] for p in self.home.sim.control("flip_participation")["patches"]}
        for key in self.promised.keys() - promises.keys():
            kind, body = self.promised[key]
            said = json.loads(body)
            if kind == "command_status":
                assert said["device_status"] in commands[said["id"]], f"kill {i}: not owed any more, and Flip never heard: {body}"
            elif kind == "participation":
                assert said["event_id"] in patched, f"kill {i}: not owed any more, and Flip never heard: {body}"
        self.promised = promises

    def set_reserve(self, pct):
        answer = self.home.mqtt.request(R, "reserve.set", {"pct": pct}, timeout=20)
        if answer.get("status") == "ok":
            self.reserves = {pct}
        elif self.reserves:
            self.reserves.add(pct)  # it may be there or not

    def opt_out(self, dice):
        """Of the event of a command the agent has on disk."""
        events = sorted({c["event_id"] for c in self.commands() if c["id"] in self.known} - self.opted_out)
        if not events:
            return
        event = dice.choice(events)
        answer = self.home.mqtt.request(R, "event.participate", {"event_id": event, "participating": False}, timeout=20)
        assert answer.get("status") == "ok", f"{event}: {answer}"
        self.opted_out.add(event)


def one_home():
    kills(SEED)


def another_home():
    kills(SEED + 1)


def kills(seed):
    dice = random.Random(seed)
    print(f"HEARTH_SEED={SEED}, {KILLS} kills", flush=True)
    with CloudHome(start_agent=False, telemetry_s=1, tick_ms=100, wait_links=False) as home:
        checker = Checker(home)
        for i in range(KILLS):
            home.sim.control("cloud", cloud="flip", state=dice.choice(["up", "up", "up", "cut", "hang"]))
            if dice.random() < 0.5:
                home.flip_command(starts_in_s=7200 + 10 * i, duration_s=5)
            home.agent.start()
            if i == 0:
                home.agent.connected()  # there is a database to look into
            if i % 10 == 9:
                home.agent.connected()
                checker.set_reserve(20 + i // 10 % 70)
            elif i % 10 == 4:
                home.agent.connected()
                checker.opt_out(dice)
            time.sleep(dice.uniform(0.02, 1.0) * SLOW)
            home.agent.kill()
            checker.after_kill(i)
        home.sim.control("cloud", cloud="flip", state="up")
        home.agent.start()
        home.delivered(checker.rows, 90)
        home.outbox(lambda o: o["link"] == "up" and o["rows"] <= 1 and o["quarantined"] == 0, 60, "nothing left")
        check_delivered(home, checker)


def check_delivered(home, checker):
    got = home.points()
    assert checker.rows and {d for d, _ in checker.rows} == {DEVICE}, "no telemetry was promised: the test tests nothing"

    wait_for(lambda: all(c["device_status"] == "OK" for c in checker.commands()), 90, "all acknowledged")
    commands = {c["id"]: c for c in checker.commands()}
    unsaid = {(i, status) for i, statuses in checker.acks.items() for status in statuses
              if status not in {a["device_status"] for a in commands[i]["acks"]}}
    assert not unsaid, f"{len(unsaid)} acknowledgements on disk never arrived: {sorted(unsaid)[:3]}"
    assert KILLS < 100 or len(checker.acks) >= KILLS // 40, f"{len(checker.acks)} acknowledgements seen on disk: the test tests nothing"

    told = {p["event_id"] for p in home.sim.control("flip_participation")["patches"] if p["body"].get("is_participating") is False}
    untold = checker.opted_out - told
    assert not untold, f"{len(untold)} opt-outs were answered ok, and Flip never heard: {sorted(untold)}"
    assert len(checker.opted_out) >= KILLS // 20, f"{len(checker.opted_out)} opt-outs: the test tests nothing"
    wrong = [c["id"] for c in commands.values() if (c["status"] == "OPT_OUT") != (c["event_id"] in checker.opted_out)]
    assert not wrong, f"opted out at Flip and here differ: {wrong}"
    repeated = sum(1 for times in got.values() if times > 1)
    print(f"{len(checker.rows)} points and {sum(map(len, checker.acks.values()))} acknowledgements seen on disk after kills, "
          f"{len(checker.opted_out)} opt-outs answered; {len(got)} points and {len(commands)} commands at Flip, 0 lost, {repeated} points "
          f"sent more than once")


run_tests([one_home, another_home], abreast=2)
