"""A whole home for the agent's integration tests: broker, simulated devices, agent, and a signed way in for Flip."""
import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sim"))

from hearthtest import Broker, Hearthd, Mqtt, SLOW, free_port, program, scratch, wait_for  # noqa: E402
from simclient import Sim  # noqa: E402

KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SITE = "home-0042"
R = "hearth/1/" + SITE
IN_FORCE = "the new configuration is in force"

CONFIG = """[site]
id = {site}
timezone = Europe/London
clock = {clock}
import_limit_w = 11500
export_limit_w = 6000
reserve_pct = {reserve}
grid_charging = {grid_charging}
tick_ms = {tick_ms}

[mqtt]
port = {mqtt_port}

[bus house]
type = tcp
host = 127.0.0.1
port = {modbus_port}
timeout_ms = 500

[device battery]
profile = sunspec-storage
bus = house
unit = 1
flip_device_id = bat-0042-1
capacity_wh = {battery_wh}
charge_max_w = 5000
discharge_max_w = 5000
soc_min_pct = 5

[device charger]
profile = keba-p30-p40
bus = house
unit = 255

[device grid]
profile = eastron-sdm630
bus = house
unit = 10
roles = grid

[flip]
mode = queue
webhook_key_file = {key_file}

[tariff]
import = {tariff}
export = 0.15
currency = GBP
{extra}
"""


