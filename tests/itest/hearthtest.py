"""Support for the integration tests: real broker, simulator and agent in a scratch folder, and MQTT 5 through Debian's
mosquitto clients. Standard library only. Everything started here ends with the test program, whatever happens to it."""

import atexit
import concurrent.futures
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("HEARTH_BUILD", os.path.join(SOURCE, "build"))
PROFILES = os.path.join(SOURCE, "drivers", "profiles")
MOSQUITTO = "/usr/sbin/mosquitto"
SLOW = float(os.environ.get("HEARTH_SLOW", "1"))  # factor on every time limit, for sanitizer builds

_libc = ctypes.CDLL(None)


def seed():
    """HEARTH_SEED, else always the same one (tests/support/seed.h); "random" or 0, and HEARTH_LONG=1 alone, draw one."""
    text = os.environ.get("HEARTH_SEED", "random" if os.environ.get("HEARTH_LONG") else "1")
    return (int(text) if text.isdigit() else 0) or time.time_ns() % 1000000000


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def program(name):
    """Path of one of our programs in the build folder ("hearthd", "hearth-sim", ...)."""
    for folder in ("", "tests", "agent"):
        path = os.path.join(BUILD, folder, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name} is not built in {BUILD}")


_claims = []  # abstract sockets, one a port: they go with this process, whatever ends it


def free_port():
    """A TCP port of 127.0.0.1 nobody listens on at this moment, below those the kernel gives to connections: none of these gets it
    before its server does, or while that is down. No other test gets it while this program runs."""
    for _ in range(100):
        port = random.SystemRandom().randrange(10000, 32768)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0hearthtest-port-{port}")
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
    raise AssertionError("no free port")


def free_ports(n):
    """n different ports."""
    ports = set()
    while len(ports) < n:
        ports.add(free_port())
    return list(ports)


def wait_for(condition, timeout=10.0, what="", interval=0.05):
    """Calls condition() until it gives something true, and returns that; AssertionError with `what` when time is up.
    `what` may be a function, called for the message."""
    until = time.monotonic() + timeout * SLOW
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= until:
            raise AssertionError(f"waited {timeout * SLOW:g} s in vain: {what() if callable(what) else what or condition}")
        time.sleep(interval)


def listening(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def scratch():
    """A new folder, removed at exit unless HEARTH_KEEP is set."""
    folder = tempfile.mkdtemp(prefix="hearth-")
    if os.environ.get("HEARTH_KEEP"):
        print(f"kept: {folder}", file=sys.stderr)
    else:
        atexit.register(shutil.rmtree, folder, True)
    return folder


class Program:
    """A child process whose output goes to a file; killed at exit. Usable as a context."""

    def __init__(self, argv, folder, env=None, name=None):
        self.argv = list(argv)
        self.name = name or os.path.basename(self.argv[0])
        self.folder = folder
        self.log_path = os.path.join(folder, self.name + ".log")
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        atexit.register(self.kill)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                            preexec_fn=_die_with_parent)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=10.0):
        """Exit code (negative: by that signal)."""
        return self.process.wait(timeout * SLOW)

    def stop(self, timeout=10.0):
        """SIGTERM; exit code. Killed, and an AssertionError, when it does not end."""
        if not self.running():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout} s; log:\n{self.tail()}") from None

    def kill(self):
        """SIGKILL, at once."""
        if self.running():
            self.process.kill()
            self.process.wait()

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def tail(self, n=30):
        return "\n".join(self.log().splitlines()[-n:])

    def __enter__(self):
        if not self.running():
            self.start()
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            print(f"--- {self.name}:\n{self.tail()}", file=sys.stderr)
            self.kill()
        else:
            self.stop()


