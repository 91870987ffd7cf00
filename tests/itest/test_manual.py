"""What the manual and the help show as an example works: every configuration passes hearthd --check without a note, every command line
of hearthctl is understood (nobody is there to answer it), every scenario and instance is taken, and what is a role is one. Bash
completion knows the devices and the scenarios."""
import datetime
import glob
import json
import os
import re
import shlex
import subprocess

from agenttest import KEY, SITE, Home
from hearthtest import PROFILES, SLOW, SOURCE, program, run_tests, scratch, wait_for

UNDERSTOOD = (0, 3)  # done, or nobody was there
ENV = {**os.environ, "HEARTH_PROFILES": PROFILES, "HEARTH_SCENARIOS": os.path.join(SOURCE, "packaging", "scenarios")}


def blocks(path):
    """The examples of a page: what stands between .nf and .fi, as people see it."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    return [re.sub(r"\\f.", "", b).replace("\\-", "-").replace("\\&", "") for b in re.findall(r"^\.nf\n(.*?)^\.fi$", text, re.M | re.S)]


def pages():
    return sorted(glob.glob(os.path.join(SOURCE, "packaging", "man", "*")))


def check(name, text):
    """Secrets stand in files of the example's; here they are some of ours."""
    folder = scratch()
    path, secret = os.path.join(folder, "hearth.conf"), os.path.join(folder, "secret")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(KEY + "\n")
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(r"^(\w+_file *=) *\S+", rf"\1 {secret}", text, flags=re.M))
    done = subprocess.run([program("hearthd"), "--config", path, "--check"], capture_output=True, text=True, timeout=60, env=ENV)
    return [] if done.returncode == 0 and not re.search("^note:.*(no effect|mistake)", done.stderr, re.M) else [f"{name}: exit {done.returncode}, {done.stderr}"]


def configurations():
    wrong, seen = [], 0
    for page in pages():
        for block in blocks(page):
            if block.startswith("["):
                seen += 1
                wrong += check(os.path.basename(page), block)
    with open(os.path.join(SOURCE, "packaging", "hearth.conf"), encoding="utf-8") as f:
        shipped = f.read()
    wrong += check("hearth.conf as shipped", shipped)
    # what it has commented out, but for certificates, which this machine has not got, and the names that are cut short
    live = [re.sub(r"^; ?(?=\[|[a-z_]+ =)", "", line) for line in shipped.splitlines()]
    live = [line for line in live if not re.match(r"(ca_file|account_id|location_id|flip_device_id)\b", line)]
    wrong += check("hearth.conf with its comments taken away", "\n".join(live) + "\n")
    assert not wrong, "\n".join(wrong)
    assert seen >= 2, f"{seen} examples: they were not found"