class Home:
    """with Home() as home: everything runs and every device is online."""

    def __init__(self, battery_wh=13500, soc=60, clock="trust", reserve=20, tariff="0.30", extra="", sim_args=(), start_sim=True,
                 tick_ms=500, env=None, start_agent=True, grid_charging="yes"):
        self.folder = scratch()
        self.env, self.start_agent = env, start_agent
        self.broker = Broker()
        self.settings = dict(site=SITE, clock=clock, reserve=reserve, battery_wh=battery_wh, tariff=tariff, extra=extra, tick_ms=tick_ms,
                             grid_charging=grid_charging, mqtt_port=self.broker.port)
        self.sim_args = ["--battery-wh", str(battery_wh), "--soc", str(soc), *sim_args]
        self.sim = self.agent = self.mqtt = None
        self.start_sim = start_sim

    def config(self, **changes):
        self.settings.update(changes)
        return CONFIG.format(**self.settings)

    def __enter__(self):
        self.broker.start()
        self.mqtt = Mqtt(self.broker, R + "/#")
        self.modbus_port = free_port()
        if self.start_sim:
            self.begin_sim()
        self.settings.update(modbus_port=self.modbus_port, key_file=os.path.join(self.folder, "webhook-key"))
        self.agent = Hearthd(self.folder, self.config(), site=SITE, env=self.env, mqtt=self.mqtt)
        self.agent.secret("webhook-key", KEY)
        if self.start_agent:
            self.agent.start()
        if self.start_agent and self.start_sim:
            self.ready()
        return self

    def begin_sim(self):
        self.sim = Sim(*self.sim_args, "--port", str(self.modbus_port), binary=program("hearth-sim"))
        self.sim.control("set", load_w=600, pv_w=0)

    def ready(self):
        self.agent.connected()
        for device in ("battery", "charger", "grid"):
            self.mqtt.wait(f"{R}/device/{device}/availability", lambda s: s == "online", 20, device)
        self.mqtt.wait(R + "/site", lambda s: "grid_w" in s and "soc_pct" in s, 15)
        # the queue has subscribed before it asks for a resync: from then on its session keeps what is sent
        wait_for(lambda: self.mqtt.seen(R + "/flip/out/resync", self.agent.since), 15, "the Flip queue")

    def __exit__(self, *exc):
        if exc[0] is not None:
            print("--- hearthd:\n" + self.agent.tail(60), file=sys.stderr)
        ended = self.agent.kill() if exc[0] is not None else self.agent.stop()
        self.mqtt.close()
        simulated = self.sim.stop() if self.sim else 0
        self.broker.kill()
        # what a sanitizer finds at the very end counts too; a start that was not yet there to hear the stop is none
        assert ended in (None, 0, -signal.SIGKILL, -signal.SIGTERM), f"hearthd: exit {ended}; log:\n{self.agent.tail(60)}"
        assert exc[0] is not None or simulated == 0, f"hearth-sim: exit {simulated}"

    def kill(self):
        """SIGKILL for the agent; all it ever said has arrived when this is over, and is forgotten: the next one says it anew."""
        since = self.mqtt.count()
        self.agent.kill()
        self.forget(since)

    def stop(self):
        """As kill, by SIGTERM."""
        since = self.mqtt.count()
        assert self.agent.stop() == 0
        self.forget(since)

    def forget(self, since):
        wait_for(lambda: any(m.payload == "offline" for m in self.mqtt.seen(R + "/status", since)), 60, "its goodbye, or the broker's will")
        self.mqtt.forget(self.mqtt.count())

    def apply(self, config):
        """A new configuration file, in force when this is over."""
        before = self.agent.log().count(IN_FORCE)
        self.agent.configure(config)
        self.ctl("reload")
        wait_for(lambda: self.agent.log().count(IN_FORCE) > before, 30, "the new configuration")

    def site(self, check, timeout=20.0, what="R/site"):
        return self.mqtt.wait(R + "/site", check, timeout, what)

    def ctl(self, *words, code=0):
        """hearthctl with these words; returns its standard output (parsed with --json)."""
        done = subprocess.run([program("hearthctl"), "--port", str(self.broker.port), *([] if "--site" in words else ["--site", SITE]), "--timeout", str(int(5 * SLOW)), *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW, check=False)
        assert done.returncode == code, f"hearthctl {words}: exit {done.returncode}, {done.stderr.decode()}"
        text = done.stdout.decode()
        return json.loads(text) if "--json" in words and code == 0 else text + done.stderr.decode()

    def command(self, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=3000, reserve=None, starts_in=1.0, lasts=60.0, **more):
        """A Flip command object."""
        now = time.time()
        c = {"object_type": "command", "id": str(uuid.uuid4()), "event_id": str(uuid.uuid4()), "device_id": "bat-0042-1",
             "starts_at": stamp(now + starts_in), "ends_at": stamp(now + starts_in + lasts), "duration_s": lasts,
             "is_preparatory_action": False,
             "battery_commands": {"mode": mode, "power_mode": power_mode, "setpoint_w": setpoint_w, "enable_grid_import": False,
                                  "backup_reserve_percentage": reserve},
             "status": "OK", "device_status": "PENDING", "device_status_reason": None,
             "created_at": stamp(now), "updated_at": stamp(now)}
        c.update(more)
        return c

    def send(self, command, event_type="command.created", **how):
        """Publishes a signed envelope on R/flip/in."""
        body = json.dumps({"event_type": event_type, "event_object": command, "timestamp": stamp(time.time())})
        self.send_body(body, **how)

    def send_body(self, body, webhook_id=None, key=KEY, timestamp=None, wrapped=False):
        webhook_id = webhook_id or "msg_" + uuid.uuid4().hex
        timestamp = str(int(time.time() if timestamp is None else timestamp))
        digest = hmac.new(base64.b64decode(key[6:]), f"{webhook_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
        headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp,
                   "webhook-signature": "v1," + base64.b64encode(digest).decode()}
        if wrapped:
            self.mqtt.publish(R + "/flip/in", {"headers": headers, "body": body})
        else:
            self.mqtt.publish(R + "/flip/in", body, user_properties=headers)

    def acks(self, command_id):
        return [m.json for m in self.mqtt.seen(R + "/flip/out/command_status") if m.json.get("id") == command_id]

    def wait_ack(self, command_id, status="OK", timeout=10.0):
        def found():
            return next((a for a in self.acks(command_id) if a["device_status"] == status), None)
        return wait_for(found, timeout, lambda: f"ack {status} of {command_id}; seen {self.acks(command_id)}")


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t * 1000) % 1000:03d}Z"
