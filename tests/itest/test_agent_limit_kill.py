"""kill -9 in the middle of a stream of limits: what was answered "ok" is what the next agent begins with, or a later one; of one that
is only prolonged its whole time, and hardly more. Real agent,
simulated home, real broker; the instants are random (HEARTH_SEED plays them again)."""
import os
import random
import subprocess
import threading
import time

from agenttest import Home, R, stamp
from hearthtest import run_tests, seed

home = None
KILLS = int(os.environ.get("HEARTH_KILLS", "6"))
SEED = seed()
rng = random.Random(SEED)


class Stream:
    """Limits that rise by 1 W each, or one that is prolonged (by @lasts_s from each instant), some thirty a second, until it is told to stop."""

    def __init__(self, first_w, lasts_s=0):
        self.sent_w, self.lasts_s, self.over = first_w - 1, lasts_s, threading.Event()
        self.untils = {}
        self.process = subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.broker.port), "-V", "5", "-q", "1", "-l",
                                         "-t", R + "/request/limit.set"], stdin=subprocess.PIPE, text=True, bufsize=1)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.03):
            self.sent_w += 1
            if self.lasts_s:
                self.untils[str(self.sent_w)] = until = stamp(time.time() + self.lasts_s)
                self.process.stdin.write('{"import_w": 4000, "until": "%s", "transaction": "%d"}\n' % (until, self.sent_w))
                continue
            self.process.stdin.write('{"import_w": %d, "export_w": %d, "transaction": "%d"}\n' % (self.sent_w, self.sent_w + 1, self.sent_w))

    def stop(self):
        self.over.set()
        self.thread.join()
        self.process.stdin.close()
        self.process.wait(20)


def answered_w(since):
    return max([int(m.json["transaction"]) for m in home.mqtt.seen(R + "/response/limit.set", since) if m.json["status"] == "ok"], default=0)


def test_what_was_answered_is_there():
    first_w, promised_w, lost = 5000, 4000, []
    for _ in range(KILLS):
        since = home.mqtt.count()
        stream = Stream(first_w)
        try:
            time.sleep(0.3 + rng.random() * 1.5)
            home.kill()
        finally:
            stream.stop()
        promised_w = max(promised_w, answered_w(since))               # before the first answer that of the life before
        since = home.mqtt.count()
        home.agent.start()
        v = home.mqtt.heard(R + "/limit", since=since, timeout=20, what="R/limit of the next agent")
        first_w = stream.sent_w + 1
        ok = promised_w <= v["import_w"] <= stream.sent_w and v["export_w"] == v["import_w"] + 1 and v["state"] == "limited"
        lost.append(None if ok else (promised_w, stream.sent_w, v))
        home.ready()
    assert lost == [None] * KILLS, f"HEARTH_SEED={SEED}: {lost}"
    print(f"     {KILLS} kills, nothing that was answered is lost (HEARTH_SEED={SEED})")


def test_the_time_that_was_answered_is_there():
    first, ends, answered = 100000, [], 0
    home.mqtt.ok(R, "limit.set", {"import_w": None, "export_w": None})
    for i in range(KILLS):
        since = home.mqtt.count()
        stream = Stream(first, 60 if i % 2 else 3600)
        try:
            time.sleep(0.3 + rng.random() * 2.5)
            home.kill()
        finally:
            stream.stop()
        first = stream.sent_w + 1
        said = max([stream.untils[m.json["transaction"]] for m in home.mqtt.seen(R + "/response/limit.set", since) if m.json["status"] == "ok"], default="")
        since = home.mqtt.count()
        home.agent.start()
        v = home.mqtt.heard(R + "/limit", since=since, timeout=20, what="R/limit of the next agent")
        latest = stamp(time.time() + stream.lasts_s + 61)
        kept = v["import_w"] == 4000 and said <= v["import_until"] <= latest
        ends.append(None if kept or (not said and v["import_w"] is None) else (said, latest, v))  # killed before the first answer
        answered += said != ""
        home.ready()
    print(f"     {KILLS} kills, {answered} with an answer before (HEARTH_SEED={SEED})")
    assert answered
    assert ends == [None] * KILLS, f"HEARTH_SEED={SEED}: {ends}"


if __name__ == "__main__":
    with Home() as home:
        home.mqtt.ok(R, "limit.set", {"import_w": 4000, "export_w": 4001})
        run_tests([test_what_was_answered_is_there, test_the_time_that_was_answered_is_there])
