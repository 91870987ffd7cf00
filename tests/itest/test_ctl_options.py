"""What hearthctl makes of its options and of an agent's answers, and hearthd of a configuration it is only to check. The agent
is played by this program, on a real broker."""
import json
import os
import pty
import subprocess
import threading
import time

from hearthtest import Broker, Mqtt, program, run_tests, scratch, wait_for

REACHED = 3  # understood, tried, and nobody was there
ROOT = "hearth/1/home"

OPTIONS = [
    # option, value, exit code
    ("--port", "1x", 2), ("--port", "x1", 2), ("--port", "", 2), ("--port", " 1", 2), ("--port", "+1", 2), ("--port", "-1", 2),
    ("--port", "0x10", 2), ("--port", "1.5", 2), ("--port", "1e3", 2), ("--port", "0", 2), ("--port", "65536", 2),
    ("--port", "99999999999999999999", 2), ("--port", "1", REACHED),
    ("--timeout", "1s", 2), ("--timeout", "nan", 2), ("--timeout", "inf", 2), ("--timeout", ".", 2), ("--timeout", "0", 2),
    ("--timeout", "601", 2), ("--timeout", "-1", 2), ("--timeout", "1.5.5", 2), ("--timeout", "0.5", REACHED), ("--timeout", "2", REACHED),
]


def options():
    wrong = []
    for option, value, want in OPTIONS:
        last = [option, value] if option == "--port" else ["--port", "1", option, value]
        done = subprocess.run([program("hearthctl"), "--host", "127.0.0.1", *last, "ping"], capture_output=True, text=True, timeout=60)
        if done.returncode != want or (want == 2 and f"{option}: '{value}' is not understood" not in done.stderr):
            wrong.append(f"{option} {value!r}: exit {done.returncode} instead of {want}: {done.stderr.strip()}")
    assert not wrong, "\n".join(wrong)


def check():
    """hearthd --check names what has no effect, and still says that all is fine."""
    path = os.path.join(scratch(), "hearth.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write("[site]\nid = x\n[flatpeak]\nmode = pushed\n[tariff]\nstanding_charge_per_day = 4\n[site]\nlimit_failsafe_export_w = 0\n")
    done = subprocess.run([program("hearthd"), "--config", path, "--check"], capture_output=True, text=True, timeout=60)
    want = ["note: [site] limit_failsafe_export_w has no effect without limit_heartbeat_s",
            "note: [flatpeak] mode = pushed has no effect in this version", "note: [tariff] standing_charge_per_day = 4 has no effect in this version"]
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
            (f"mode = direct\ntoken_file = {folder}/good\nca_file = {folder}/none", 78, "[flip] ca_file: " + folder + "/none: No such file"),
            (f"mode = direct\ntoken_file = {folder}/good\nca_file = {folder}/good", 78, "holds no certificate"),
            (f"mode = direct\ntoken_file = {folder}/good", 0, "no device has flip_device_id")]
    for text, code, words in rows:
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"[site]\nid = x\n[flip]\n{text}\n")
        done = subprocess.run([program("hearthd"), "--config", path, "--check"], capture_output=True, text=True, timeout=60)
        assert done.returncode == code and words in done.stderr, f"{text!r}: exit {done.returncode}, {done.stderr!r}"


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
        wait_for(lambda: self.ctl("--timeout", "1", "ping")[0] == 0, 10, "the agent played here")

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
        """What a terminal shows."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([program("hearthctl"), "--port", str(self.broker.port), "--site", "home", *words], stdout=theirs, stderr=theirs,
                              env={**os.environ, "TZ": "UTC"}) as p:
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
        return text.decode().replace("\r\n", "\n").replace("\033[1m", "").replace("\033[0m", "")

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
        assert code == 0 and json.loads(text) == {"rows": 2016}, text
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
            done = subprocess.run([program("hearthctl"), "--port", str(broker.port), "--timeout", "20", *words], capture_output=True,
                                  text=True, timeout=60)
            assert time.monotonic() - start < 10, f"{words}: waited: {done.stderr}"
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


run_tests([options, check, check_secrets, outbox, retry, sites, tariff])