def command_lines():
    lines = []
    for page in pages():
        lines += [line for block in blocks(page) for line in block.splitlines() if line.startswith("hearthctl ")]
    with open(os.path.join(SOURCE, "agent", "ctl", "verbs.c"), encoding="utf-8") as f:
        lines += ["hearthctl " + example for example in re.findall(r'EXAMPLE "([a-z][^"\\]*)', f.read())]
    assert len(lines) > 30, lines
    wrong = []
    folder = scratch()
    config = os.path.join(folder, "hearth.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write("[site]\nid = x\n")
    with open(os.path.join(folder, "mine.json"), "w", encoding="utf-8") as f:
        f.write('{"format": "hearth-scenario/1", "days": 1, "battery": {"capacity_wh": 5000}}')
    for line in lines:
        words = [w for w in shlex.split(line)[1:] if not w.endswith("password")]
        words = [w for w in words if w != "--password-file"]
        if words[:2] == ["config", "check"]:
            words.append(config)
        done = subprocess.run([program("hearthctl"), "--port", "1", *words], capture_output=True, text=True, timeout=60 * SLOW, env=ENV, cwd=folder)
        if done.returncode not in UNDERSTOOD:
            wrong.append(f"{line}: exit {done.returncode}, {done.stderr}")
    assert not wrong, "\n".join(wrong)


def documents():
    """The examples of the JSON formats are taken as they stand, by what the manual says reads them."""
    readers = {"hearth-scenario/1": ["simulate", "-", "--days", "1", "--quiet"], "ems-instance/1": ["plan", "solve", "-"]}
    seen = set()
    for page in pages():
        for block in blocks(page):
            if not block.startswith("{\n"):
                continue
            kind = json.loads(block)["format"]
            seen.add(kind)
            done = subprocess.run([program("hearthctl"), *readers[kind]], input=block, capture_output=True, text=True, timeout=60, env=ENV)
            assert (done.returncode, done.stderr) == (0, ""), (page, done)
    assert seen == set(readers), seen


def ranges():
    """A number just outside of what hearth-scenario(5) allows is refused with the same range, one at its ends is not."""
    with open(os.path.join(SOURCE, "packaging", "man", "hearth-scenario.5"), encoding="utf-8") as f:
        text = re.sub(r"\\f.|\\", "", f.read())
    keys = re.search(r"^\.SH KEYS\n(.*?)^\.SH ", text, re.M | re.S).group(1)
    checked, wrong = 0, []
    for part in re.split(r"^\.SS ", "\n" + keys, flags=re.M):
        name, _, body = part.partition("\n")
        for entry in re.split(r"^\.TP\n", body, flags=re.M):
            tag, _, words = entry.partition("\n")
            spans = re.findall(r"(-?[\d.]+)\.\.(-?\d+(?:\.\d+)?)", words)
            named = re.findall(r"\b([a-z_]+)\b", tag.replace(".BR", "").replace(".B", ""))
            for i, key in enumerate(named if spans and named and "market" not in named else []):
                low, high = spans[i if len(spans) == len(named) else 0]
                low = low.rstrip(".")
                value = float(high) + 1
                inner = {key: value, **({"capacity_wh": 5000} if name == "battery" and key != "capacity_wh" else {})}
                whole = {"format": "hearth-scenario/1", **({name: [inner] if name == "events" else inner} if name else inner)}
                done = subprocess.run([program("hearthctl"), "simulate", "-"], input=json.dumps(whole), capture_output=True, text=True, timeout=60, env=ENV)
                said = re.search(r"outside (\S+)\.\.(\S+)", done.stderr)
                checked += 1
                if done.returncode != 1 or not said or (float(said[1]), float(said[2])) != (float(low), float(high)):
                    wrong.append(f"{name} {key}: the page says {low}..{high}, hearthctl: {done.stderr.strip()}")
    assert not wrong, "\n".join(wrong)
    assert checked > 30, checked


def roles():
    """The roles of hearthctl(1) are those of the agent, and its table of verbs is what the agent allows."""
    with open(os.path.join(SOURCE, "packaging", "man", "hearthctl.1"), encoding="utf-8") as f:
        section = re.search(r"^\.SH ROLES\n(.*?)^\.SH ", f.read(), re.M | re.S).group(1)
    with open(os.path.join(SOURCE, "agent", "flow", "local", "inbox.c"), encoding="utf-8") as f:
        known = re.findall(r'\{ "([a-z]+)", USER_', f.read())
    assert known and re.findall(r"^\.TP\n\.B (\w+)", section, re.M) == known, (known, section)
    example = re.search(r"^\.nf\n(.*?)^\.fi", section, re.M | re.S).group(1).split()
    assert len(example) >= 4 and set(example[1::2]) <= set(known), example


def completion():
    """As a shell asks it: the words so far, = being one of them."""
    def complete(home, *words):
        script = (f'source {SOURCE}/packaging/completion/hearthctl.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hearthctl; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        path = f"{os.path.dirname(program('hearthctl'))}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", script, "bash", "hearthctl", *words], capture_output=True, text=True, timeout=60, env={**ENV, "PATH": path})
        return set(done.stdout.split())

    with Home() as home:
        port = str(home.broker.port)
        for start in (["--port", port], ["--port", "=", port]):
            wait_for(lambda words=start: complete(home, *words, "device", "b") == {"battery"}, 20, start)  # a shell is not kept waiting: 2 s
        for start in (["--site", "=", SITE, "--port", "=", port],):
            for words, want in ((["why", ""], {"battery", "charger", "grid", "--history", "--since", "--json"}), (["ev", "now", ""], {"charger", "--by", "--energy"}), (["override", "charge", "b"], {"battery"}),
                                (["override", "clear", ""], {"battery"})):
                wait_for(lambda all=(*start, *words), want=want: complete(home, *all) == want, 20, (start, words))
        assert complete(home, "limit", "set", "--import", "=", "") == {"none", "--json"}
        assert complete(home, "limit", "set", "--import", "=") == {"none", "--json"}
        assert "status" in complete(home, "help", "st") and "limit" in complete(home, "li")
        for words, want in ((["plan", ""], {"solve", "refresh", "--json"}), (["ev", ""], {"off", "solar", "cheap", "now", "ready", "--json"}),
                            (["forecast", ""], {"set", "clear", "--json"}), (["savings", ""], {"--month", "--days", "--json"}),
                            (["simulate", "two-rate-ev"], {"two-rate-ev-week", "two-rate-ev-year"}), (["simulate", "--"], {"--list", "--history"}),
                            (["simulate", "--history", "30d", "--"], {"--battery", "--power", "--csv", "--html", "--quiet", "--json"}),
                            (["simulate", "agile-week", "--"], {"--days", "--seed", "--csv", "--html", "--quiet", "--json"}),
                            (["savings", "--month", datetime.date.today().strftime("%Y-%m")], {datetime.date.today().strftime("%Y-%m")})):
            assert complete(home, *words) == want, (words, complete(home, *words))


run_tests([configurations, command_lines, documents, ranges, roles, completion])
