"""hearthctl simulate: scenarios by name and by file, what it writes, what it refuses, and the hub's history through an agent that is
played here on a real broker."""
import csv
import datetime
import html.parser
import json
import os
import pty
import signal
import subprocess
import threading

from hearthtest import SLOW, SOURCE, Broker, Mqtt, program, run_tests, scratch, wait_for

FOLDER = os.path.join(SOURCE, "packaging", "scenarios")
ROWS = ["no_battery", "self_use", "time_switch", "hearth", "clairvoyant"]
ROOT = "hearth/1/home"


def run(*words, folder=FOLDER, port="1", text=None):
    env = {**os.environ, "HEARTH_SCENARIOS": folder}
    return subprocess.run([program("hearthctl"), "--host", "127.0.0.1", "--port", port, *words], capture_output=True, text=True, input=text,
                          timeout=120 * SLOW, env=env)


class Page(html.parser.HTMLParser):
    """Every tag that is opened is closed, and nothing is fetched."""
    VOID = {"meta", "rect", "path", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.links += [v for k, v in attrs if k in ("src", "href", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.VOID, tag
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()


def written():
    """The same run as a table, JSON, CSV and a page."""
    folder = scratch()
    out, page = os.path.join(folder, "a.csv"), os.path.join(folder, "a.html")
    done = run("simulate", "agile-ev-month", "--days", "2", "--csv", out, "--html", page, "--json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    result = json.loads(done.stdout)
    rows = {r["name"]: r for r in result["rows"]}
    assert result["format"] == "hearth-simulation/1" and list(rows) == ROWS and result["days"] == 2
    assert rows["hearth"]["floor_violations"] == 0 and rows["clairvoyant"]["of_clairvoyant_pct"] == 100
    assert result["least_total"] <= rows["clairvoyant"]["total"] + 1e-3 and 90 < rows["clairvoyant"]["of_most_pct"] <= 100.01, result["least_total"]
    most = rows["no_battery"]["total"] - result["least_total"]
    assert abs(rows["hearth"]["of_most_pct"] - 100 * rows["hearth"]["saving"] / most) < 0.05, rows["hearth"]
    assert abs(rows["hearth"]["saving"] - (rows["no_battery"]["total"] - rows["hearth"]["total"])) < 1e-3
    with open(out, encoding="ascii", newline="") as f:
        lines = list(csv.DictReader(f))
    assert len(lines) == 96 and lines[0]["time"] == "2025-03-03T00:00:00.000Z", lines[0]
    for row in ROWS:  # what stands in the half hours adds up to the result
        assert abs(sum(float(x[row + "_cost"]) for x in lines) - rows[row]["bill"]) < 0.01, row
        bought = sum(float(x[row + "_grid_kw"]) for x in lines) / 2
        assert abs(bought - (rows[row]["import_kwh"] - rows[row]["export_kwh"])) < 0.05, row
        for x in lines:
            assert -0.01 <= float(x[row + "_soc_pct"]) <= 100.01
    reader = Page()
    with open(page, encoding="utf-8") as f:
        text = f.read()
    reader.feed(text)
    assert not reader.open and not reader.links and reader.seen["svg"] == 4 and reader.seen["rect"] == 5, (reader.open, reader.seen)
    assert "http" not in text and "<script" not in text and "agile-ev-month" in text


def same_again():
    """A seed decides everything but the times."""
    def bill(seed):
        result = json.loads(run("--json", "simulate", "two-rate-week", "--days", "1", "--seed", seed).stdout)
        assert result["seed"] == int(seed)
        return result["rows"]
    assert bill("5") == bill("5") != bill("6")


def by_name_and_file():
    done = run("simulate", "--list")
    names = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and names == sorted(f[:-5] for f in os.listdir(FOLDER)) and len(names) >= 10, names
    with open(os.path.join(FOLDER, "flat-week.json"), encoding="utf-8") as f:
        text = f.read()
    folder = scratch()
    path = os.path.join(folder, "mine.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace('"flat-week"', '"<b>&mine"'))
    page = os.path.join(folder, "p.html")
    plain = run("simulate", path, "--days", "1", "--html", page)
    assert plain.returncode == 0 and plain.stdout == run("simulate", "-", "--days", "1", text=text).stdout, plain.stderr
    assert [line.split("\t")[0] for line in plain.stdout.splitlines()] == ["no battery", "self-use", "time switch", "Hearth", "clairvoyant"]
    with open(page, encoding="utf-8") as f:
        assert "<b>" not in f.read()
    listed = json.loads(run("simulate", "--list", "--json").stdout)
    assert [x["name"] for x in listed] == names and all(x["about"] and x["days"] > 0 for x in listed), listed
    nowhere = run("simulate", "--list", folder="/no/such/folder")
    assert nowhere.returncode == 1 and "HEARTH_SCENARIOS" in nowhere.stderr, nowhere
    quiet = run("simulate", "flat-week", "--days", "1", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def on_a_terminal():
    """A bar with the time that is left, on stderr; headers and notes with the table."""
    lead, tail = pty.openpty()
    done = subprocess.Popen([program("hearthctl"), "simulate", "flat-year", "--days", "40"], stdout=tail, stderr=tail,
                            env={**os.environ, "HEARTH_SCENARIOS": FOLDER})
    os.close(tail)
    seen = b""
    while True:
        try:
            more = os.read(lead, 65536)
        except OSError:
            break
        if not more:
            break
        seen += more
    os.close(lead)
    assert done.wait(60 * SLOW) == 0
    text = seen.decode()
    assert "\r[" in text and "% " in text and " left\x1b[K" in text and "of best" in text and "clairvoyant knew every price" in text, text


def files():
    """A file is there as a whole or not at all: Ctrl-C, a mistake with the second one, a file that may not be replaced, a link."""
    folder = scratch()
    out, page = os.path.join(folder, "a.csv"), os.path.join(folder, "a.html")
    with open(out, "w", encoding="ascii") as f:
        f.write("mine\n")
    os.symlink("a.csv", os.path.join(folder, "link.csv"))
    done = subprocess.Popen([program("hearthctl"), "simulate", "agile-ev-year", "--csv", out, "--html", page], stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "HEARTH_SCENARIOS": FOLDER})
    wait_for(lambda: len(os.listdir(folder)) == 4, 20, "the files it is going to write")
    done.send_signal(signal.SIGINT)
    assert "stopped, nothing is written" in done.communicate(timeout=20 * SLOW)[1] and done.returncode == -signal.SIGINT, done
    assert sorted(os.listdir(folder)) == ["a.csv", "link.csv"]
    done = run("simulate", "flat-week", "--days", "1", "--csv", out, "--html", folder + "/none/a.html")
    assert done.returncode == 1 and "none/a.html" in done.stderr and sorted(os.listdir(folder)) == ["a.csv", "link.csv"], done
    with open(out, encoding="ascii") as f:
        assert f.read() == "mine\n"
    old = os.umask(0o027)
    done = run("simulate", "flat-week", "--days", "1", "--csv", os.path.join(folder, "link.csv"), "--html", page)
    os.umask(old)
    with open(out, encoding="ascii") as f:
        assert done.returncode == 0 and f.read(5) == "time,", done
    assert os.path.islink(os.path.join(folder, "link.csv")) and os.stat(page).st_mode & 0o777 == 0o640 and len(os.listdir(folder)) == 3
    piped = run("simulate", "flat-week", "--days", "1", "--csv", "-")
    with open(out, encoding="ascii") as f:
        assert piped.returncode == 0 and piped.stdout == f.read(), piped.stderr
    home, link = os.path.join(folder, "home.json"), os.path.join(folder, "home-link")
    with open(home, "w", encoding="ascii") as f:
        f.write('{"format": "hearth-scenario/1", "days": 1}')
    os.symlink("home.json", link)
    for words in (["--html", home], ["--csv", link]):
        done = run("simulate", home, *words)
        assert done.returncode == 2 and "is the scenario: name another file" in done.stderr and os.path.getsize(home) < 50, done


REFUSED = [
    # words, exit, part of stderr
    ([], 2, "usage: hearthctl simulate"), (["a", "b"], 2, "usage:"), (["--list", "x"], 2, "usage:"), (["flat-week", "--days"], 2, "usage:"),
    (["flat-week", "--days", "0"], 2, "--days: '0' is not a whole number of 1..800"), (["flat-week", "--days", "1e3"], 2, "--days"),
    (["flat-week", "--seed", "x"], 2, "--seed"), (["flat-week", "--day", "1"], 2, "did you mean --days?"),
    (["flat-week", "--battery", "10kWh"], 2, "usage:"), (["--history", "30d"], 2, "usage:"), (["--history", "x", "--battery", "1kWh"], 2, "--history"),
    (["--history", "30d", "--battery", "0"], 2, "--battery"), (["--history", "900d", "--battery", "1kWh"], 2, "--history: whole days, 1d to"),
    (["--history", "36h", "--battery", "1kWh"], 2, "whole days"), (["--history", "30d", "--battery", "10"], 2, "10 kWh is written 10kWh"),
    (["--history=2d", "--battery=1kWh"], 3, "no broker"),
    (["flat-weak"], 1, "did you mean flat-week?"), (["nothing-like-it"], 1, "; there are: agile-ev-month, agile-ev-year, "), (["/no/such/file.json"], 1, "No such file"),
    (["flat-week", "--csv", "-", "--html", "-"], 2, "can go to standard output"), (["flat-week", "--csv", "-", "--json"], 2, "only one of"),
    (["agile-year", "--csv", "/no/such/folder/a.csv"], 1, "No such file"),  # said before the year is run, which takes longer than this test waits
    (["flat-week", "--days", "1", "--csv", "/no/such/folder/a.csv"], 1, "/no/such/folder/a.csv: No such file"),
    (["flat-week", "--days", "1", "--html", "/dev/full"], 1, "/dev/full: "),
]
BAD_FILES = [
    ("", "JSON: empty"), ("{\n{", "-:2:2: JSON: ends early"), ("[" * 100, "nested deeper"), ('{"format": "hearth-scenario/1", "days": NaN}', "-:1:41: days: NaN is not a number in JSON"),
    ('{"format": "hearth-scenario/1",\n "battery": [{"capacity_wh": 5000},\n {"capacity_wh": 1}]}', "-:3: battery[1].capacity_wh: 1"),
    ('{"format": "hearth-scenario/1", "batery": []}', "batery: there is no such key, did you mean battery?"),
    ('{"format": "hearth-scenario/1", "days": 10000}', "days: 10000 is outside 1..800"),
    ('{"format": "hearth-scenario/1",\n "timezone": "Europe/Lndon"}', "-:2: timezone: the system has no zone 'Europe/Lndon', did you mean Europe/London?"),
    ('{"format": "hearth-scenario/1",\n "tick_s": 7}', "-:2: tick_s: 7 s does not divide a minute"),
    ('{"format": "hearth-scenario/1",\n "tariff": {\n "import": 1e9}}', "-:3: tariff.import: price 1e+09 is outside"),
    ('{"format": "hearth-scenario/1", "x": "' + "x" * 1100000 + '"}', "at most 1048576 are allowed"),
]


def refused():
    wrong = []
    for words, code, want in REFUSED:
        done = run("simulate", *words)
        if done.returncode != code or want not in done.stderr:
            wrong.append(f"{words}: exit {done.returncode}, {done.stderr.strip()}")
    for text, want in BAD_FILES:
        done = run("simulate", "-", text=text)
        if done.returncode != 1 or want not in done.stderr or not done.stderr.startswith("hearthctl: -:"):
            wrong.append(f"{text[:60]}: exit {done.returncode}, {done.stderr.strip()}")
    assert not wrong, "\n".join(wrong)


def hours_ago(hours):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)


class History:
    """An agent with a history of some days: 500 W, 2 kW of sun around noon, 0.10 at night and 0.30 else. With a gap nothing is known of ten
    hours of three days ago, over the end of the cheap ones, right behind five minutes of 3 kW."""

    def __init__(self, days, gap=False):
        self.days, self.asked = days, []
        self.gap = hours_ago(72).replace(hour=1, minute=0, second=0, microsecond=0) if gap else None
        self.broker = Broker()

    def __enter__(self):
        self.broker.__enter__()
        self.sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-V", "5", "-F", "%j", "-t", ROOT + "/request/#"],
                                    stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.serve, daemon=True).start()
        Mqtt(self.broker, ROOT + "/status").publish(ROOT + "/status", "online", retain=True)
        wait_for(lambda: run("--timeout", "3", "--site", "home", "ping", port=str(self.broker.port)).returncode == 0, 10, "the agent played here")
        return self

    def __exit__(self, *why):
        self.sub.kill()
        self.broker.__exit__(*why)

    def page(self, args):
        start, end = (datetime.datetime.fromisoformat(args[k].replace("Z", "+00:00")) for k in ("from", "to"))
        assert datetime.timedelta(0) < end - start <= datetime.timedelta(days=2), args
        self.asked.append((start, end))
        times = [start + datetime.timedelta(minutes=5 * i) for i in range(int((end - start).total_seconds() // 300))]

        def known(value):
            return [value(t) if t >= hours_ago(24 * self.days + 24) and not (self.gap and self.gap <= t < self.gap + datetime.timedelta(hours=10)) else None
                    for t in times]

        def load(t):
            return 3000 if self.gap and t == self.gap - datetime.timedelta(minutes=5) else 500
        return {"start": args["from"], "step_s": 300, "load_w": known(load), "pv_w": known(lambda t: 2000 if 11 <= t.hour < 13 else 0),
                "grid_w": [None] * len(times), "battery_w": [None] * len(times), "ev_w": known(lambda t: 0),
                "import_price": known(lambda t: 0.10 if t.hour < 5 else 0.30), "export_price": known(lambda t: 0.05)}

    def serve(self):
        for line in self.sub.stdout:
            m = json.loads(line)
            data = self.page(json.loads(m["payload"])) if m["topic"].endswith("/history.get") else {"timezone": "UTC"}
            subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-V", "5", "-t", m["properties"]["response-topic"], "-D", "publish",
                            "correlation-data", m["properties"]["correlation-data"], "-s"], input=json.dumps({"status": "ok", "data": data}), text=True, check=True)


def history():
    with History(days=30) as hub:
        done = run("--site", "home", "--json", "simulate", "--history", "6d", "--battery", "5kWh", "--power", "2.5kW", port=str(hub.broker.port))
        assert done.returncode == 0, done.stderr
        rows = {r["name"]: r for r in json.loads(done.stdout)["rows"]}
        # a day: five hours at 0.10 and two at noon with 1.5 kW too much, which 0.05 is paid for, the rest at 0.30
        assert abs(rows["no_battery"]["bill"] - 6 * (2.5 * 0.10 + 8.5 * 0.30 - 3 * 0.05)) < 0.05, rows["no_battery"]
        assert rows["hearth"]["saving"] > 0.9 * rows["clairvoyant"]["saving"] > 0, rows  # each day like the one before
        assert rows["hearth"]["floor_violations"] == 0
        asked = sorted(hub.asked)
        assert asked[0][0] <= hours_ago(24 * 13) and all(a[1] == b[0] for a, b in zip(asked, asked[1:])), asked  # a week to learn from, no gap
    with History(days=30, gap=True) as hub:  # takes what the day before was, not the kettle
        done = run("--site", "home", "--json", "simulate", "--history", "6d", "--battery", "5kWh", "--power", "2.5kW", port=str(hub.broker.port))
        assert done.returncode == 0, done.stderr
        rows = {r["name"]: r for r in json.loads(done.stdout)["rows"]}
        assert abs(rows["no_battery"]["bill"] - 6 * (2.5 * 0.10 + 8.5 * 0.30 - 3 * 0.05) - 2.5 / 12 * 0.10) < 0.01, rows["no_battery"]
    with History(days=3) as hub:
        done = run("--site", "home", "simulate", "--history", "10d", "--battery", "5kWh", port=str(hub.broker.port))
        assert done.returncode == 1 and "history is too short" in done.stderr and "of 10 days" in done.stderr and not done.stdout, done.stderr


if __name__ == "__main__":
    run_tests([written, same_again, by_name_and_file, on_a_terminal, files, refused, history])
