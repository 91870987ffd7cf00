"""The figures of the agent with its clouds: how long the loop is ever busy without a look at what is new, and a week's
telemetry drained. Everything is real but the clouds, which hearth-sim plays."""
import json
import os
import subprocess
import time

from figures import BATTERY, HEAD, R, SITE, QuietBroker, Row, Sim, bus, cpu_ns, meter, online
from hearthtest import Hearthd, Mqtt, _die_with_parent, free_ports, program, scratch, wait_for

WEEK = 2016  # intervals of five minutes
LIMIT_MS = 5
CLOUDS = """[flip]
mode = direct
base_url = http://127.0.0.1:{flip}
token_file = {token}
[flatpeak]
mode = direct
api_url = http://127.0.0.1:{flatpeak}
account_id = acc_sim
location_id = loc_sim
api_key_file = {key}
"""


class Home:
    """Broker, simulated home and clouds, and an agent that is not started yet; its database holds `points` for each device."""

    def __init__(self, devices, points):
        self.folder = scratch()
        flip, flatpeak = free_ports(2)
        self.broker = QuietBroker()
        self.sim = Sim("--load", "500", "--sun", "0", "--battery-wh", "13500", "--soc", "60", "--extra-ports", str(len(devices) + 1),
                       "--flip-port", str(flip), "--flatpeak-port", str(flatpeak), binary=program("hearth-sim"))
        self.sim.control("flatpeak_set", **{"import": "half-hourly", "export": 0.15, "timezone": "Europe/London"})
        config = bus("b0", self.sim.ports[0]) + meter("grid", "b0", 10, grid=True)
        names = ["battery"]
        config += BATTERY.format(bus="b0", wh=13500).replace("[device charger]", f"flip_device_id = {devices[0]}\n[device charger]")
        for i, flip_id in enumerate(devices[1:], 1):
            config += bus(f"b{i}", self.sim.ports[i]) + BATTERY.format(bus=f"b{i}", wh=13500).split("[device charger]")[0] \
                .replace("[device battery]", f"[device battery{i}]") + f"flip_device_id = {flip_id}\n"
            names.append(f"battery{i}")
        self.names = names + ["charger", "grid"]
        self.agent = Hearthd(self.folder, "", site=SITE)
        config += CLOUDS.format(flip=flip, flatpeak=flatpeak, token=self.agent.secret("flip-token", "fl_sim_token"),
                                key=self.agent.secret("flatpeak-key", "sk_test_sim"))
        self.agent.configure(HEAD.format(tick_ms=1000, mqtt_port=self.broker.port) + config)
        if points:
            last = int(time.time()) // 300 * 300 - 600
            subprocess.run([program("bench_backfill"), os.path.join(self.agent.state_dir, "hearth.db"), str(points), str(last), *devices], check=True)

    def flip(self):
        return self.sim.control("cloud_stats")["flip"]

    def loop(self, mqtt):
        return mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["loop"]

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, *_):
        if self.agent.running():
            self.agent.stop()
        self.sim.stop()
        self.broker.stop()


def said(loop):
    return f"{loop['longest_ms']:g} ms" + (f" ({loop['at']})" if loop.get("at") else "") + f", CPU {loop['longest_cpu_ms']:g} ms"


def drain(home, points):
    """Seconds from the first batch on its way to the last point taken, and from the start of the agent to the last."""
    begun = time.monotonic()
    home.agent.start()
    first = None
    while True:
        flip = home.flip()
        now = time.monotonic()
        if first is None and flip.get("by", {}).get("POST /v1/telemetry/BATTERY", 0):
            first = now
        if flip["points"] >= points:
            return now - first, now - begun, flip
        if now - begun > 60:
            raise RuntimeError(f"{flip['points']} of {points} points arrived within a minute: {json.dumps(flip)}\n{home.agent.tail()}")
        time.sleep(0.01)


def backfill(devices=1):
    """A week of telemetry of every battery waits on disk when the agent starts; one battery, and a home of four."""
    ids = [f"bench-bat-{i}" for i in range(devices)]
    points = WEEK * devices
    with Home(ids, WEEK) as home:
        took, whole, flip = drain(home, points)
        cpu = cpu_ns(home.agent.pid) / 1e6
        with Mqtt(home.broker, R + "/#") as mqtt:
            mqtt.wait(R + "/outbox", lambda o: o["telemetry"]["rows"] < 2 * devices, 20, "the outbox empty")
            loop = home.loop(mqtt)
    batteries = "one battery" if devices == 1 else f"{devices} batteries"
    note = f"{flip['by']['POST /v1/telemetry/BATTERY']} requests, {flip['points_failed']} points refused, {flip['points_repeated']} sent twice; " \
        f"{whole:.2f} s from the start of the agent, which took {cpu:.0f} ms of CPU for all of it; longest turn of the loop {said(loop)}"
    return [Row(f"a week's back-fill of {batteries} ({points} points) from disk into the mock Flip, first request to last point", f"{took:.2f} s",
                "< 2 s" if devices == 1 else "", took < 2 if devices == 1 else None, note)]


def longest(seconds=40):
    """Everything that is long: start, prices, a 48 h plan, a week's back-fill, a command, everything told again to a broker that
    came back, and at last everything asked for at once."""
    with Home(["bench-bat-0", "bench-bat-1", "bench-bat-2", "bench-bat-3"], WEEK) as home:
        drain(home, 4 * WEEK)
        with Mqtt(home.broker, R + "/#") as mqtt:
            online(mqtt, home.names)
            mqtt.wait(R + "/tariff/import", lambda t: t["source"] == "flatpeak", 30)
            plan = mqtt.wait(R + "/plan", lambda p: p["status"] in ("optimal", "feasible"), 30)
            early = home.loop(mqtt)
            c = home.sim.control("flip_command", device_id="bench-bat-0", mode="DISCHARGE", power_mode="FOLLOW_LOAD", reserve_pct=30, starts_in_s=0,
                                 duration_s=600)
            mqtt.ok(R, "plan.refresh")
            time.sleep(seconds / 4)
        home.broker.restart()
        with Mqtt(home.broker, R + "/#") as mqtt:
            mqtt.wait(R + "/plan", lambda p: p["status"] in ("optimal", "feasible"), 30)
            for _ in range(3):
                mqtt.ok(R, "plan.refresh")
                time.sleep(seconds / 6)
            wait_for(lambda: any(k["acks"] for k in home.sim.control("flip_commands")["commands"] if k["id"] == c["id"]), 90, "the command answered")
            ran = home.loop(mqtt)
            mqtt.ok(R, "dump")
            asked = home.loop(mqtt)
    slots = len(plan["prices"]["import"])
    rows = []
    for name, key in (("longest turn of the loop", "longest_ms"), ("... CPU time of the longest turn", "longest_cpu_ms")):
        rows.append(Row(name, f"{ran[key]:g} ms", f"<= {LIMIT_MS} ms", ran[key] <= LIMIT_MS))
    rows[0].note = f"a turn is all that is done between two looks at what is new, so no callback took longer; 4 batteries, plan of {slots} slots; after " \
        f"start, back-fill and first plan {said(early)}; with a command, plans and a new broker {said(ran)}; after `dump` {said(asked)}"
    return rows


def clouds(long):
    return backfill() + (backfill(4) if long else []) + longest(120 if long else 40)
