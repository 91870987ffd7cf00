"""What hearthctl makes of its options and of an agent's answers, and hearthd of a configuration it is only to check. The agent
is played by this program, on a real broker."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time

from hearthtest import PROFILES, SLOW, Broker, Mqtt, program, run_tests, scratch, wait_for

REACHED = 3  # understood, tried, and nobody was there
ROOT = "hearth/1/home"

OPTIONS = [
    # option, value, exit code
    ("--port", "1x", 2), ("--port", "x1", 2), ("--port", "", 2), ("--port", " 1", 2), ("--port", "+1", 2), ("--port", "-1", 2),
    ("--port", "0x10", 2), ("--port", "1.5", 2), ("--port", "1e3", 2), ("--port", "0", 2), ("--port", "65536", 2),
    ("--port", "99999999999999999999", 2), ("--port", "99999", 2), ("--port", "1", REACHED),
    ("--timeout", "1s", 2), ("--timeout", "nan", 2), ("--timeout", "inf", 2), ("--timeout", ".", 2), ("--timeout", "0", 2),
    ("--timeout", "601", 2), ("--timeout", "-1", 2), ("--timeout", "1.5.5", 2), ("--timeout", "0.5", REACHED), ("--timeout", "2", REACHED),
]

ALLOWED = {"--port": "1..65535", "--timeout": "seconds, above 0, at most 600"}


def options():
    wrong = []
    for option, value, want in OPTIONS:
        last = [option, value] if option == "--port" else ["--port", "1", option, value]
        done = subprocess.run([program("hearthctl"), "--host", "127.0.0.1", *last, "ping"], capture_output=True, text=True, timeout=60)
        if done.returncode != want or (want == 2 and f"{option}: '{value}' is not understood, allowed: {ALLOWED[option]}" not in done.stderr):
            wrong.append(f"{option} {value!r}: exit {done.returncode} instead of {want}: {done.stderr.strip()}")
    done = subprocess.run([program("hearthctl"), "--host", "nosuch.invalid", "ping"], capture_output=True, text=True, timeout=60)
    if done.returncode != 3 or "no broker at nosuch.invalid:1883: " not in done.stderr or "Unknown error" in done.stderr:
        wrong.append(done.stderr)                                     # the resolver's words
    assert not wrong, "\n".join(wrong)


def check():
    """hearthd --check names what has no effect, and still says that all is fine."""
    path = os.path.join(scratch(), "hearth.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write("[site]\nid = x\n[flatpeak]\nmode = pushed\n[tariff]\nimport_file = /a/file\n[site]\nlimit_failsafe_export_w = 0\n")
    done = subprocess.run([program("hearthd"), "--config", path, "--check"], capture_output=True, text=True, timeout=60)
    want = ["note: [site] limit_failsafe_export_w has no effect without limit_heartbeat_s",
            "note: [flatpeak] mode = pushed has no effect in this version", "note: [tariff] import_file = /a/file has no effect in this version"]
    assert done.returncode == 0 and done.stderr.splitlines() == want and "fine" in done.stdout, \
        f"exit {done.returncode}, {done.stdout!r}, {done.stderr!r}"


def check_secrets():
    """What a link needs is checked as the start would: a file that cannot be used is a mistake, one that may be a credential a note."""
    folder = scratch()
    for name, text, mode in (("empty", "", 0o600), ("two", "a\nb\n", 0o600), ("good", "a\n", 0o600), ("wide", "a\n", 0o644)):
        with open(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(os.path.join(folder, name), mode)
    path = os.path.join(folder, "hearth.conf")
    rows = [("mode = direct", 0, "note: [flip] mode = direct needs it: credential flip-token, or [flip] token_file"),
            (f"mode = direct\ntoken_file = {folder}/empty", 78, "[flip] token_file: " + folder + "/empty: is empty"),
            (f"mode = direct\ntoken_file = {folder}/two", 78, "[flip] token_file: holds more than one word"),
            (f"mode = direct\ntoken_file = {folder}/wide", 78, "0600"),
            (f"mode = direct\ntoken_file = {folder}/good\nca_file = {folder}/none", 78, "hearth.conf:6: [flip] ca_file: the file cannot be used: No such file"),
            (f"mode = off\n[mqtt]\nca_file = {folder}/none", 78, "hearth.conf:6: [mqtt] ca_file: the file cannot be used: No such file"),
            ("mode = off\n[flatpeak]\nmode = direct", 0, "note: [flatpeak] mode = direct needs account_id and location_id"),
            (f"mode = direct\ntoken_file = {folder}/good\nca_file = {folder}/good", 78, "holds no certificate"),
            (f"mode = direct\ntoken_file = {folder}/good", 0, "no device has flip_device_id")]
    for text, code, words in rows:
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"[site]\nid = x\n[flip]\n{text}\n")
        done = subprocess.run([program("hearthd"), "--config", path, "--check"], capture_output=True, text=True, timeout=60)
        assert done.returncode == code and words in done.stderr, f"{text!r}: exit {done.returncode}, {done.stderr!r}"


def on_terminal(words, columns=200, **env):
    """What hearthctl writes to a terminal that wide. Nothing of ours but @env says how to write."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG")}
    with subprocess.Popen([program("hearthctl"), *words], stdout=theirs, stderr=theirs, env={**clean, "TZ": "UTC", "TERM": "xterm", **env}) as p:
        os.close(theirs)
        text = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the other end is closed
                more = b""
            if not more:
                break
            text += more
        p.wait(60)
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