class Broker(Program):
    """mosquitto on a free port of 127.0.0.1 and on the Unix socket `socket_path`. `extra` is added to its configuration."""

    def __init__(self, folder=None, extra=""):
        folder = folder or scratch()
        # A change of user would clear the signal that ends it with us (prctl(2)).
        user = "user root\n" if os.geteuid() == 0 else ""
        self.port = free_port()
        self.socket_path = os.path.join(folder, "mosquitto.sock")
        config = os.path.join(folder, "mosquitto.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"listener {self.port} 127.0.0.1\nlistener 0 {self.socket_path}\nallow_anonymous true\n"
                    f"persistence false\nlog_type all\nlog_dest stderr\n{user}{extra}\n")
        super().__init__([MOSQUITTO, "-c", config], folder, name="mosquitto")

    def start(self):
        super().start()
        wait_for(lambda: listening(self.port) or not self.running(), 10, "mosquitto")
        if not self.running():
            raise AssertionError("mosquitto did not start:\n" + self.tail())
        return self

    def restart(self):
        self.stop()
        return self.start()

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)


class Message:
    def __init__(self, topic, payload, retained, qos, properties):
        self.topic, self.payload, self.retained, self.qos, self.properties = topic, payload, retained, qos, properties
        self.at = time.monotonic()

    @property
    def json(self):
        return json.loads(self.payload)

    def __repr__(self):
        return f"<{self.topic}{' retained' if self.retained else ''}: {self.payload[:200]}>"


