"""The demonstration behind packaging/demo: starts a broker, a simulated home with its two clouds and the agent, plays a day's
worth of events in three minutes, watches what the agent publishes and what the clouds got, and fails when a chapter did not
happen."""
import argparse
import ctypes
import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = "hearth/1/demo"
FLIP_TOKEN = "fl_demonstration_not-a-secret"
FLATPEAK_KEY = "sk_test_demonstration"
DEVICE = "bat-demo-1"  # the battery's name at Flip
BATTERY_WH = 160
FLOOR_PCT = 30
TELEMETRY_S = 2
CURRENCY = "GBP"


PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with(parent):
    """Runs in the child before it becomes another program: when we are gone, however that came, it goes too."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # gone already
        os._exit(1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Home:
    """Every process of the demonstration, and the newest payload of every topic."""

    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="hearth-demo-")
        self.processes = []
        self.state = {}
        self.lock = threading.Lock()
        self.mqtt_port = free_port()

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, name, command, **options):
        log = open(self.path(name + ".log"), "wb")
        options.setdefault("stdout", log)
        parent = os.getpid()
        process = subprocess.Popen(command, stderr=log, preexec_fn=lambda: die_with(parent), **options)
        self.processes.append((name, process))
        return process

    def start_broker(self):
        user = "user root\n" if os.geteuid() == 0 else ""  # a change of user would undo die_with(), see prctl(2)
        with open(self.path("mosquitto.conf"), "w") as f:
            f.write(f"listener {self.mqtt_port} 127.0.0.1\nallow_anonymous true\npersistence false\n{user}")
        self.start("mosquitto", ["/usr/sbin/mosquitto", "-c", self.path("mosquitto.conf")])
        wait_for("the broker", lambda: can_connect(self.mqtt_port), 10)

    def start_sim(self):
        sim = self.start("hearth-sim", [f"{self.build}/tests/hearth-sim", "--port", "0", "--control-port", "0",
                                        "--battery-wh", str(BATTERY_WH), "--soc", "62", "--flip-token", FLIP_TOKEN,
                                        "--flatpeak-key", FLATPEAK_KEY, "--location", "loc_demo"], stdout=subprocess.PIPE)
        ports = json.loads(sim.stdout.readline())
        self.modbus_port, self.control_port = ports["modbus_port"], ports["control_port"]
        self.flip_port, self.flatpeak_port = ports["flip_port"], ports["flatpeak_port"]

    def start_agent(self):
        with open(self.path("hearth.conf"), "w") as f:
            f.write(CONFIG.format(mqtt_port=self.mqtt_port, modbus_port=self.modbus_port, flip_port=self.flip_port,
                                  flatpeak_port=self.flatpeak_port, battery_wh=BATTERY_WH, device=DEVICE, telemetry_s=TELEMETRY_S, currency=CURRENCY,
                                  token_file=self.path("flip-token"), key_file=self.path("flatpeak-key")))
        for name, text in (("flip-token", FLIP_TOKEN), ("flatpeak-key", FLATPEAK_KEY)):
            with open(self.path(name), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
                f.write(text + "\n")
        os.mkdir(self.path("state"))
        os.mkdir(self.path("run"))
        env = dict(os.environ, STATE_DIRECTORY=self.path("state"), RUNTIME_DIRECTORY=self.path("run"),
                   HEARTH_PROFILES=os.path.abspath("drivers/profiles"))
        env.pop("NOTIFY_SOCKET", None)
        self.start("hearthd", [f"{self.build}/hearthd", "--config", self.path("hearth.conf")], env=env)

    def listen(self):
        sub = self.start("mosquitto_sub", ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.mqtt_port), "-t", ROOT + "/#", "-v"],
                         stdout=subprocess.PIPE, text=True)

        def read():
            for line in sub.stdout:
                topic, _, payload = line.rstrip("\n").partition(" ")
                with self.lock:
                    self.state[topic[len(ROOT) + 1:]] = payload

        threading.Thread(target=read, daemon=True).start()

    def control(self, **command):
        with socket.create_connection(("127.0.0.1", self.control_port), 5) as s:
            s.sendall((json.dumps(command) + "\n").encode())
            answer = json.loads(s.makefile().readline())
        if "error" in answer:
            raise RuntimeError(f"the simulator refused {command}: {answer['error']}")
        return answer

    def ctl(self, *words):
        done = subprocess.run([f"{self.build}/hearthctl", "--port", str(self.mqtt_port), "--site", "demo", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise RuntimeError(f"hearthctl {' '.join(words)}: {done.stderr.strip()}")

    def get(self, topic):
        with self.lock:
            payload = self.state.get(topic)
        try:
            return json.loads(payload) if payload else {}
        except ValueError:
            return {}

    def commands(self):
        with self.lock:
            topics = [t for t in self.state if t.startswith("command/")]
        return [self.get(t) for t in topics]

    def stop(self):
        for name, process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


CONFIG = """[site]
id = demo
name = The demonstration home
timezone = UTC
clock = trust
import_limit_w = 11500
export_limit_w = 5000
reserve_pct = 20

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
flip_device_id = {device}
capacity_wh = {battery_wh}
charge_max_w = 5000
discharge_max_w = 5000
soc_min_pct = 5

