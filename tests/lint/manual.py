"""The manual knows every configuration key, every verb and option of hearthctl and what it reads from the environment, every option of
hearthd, and every key of a scenario and of a planner's instance. That its examples work:
tests/itest/test_manual.py."""
import glob
import os
import re
import sys

source = sys.argv[1]


def read(path):
    with open(f"{source}/{path}", encoding="utf-8") as f:
        return f.read()


def plain(text):
    """Manual source without the escapes and requests that split words."""
    return re.sub(r"\\f.|\\", "", text)


missing = []
conf = plain(read("packaging/man/hearth.conf.5"))
for key in re.findall(r'^\t\{ "([a-z0-9_]+)", CT_', read("agent/core/config_table.c"), re.M):
    if not re.search(rf"^\.B {key}$", conf, re.M):
        missing.append(f"packaging/man/hearth.conf.5: key {key} of agent/core/config_table.c is not described")
later = len(re.findall(r'^\t\{ "[^\n]*\bCF_LATER\b', read("agent/core/config_table.c"), re.M))
said = len(re.findall(r"no effect in this version\.$", conf, re.M | re.I))
if later != said:
    missing.append(f"packaging/man/hearth.conf.5: {said} keys are said to have no effect, {later} are CF_LATER")
ctl, completion, readme = plain(read("packaging/man/hearthctl.1")), read("packaging/completion/hearthctl.bash"), read("agent/ctl/verbs.c")
table = re.findall(r'^\t\{ "([a-z]+)", ctl_\w+,', readme, re.M)
if len(table) < 20:
    missing.append("agent/ctl/verbs.c: the table of verbs was not understood")
for option in sorted(set(re.findall(r"--[a-z]+", readme)) - {"--help"}):
    if option not in ctl or option not in completion:
        missing.append(f"agent/ctl/verbs.c: option {option} is not in packaging/man/hearthctl.1 or not completed")
for verb in table:
    if not re.search(rf"^\.B.*\b{verb}\b", ctl, re.M):
        missing.append(f"packaging/man/hearthctl.1: verb {verb} is not described")
    if not re.search(rf"\b{verb}\b", completion):
        missing.append(f"packaging/completion/hearthctl.bash: verb {verb} is not completed")
daemon = plain(read("packaging/man/hearthd.1"))
for option in re.findall(r'\{ "([a-z]+)", (?:no|required)_argument', read("agent/main.c")):
    if f"--{option}" not in daemon and option not in ("help", "version"):
        missing.append(f"packaging/man/hearthd.1: option --{option} is not described")
verbs = re.findall(r'^\t\{ "([a-z_.]+)", USER_', read("agent/flow/local/verbs.c"), re.M)
if len(verbs) < 30:
    missing.append("agent/flow/local/verbs.c: the table of verbs was not understood")
# the tables of the scenario's keys, each told in its section of the page; "" is what stands before the first
scenario = re.search(r"^\.SH KEYS\n(.*?)^\.SH ", plain(read("packaging/man/hearth-scenario.5")), re.M | re.S).group(1)
sections = {part.split("\n", 1)[0]: part for part in re.split(r"^\.SS ", "\n" + scenario, flags=re.M)}
SECTION = {"TOP": "", "PLACE": "place", "TARIFF": "tariff", "DIRECTION": "tariff", "MARKET": "tariff", "BATTERY": "battery", "PV": "pv", "LOAD": "load",
           "CAR": "car", "EVENT": "events", "SITE": "site", "PLAN": "plan"}
tables = re.findall(r"^static const struct key (\w+)\[\] = \{(.*?)\};", read("agent/simulate/scenario.c"), re.M | re.S)
for name, rows in tables:
    for key in re.findall(r'\{ "([a-z_]+)", [A-Z]', rows):
        if key not in SECTION.values() and not re.search(rf'^(?:\.BR? .*|.*\.BR? .*|[^a-z].*)\b{key}\b', sections.get(SECTION.get(name, "?"), ""), re.M):
            missing.append(f"packaging/man/hearth-scenario.5: {key} of {name} in agent/simulate/scenario.c is not described")
if {name for name, _ in tables} != set(SECTION):
    missing.append("agent/simulate/scenario.c: the tables of keys were not understood")
instance = plain(read("packaging/man/hearth-instance.5"))
known = re.findall(r'(?:series|number|flag)\(&?\w+, "([a-z_]+)"', read("policies/planner/instance.c"))
if len(known) < 20:
    missing.append("policies/planner/instance.c: the keys were not understood")
for key in known:
    if not re.search(rf"^\.BR? .*\b{key}\b", instance, re.M):
        missing.append(f"packaging/man/hearth-instance.5: {key} of policies/planner/instance.c is not described")
environment = re.search(r"^\.SH ENVIRONMENT\n(.*?)^\.SH ", ctl, re.M | re.S).group(1)
for path in sorted(glob.glob(f"{source}/agent/ctl/*.c")):
    for name in re.findall(r'getenv\("([A-Z_]+)"\)', read(os.path.relpath(path, source))):
        if name not in environment:
            missing.append(f"packaging/man/hearthctl.1: {name}, which {os.path.basename(path)} reads, is not under ENVIRONMENT")
print("\n".join(missing) if missing else f"the manual knows {len(verbs)} verbs and all keys")
sys.exit(1 if missing else 0)