class Agent:
    """Answers requests with what `state` and `answers` say."""

    def __init__(self, broker):
        self.broker, self.state, self.answers, self.asked = broker, {}, {}, []
        self.sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-F", "%j", "-t", ROOT + "/request/#"],
                                    stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.mqtt = Mqtt(broker, ROOT + "/status")
        self.mqtt.publish(ROOT + "/status", "online", retain=True)
        wait_for(lambda: self.ctl("--timeout", "3", "ping")[0] == 0, 10, "the agent played here")

    def serve(self):
        for line in self.sub.stdout:
            m = json.loads(line)
            verb, args, p = m["topic"].rsplit("/", 1)[1], json.loads(m["payload"]), m["properties"]
            self.asked.append((verb, args))
            answer = self.answers.get(verb, {"status": "ok", "data": {}})
            if verb == "state.get":
                answer = {"status": "ok", "data": {k: self.state[k] for k in args["parts"] if k in self.state}}
            subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-V", "5", "-t", p["response-topic"], "-D", "publish",
                            "correlation-data", p["correlation-data"], "-m", json.dumps(answer)], check=True)

    def ctl(self, *words):
        """Exit code, what a pipe gets, what is on stderr."""
        done = subprocess.run([program("hearthctl"), "--port", str(self.broker.port), "--site", "home", *words], capture_output=True,
                              text=True, timeout=60, env={**os.environ, "TZ": "UTC"})
        return done.returncode, done.stdout, done.stderr

    def seen(self, *words):
        """What a terminal shows, without what is bold."""
        return on_terminal(["--port", str(self.broker.port), "--site", "home", *words]).replace("\033[1m", "").replace("\033[0m", "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mqtt.close()
        self.sub.kill()
        self.sub.wait()
        self.thread.join(5)
        self.sub.stdout.close()


def ago(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - seconds))


def row(kind, state, tries=0, age_s=1000, **more):
    return {"message_id": f"{kind}-{state}", "kind": kind, "at": ago(age_s), "tries": tries, "state": state, **more}


OUTBOX = {"rows": 0, "oldest_s": 0, "sent_total": 512, "failed_total": 3, "quarantined": 0, "link": "up", "bytes_written_today": 1258291,
          "promises": 0, "telemetry": {"rows": 0, "refused": 0, "thinned_total": 0, "dropped_total": 0, "refused_reason": ""}, "list": []}


