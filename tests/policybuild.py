"""Builds the policies and the tests that need nothing but them: for tests/mutate and tests/coverage, which build them often or
with other flags. Straight with the compiler, in seconds: no agent, no drivers, no CMake."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PURE = ("core/", "policies/", "support/")
FLAGS = ["-std=gnu11", "-ffp-contract=off", "-fPIC", "-D_GNU_SOURCE", '-DHEARTH_VERSION="test"', '-DHEARTH_DATADIR="/usr/share/hearth"',
         f'-DHEARTH_SOURCE_DIR="{ROOT}"', f"-I{ROOT}", f"-I{ROOT}/agent", f"-I{ROOT}/tests", "-isystem", "/usr/include/cjson"]
LIBS = ["-lcmocka", "-lcjson", "-linih", "-lm"]


def sources(folder, pattern=r".*\.c$"):
    return sorted(os.path.join(folder, n) for n in os.listdir(os.path.join(ROOT, folder)) if re.match(pattern, n))


def policies():
    return sources("policies") + sources("policies/forecast")


def resolve(name):
    return next((p + name for p in ("", "agent/", "tests/") if os.path.isfile(os.path.join(ROOT, p + name))), None)


def includes(path, seen=None):
    """All headers of ours that the file includes, directly or not."""
    seen = set() if seen is None else seen
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        for name in re.findall(r'^#\s*include\s+"([^"]+)"', f.read(), re.M):
            if name in seen:
                continue
            seen.add(name)
            found = resolve(name)
            if found:
                includes(found, seen)
    return seen


def is_pure(path):
    return all(name.startswith(PURE) for name in includes(path))


def tests():
    """The tests of policies: they include some of them, and nothing of what stands above or beside."""
    found = sources("tests/unit", r"test_.*\.c$") + sources("tests/scenario", r"test_.*\.c$")
    return [t for t in found if is_pure(t) and any(re.match(r"policies/(forecast/)?\w+\.h", n) for n in includes(t))]


class Build:
    """Objects and programs in a folder of their own; every test is linked to libpolicies.so, so that another one can be put in
    front of it."""

    def __init__(self, folder, flags, jobs, policy_flags=()):
        self.folder, self.flags, self.jobs, self.policy_flags = folder, list(flags), jobs, list(policy_flags)
        self.policy = policies()
        os.makedirs(folder, exist_ok=True)

    def compile(self, source, obj=None):
        obj = obj or os.path.join(self.folder, source.replace("/", "__")[:-2] + ".o")
        flags = self.flags + (self.policy_flags if source in self.policy else [])
        subprocess.run(["gcc", *FLAGS, *flags, "-c", "-o", obj, os.path.join(ROOT, source)], check=True, cwd=self.folder)
        return obj

    def many(self, names):
        with ThreadPoolExecutor(self.jobs) as pool:
            return dict(zip(names, pool.map(self.compile, names)))

    def shared(self, objects, out):
        subprocess.run(["gcc", *self.flags, *self.policy_flags, "-shared", "-Wl,-soname,libpolicies.so", "-o", out, *objects], check=True)
        return out

    def all(self):
        """Compiles and links everything; programs() then holds the tests by their names."""
        # config needs profiles: it stands beside the policies, and they cannot see it
        core = [s for s in sources("agent/core") if is_pure(s) and not os.path.basename(s).startswith("config")]
        support = [s for s in sources("tests/support") if is_pure(s) and not s.endswith("fuzz_main.c")]
        self.tests = tests()
        self.objects = self.many(core + sources("policies/planner") + support + self.policy + self.tests)
        self.lib = self.shared([self.objects[s] for s in self.policy], os.path.join(self.folder, "libpolicies.so"))
        rest = os.path.join(self.folder, "librest.a")
        subprocess.run(["ar", "rcs", rest] + [self.objects[s] for s in core + support + sources("policies/planner")], check=True)
        self.programs = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            for name, program in pool.map(lambda t: self.link(t, rest), self.tests):
                self.programs[name] = program

    def link(self, test, rest):
        name = os.path.basename(test)[:-2]
        program = os.path.join(self.folder, name)
        subprocess.run(["gcc", *self.flags, "-rdynamic", "-o", program, self.objects[test], "-Wl,--whole-archive", rest,
                        "-Wl,--no-whole-archive", self.lib, *LIBS], check=True)
        return name, program
