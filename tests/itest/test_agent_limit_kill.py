"""kill -9 in the middle of a stream of limits: what was answered "ok" is what the next agent begins with, or a later one. Real agent,
simulated home, real broker; the instants are random (HEARTH_SEED plays them again)."""
import os
import random
import subprocess
import threading
import time

from agenttest import Home, R
from hearthtest import run_tests

home = None
KILLS = int(os.environ.get("HEARTH_KILLS", "6"))
SEED = int(os.environ.get("HEARTH_SEED", "0")) or random.randrange(1, 1 << 32)
rng = random.Random(SEED)


class Stream:
    """Limits that rise by 1 W each, some thirty a second, until it is told to stop."""

    def __init__(self, first_w):
        self.sent_w, self.over = first_w - 1, threading.Event()
        self.process = subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.broker.port), "-V", "5", "-q", "1", "-l",
                                         "-t", R + "/request/limit.set"], stdin=subprocess.PIPE, text=True, bufsize=1)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.03):
            self.sent_w += 1
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


if __name__ == "__main__":
    with Home() as home:
        home.mqtt.ok(R, "limit.set", {"import_w": 4000, "export_w": 4001})
        run_tests([test_what_was_answered_is_there])
