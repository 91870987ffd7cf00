"""packaging/setup with everything it calls replaced: no service may start while it installs, as root and through sudo, and
what it leaves for that is gone however it ends."""
import os
import signal
import subprocess
import sys
import tempfile
import time

source = sys.argv[1]

FAKES = {
    "dpkg-query": "exit 1",
    "id": 'echo "$FAKE_UID"',
    "sudo": 'echo "sudo $*" >>"$HERE/log"\nexec "$@"',
    "apt-get": 'if [ -x "$HERE/policy-rc.d" ]; then sh "$HERE/policy-rc.d"; echo "apt $? $DEBIAN_FRONTEND $*" >>"$HERE/log"\n'
               'else echo "apt unguarded $*" >>"$HERE/log"; fi\n[ "$1" = -qq ] && shift\nsleep "$FAKE_SLEEP"\n[ "$1" != "$FAKE_FAIL" ]',
}


def run(uid, fail="", interrupt=None, present=False):
    """Exit code, what was called, whether the policy file is there afterwards."""
    with tempfile.TemporaryDirectory(prefix="hearth-setup-") as here:
        for name, body in FAKES.items():
            with open(f"{here}/{name}", "w") as f:
                f.write(f"#!/bin/sh\n{body}\n")
            os.chmod(f"{here}/{name}", 0o755)
        with open(f"{source}/packaging/setup") as f:
            text = f.read()
        assert "/usr/sbin/policy-rc.d" in text
        with open(f"{here}/setup", "w") as f:
            f.write(text.replace("/usr/sbin/policy-rc.d", f"{here}/policy-rc.d"))
        policy = f"{here}/policy-rc.d"
        if present:
            with open(policy, "w") as f:
                f.write("#!/bin/sh\nexit 7\n")
            os.chmod(policy, 0o755)
        env = dict(os.environ, PATH=f"{here}:/usr/bin:/bin", HERE=here, FAKE_UID=uid, FAKE_FAIL=fail, FAKE_SLEEP="0.4" if interrupt else "0")
        process = subprocess.Popen(["/bin/sh", f"{here}/setup"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while interrupt and process.poll() is None and not os.path.exists(f"{here}/log"):
            time.sleep(0.01)
        while interrupt and process.poll() is None and "apt" not in open(f"{here}/log").read():
            time.sleep(0.01)
        if interrupt:
            process.send_signal(interrupt)
        process.communicate(timeout=60)
        log = open(f"{here}/log").read() if os.path.exists(f"{here}/log") else ""
        return process.returncode, log, os.path.exists(policy)


signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell cannot trap what it was started to ignore
signal.signal(signal.SIGHUP, signal.SIG_DFL)
wrong = []
for uid in ("0", "1000"):
    for fail, interrupt, want in (("", None, 0), ("install", None, 1), ("", signal.SIGTERM, 143), ("", signal.SIGINT, 130),
                                  ("", signal.SIGHUP, 129)):
        code, log, left = run(uid, fail, interrupt)
        guarded = [line for line in log.splitlines() if line.startswith("apt 101 noninteractive")]
        if code != want or left or not guarded or "unguarded" in log or (uid != "0") != ("sudo" in log):
            wrong.append(f"uid {uid}, {fail or interrupt or 'all well'}: exit {code} instead of {want}, policy left: {left}\n{log}")
code, log, left = run("1000", present=True)
if code or not left or "apt 7" not in log:
    wrong.append(f"a policy of the machine's own: exit {code}, still there: {left}\n{log}")
print("\n".join(wrong) if wrong else "packaging/setup starts no service")
sys.exit(1 if wrong else 0)
