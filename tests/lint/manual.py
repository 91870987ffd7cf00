"""The manual knows every configuration key, every verb and option of hearthctl, and every option of hearthd. That its examples work:
tests/itest/test_manual.py."""
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
print("\n".join(missing) if missing else f"the manual knows {len(verbs)} verbs and all keys")
sys.exit(1 if missing else 0)