[device sun]
profile = sunspec
bus = house
unit = 2
roles = pv

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
mode = direct
base_url = http://127.0.0.1:{flip_port}
token_file = {token_file}

[flatpeak]
mode = direct
api_url = http://127.0.0.1:{flatpeak_port}
account_id = acc_sim
location_id = loc_demo
api_key_file = {key_file}

[tariff]
import = 0.28
export = 0.05
currency = {currency}

[outbox]
telemetry_interval_s = {telemetry_s}
"""


def tariff_windows(now):
    """Three windows around this hour: dear now (so that the home covers itself), cheap later, middling in between."""
    hour = now.hour
    prices = {}
    for i in range(24):
        prices[(hour + i) % 24] = 0.38 if i < 3 or i >= 22 else 0.09 if 6 <= i < 12 else 0.28
    windows, start = [], 0
    for h in range(1, 25):
        if h == 24 or prices[h] != prices[start]:
            windows.append([f"{start:02d}:00", f"{h % 24:02d}:00", prices[start]])
            start = h
    return windows


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.3).close()
        return True
    except OSError:
        return False


def wait_for(what, condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not come within {seconds} s")


def words(w, positive, negative):
    return positive if w > 20 else negative if w < -20 else ""


class Story:
    """The chapters. Each waits for what it promises and raises when it does not happen."""

    def __init__(self, home, headless):
        self.home = home
        self.live = not headless and sys.stdout.isatty()
        self.interval = 1.0 if self.live or not headless else 5.0
        self.begun = time.monotonic()
        self.chapter = ""
        self.done = []
        self.drawn = 0  # lines of the live block on the screen, below everything that was said

    def say(self, text):
        self.wipe()
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def wipe(self):
        if self.drawn:
            print(f"\033[{self.drawn}A\033[J", end="")
            self.drawn = 0

    def watch(self, seconds, condition, what):
        """Shows the live state until the condition holds for a second, and that in which it does."""
        end, held, shown = time.monotonic() + seconds, 0.0, time.monotonic()
        while time.monotonic() < end:
            if condition():
                held = held or time.monotonic()
                if time.monotonic() - held >= 1.0:
                    self.show()
                    return
            else:
                held = 0.0
            if time.monotonic() - shown >= self.interval:
                self.show()
                shown = time.monotonic()
            time.sleep(0.1)
        raise TimeoutError(f"{what} did not happen within {seconds} s; last: {json.dumps(self.home.get('site'))}")

    def show(self):
        """One line, or the live block of a terminal, which is drawn over itself. Nothing before the devices were read and told: what
        the battery does until then is still its own."""
        s = self.home.get("site")
        if not all(key in s for key in ("grid_w", "load_w", "battery_w", "soc_pct")) or "not all devices have been read" in s.get("reason", ""):
            return
        mode = s.get("mode", "?")
        why = s.get("reason", "").removeprefix(mode + ": ").replace(f": {mode}: ", ": ")
        bar = "#" * int(s["soc_pct"] / 5)
        home = f"{max(s['load_w'], 0):6.0f}"
        if not self.live:
            self.say(f"  grid {s['grid_w']:6.0f} W   home {home} W   sun {-s.get('pv_w', 0):6.0f} W   "
                     f"battery {s['battery_w']:6.0f} W   [{bar:<20}] {s['soc_pct']:5.1f} %   {mode}: {why}")
            return
        width = min(100, shutil.get_terminal_size().columns) - 1
        lines = [f"-- {time.monotonic() - self.begun:.0f} s  {self.chapter} ".ljust(width, "-"),
                 f"  grid    {s['grid_w']:7.0f} W  " + words(s["grid_w"], "buying", "selling"),
                 f"  home    {home:>7} W",
                 f"  sun     {-s.get('pv_w', 0):7.0f} W",
                 f"  battery {s['battery_w']:7.0f} W  " + words(s["battery_w"], "charging", "discharging"),
                 f"  stored  {s['soc_pct']:7.1f} %  [{bar:<20}]  floor {s.get('floor_pct', 0):.0f} % ({s.get('floor_source', '?')})",
                 f"  {mode}: {why}"]
        self.wipe()
        print(*(line[:width] for line in lines), sep="\n", flush=True)
        self.drawn = len(lines)

    def tell(self, name, part):
        self.chapter = name
        self.say(f"== {name}")
        part()
        self.done.append(name)
        self.say(f"   {name}: done")

    def plan(self):
        home = self.home

        def prices():
            return {round(s["value"], 5) for s in home.get("tariff/import").get("prices", [])
                    if home.get("tariff/import").get("source") == "flatpeak"}

        def planned():
            p = home.get("plan")
            return p.get("status") in ("optimal", "feasible") and len(prices() & {round(v, 5) for v in p["prices"]["import"]}) >= 3

        self.watch(30, planned, "a plan on FlatPeak's prices")
        p, offered = home.get("plan"), prices()
        self.say(f"FlatPeak's prices: {min(offered):.2f} to {max(offered):.2f} {CURRENCY} per kWh")
        hours = sum(p.get("slot_s", [])) / 3600
        self.say(f"plan: {p['status']}, {len(p['slot_s'])} slots over {hours:.0f} h, costs {p.get('cost', 0):.2f} {CURRENCY}, "
                 f"solved in {p.get('solve_ms', 0):.1f} ms")

    def self_use(self):
        home = self.home
        home.control(cmd="set", load_w=900, pv_w=0)
        self.watch(40, lambda: abs(home.get("site").get("grid_w", 9e9)) < 120 and home.get("site").get("battery_w", 0) < -800,
                   "the battery covering the house")
        self.say("the battery covers the house: nothing is bought")
        home.control(cmd="set", load_w=500, pv_w=2000)
        self.watch(40, lambda: abs(home.get("site").get("grid_w", 9e9)) < 150 and home.get("site").get("battery_w", 0) > 1000,
                   "surplus stored")
        self.say("the sun fills the battery: nothing is sold")

    def at_flip(self):
        """Flip's own copy of the command."""
        return next(c for c in self.home.control(cmd="flip_commands")["commands"] if c["id"] == self.command)

    def event(self):
        home = self.home
        home.control(cmd="set", load_w=500, pv_w=0)
        asked = home.control(cmd="flip_command", device_id=DEVICE, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=3000,
                             reserve_pct=FLOOR_PCT, starts_in_s=10, duration_s=240)
        self.command, self.event_id = asked["id"], asked["event_id"]
        self.say(f"Flip asks for 3000 W down to {FLOOR_PCT} %; the agent asks Flip once a minute")
        self.watch(80, lambda: self.at_flip()["device_status"] == "OK", "the acknowledgement")
        self.say("the command is on disk, and acknowledged OK")
        self.watch(30, lambda: home.get("site").get("mode") == "event" and home.get("site").get("battery_w", 0) < -2700,
                   "the event's discharge")
        self.say("discharging at 3000 W")
        self.watch(60, lambda: home.get("site").get("soc_pct", 100) < FLOOR_PCT + 10, "the battery falling")

    def outage(self):
        home = self.home
        home.control(cmd="cloud", cloud="all", state="cut")
        self.say("the internet is gone: both clouds are cut; the event runs on")
        lowest = [100.0]

        def at_floor():
            s = home.get("site")
            lowest[0] = min(lowest[0], s.get("soc_pct", 100.0))
            return s.get("soc_pct", 100) <= FLOOR_PCT + 1 and abs(s.get("battery_w", 9e9)) < 80

        self.watch(90, at_floor, "holding at the floor")
        truth = home.control(cmd="get")["soc_pct"]
        if min(truth, lowest[0]) < FLOOR_PCT - 0.6:
            raise RuntimeError(f"the floor of {FLOOR_PCT} % was breached: {truth} %")
        self.say(f"at the floor: {truth:.1f} %, holding at 0 W")
        home.ctl("event", "opt-out", self.event_id)
        self.watch(20, lambda: home.get("site").get("mode") in ("plan", "self_use") and home.get("outbox").get("link") == "down" and
                   home.get("outbox").get("promises", 0) > 0 and home.get("outbox").get("rows", 0) > 5, "the outbox filling")
        o = home.get("outbox")
        self.say(f"the owner has had enough and opted out; owed to Flip now: {o['rows']} rows ({o['promises']} promise"
                 f"{'s' if o['promises'] != 1 else ''}, the rest telemetry), the oldest {o['oldest_s']} s old")

    def drain(self):
        home = self.home
        owed = home.get("outbox")["rows"]
        home.control(cmd="cloud", cloud="all", state="up")
        self.say("the internet is back")
        self.watch(90, lambda: home.get("outbox").get("link") == "up" and home.get("outbox").get("rows", 1) <= 1, "the outbox draining")
        points = home.control(cmd="flip_telemetry", device_id=DEVICE)["points"]
        spans = sorted((datetime.datetime.fromisoformat(p[1].replace("Z", "+00:00")).timestamp(), p[2]) for p in points)
        lost = sum(round((b[0] - a[0] - a[1]) / TELEMETRY_S) for a, b in zip(spans, spans[1:]))
        opted = [p for p in home.control(cmd="flip_participation")["patches"] if p["event_id"] == self.event_id]
        if lost or not opted or home.get("outbox").get("quarantined"):
            raise RuntimeError(f"{lost} rows lost, opt-out {'there' if opted else 'missing'}, {home.get('outbox')}")
        self.say(f"drained {owed} rows and more; Flip has {len(spans)} intervals without a gap and the opt-out: 0 rows lost")

    def normal(self):
        home = self.home
        home.control(cmd="set", load_w=400, pv_w=1800)
        self.watch(40, lambda: home.get("site").get("battery_w", 0) > 800, "normal running")
        states = sorted({c.get("state", "?") for c in home.commands()})
        if "opted_out" not in states:
            raise RuntimeError(f"the command should be opted out of, it is {states}")

    def summary(self):
        for c in self.home.commands():
            self.say(f"delivered {c.get('delivered_wh', 0):.1f} Wh in the event")
        self.say("summary: " + "; ".join(self.done))