def outbox():
    with Broker() as broker, Agent(broker) as agent:
        agent.state["outbox"] = OUTBOX
        code, text, err = agent.ctl("outbox")
        assert (code, err) == (0, ""), (code, err)
        assert text.splitlines() == ["link up; nothing waits; 512 taken, 3 tries failed, 0 refused; 1.2 MiB written to disk today",
                                     "telemetry\t0\t0\t-\t0\t0"], text

        agent.state["outbox"] = {
            **OUTBOX, "rows": 2023, "oldest_s": 604800 * 2, "quarantined": 5, "link": "down", "promises": 7,
            "telemetry": {"rows": 2016, "refused": 4, "thinned_total": 34, "dropped_total": 2, "refused_reason": "soc_percentage: must be <= 100"},
            "list": [row("command_status", "sent", 3, 1000), row("command_status", "ready", 0, 90000), row("participation", "committing"),
                     row("participation", "quarantined", 1, reason="HTTP 404: no such event"), row("commission", "ready", 0, 30)]}
        code, text, err = agent.ctl("outbox")
        lines = text.splitlines()
        assert lines[0].startswith("link down; 2023 rows wait, the oldest for 14 days; "), text
        assert "nothing is lost" in lines[1], text
        # 4 of the 7 promises are listed; the rest is behind them in the order of sending
        lines[4] = re.sub(r"\t3\d s\t", "\t30 s\t", lines[4])  # it is a second older on a busy machine
        assert lines[2:6] == ["command_status\t2\t0\t25 h 0 min\t-\t-", "participation\t1\t1\t16 min\t-\t-", "other\t4\t0\t30 s\t-\t-",
                              "telemetry\t2016\t4\t-\t34\t2"], text
        assert lines[7].startswith("participation-quarantined\tparticipation\t") and lines[7].endswith("\t1\tHTTP 404: no such event"), text
        assert lines[8] == "4 points\ttelemetry\t-\t-\tsoc_percentage: must be <= 100", text
        assert "outbox retry" in lines[9], text
        shown = agent.seen("outbox").splitlines()
        assert any(line.split() == ["class", "waiting", "refused", "oldest", "thinned", "lost"] for line in shown), shown
        assert any(line.startswith("telemetry       2016") for line in shown), shown
        code, text, err = agent.ctl("outbox", "--json")
        assert json.loads(text) == agent.state["outbox"], text

        # an agent that says less than we know to show
        agent.state["outbox"] = {"rows": 1, "oldest_s": 61, "sent_total": 1, "failed_total": 0, "quarantined": 0, "link": "up"}
        code, text, err = agent.ctl("outbox")
        assert code == 0 and text.startswith("link up; 1 row waits, the oldest for 61 s; "), text
        del agent.state["outbox"]
        code, text, err = agent.ctl("outbox")
        assert code == 1 and "says nothing about 'outbox'" in err, err


def retry():
    with Broker() as broker, Agent(broker) as agent:
        for rows, want in ((0, "nothing waits"), (1, "1 row is due again"), (2016, "2016 rows are due again")):
            agent.answers["outbox.retry"] = {"status": "ok", "data": {"rows": rows}}
            code, text, err = agent.ctl("outbox", "retry")
            assert code == 0 and text == want + "\n", (code, text, err)
        code, text, err = agent.ctl("outbox", "retry", "--json")
        assert code == 0 and json.loads(text) == {"rows": 2016, "verb": "outbox.retry", "args": {}, "done": "2016 rows are due again"}, text
        assert agent.asked[-1] == ("outbox.retry", {}), agent.asked[-1]
        assert agent.ctl("outbox", "again")[0] == 2
        agent.answers["tariff.refresh"] = {"status": "error", "error": {"code": "busy", "message": "FlatPeak is asked again at 18:15"}}
        code, text, err = agent.ctl("tariff", "refresh")
        assert code == 1 and err == "hearthctl: FlatPeak is asked again at 18:15\n", (code, err)
        agent.answers["tariff.refresh"] = {"status": "ok", "data": {}}
        code, text, err = agent.ctl("tariff", "refresh")
        assert code == 0 and text == "asking for prices again\n" and agent.asked[-1] == ("tariff.refresh", {}), (code, text)
        assert agent.ctl("tariff", "fresh")[0] == 2


def sites():
    """Only sites that are online count, and one that is offline is not waited for."""
    with Broker() as broker, Agent(broker) as agent:
        def ctl(*words):
            start = time.monotonic()
            done = subprocess.run([program("hearthctl"), "--port", str(broker.port), "--timeout", "60", *words], capture_output=True,
                                  text=True, timeout=120)
            assert time.monotonic() - start < 10 * SLOW, f"{words}: waited: {done.stderr}"
            return done.returncode, done.stderr

        def site(name, word):
            agent.mqtt.publish(f"hearth/1/{name}/status", word, retain=True)

        for i in range(9):
            site(f"gone{i}", "offline")
        assert ctl("ping") == (0, ""), "one of ten is online"
        assert ctl("--site", "gone3", "ping") == (REACHED, "hearthctl: site gone3 is offline (its agent is not running)\n")
        assert ctl("--site", "gone3", "--json", "reserve", "30")[0] == REACHED
        assert ctl("--site", "gone3", "status", "--watch")[0] == REACHED
        site("second", "online")
        code, err = ctl("ping")
        assert code == 1 and "2 sites are online (" in err and "home" in err and "second" in err and "gone" not in err, (code, err)
        assert ctl("--site", "home", "ping") == (0, "")
        site("second", "offline")
        site("home", "offline")
        code, err = ctl("ping")
        assert code == REACHED and err.endswith(" is offline (its agent is not running)\n"), (code, err)


