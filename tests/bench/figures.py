"""The figures of the real agent: each function starts what it needs (broker, Modbus servers, hearthd), measures, and
returns rows. Timing is done by the C programs beside this file or by the kernel's accounts, never by Python's pace."""
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "itest"))
sys.path.insert(0, os.path.join(HERE, "..", "sim"))

from hearthtest import Broker, Hearthd, Mqtt, PROFILES, Program, _die_with_parent, free_port, program, scratch, wait_for  # noqa: E402
from simclient import Sim  # noqa: E402

SITE = "bench"
R = "hearth/1/" + SITE

HEAD = """[site]
id = bench
timezone = Europe/London
clock = trust
tick_ms = {tick_ms}
[mqtt]
port = {mqtt_port}
[tariff]
import = 00:00-07:00 0.09, 07:00-16:00 0.28, 16:00-19:00 0.38, 19:00-00:00 0.28
export = 0.15
currency = GBP
[plan]
horizon_h = 48
slot_s = 300
"""
BATTERY = """[device battery]
profile = sunspec-storage
bus = {bus}
unit = 1
capacity_wh = {wh}
charge_max_w = 5000
discharge_max_w = 5000
soc_min_pct = 5
[device charger]
profile = keba-p30-p40
bus = {bus}
unit = 255
"""


class Row:
    """One line of the table. `ok` None: there is no target."""

    def __init__(self, what, measured, target="", ok=None, note=""):
        self.what, self.measured, self.target, self.ok, self.note = what, measured, target, ok, note

    @property
    def verdict(self):
        return "" if self.ok is None else "met" if self.ok else "missed"


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * (len(values) - 1) + 0.5))] if values else float("nan")


class QuietBroker(Broker):
    """Logs nothing: a log line for each packet would be measured too."""

    def __init__(self):
        super().__init__()
        config = os.path.join(self.folder, "mosquitto.conf")
        with open(config, encoding="utf-8") as f:
            text = f.read().replace("log_type all", "log_type error")
        with open(config, "w", encoding="utf-8") as f:
            f.write(text + "set_tcp_nodelay true\n")


def bus(name, port, timeout_ms=500):
    return f"[bus {name}]\ntype = tcp\nhost = 127.0.0.1\nport = {port}\ntimeout_ms = {timeout_ms}\n"


def meter(name, on, unit, grid=False, profile="eastron-sdm630", poll_ms=0):
    return f"[device {name}]\nprofile = {profile}\nbus = {on}\nunit = {unit}\nroles = {'grid' if grid else 'load'}\n" + \
        (f"poll_ms = {poll_ms}\n" if poll_ms else "")


def bench_profile(folder):
    """The shipped meter profile with its points moved into one block of exactly 60 registers, and polled faster if asked."""
    with open(os.path.join(PROFILES, "eastron-sdm630.json"), encoding="utf-8") as f:
        p = json.load(f)
    p["id"] = "bench-meter"
    p["transport"].update(min_poll_ms=50)
    points = [x for x in p["points"] if "maps_to" in x]
    for x, address in zip(points, [0, 2, 4, 6, 8, 10, 12, 14, 16, 52, 20, 24, 36, 58]):
        x["address"] = address
    for x in points:
        if x["maps_to"] in ("meter.power_factor", "meter.frequency_hz"):
            x["scale"] = 0.004 if x["maps_to"] == "meter.power_factor" else 0.2
    p["points"] = points
    path = os.path.join(folder, "profiles")
    os.makedirs(path, exist_ok=True)
    for name in os.listdir(PROFILES):
        if not os.path.exists(os.path.join(path, name)):
            os.symlink(os.path.join(PROFILES, name), os.path.join(path, name))
    with open(os.path.join(path, "bench-meter.json"), "w", encoding="utf-8") as f:
        json.dump(p, f)
    return {"HEARTH_PROFILES": path}