def main():
    parser = argparse.ArgumentParser(prog="packaging/demo", description=__doc__)
    parser.add_argument("--build", default="build", help="folder with the built programs")
    parser.add_argument("--headless", action="store_true", help="print lines only; exit non-zero when a chapter fails")
    parser.add_argument("--keep", action="store_true", help="stay after the story until Ctrl-C")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, lambda got, _: sys.exit(128 + got))
    home = Home(options.build)
    story = Story(home, options.headless)
    told = False
    try:
        home.start_broker()
        home.start_sim()
        home.control(cmd="set", load_w=700, pv_w=0)
        home.control(cmd="flatpeak_set", **{"import": tariff_windows(datetime.datetime.now(datetime.timezone.utc)), "export": 0.05})
        home.listen()
        home.start_agent()
        story.say(f"broker on port {home.mqtt_port}, simulated home on Modbus port {home.modbus_port}, agent started")
        story.tell("plan on FlatPeak's prices", story.plan)
        story.tell("self-use", story.self_use)
        story.tell("event", story.event)
        story.tell("cloud outage, and the event run to its floor", story.outage)
        story.tell("drain", story.drain)
        story.tell("normal running again", story.normal)
        story.summary()
        told = True
        if options.keep:
            story.say(f"staying until Ctrl-C: {options.build}/hearthctl --port {home.mqtt_port} status --watch")
            while True:
                story.show()
                time.sleep(story.interval)
    except KeyboardInterrupt:
        if options.headless and not told:
            return 130  # what did not happen must not look as if it had
    except BrokenPipeError:  # nobody reads us any more; what the interpreter flushes at its end must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except (TimeoutError, RuntimeError, OSError, ValueError) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        for name in ("hearthd", "hearth-sim", "mosquitto", "mosquitto_sub"):
            try:
                tail = open(home.path(name + ".log"), errors="replace").read().splitlines()[-15:]
                print(f"--- {name}", *tail, sep="\n", file=sys.stderr)
            except OSError:
                pass
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # cleaning up is bounded, and is not left half done
            signal.signal(number, signal.SIG_IGN)
        home.stop()
    return 0


sys.exit(main())
