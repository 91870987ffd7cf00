"""kill -9 at random moments while commands flow in queue mode. The broker counts a message as delivered before it is on our
disk, so some are lost from both; the cloud's answer to R/flip/out/resync brings them back. At the end every command is
there, acknowledged as promised, and owed once. HEARTH_SEED repeats a run."""
import base64
import hashlib
import hmac
import json
import os
import random
import sqlite3
import subprocess
import threading
import time
import uuid

from agenttest import Home, KEY, R, stamp
from hearthtest import Mqtt, SLOW, _die_with_parent, run_tests, seed, wait_for

ROUNDS, COMMANDS = 20, 30


class Cloud:
    """The operator's cloud: sends commands, and on a resync every command Flip has no answer for, once more. Answers the
    rows of every second command at once (the others stay owed to the end)."""

    def __init__(self, home):
        self.home = home
        self.commands = {}                   # id -> command, as Flip holds it
        self.answered_at_once = set()
        self.rows = {}                       # id -> {message_id: [body, ...]}
        self.resyncs = []
        self.sent_again = 0
        self.lock = threading.Lock()
        self.pipes = {topic: subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.broker.port), "-V", "5", "-q", "1",
                                               "-l", "-t", R + topic], stdin=subprocess.PIPE, preexec_fn=_die_with_parent)
                      for topic in ("/flip/in", "/flip/ack")}
        self.mqtt = Mqtt(home.broker, R + "/flip/out/#")
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def line(self, topic, value):
        self.pipes[topic].stdin.write(json.dumps(value).encode() + b"\n")
        self.pipes[topic].stdin.flush()

    def envelope(self, command, event_type):
        body = json.dumps({"event_type": event_type, "event_object": command, "timestamp": stamp(time.time())})
        webhook_id, at = "msg_" + uuid.uuid4().hex, str(int(time.time()))
        digest = hmac.new(base64.b64decode(KEY[6:]), f"{webhook_id}.{at}.{body}".encode(), hashlib.sha256).digest()
        self.line("/flip/in", {"headers": {"webhook-id": webhook_id, "webhook-timestamp": at,
                                           "webhook-signature": "v1," + base64.b64encode(digest).decode()}, "body": body})

    def send_new(self):
        with self.lock:
            n = len(self.commands)
            c = self.home.command(setpoint_w=1000 + n, starts_in=3600 + 60 * n, lasts=50)  # never the same twice, none overlaps
            self.commands[c["id"]] = c
            if n % 2:
                self.answered_at_once.add(c["id"])
            self.envelope(c, "command.created")

    def take(self, message):
        with self.lock:
            if message.topic.endswith("/resync"):
                self.resyncs.append(message.json)
                for c in self.commands.values():
                    if c["device_status"] == "PENDING":
                        self.sent_again += 1
                        self.envelope(c, "command.updated")
            elif message.topic.endswith("/command_status"):
                row = message.json
                message_id = row.pop("message_id")
                self.rows.setdefault(row["id"], {}).setdefault(message_id, []).append(row)
                if row["id"] in self.answered_at_once:
                    self.commands[row["id"]]["device_status"] = row["device_status"]
                    self.line("/flip/ack", {"message_id": message_id, "status": 200})

    def run(self):
        taken = 0
        while not self.done.wait(0.003):
            while taken < self.mqtt.count():
                self.take(self.mqtt.messages[taken])
                taken += 1

    def close(self):
        self.done.set()
        self.thread.join(10)
        for pipe in self.pipes.values():
            pipe.stdin.close()
            pipe.wait(10)
        self.mqtt.close()


def stored(home, table):
    """Keys of a table; read while the agent is dead."""
    with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
        return dict(db.execute(f"SELECT key, body FROM {table}"))


def rounds(home, cloud, dice):
    """How often a command was not on disk when the agent died: on its way, still at the broker, or lost from both; and which
    resync was the first after one was."""
    missing, known = 0, None
    for n in range(ROUNDS):
        connects = len(cloud.resyncs)
        home.agent.start()
        wait_for(lambda: len(cloud.resyncs) > connects, 20, "the hub to ask for what is open after kill -9")
        time.sleep(dice.choice((0, 0.02, 0.3)))
        left = COMMANDS - len(cloud.commands)
        for _ in range(left if n == ROUNDS - 1 else min(left, dice.choice((0, 1, 1, 4)))):  # a burst keeps the disk busy for a while
            cloud.send_new()
        time.sleep(dice.choice((dice.uniform(0, 0.006), dice.uniform(0, 0.02), dice.uniform(0, 0.8))))
        home.agent.kill()
        on_disk = len(stored(home, "command"))
        missing += len(cloud.commands) - on_disk
        known = len(cloud.resyncs) if on_disk and known is None else known
    return missing, known


def check_owed(home, cloud):
    """What the disk holds at rest: one row for each command whose answer was not taken, none for the others."""
    owed = [json.loads(body)["id"] for body in stored(home, "outbox").values()]
    assert len(owed) == len(set(owed)), "twice in the outbox"
    assert set(owed) == set(cloud.commands) - cloud.answered_at_once
    assert set(stored(home, "command")) == set(cloud.commands)


def test_kill_9_while_commands_flow():
    chosen = seed()
    with Home() as home:
        cloud = Cloud(home)
        began = time.monotonic()
        home.agent.kill()
        missing, known = rounds(home, cloud, random.Random(chosen))
        took = time.monotonic() - began
        print(f"     seed {chosen}: {ROUNDS} times killed in {took:.0f} s, {missing} times a command was not on disk, "
              f"{cloud.sent_again} sent again")
        assert len(cloud.commands) == COMMANDS
        assert took < 60 * SLOW
        home.agent.start()
        home.ready()
        wait_for(lambda: set(cloud.rows) == set(cloud.commands), 20,
                 lambda: f"every command to be acknowledged; missing {set(cloud.commands) - set(cloud.rows)}, seed {chosen}")
        wait_for(lambda: home.mqtt.ok(R, "state.get", {"parts": ["outbox"]})["outbox"]["promises"] == COMMANDS - len(cloud.answered_at_once), 20,
                 "what is not answered to be owed, and nothing else")
        time.sleep(0.5)
        home.agent.stop()
        check_owed(home, cloud)
        for command_id, rows in cloud.rows.items():
            for body in [b for bodies in rows.values() for b in bodies]:
                assert body == {"id": command_id, "device_status": "OK"}, body
            if command_id not in cloud.answered_at_once:
                assert len(rows) == 1, f"promised once, under one message_id: {rows}"
        boots = [r["boot_id"] for r in cloud.resyncs]
        assert len(set(boots)) == ROUNDS + 1, boots
        since = [r["since"] for r in cloud.resyncs[known:]]
        assert all(since) and since == sorted(since) and not any(r["since"] for r in cloud.resyncs[:known]), (known, cloud.resyncs)
        cloud.answered_at_once |= set(cloud.commands)
        home.agent.start()
        home.ready()
        home.mqtt.wait(R + "/outbox", lambda o: o["promises"] == 0, 20, "the rest to leave once it is answered")
        cloud.close()


if __name__ == "__main__":
    run_tests([test_kill_9_while_commands_flow])