class Meters:
    """bench_meters: `ports` in the order answering, silent, dripping, full."""

    def __init__(self, *counts):
        self.process = subprocess.Popen([program("bench_meters"), *[str(c) for c in counts]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        self.ports = json.loads(self.process.stdout.readline())["ports"]

    def reads(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["reads"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(5)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def agent_start(config, broker, tick_ms=1000, env=None):
    return Hearthd(scratch(), HEAD.format(tick_ms=tick_ms, mqtt_port=broker.port) + config, site=SITE, env=env).start()


def online(mqtt, devices, timeout=20):
    for d in devices:
        mqtt.wait(f"{R}/device/{d}/availability", lambda s: s == "online", timeout, d)


# ---- command -> first write ----

def pv_limit_register(port):
    """Address of WMaxLimPct of unit 2: model 123 in its SunSpec chain."""
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        def read(address, count):
            s.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 2, 3, address, count))
            head = s.recv(9)
            return struct.unpack(f">{count}H", s.recv(head[8]))
        at = 40002
        while True:
            model, length = read(at, 2)
            if model == 123:
                return at + 5
            at += 2 + length


def first_writes(sent, writes, unit, value_of):
    """Milliseconds from each (value, t_us) to the first write on `unit` that carries the value."""
    out, lost = [], 0
    mine = [w for w in writes if w["unit"] == unit]
    i = 0
    for k, (value, t_us) in enumerate(sent):
        until = sent[k + 1][1] if k + 1 < len(sent) else t_us + 1000000
        while i < len(mine) and mine[i]["t_us"] < t_us:
            i += 1
        hit = next((n for n in range(i, min(i + 40, len(mine))) if mine[n]["t_us"] < until and value_of(mine[n], value)), None)
        if hit is not None:
            while hit > i and mine[hit]["t_us"] - mine[hit - 1]["t_us"] < 1000:
                hit -= 1  # a batch begins with its timer: that write is the first of this order
            out.append((mine[hit]["t_us"] - t_us) / 1e3)
        else:
            lost += 1
    return out, lost


def latency(rounds=240, gap_ms=260, one_host=False):
    """Orders by MQTT, the write they cause, and the bare path to the same server. Each device of the home has a host of its
    own, or all share one (a gateway): then an order waits for the request of a neighbour that is under way."""
    with QuietBroker() as broker, Sim("--load", "500", "--sun", "0", "--battery-wh", "100000", "--soc", "40", "--extra-ports", "2",
                                      binary=program("hearth-sim")) as sim:
        hosts = ["b0", "b0", "b0"] if one_host else ["b0", "b1", "b2"]
        config = "".join(bus(b, sim.ports[int(b[1:])]) for b in dict.fromkeys(hosts))
        config += BATTERY.format(bus=hosts[0], wh=100000).replace("bus = b0\nunit = 255", f"bus = {hosts[1]}\nunit = 255")
        config += meter("grid", hosts[2], 10, grid=True)
        with agent_start(config, broker):
            with Mqtt(broker, R + "/#") as mqtt:
                online(mqtt, ("battery", "charger", "grid"))
                mqtt.wait(R + "/plan", lambda p: p["status"] in ("optimal", "feasible"), 20)
            first = sim.control("writes", since=0)["next"]
            p = subprocess.Popen([program("bench_latency"), str(broker.port), R, str(sim.port), str(rounds), str(gap_ms),
                                  str(pv_limit_register(sim.port))], stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
            writes = []

            def collect():
                nonlocal first
                answer = sim.control("writes", since=first, limit=1000)
                writes.extend(answer["writes"])
                first = answer["next"]
                return len(answer["writes"])
            while p.poll() is None:
                time.sleep(5)
                while collect() >= 1000:
                    pass
            collect()
            lines = [line.split() for line in p.stdout.read().splitlines()]
            p.stdout.close()
    sent = {who: [(int(v), int(t)) for w, v, t in lines if w == who] for who in ("agent", "bare")}
    if os.environ.get("HEARTH_BENCH_DUMP"):
        with open(os.environ["HEARTH_BENCH_DUMP"], "w", encoding="utf-8") as f:
            json.dump({"sent": sent, "writes": writes}, f)
    bare, bare_lost = first_writes(sent["bare"], writes, 2, lambda w, v: v in w["values"])
    mine, lost = first_writes(sent["agent"], writes, 1, carries_power)
    if not bare or not mine:
        raise RuntimeError(f"no writes seen: agent {len(mine)}, bare {len(bare)} of {rounds}")
    rows = []
    for name, part, target in (("p50", 0.5, 1.5), ("p99", 0.99, 2.0)):
        a, b = quantile(mine, part), quantile(bare, part)
        rows.append(Row(f"command on MQTT to first Modbus write, {name} against the bare path" + (", all devices on one host" if one_host else ""), f"{a / b:.2f}x ({a:.2f} ms / {b:.2f} ms)",
                        f"<= {target:g}x", a / b <= target, f"{len(mine)} orders" + (f", {lost} without a write before the next" if lost else "")))
    rows.append(Row("... worst of the agent and of the bare path", f"{max(mine):.2f} ms / {max(bare):.2f} ms"))
    return rows


def carries_power(w, value):
    """The battery is told `value` W of charging: WSet of model 704, 32 bits, discharging positive, in 0.1 W."""
    v = w["values"]
    return len(v) == 2 and struct.unpack(">i", struct.pack(">HH", *v))[0] == -10 * value


# ---- CPU of polling ----

def cpu_ns(pid):
    """CPU time of all threads of a process so far."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def switches(pid):
    """Voluntary context switches of all threads: how often it woke up."""
    n = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            n += next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt"))
    return n


def poll(seconds=30, hosts=16):
    """16 devices x 60 registers at 1 Hz: the agent and the bare program, side by side, each with a server of its own."""
    with QuietBroker() as broker, Meters(hosts) as for_agent, Meters(hosts) as for_bare:
        folder = scratch()
        config = "".join(bus(f"b{i}", port) for i, port in enumerate(for_agent.ports))
        config += "".join(meter(f"m{i}", f"b{i % hosts}", i + 1, grid=i == 0, profile="bench-meter", poll_ms=1000) for i in range(16))
        agent = agent_start(config, broker, env=bench_profile(folder))
        bare = Program([program("bench_poll"), str(broker.port), "bench/poll", *[str(for_bare.ports[i % hosts]) for i in range(16)]],
                       folder).start()
        with agent, bare:
            with Mqtt(broker, R + "/#") as mqtt:
                online(mqtt, [f"m{i}" for i in range(16)])
            time.sleep(3)
            counter = Program(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-R", "-v", "-t", R + "/#", "-t", "bench/poll/#"],
                              folder).start()
            time.sleep(0.5)
            pids, servers = (agent.pid, bare.pid), (for_agent, for_bare)
            cpu, wake, reads = [cpu_ns(p) for p in pids], [switches(p) for p in pids], [s.reads() for s in servers]
            begun = time.monotonic()
            time.sleep(seconds)
            cpu = [cpu_ns(p) - c for p, c in zip(pids, cpu)]
            span = time.monotonic() - begun
            wake = [(switches(p) - w) / span for p, w in zip(pids, wake)]
            reads = [(s.reads() - r) / span for s, r in zip(servers, reads)]
            counter.stop()
            lines = counter.log().splitlines()
    sizes = [[len(x.split(" ", 1)[1]) for x in lines if x.startswith(prefix)] for prefix in (R + "/device/", "bench/poll/")]
    other = sum(1 for x in lines if x.startswith(R + "/")) - len(sizes[0])
    a, b = [c / span / 1e7 for c in cpu]
    where = "hosts of their own" if hosts == 16 else "one host"
    return [Row(f"CPU of polling 16 devices x 60 registers at 1 Hz and publishing, {where}, against the bare program",
                f"{a / b:.2f}x ({a:.3f} % / {b:.3f} % of a core)", "<= 2x", a / b <= 2,
                f"reads/s {reads[0]:.1f} / {reads[1]:.1f}; device messages/s {len(sizes[0]) / span:.1f} / {len(sizes[1]) / span:.1f} of "
                f"{sum(sizes[0]) // max(1, len(sizes[0]))} / {sum(sizes[1]) // max(1, len(sizes[1]))} bytes; other messages/s "
                f"{other / span:.1f} / 0; wake-ups/s {wake[0]:.0f} / {wake[1]:.0f}")]


# ---- tick lateness ----

def tick(seconds=105, tick_ms=100):
    """Four buses of four devices: one answers, with news for every tick; the others hang in three ways."""
    with QuietBroker() as broker, Meters(1, 1, 1, 1) as meters:
        names = ("alive", "silent", "drips", "full")
        config = "".join(bus(name, port) for name, port in zip(names, meters.ports))
        config += "".join(meter(f"{name}-{u}", name, u, grid=(name, u) == ("alive", 1), profile="bench-meter", poll_ms=tick_ms)
                          for name in names for u in range(1, 5))
        with agent_start(config, broker, tick_ms=tick_ms, env=bench_profile(scratch())):
            with Mqtt(broker, R + "/#") as mqtt:
                online(mqtt, [f"alive-{u}" for u in range(1, 5)])
            time.sleep(1)
            done = subprocess.run([program("bench_tick"), str(broker.port), R, str(seconds)], stdout=subprocess.PIPE, text=True, check=True)
            with Mqtt(broker, "none") as ask:
                inside = ask.ok(R, "state.get", {"parts": ["agent", "buses"]})
    hung = [b for b in inside["buses"] if b["name"] != "alive"]
    assert len(hung) == 3 and not any(b["ok"] for b in hung), f"these should hang: {hung}"
    at = [int(line.split()[0]) for line in done.stdout.splitlines()]
    late, gap = lateness(at, tick_ms)
    a = inside["agent"]
    worst = max(max(late), a["tick_late_ms_max"])
    note = (f"{len(at)} of {int(seconds * 1000 / tick_ms)} ticks of {tick_ms} ms seen from outside by their \"at\" (the others had no news), longest gap {gap} ms; the "
            f"agent itself says p99 {a['tick_late_ms_p99']:g} ms, max {a['tick_late_ms_max']:g} ms of {a['ticks']} ticks since its start")
    return [Row("tick lateness with 3 of 4 buses hanging (silent, dripping, full), p99.9", f"{quantile(late, 0.999):.0f} ms", "< 50 ms",
                quantile(late, 0.999) < 50, note),
            Row("... max (the worse of both views)", f"{worst:.0f} ms", "< 250 ms", worst < 250)]


def lateness(at, step):
    """How late each tick was, and the longest gap between two, ms. The beat moves by exactly `step`."""
    counts = {}
    for t in at:
        counts[t % step] = counts.get(t % step, 0) + 1
    phase = max(counts, key=lambda r: counts[r] + counts.get((r + 1) % step, 0) + counts.get((r - 1) % step, 0))
    return [max(0, (t - phase + 5) % step - 5) for t in at], max(b - a for a, b in zip(at, at[1:]))


# ---- memory ----

def rollup(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        values = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in f if line.count(":") == 1 and line.rstrip().endswith("kB")}
    return values["Rss"], values["Private_Dirty"]


def memory(settle=20, hosts=16):
    """16 devices and a plan of 48 h in slots of 5 min; beside it a program that only opens the same libraries."""
    with QuietBroker() as broker, Sim("--extra-ports", "15", "--devices", "13", binary=program("hearth-sim")) as sim:
        config = "".join(bus(f"b{i}", port) for i, port in enumerate(sim.ports[:hosts]))
        config += BATTERY.format(bus="b0", wh=13500) + meter("grid", f"b{2 % hosts}", 10, grid=True)
        config += "".join(meter(f"m{i}", f"b{(i + 3) % hosts}", 101 + i) for i in range(13))
        folder = scratch()
        bare = subprocess.Popen([program("bench_memory"), str(broker.port), str(sim.port), os.path.join(folder, "bare.db")],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        assert bare.stdout.readline() == "ready\n", "bench_memory could not open everything"
        with agent_start(config, broker) as agent:
            with Mqtt(broker, R + "/#") as mqtt:
                online(mqtt, ["battery", "charger", "grid"] + [f"m{i}" for i in range(13)])
                plan = mqtt.wait(R + "/plan", lambda p: p["status"] in ("optimal", "feasible"), 30)
                time.sleep(settle)
            mine, libs = rollup(agent.pid), rollup(bare.pid)
            threads = len(os.listdir(f"/proc/{agent.pid}/task"))
            with open(f"/proc/{agent.pid}/status", encoding="ascii") as f:
                high = next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))
        bare.stdin.close()
        bare.wait(5)
        bare.stdout.close()
    slots = len(plan["prices"]["import"])
    note = f"plan of {slots} slots; {threads} threads; most ever {high:.1f} MiB; 16 devices on {hosts} buses"
    return [Row("memory of hearthd, 16 devices, 48 h plan: RSS", f"{mine[0]:.1f} MiB (bare libraries {libs[0]:.1f})", "<= 20 MiB", mine[0] <= 20, note),
            Row("... Private_Dirty", f"{mine[1]:.1f} MiB (bare libraries {libs[1]:.1f})", "<= 6 MiB", mine[1] <= 6)]


# ---- start ----

def start(rounds=20):
    """Fork to the first request at the device; the first start makes its database, the others find it."""
    port = free_port()
    with QuietBroker() as broker, Meters(15) as others:
        devices = bus("b0", port) + meter("grid", "b0", 1, grid=True)
        devices += "".join(bus(f"b{i}", p) + meter(f"m{i}", f"b{i}", i + 1) for i, p in enumerate(others.ports, 1))
        folder = scratch()
        agent = Hearthd(folder, HEAD.format(tick_ms=1000, mqtt_port=broker.port) + devices, site=SITE)
        with open(agent.log_path, "w", encoding="utf-8") as log:
            done = subprocess.run([program("bench_start"), str(port), str(rounds + 1), *agent.argv], env=agent.env, stdout=subprocess.PIPE,
                                  stderr=log, text=True, check=False)
        if done.returncode:
            raise RuntimeError("the agent did not start:\n" + agent.tail())
    lines = [line.split() for line in done.stdout.splitlines()]
    asked = [float(x[3]) for x in lines]
    connected = [float(x[1]) for x in lines]
    return [Row("start to first poll, 16 devices, median", f"{quantile(asked[1:], 0.5):.1f} ms", "<= 50 ms", quantile(asked[1:], 0.5) <= 50,
                f"worst of {rounds} {max(asked[1:]):.1f} ms; with a new database {asked[0]:.1f} ms; to the connection "
                f"{quantile(connected[1:], 0.5):.1f} ms")]