USAGE = [
    # words behind the verb, and what is said of them; all exit 2 without asking anybody
    (["limit", "set", "--import", "inf"], "W, kW or MW"), (["limit", "set", "--import", "nan"], "W, kW or MW"),
    (["limit", "set", "--import", "0x10"], "W, kW or MW"), (["limit", "set", "--import", "4200x"], "W, kW or MW"),
    (["limit", "set", "--import", "-1"], "W, kW or MW"), (["limit", "set", "--import=4mw"], "W, kW or MW"),
    (["limit", "set", "--import=1e3"], "W, kW or MW"), (["limit", "set", "--import=1", "--for=90x"], "s, min (m), h or d"),
    (["limit", "set", "--import=1", "--for", "0"], "1 s to 3650 d"), (["limit", "set", "--import=1", "--until", "25:00"], "18:00 (the next one)"),
    (["limit", "set", "--import"], "'--import' needs a value: a number with W"), (["limit", "set", "--import", "--export", "0"], "needs a value"),
    (["limit", "set", "--import", "1", "--import", "2"], "'--import' stands there twice"), (["limit", "set", "--imprt", "1"], "did you mean --import?"),
    (["limit", "set", "--import", "none", "--until", "18:00"], "none has no end"), (["limit", "set", "--for", "1h"], "say what is limited"),
    (["limit", "set", "--import", "1", "--for", "1h", "--until", "18:00"], "only once"), (["limit", "set", "1"], "'1' is not understood"),
    (["override", "charge", "--power", "3kWh", "--for", "2h"], "W, kW or MW"), (["override", "charge", "b", "c", "--for", "2h"], "'c' is not understood"),
    (["override", "pause", "30M"], "s, min (m), h or d"), (["override", "charge"], "--for 2h or --until"),
    (["ev", "ready", "charger", "--by", "07:00"], "--by 07:00 --energy 20kWh"), (["ev", "ready", "--energy", "20kWh"], "--by 07:00 --energy 20kWh"),
    (["ev", "ready", "--energy", "20kW"], "Wh, kWh or MWh"), (["ev", "now", "--energy=nan"], "Wh, kWh or MWh"),
    (["reserve", "0x1e"], "30%"), (["event", "reserve", "7d", "inf"], "30%"), (["why", "--since", "2x"], "s, min (m), h or d"),
    (["why", "--historie"], "'--historie' is not understood, did you mean --history?"), (["why", "a", "b"], "hearthctl: why: 'b' is not understood\nusage: hearthctl why"),
    (["event", "foo"], "hearthctl: event: 'foo' is not understood\nusage: hearthctl event opt-out ID"), (["event", "opt-in", "7d2a", "b"], "event: 'b' is not understood\n"),
    (["event", "reserve", "7d2a"], "usage: hearthctl event opt-out ID"), (["config", "foo"], "hearthctl: config: 'foo' is not understood\nusage: hearthctl config"),
    (["config", "show", "a", "b"], "config: 'b' is not understood\n"),
    (["savings", "30"], "hearthctl: savings: '30' is not understood\nusage: hearthctl savings"), (["ev", "chaep"], "ev: 'chaep' is not understood\n"),
    (["plan", "refresh", "x"], "plan: 'x' is not understood\n"), (["plan", "freshen"], "plan: 'freshen' is not understood\n"),
    (["forecast", "clear", "x"], "forecast: 'x' is not understood\n"), (["override", "resume", "x"], "override: 'x' is not understood\n"),
    (["status", "--watch", "x"], "status: 'x' is not understood\n"), (["devices", "x"], "devices: 'x' is not understood\n"),
    (["sav"], "did you mean savings?"), (["simulate", "x", "--csv", "a", "--html", "a"], "--csv and --html: 'a' cannot be both"),
    (["why", "--since"], "usage: hearthctl why"), (["ping", "--json=yes"], "takes no value"), (["why", "--history=1"], "takes no value"),
]


