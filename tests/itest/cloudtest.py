"""A home whose agent talks to the mock clouds by HTTPS (plain on loopback): Flip in direct mode, FlatPeak for prices. What the
clouds were promised is read from the agent's own database, what they got from the simulator."""
import datetime
import os
import sqlite3
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from agenttest import CONFIG, KEY, R, SITE, Home  # noqa: E402,F401
from hearthtest import Hearthd, Mqtt, free_port, program, scratch, wait_for  # noqa: E402
from simclient import Sim  # noqa: E402

TOKEN = "fl_sim_token"
API_KEY = "sk_test_sim"
DEVICE = "bat-0042-1"

CLOUDS = """
[flip]
mode = {flip_mode}
base_url = {flip_url}
token_file = {token_file}
{flip_extra}
[flatpeak]
mode = {flatpeak_mode}
api_url = {flatpeak_url}
account_id = acc_sim
location_id = loc_sim
api_key_file = {api_key_file}
{flatpeak_extra}
[outbox]
telemetry_interval_s = {telemetry_s}
"""


CA_CONFIG = """[ca]
default_ca = here
[here]
database = {0}/index
serial = {0}/serial
new_certs_dir = {0}
default_md = sha256
policy = any
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:true
[server]
subjectAltName = IP:127.0.0.1
"""


def stamp_ms(text):
    """UTC ms of a time as Flip writes it."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def certificates(folder):
    """A private authority and a server's certificate for 127.0.0.1, valid since 2020 (a clock may be wrong in the test):
    paths of ca, certificate, key."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for name, text in (("ca.conf", CA_CONFIG.format(folder)), ("index", ""), ("serial", "01\n")):
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(text)
    for name, signer in (("authority", ["-selfsign", "-keyfile", "authority.key"]),
                         ("server", ["-cert", "authority.pem", "-keyfile", "authority.key"])):
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN=hearth test {name}")
        openssl("ca", "-batch", "-notext", "-config", "ca.conf", *signer, "-extensions", name, "-in", f"{name}.csr", "-out", f"{name}.pem",
                "-startdate", "20200101000000Z", "-enddate", "20491231235959Z")
    return tuple(os.path.join(folder, name) for name in ("authority.pem", "server.pem", "server.key"))


def preload(name):
    """Compiles tests/itest/<name>.c for LD_PRELOAD; the environment that loads it."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(scratch(), name + ".so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", path, os.path.join(here, name + ".c"), "-ldl"], check=True)
    return {"LD_PRELOAD": path, "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}


class WrongClock:
    """The clocks of an agent that runs with wrong_clock.c: env for the agent, set() for what they show from then on."""

    def __init__(self, **shown):
        self.path = os.path.join(scratch(), "clock")
        self.env = {"CLOCK_FILE": self.path, **preload("wrong_clock")}
        self.shown = dict(off_s=0, slept_s=0, synchronised=False, timesyncd_s=-0.001)
        self.set(**shown)

    def set(self, **shown):
        """Wall clock off by, suspended in all for, kernel synchronised, age of timesyncd's word (below 0: there is none)."""
        self.shown.update(shown)
        s = self.shown
        words = struct.pack("=4q", *(round(1000 * s[key]) for key in ("off_s", "slept_s")), s["synchronised"], round(1000 * s["timesyncd_s"]))
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as f:  # in place: it is mapped
            f.write(words)