class Mqtt:
    """An MQTT 5 client made of mosquitto_sub, _pub and _rr. Collects every message below `root` (default all):
    `messages` in order, `state` the newest payload of each topic (gone when cleared)."""

    def __init__(self, broker, root="#"):
        self.broker = broker
        self.messages = []
        self.state = {}
        self.since = 0  # index of the first message of this subscription
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._host = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", "5"]
        self._root = root
        self._mark = f"hearthtest/{os.getpid()}/{id(self)}"
        self._process = None
        self._thread = None
        self.start()

    def start(self):
        """Subscribes. What another subscription knew is forgotten: the broker tells what it has retained."""
        self.forget(self.count())
        self.since = self.count()
        self._ready.clear()
        self._process = subprocess.Popen(
            ["mosquitto_sub", *self._host, "-q", "1", "--retain-as-published", "-F", "%j", "-t", self._root,
             "-t", self._mark], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=_die_with_parent)
        self._thread = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._thread.start()
        until = time.monotonic() + 10 * SLOW
        while not self._ready.is_set():  # the subscription holds once our own mark comes back
            self.publish(self._mark, "x")
            if self._ready.wait(0.2):
                break
            if time.monotonic() > until:
                raise AssertionError("mosquitto_sub does not subscribe")

    def _read(self, process):
        for line in process.stdout:
            try:
                m = json.loads(line)
            except ValueError:
                continue
            message = Message(m["topic"], m.get("payload") or "", bool(m.get("retain")), m.get("qos", 0),
                              m.get("properties") or {})
            if message.topic == self._mark:
                self._ready.set()
                continue
            with self._lock:
                self.messages.append(message)
                if message.payload:
                    self.state[message.topic] = message.payload
                else:
                    self.state.pop(message.topic, None)

    def get(self, topic):
        """Newest payload of a topic as JSON (as text when it is not JSON); None when unknown or cleared."""
        with self._lock:
            payload = self.state.get(topic)
        if payload is None:
            return None
        try:
            return json.loads(payload)
        except ValueError:
            return payload

    def topics(self, prefix=""):
        with self._lock:
            return sorted(t for t in self.state if t.startswith(prefix))

    def seen(self, topic, since=0):
        """Messages of a topic from index `since` of `messages` on."""
        with self._lock:
            return [m for m in self.messages[since:] if m.topic == topic]

    def count(self):
        with self._lock:
            return len(self.messages)

    def forget(self, before):
        """The newest of each topic is from index `before` of `messages` on."""
        with self._lock:
            self.state.clear()
            for m in self.messages[before:]:
                if m.payload:
                    self.state[m.topic] = m.payload
                else:
                    self.state.pop(m.topic, None)

    def wait(self, topic, check=lambda value: True, timeout=10.0, what=""):
        """Waits until the newest value of a topic (as by get) is there and check(value) is true; returns it. A member that is absent
        just now (unknown is absent) is not what is waited for."""
        def ready():
            value = self.get(topic)
            try:
                return value is not None and check(value) and (value,)
            except LookupError:
                return False
        return wait_for(ready, timeout, lambda: f"{what or topic}; newest: {self.get(topic)}")[0]

    def heard(self, topic, check=lambda value: True, since=0, timeout=10.0, what=""):
        """Waits for a message of a topic, from index `since` of `messages` on, that check() is true for, and returns its JSON. For what
        passes: wait() sees only the newest, and comes late on a busy machine."""
        def found():
            return next(((m.json,) for m in self.seen(topic, since) if m.payload and check(m.json)), None)
        return wait_for(found, timeout, lambda: f"{what or topic}; heard: {self.seen(topic, since)[-5:]}")[0]

    def publish(self, topic, payload, retain=False, qos=1, user_properties=None, response_topic=None, correlation=None,
                expiry_s=None):
        """payload: text, bytes, None (clears) or anything JSON can say."""
        argv = ["mosquitto_pub", *self._host, "-q", str(qos), "-t", topic]
        if retain:
            argv.append("-r")
        for name, value in (user_properties or {}).items():
            argv += ["-D", "publish", "user-property", name, value]
        if response_topic:
            argv += ["-D", "publish", "response-topic", response_topic]
        if correlation:
            argv += ["-D", "publish", "correlation-data", correlation]
        if expiry_s:
            argv += ["-D", "publish", "message-expiry-interval", str(expiry_s)]
        if payload is None:
            data, argv = b"", argv + ["-n"]
        else:
            data = payload if isinstance(payload, bytes) else \
                (payload if isinstance(payload, str) else json.dumps(payload)).encode()
            argv.append("-s")
        done = subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20 * SLOW, check=False)
        if done.returncode:
            raise AssertionError(f"mosquitto_pub {topic}: {done.stdout.decode(errors='replace')}")

    def request(self, root, verb, body=None, timeout=10.0, user=None):
        """Asks by MQTT 5 request/response; returns the answer as a dict. root is "<mqtt.root>/<site>"."""
        base = f"{root}/as/{user}" if user else root
        answer_to = f"{base}/response/{verb}" if user else f"hearthtest/answer/{os.getpid()}/{time.monotonic_ns()}"
        text = body if isinstance(body, str) else json.dumps(body if body is not None else {})
        done = subprocess.run(["mosquitto_rr", *self._host, "-q", "1", "-t", f"{base}/request/{verb}", "-e", answer_to,
                               "-m", text, "-W", str(max(1, int(timeout * SLOW)))],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=(timeout + 10) * SLOW, check=False)
        if done.returncode or not done.stdout.strip():
            raise AssertionError(f"no answer to {verb} {text}: {done.stdout.decode(errors='replace')}")
        return json.loads(done.stdout)

    def ok(self, root, verb, body=None, **more):
        """Like request, but insists on status "ok" and returns the data."""
        answer = self.request(root, verb, body, **more)
        assert answer.get("status") == "ok", f"{verb} {body}: {answer}"
        return answer.get("data")

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._thread.join(5)
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Sim(Program):
    """hearth-sim with the given arguments, for example Sim(folder, "--battery", "15020", ...); `ports` are waited for."""

    def __init__(self, folder, *args, ports=()):
        self.ports = list(ports)
        super().__init__([program("hearth-sim"), *[str(a) for a in args]], folder, name="hearth-sim")

    def start(self):
        super().start()
        for port in self.ports:
            wait_for(lambda p=port: listening(p) or not self.running(), 10, f"hearth-sim on port {port}")
        if not self.running():
            raise AssertionError("hearth-sim did not start:\n" + self.tail())
        return self


