"""How fast the home is safe: a limit that is exceeded or ordered, the grid that goes away, an agent that dies. The agent and the
devices' registers are real; times are those of the simulator's notes of writes and of its own state (both CLOCK_MONOTONIC)."""
import time

from figures import BATTERY, HEAD, QuietBroker, Row, Sim, bus, meter, online, quantile, scratch, SITE, R
from hearthtest import Hearthd, Mqtt, program, wait_for

TICK_MS = 1000
POLL_MS = 1000      # of the meter
TRANSACTION_MS = 100
SAFE_S = 60


def now_us():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class Home:
    """Battery, charger with a car, meter, each on a bus of its own; import limit 11.5 kW. The charger's failsafe is written only
    with allow_unverified: nobody has seen those registers do what the manual says."""

    def __enter__(self):
        self.broker = QuietBroker()
        self.broker.start()
        self.sim = Sim("--load", "500", "--sun", "0", "--battery-wh", "100000", "--soc", "50", "--car", "plugged", "--extra-ports", "2",
                       "--no-clouds", binary=program("hearth-sim"))
        config = "".join(bus(f"b{i}", self.sim.ports[i]) for i in range(3))
        config += BATTERY.format(bus="b0", wh=100000).replace("bus = b0\nunit = 255", "bus = b1\nunit = 255\nallow_unverified = yes") + meter("grid", "b2", 10, grid=True)
        head = HEAD.format(tick_ms=TICK_MS, mqtt_port=self.broker.port).replace("tick_ms", "import_limit_w = 11500\ntick_ms")
        self.agent = Hearthd(scratch(), head + config, site=SITE).start()
        self.mqtt = Mqtt(self.broker, R + "/#")
        online(self.mqtt, ("battery", "charger", "grid"))
        self.hold()
        return self

    def hold(self):
        """The battery stands aside, or it would take the room or help first."""
        self.mqtt.ok(R, "override.set", {"device": "battery", "mode": "hold", "duration_s": 7200})

    def __exit__(self, *_):
        if self.agent.running():
            self.agent.stop()
        self.mqtt.close()
        self.sim.stop()
        self.broker.stop()

    def seen(self):
        return self.sim.control("writes", since=0, limit=1)["next"]

    def first_write(self, since, unit, carries, timeout=10):
        """t_us of the first write to @unit after note @since whose (address, values) says what is looked for."""
        def look():
            notes = self.sim.control("writes", since=since, unit=unit, limit=1000)["writes"]
            return next((w["t_us"] for w in notes if carries(w)), None)
        return wait_for(look, timeout, f"a write to unit {unit}", interval=0.02)

    def charging(self, cut, floor_w=9000):
        """The car at full power, everything at rest (what the last round cut has gone down first)."""
        if cut:
            self.sim.wait(lambda s: s["car_w"] < floor_w - 1000, 20)
        self.sim.control("set", load_w=500)
        self.sim.wait(lambda s: s["car_w"] > floor_w, 120)
        time.sleep(6)


def offer_below(ma):
    """A write of KEBA's current (mA, 5004) below @ma, or of its switch (5014) to off: the cut."""
    return lambda w: len(w["values"]) == 1 and (w["address"] == 5004 and w["values"][0] < ma or w["address"] == 5014 and not w["values"][0])


def overload(home, rounds):
    """The load jumps so that the main fuse is exceeded with the car at full power: until the car is told less."""
    took = []
    for i in range(rounds):
        home.charging(True)  # what ordered() or the last round cut goes down first
        time.sleep(i / rounds)  # at every phase of polls and ticks
        offer, since = home.sim.get()["car"]["offer_ma"], home.seen()
        begun = now_us()
        home.sim.control("set", load_w=9000)
        took.append((home.first_write(since, 255, offer_below(offer)) - begun) / 1e3)
    return took


def ordered(home, rounds):
    """limit.set to the first write of the cut."""
    took = []
    for i in range(rounds):
        if i > 0:
            home.sim.wait(lambda s: s["car_w"] < 100, 20)
            home.mqtt.ok(R, "limit.set", {"import_w": None, "export_w": None})
        home.charging(False)
        time.sleep(i / rounds)
        offer, since = home.sim.get()["car"]["offer_ma"], home.seen()
        begun = now_us()
        home.mqtt.ok(R, "limit.set", {"import_w": 0})
        took.append((home.first_write(since, 255, offer_below(offer)) - begun) / 1e3)
    home.mqtt.ok(R, "limit.set", {"import_w": None, "export_w": None})
    return took


def islanded(home, rounds):
    """The grid goes away while the battery discharges by order: until it is its own master again."""
    took = []
    home.sim.control("set", load_w=500)  # what the battery can carry alone
    for i in range(rounds):
        home.mqtt.ok(R, "override.set", {"device": "battery", "mode": "discharge", "power_w": 2000, "duration_s": 600})
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "power" and s["battery_w"] < -1500, 120)
        time.sleep(1 + i / rounds)
        begun = time.monotonic()
        home.sim.control("grid", lost=True)
        home.sim.wait(lambda s: s["setpoint"]["mode"] == "auto", 20)
        took.append((time.monotonic() - begun) * 1e3)
        home.sim.control("grid", lost=False)
        home.mqtt.wait(R + "/site", lambda s: s.get("mode") != "guard", 90)
    return took


def dead(home):
    """kill -9 while the battery discharges and the car charges: until neither follows the dead agent's word any more, s."""
    home.mqtt.ok(R, "override.set", {"device": "battery", "mode": "discharge", "power_w": 2000, "duration_s": 600})
    home.sim.wait(lambda s: s["setpoint"]["mode"] == "power" and s["battery_w"] < -1500 and s["car"]["offer_ma"] > 6000, 120)
    home.agent.kill()
    begun, safe = time.monotonic(), {}
    while len(safe) < 2 and time.monotonic() - begun < 3 * SAFE_S:
        s = home.sim.get()
        if s["setpoint"]["mode"] == "auto":
            safe.setdefault("battery", time.monotonic() - begun)
        if s["car"]["offer_ma"] <= 6000:
            safe.setdefault("car", time.monotonic() - begun)
        time.sleep(0.1)
    return safe


def reaction(long=False):
    rounds = 20 if long else 4  # a minute each: the car's rest between two
    with Home() as home:
        limit, load, island, gone = ordered(home, rounds), overload(home, rounds), islanded(home, 3), dead(home)
    most, poll = TICK_MS + TRANSACTION_MS, POLL_MS + TICK_MS + TRANSACTION_MS
    rows = [Row("limit.set on MQTT to the cut written, worst", f"{max(limit):.0f} ms (median {quantile(limit, 0.5):.0f})", f"<= {most} ms", max(limit) <= most,
                f"{rounds} limits at every phase of the tick; one tick of {TICK_MS} ms and one transaction are allowed"),
            Row("main fuse exceeded by the house to the cut written, worst", f"{max(load):.0f} ms (median {quantile(load, 0.5):.0f})", f"<= {poll} ms", max(load) <= poll,
                f"{rounds} times; includes up to one poll of the meter ({POLL_MS} ms), which nobody can react before"),
            Row("grid lost to the battery released, worst", f"{max(island):.0f} ms", f"<= {poll} ms", max(island) <= poll,
                f"{len(island)} times; includes up to one poll of the inverter that says so"),
            Row("agent killed to battery and car safe by their own timers", ", ".join(f"{k} {v:.0f} s" for k, v in sorted(gone.items())) or "never", f"<= {SAFE_S} s",
                len(gone) == 2 and max(gone.values()) <= SAFE_S)]
    return rows
