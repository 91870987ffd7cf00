"""A Debian root with Hearth installed in it, booted with its own systemd by systemd-nspawn. The bare root is made once by
debootstrap and kept in a cache folder; each run boots a copy. Standard library only; ends with the test program."""
import atexit
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "itest"))

from hearthtest import BUILD, program, wait_for  # noqa: E402

BOOT_S = 60
# nspawn itself refuses them; asking whether the clock is synchronised must get as far as the service's own filter.
CLOCK_CALLS = "--system-call-filter=adjtimex clock_adjtime"
LIFE_S = 480  # the container ends after this long, whatever happens to the test


class Unable(Exception):
    """This machine cannot run such a test; the text says why."""


def run(*argv, check=True, timeout=60, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=timeout, check=False, **more)
    assert not check or done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}: {done.stdout[-2000:]}"
    return done


def suite():
    with open("/etc/os-release", encoding="utf-8") as f:
        fields = dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
    if fields.get("ID") != "debian" or "VERSION_CODENAME" not in fields:
        raise Unable("the root is made for programs built on this machine, and this is no Debian release")
    return fields["VERSION_CODENAME"]


def libraries():
    """Debian packages with the shared libraries our programs need, as the machine that built them has them."""
    names = set()
    for name in ("hearthd", "hearthctl", "hearth-sim"):
        names |= set(re.findall(r"^\s*(\S+\.so\S*) => /", run("ldd", program(name)).stdout, re.M))
    owners = run("dpkg", "-S", *("*/" + n for n in sorted(names)), check=False).stdout
    return sorted({m[1] for m in re.finditer(r"^([a-z0-9.+-]+)(?::\w+)?: /(?:usr/)?lib/\S+/(\S+)$", owners, re.M) if m[2] in names})


def cache():
    home = os.environ.get("XDG_CACHE_HOME")
    folder = os.path.join(home, "hearth") if home else "/var/tmp/hearth-test-roots"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.stat(folder).st_uid != 0 or os.stat(folder).st_mode & 0o022:
        raise Unable(f"{folder} is not root's own folder")
    return folder


def bare_root(folder):
    """Path of the kept root; made when it is not there (a minute or three)."""
    release = suite()
    packages = ["systemd", "systemd-sysv", "dbus", "mosquitto", *libraries()]
    mark = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    root = os.path.join(folder, f"{release}-{mark}")
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(root):
            return root
        print(f"debootstrap {release} into {root}", flush=True)
        shutil.rmtree(root + ".new", ignore_errors=True)
        done = run("debootstrap", "--variant=minbase", "--include=" + ",".join(packages), release, root + ".new", check=False,
                   timeout=900)
        if done.returncode:
            shutil.rmtree(root + ".new", ignore_errors=True)
            raise Unable("debootstrap failed: " + " | ".join(done.stdout.strip().splitlines()[-3:]))
        shutil.rmtree(root + ".new/var/cache/apt", ignore_errors=True)
        os.rename(root + ".new", root)
    return root


def remove_old_runs(folder):
    for name in os.listdir(folder):
        m = re.fullmatch(r"run-(\d+)", name)
        if m and not os.path.exists("/proc/" + m[1]):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Container:
    """Not booted yet: `root` can be filled. Raises Unable where such a thing cannot run."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Unable("needs root")
        for tool in ("debootstrap", "systemd-nspawn", "nsenter"):
            if not shutil.which(tool):
                raise Unable(f"{tool} is not installed (Debian: debootstrap, systemd-container, util-linux)")
        folder = cache()
        remove_old_runs(folder)
        kept = bare_root(folder)
        self.root = os.path.join(folder, f"run-{os.getpid()}")
        self.log_path = self.root + ".log"
        self.process = self.init = None
        atexit.register(self.destroy)
        run("cp", "-a", "--reflink=auto", kept, self.root, timeout=300)

    def path(self, inside):
        """Before the boot, and for plain files after it."""
        return self.root + inside

    def live(self, inside):
        """The path as seen by the running system, mounts included."""
        return f"/proc/{self.init}/root{inside}"

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(path + ".new", path)

    def install(self):
        """What a person does by hand: cmake --install, users, folders, the service enabled."""
        run("cmake", "--install", BUILD, env=dict(os.environ, DESTDIR=self.root))
        run("systemd-sysusers", "--root=" + self.root)
        run("systemd-tmpfiles", "--root=" + self.root, "--create", "hearth.conf")
        self.enable("hearth.service")

    def enable(self, unit):
        run("systemctl", "--root=" + self.root, "enable", unit)

    def boot(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["timeout", "--kill-after=10", str(LIFE_S), "systemd-nspawn", "-q", "-D", self.root, "--private-network", "--boot",
                 "--console=pipe", "--register=no", "--keep-unit", CLOCK_CALLS], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_end_with_parent)
        try:
            self.init = wait_for(self._find_init, BOOT_S, "init")
            wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"), BOOT_S)
        except AssertionError:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                raise Unable("systemd-nspawn does not boot here: " + " | ".join(f.read().strip().splitlines()[-3:])) from None

    def _children(self, pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
                return [int(word) for word in f.read().split()]
        except OSError:
            return []

    def _find_init(self):
        if self.process.poll() is not None:
            raise AssertionError("ended")
        for nspawn in self._children(self.process.pid):
            for pid in self._children(nspawn):
                with open(f"/proc/{pid}/status", encoding="ascii") as f:
                    if re.search(r"^Name:\tsystemd$", text := f.read(), re.M) and re.search(r"^NSpid:.*\t1$", text, re.M):
                        return pid
        return None

    def run(self, *argv, check=True, timeout=60):
        return run("nsenter", "-a", "-t", str(self.init), *argv, check=check, timeout=timeout)

    def show(self, unit, *properties):
        """Properties of a unit, as text."""
        text = self.run("systemctl", "show", unit, "-p", ",".join(properties)).stdout
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def journal(self, unit=None, since=None):
        """Text; @since is a cursor of journal_mark()."""
        which = ["-u", unit] if unit else []
        return self.run("journalctl", "--no-pager", "-o", "short-monotonic", *which, *(["--after-cursor=" + since] if since else [])).stdout

    def journal_mark(self):
        return self.run("journalctl", "-n0", "--show-cursor").stdout.split("cursor: ")[1].strip()

    def enter_network(self):
        """Moves the calling thread, and only it, into the container's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(f"/proc/{self.init}/ns/net", os.O_RDONLY)
        try:
            if libc.setns(fd, 0x40000000):  # CLONE_NEWNET
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()  # an orderly shutdown; timeout hands it on
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                for pid in [*self._children(self.process.pid), self.process.pid]:
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
        for _ in range(20):  # the last mounts go a moment after the process
            shutil.rmtree(self.root, ignore_errors=True)
            if not os.path.exists(self.root):
                break
            time.sleep(0.2)
        if os.path.exists(self.log_path):
            os.unlink(self.log_path)