class Hearthd(Program):
    """The agent with a configuration text of its own, its state in <folder>/state. R is the topic root. @mqtt hears what it says."""

    def __init__(self, folder, config, site="home-0042", root="hearth/1", args=(), env=None, mqtt=None):
        self.config_path = os.path.join(folder, "hearth.conf")
        self.state_dir = os.path.join(folder, "state")
        self.run_dir = os.path.join(folder, "run")
        self.R = f"{root}/{site}"
        self.mqtt, self.since, self._logged = mqtt, 0, 0
        for path in (self.state_dir, self.run_dir):
            os.makedirs(path, exist_ok=True)
        self.configure(config)
        super().__init__([program("hearthd"), "--config", self.config_path, *args], folder, name="hearthd",
                         env={"STATE_DIRECTORY": self.state_dir, "RUNTIME_DIRECTORY": self.run_dir,
                              "HEARTH_PROFILES": PROFILES, **(env or {})})

    def start(self):
        self._logged = len(self.log())
        self.since = self.mqtt.count() if self.mqtt else 0
        return super().start()

    def connected(self):
        """Waits until it, as started last, is connected and has said so; what those before it said is forgotten: what is newest of a
        topic from then on, this one said."""
        wait_for(lambda: "connected to the broker" in self.log()[self._logged:], 15, lambda: f"its link; log:\n{self.tail()}")
        since = max(self.since, self.mqtt.since)

        def online():
            return [i for i in range(since, self.mqtt.count()) if self.mqtt.messages[i].topic == self.R + "/status" and self.mqtt.messages[i].payload == "online"]
        first = wait_for(online, 15, "its R/status")[0]
        if self.since >= self.mqtt.since:  # else the broker tells what is retained in an order of its own
            self.mqtt.forget(first)
        self.mqtt.wait(self.R + "/status", lambda s: s == "online", 15)

    def configure(self, config):
        """Replaces the configuration file; SIGHUP or config.reload makes it count."""
        with open(self.config_path + ".new", "w", encoding="utf-8") as f:
            f.write(config)
        os.replace(self.config_path + ".new", self.config_path)

    def secret(self, name, text):
        """Writes a file with mode 0600 for a *_file key of the configuration; returns its path."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def run_one(test, home=None):
    begun = time.monotonic()
    try:
        with home() if home else contextlib.nullcontext() as own:
            if home:
                test.__globals__["home"] = own
            test()
        print(f"ok   {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        return True
    except Exception:  # any failure of one test must not hide the others
        import traceback
        traceback.print_exc()
        print(f"FAIL {test.__name__}", flush=True)
        return False


def run_abreast(tests, abreast):
    """Each test in a process of its own, @abreast at a time; what each printed, in the order of the list. Returns the failed."""
    def one(test):
        done = subprocess.run([sys.executable, sys.argv[0], test.__name__], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              preexec_fn=_die_with_parent)
        return test, done.returncode, done.stdout

    failed = []
    with concurrent.futures.ThreadPoolExecutor(abreast) as pool:
        for test, code, text in pool.map(one, tests):
            print(text, end="", flush=True)
            if code:
                failed.append(test.__name__)
    return failed


def run_tests(tests, abreast=1, home=None):
    """Runs the functions in order, prints one line each, exits non-zero if any failed. Names on the command line choose.
    Tests that have a home each and mostly wait may run @abreast. @home makes it: each test finds its own in the program's `home`,
    and nothing of what another one left."""
    wanted = sys.argv[1:]
    if abreast > 1 and not wanted:
        failed = run_abreast(tests, abreast)
    else:
        failed = [t.__name__ for t in tests if (not wanted or t.__name__ in wanted) and not run_one(t, home)]
    if failed:
        print("failed: " + ", ".join(failed))
    sys.exit(1 if failed else 0)