class CloudHome(Home):
    """with CloudHome() as home: as Home, with both links up and prices there unless told otherwise."""

    def __init__(self, telemetry_s=1, flip_mode="direct", flatpeak_mode="direct", flip_extra="", flatpeak_extra="", env=None,
                 wait_links=True, scheme="http", start_agent=True, **home):
        super().__init__(env=env, start_agent=start_agent, **home)
        self.clouds = dict(telemetry_s=telemetry_s, flip_mode=flip_mode, flatpeak_mode=flatpeak_mode, flip_extra=flip_extra,
                           flatpeak_extra=flatpeak_extra)
        self.wait_links, self.scheme = wait_links, scheme

    def config(self, **changes):
        for key in list(changes):
            if key in self.clouds:
                self.clouds[key] = changes.pop(key)
        self.settings.update(changes)
        text = CONFIG.format(**self.settings)
        before, _, rest = text.partition("[flip]\n")
        return before + "[tariff]" + rest.partition("[tariff]")[2] + CLOUDS.format(**self.clouds)

    def __enter__(self):
        self.broker.start()
        self.mqtt = Mqtt(self.broker, R + "/#")
        self.modbus_port = free_port()
        self.begin_sim()
        self.clouds.update(flip_url=f"{self.scheme}://127.0.0.1:{self.sim.flip_port}",
                           flatpeak_url=f"{self.scheme}://127.0.0.1:{self.sim.flatpeak_port}",
                           token_file=os.path.join(self.folder, "flip-token"),
                           api_key_file=os.path.join(self.folder, "flatpeak-key"))
        self.settings.update(modbus_port=self.modbus_port, key_file="")
        self.agent = Hearthd(self.folder, self.config(), site=SITE, env=self.env, mqtt=self.mqtt)
        self.agent.secret("flip-token", TOKEN)
        self.agent.secret("flatpeak-key", API_KEY)
        if self.start_agent:
            self.agent.start()
            self.ready()
        return self

    def ready(self):
        self.agent.connected()
        for device in ("battery", "charger", "grid"):
            self.mqtt.wait(f"{R}/device/{device}/availability", lambda s: s == "online", 20, device)
        self.mqtt.wait(R + "/site", lambda s: "grid_w" in s and "soc_pct" in s, 15)
        if self.wait_links and self.clouds["flip_mode"] == "direct":
            self.outbox(lambda o: o["link"] == "up", 20, "the Flip link")

    def outbox(self, check, timeout=20.0, what="R/outbox"):
        return self.mqtt.wait(R + "/outbox", check, timeout, what)

    def warnings(self):
        return (self.mqtt.get(R + "/agent") or {}).get("warnings", [])

    def reload(self, **changes):
        self.agent.configure(self.config(**changes))
        self.mqtt.ok(R, "config.reload")

    # what the clouds got
    def points(self):
        """{(device, start_time): times received} at the mock."""
        since, got = 0, {}
        while True:
            page = self.sim.control("flip_telemetry", since=since)
            for p in page["points"]:
                got[(p[0], p[1])] = p[3]
            if page["next"] == since or not page["points"]:
                return got
            since = page["next"]

    def missing(self, rows):
        """Those of these (device, start_ms) that never came to the mock."""
        return set(rows) - {(device, stamp_ms(start)) for device, start in self.points()}

    def delivered(self, rows, timeout=60.0, what="at the end"):
        """Waits until all of these (device, start_ms) have come to the mock. R/outbox cannot say this: it is retained (the last word
        of an agent killed since) and never quite empty, and the one row it leaves open may be one of these."""
        wait_for(lambda: not self.missing(rows), timeout,
                 lambda: f"{what}: {len(self.missing(rows))} of {len(rows)} points never arrived: {sorted(self.missing(rows))[:3]}", interval=0.2)

    def flip_command(self, **keys):
        keys = {"device_id": DEVICE, "mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 2000, "reserve_pct": 20,
                "starts_in_s": 5, "duration_s": 60, **keys}
        return self.sim.control("flip_command", **keys)

    def at_flip(self, command_id):
        return next(c for c in self.sim.control("flip_commands")["commands"] if c["id"] == command_id)

    def stats(self):
        return self.sim.control("cloud_stats")

    # what they were promised
    def database(self):
        """A look into the agent's database, which may be in use or left by a killed process."""
        return sqlite3.connect(f"file:{os.path.join(self.agent.state_dir, 'hearth.db')}?mode=ro", uri=True, timeout=10)

    def owed(self):
        """(telemetry rows {(device, start_ms)}, promises {message_id: (kind, body)}) on disk now. Rows that Flip has taken stay
        for a while, marked as gone: all of them must arrive, so they count here."""
        with self.database() as db:
            rows = {(kind, at) for kind, at in db.execute("SELECT kind, at_ms FROM telemetry")}
            promises = {key: (kind, body) for key, kind, body in db.execute("SELECT key, kind, body FROM outbox")}
        return rows, promises

    def waiting(self):
        """Telemetry rows {(device, start_ms)} on disk that Flip has not taken."""
        with self.database() as db:
            return set(db.execute("SELECT kind, at_ms FROM telemetry WHERE NOT EXISTS (SELECT 1 FROM gone WHERE log = 'telemetry' AND "
                                  "telemetry.seq BETWEEN seq_from AND seq_to)"))


__all__ = ["CloudHome", "DEVICE", "R", "SITE", "TOKEN", "API_KEY", "Sim", "program", "stamp_ms", "wait_for"]
