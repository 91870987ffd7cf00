"""What hearthctl makes of its options, and hearthd of a configuration it is only to check. Needs no broker."""
import os
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("HEARTH_BUILD", "build"))
REACHED = 3  # understood, tried, and nobody was there

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
        done = subprocess.run([f"{BUILD}/hearthctl", "--host", "127.0.0.1", *last, "ping"], capture_output=True, text=True, timeout=60)
        if done.returncode != want or (want == 2 and f"{option}: '{value}' is not understood" not in done.stderr):
            wrong.append(f"{option} {value!r}: exit {done.returncode} instead of {want}: {done.stderr.strip()}")
    return wrong


def check():
    """hearthd --check names what has no effect, and still says that all is fine."""
    with tempfile.TemporaryDirectory(prefix="hearth-options-") as folder:
        path = os.path.join(folder, "hearth.conf")
        with open(path, "w") as f:
            f.write("[site]\nid = x\n[flip]\nmode = direct\n[plan]\ndemand_target_w = 4000\n")
        done = subprocess.run([f"{BUILD}/hearthd", "--config", path, "--check"], capture_output=True, text=True, timeout=60)
    want = ["note: [flip] mode = direct has no effect in this version", "note: [plan] demand_target_w = 4000 has no effect in this version"]
    if done.returncode != 0 or done.stderr.splitlines() != want or "fine" not in done.stdout:
        return [f"hearthd --check: exit {done.returncode}, {done.stdout!r}, {done.stderr!r}"]
    return []


wrong = options() + check()
print("\n".join(wrong) if wrong else f"{len(OPTIONS)} options and a check as they should be")
sys.exit(1 if wrong else 0)
