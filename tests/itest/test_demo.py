"""The demonstration, ended early in every way: nothing it started survives, and the exit code says that it did not happen."""
import os
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("HEARTH_BUILD", "build"))
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SLOW = float(os.environ.get("HEARTH_SLOW", "1"))


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            found = [int(word) for word in f.read().split()]
    except OSError:
        return []
    return found + [below for child in found for below in children(child)]


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end_by(number, want, folder):
    demo = subprocess.Popen([sys.executable, "packaging/lib/demo.py", "--build", BUILD, "--headless"], cwd=SOURCE,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            env=dict(os.environ, TMPDIR=folder))
    first = demo.stdout.readline()
    started = children(demo.pid)
    assert "agent started" in first and len(started) >= 4, f"the demo did not begin: {first!r}, {len(started)} children"
    demo.send_signal(number)
    demo.stdout.read()
    code = demo.wait(60 * SLOW)
    until = time.monotonic() + 15 * SLOW
    while any(lives(pid) for pid in started) and time.monotonic() < until:
        time.sleep(0.05)
    left = [pid for pid in started if lives(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"{len(left)} of {len(started)} processes survived signal {number}"
    assert code == want, f"signal {number}: exit {code} instead of {want}"


signal.signal(signal.SIGINT, signal.default_int_handler)  # may be inherited as ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
for number, want in ((signal.SIGHUP, 129), (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
    with tempfile.TemporaryDirectory(prefix="hearth-itest-") as folder:
        end_by(number, want, folder)
        assert number == signal.SIGKILL or not os.listdir(folder), f"left after signal {number}: {os.listdir(folder)}"
    print(f"signal {int(number)}: exit {want}, nothing left")