def usage():
    wrong = []
    for words, want in USAGE:
        done = subprocess.run([program("hearthctl"), "--port", "1", *words], capture_output=True, text=True, timeout=60)
        if done.returncode != 2 or want not in done.stderr or done.stdout:
            wrong.append(f"{words}: exit {done.returncode}, {done.stderr.strip()}")
    assert not wrong, "\n".join(wrong)


def helps():
    """help, VERB --help and help VERB: on stdout, exit 0, and every verb its own."""
    def ctl(*words):
        done = subprocess.run([program("hearthctl"), "--port", "1", *words], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    whole = ctl("--help")
    assert whole[0] == 0 and whole[2] == "" and ctl("help") == whole, whole
    verbs = sorted({line.split()[0] for line in whole[1].splitlines() if re.match(r"  [a-z]", line)})
    assert len(verbs) > 20, verbs
    for verb in verbs:
        one = ctl(verb, "--help")
        assert one[0] == 0 and one[2] == "" and f"\n  {verb}" in one[1] and f"Example: hearthctl {verb}" in one[1], one
        assert ctl("help", verb) == one and ctl(verb, "some", "word", "-h") == one, verb
    for verb, units in (("limit", "without a unit it is W"), ("override", "without a unit it is seconds"), ("ev", "without a unit it is Wh")):
        assert units in ctl(verb, "--help")[1], verb
    assert "time zone" in ctl("limit", "--help")[1] and "--since alone means the history" in ctl("why", "--help")[1]
    assert ctl("help", "nonsense")[0] == 2


BERLIN = {"ping": {"status": "ok", "data": {"timezone": "Europe/Berlin", "clock_trusted": True}}}
DEVICES = {"battery": {"kinds": ["battery", "inverter"]}, "car1": {"kinds": ["charger"]}}


def understood():
    """The answer repeats what was understood, with unit and time of the site; what is asked of the agent is the same."""
    def berlin(utc, form="%H:%M"):
        return subprocess.run(["date", "-d", utc, "+" + form], capture_output=True, text=True, check=True, env={**os.environ, "TZ": "Europe/Berlin"}).stdout.strip()

    with Broker() as broker, Agent(broker) as agent:
        agent.answers = dict(BERLIN)
        agent.state = {"devices": DEVICES, "decision": {"devices": {"battery": {"rank": "override", "w": -5000}}}}
        year = int(time.strftime("%Y")) + 2
        rows = [
            (["limit", "set", "--import=4.2kW", "--export", "0"], "limit.set", {"import_w": 4200, "export_w": 0},
             "import at most 4200 W and export at most 0 W until the next one is set"),
            (["limit", "set", "--import", "4.2"], "limit.set", {"import_w": 4.2}, "import at most 4.2 W until the next one is set"),
            (["limit", "set", "--import", "0.0042MW", "--until", f"{year}-07-01 18:00"], "limit.set", {"import_w": 4200, "until": f"{year}-07-01T16:00:00.000Z"},
             f"import at most 4200 W until {berlin(f'{year}-07-01T16:00:00Z', '%a %d %b %Y')} 18:00 (Europe/Berlin)"),
            (["limit", "set", "--import=none", "--export=1kw", "--until", f"{year}-01-01T17:00:00Z"], "limit.set",
             {"import_w": None, "export_w": 1000, "until": f"{year}-01-01T17:00:00.000Z"},
             f"export at most 1000 W until {berlin(f'{year}-01-01T17:00:00Z', '%a %d %b %Y')} 18:00 (Europe/Berlin); import not limited"),
            (["limit", "clear"], "limit.set", {"import_w": None, "export_w": None}, "import not limited, export not limited"),
            (["override", "discharge", "--power", "30kW", "--until", f"{year}-07-01 18:00"], "override.set",
             {"power_w": 30000, "until": f"{year}-07-01T16:00:00.000Z", "mode": "discharge"},
             f"discharging the battery with 30000 W until {berlin(f'{year}-07-01T16:00:00Z', '%a %d %b %Y')} 18:00 (Europe/Berlin); now 5000 W, "
             "all it can or may"),
            (["ev", "ready", "car1", "--energy", "20", "--by", f"{year}-07-01 18:00"], "ev.set",
             {"device": "car1", "energy_wh": 20, "ready_by": f"{year}-07-01T16:00:00.000Z", "mode": "cheap"},
             f"car1 charges when it is cheap: 20 Wh by {berlin(f'{year}-07-01T16:00:00Z', '%a %d %b %Y')} 18:00 (Europe/Berlin)"),
            (["ev", "now"], "ev.set", {"mode": "now"}, "the car charges now"),
            (["reserve", "30%"], "reserve.set", {"pct": 30}, "the reserve is set to 30 %"),
        ]
        for words, verb, args, want in rows:
            code, text, err = agent.ctl(*words)
            asked = [a for v, a in agent.asked if v == verb][-1]
            assert (code, text.strip(), err) == (0, want, "") and asked == args, (words, code, text, err, asked)
            # for programs the same, as it was sent, beside what the agent answers
            code, text, err = agent.ctl(*words, "--json")
            assert code == 0 and json.loads(text) == {"verb": verb, "args": args, "done": want.split("; now ")[0]}, (words, text)
        code, text, err = agent.ctl("ev", "cheap")
        assert code == 0 and "nothing is planned until it is said what it needs by when" in text and "what the sun leaves" in text, text
        for words, want in ((["events"], "no event is known"), (["commands"], "no command is known")):
            agent.state.update({"owner": {"evs": []}, "events": [], "commands": []})
            assert agent.ctl(*words)[1] == "" and want in agent.ctl(*words)[2] and agent.ctl(*words)[0] == 0, (words, agent.ctl(*words))
        agent.state["devices"] = {"battery": {"kinds": ["battery"], "battery": {}}}
        assert agent.ctl("ev") == (0, "", "hearthctl: no charger is configured\n"), agent.ctl("ev")
        agent.state["devices"] = DEVICES
        # a duration ends by the site's clock, and "18:00" is one there
        for words, unit, said in ((["--for", "2"], 2, "2 s"), (["--for=90min"], 5400, "1 h 30 min"), (["--for", "1h30m"], 5400, "1 h 30 min")):
            until = {berlin(f"now + {unit + s} seconds") for s in (-1, 0, 1)}
            code, text, err = agent.ctl("limit", "set", "--import", "1", *words)
            assert code == 0 and f" for {said}, until " in text and text.split(" until ")[1].split()[-2] in until and agent.asked[-1][1]["duration_s"] == unit, (text, until)
        code, text, err = agent.ctl("limit", "set", "--import", "1", "--until", "18:00")
        assert code == 0 and text.endswith("18:00 (Europe/Berlin)\n") and berlin(agent.asked[-1][1]["until"]) == "18:00", (text, agent.asked[-1])
        # rows of a table have the site's time too
        agent.state["log"] = [{"at": ago(0), "level": "info", "part": "x", "text": "y"}]
        assert agent.ctl("log")[1].split()[0][:5] in {berlin("now"), berlin("now - 1 minute")}
        # over, by the agent's clock
        code, text, err = agent.ctl("limit", "set", "--import", "1", "--until", "2020-01-01T00:00:00Z")
        assert code == 1 and "2020 01:00 (Europe/Berlin) is over" in err and text == "", (code, text, err)
        # the names there are
        for words, verb, message in ((["why", "nosuch"], "why", "there is no device 'nosuch'"), (["ev", "now", "battery"], "ev.set", "device 'battery' is not a charger")):
            agent.answers[verb] = {"status": "error", "error": {"code": "not_found", "message": message}}
            code, text, err = agent.ctl(*words)
            assert code == 1 and err == f"hearthctl: {message}; there are: battery (battery, inverter), car1 (charger)\n", err
        # the ugly ends: no zone said, or one this machine does not know
        agent.answers = {"ping": {"status": "ok", "data": {"timezone": "Mars/Olympus"}}}
        code, text, err = agent.ctl("limit", "set", "--import", "1", "--until", "18:00")
        assert code == 0 and text.endswith("18:00 (UTC)\n") and "Mars/Olympus" in err and "times are in UTC" in err, (text, err)


def demand():
    with Broker() as broker, Agent(broker) as agent:
        agent.state = {"limit": {"state": "unlimited_controlled"}, "demand": {"target_w": 5000}}
        assert "5000 W is kept (no peak of this month is known yet)" in agent.ctl("limit")[1], agent.ctl("limit")
        agent.state["demand"]["peak_w"] = 4100
        assert "5000 W is kept (the month's highest so far: 4100 W)" in agent.ctl("limit")[1], agent.ctl("limit")


def show_json():
    path = os.path.join(scratch(), "hearth.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write("[site]\nid = x\nreserve_pct = 25.5\ngrid_charging = no\n[bus b]\nhost = 127.0.0.1\n[device sun]\nprofile = eastron-sdm630\nbus = b\n"
                "unit = 3\nroles = pv\nmirror_reserve = yes\nfailsafe_a = 16\n[device grid]\nprofile = eastron-sdm630\nbus = b\nunit = 4\nroles = grid\n")
    env = {**os.environ, "HEARTH_PROFILES": PROFILES}
    done = subprocess.run([program("hearthctl"), "config", "show", path, "--json"], capture_output=True, text=True, timeout=60, env=env)
    got = json.loads(done.stdout)
    assert done.returncode == 0 and got["site"]["reserve_pct"] == 25.5 and got["site"]["grid_charging"] is False, done
    assert got["bus"]["b"]["port"] == 502 and "baud" not in got["bus"]["b"] and got["device"]["sun"]["roles"] == "pv" and "tariff" not in got, got
    done = subprocess.run([program("hearthd"), "--config", path, "--check"], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0 and done.stderr.splitlines() == ["note: [device sun] mirror_reserve has no effect: it is for batteries",
                                                                 "note: [device sun] failsafe_a has no effect: it is for chargers"], done


def series(source, *prices):
    return {"currency": "GBP", "timezone": "UTC", "source": source,
            "prices": [{"from": ago(-a), "to": ago(-b), "value": v, "confidence": c, **more} for a, b, v, c, more in prices]}


def tariff():
    with Broker() as broker, Agent(broker) as agent:
        agent.state["agent"] = {"warnings": ["device battery is offline"]}
        agent.state["tariff"] = {
            "import": series("flatpeak", (-7200, -1800, 0.1, 1, {}), (-1800, 1800, 0.25, 1, {}), (1800, 3600, -0.01234, 0.8, {}),
                             (3600, 5400, 0.3, 1, {"source": "tariff"})),
            "export": series("last_known", (-1800, 1800, 0.15, 0.2, {}))}
        code, text, err = agent.ctl("tariff")
        cells = [line.split("\t") for line in text.splitlines()]
        assert (code, err) == (0, ""), (code, err)
        assert [[c[0]] + c[3:] for c in cells] == [["import", "0.2500", "GBP", "flatpeak", ""], ["import", "-0.0123", "GBP", "flatpeak", "80 %"],
                                                  ["import", "0.3000", "GBP", "tariff", ""], ["export", "0.1500", "GBP", "last_known", "20 %"]], text
        # how it goes with FlatPeak, said by itself or among the warnings
        agent.state["agent"]["warnings"].append("FlatPeak: the key is not accepted")
        assert agent.ctl("tariff")[1].splitlines()[0] == "warning: FlatPeak: the key is not accepted"
        agent.state["tariff"]["flatpeak"] = {"state": "retrying", "reason": "no answer within 20 s", "next_at": ago(-30)}
        text = agent.ctl("tariff")[1]
        assert text.startswith("FlatPeak: retrying, next ") and text.splitlines()[0].endswith(": no answer within 20 s"), text
        assert "warning" not in text, text
        agent.state["tariff"]["flatpeak"] = {"state": "ok", "reason": "", "fetched_at": ago(60), "next_at": ago(-3000)}
        assert agent.ctl("tariff")[1].splitlines()[0].startswith("FlatPeak: ok, fetched "), agent.ctl("tariff")[1]
        assert json.loads(agent.ctl("tariff", "--json")[1]) == agent.state["tariff"]
        agent.state["tariff"] = {"import": series("none"), "export": series("none"), "flatpeak": {"state": "off", "reason": ""}}
        code, text, err = agent.ctl("tariff")
        assert code == 0 and "[tariff] import or [flatpeak]" in err and text.splitlines()[0].startswith("import\t-\t-\tunknown"), (text, err)
        agent.state["tariff"]["flatpeak"] = {"state": "no_tariff", "reason": "none is connected"}
        code, text, err = agent.ctl("tariff")
        assert code == 0 and "FlatPeak has given none yet" in err and "or [flatpeak]" not in err, (text, err)


if __name__ == "__main__":
    run_tests([options, usage, helps, understood, demand, show_json, check, check_secrets, outbox, retry, sites, tariff])
