#!/usr/bin/python3
"""The archives of the pure layers call nothing with an effect, and keep no variable of their own.

Every undefined symbol of an object must be defined in its own archive, in a layer below, or stand in the lists here.

usage: purity.py SOURCE_DIR BUILD_DIR
"""
import os
import re
import subprocess
import sys

# archive -> archives below it
ARCHIVES = {
    "libhearth_core.a": [],
    "libhearth_cloud.a": ["libhearth_core.a"],
    "libhearth_policies.a": ["libhearth_core.a"],
    "libhearth_drivers.a": ["libhearth_core.a"],
    "libhearth_simulate.a": ["libhearth_core.a", "libhearth_policies.a"],
}

PURE = set("""
memcpy memmove memset memcmp memchr memrchr mempcpy memmem bcmp
strlen strnlen strcpy stpcpy strncpy strcmp strncmp strcasecmp strncasecmp strchr strchrnul strrchr strstr strspn strcspn strpbrk
strtol strtoul strtoll strtoull strtod strtof
snprintf vsnprintf sscanf __isoc99_sscanf __isoc23_sscanf __isoc23_strtol __isoc23_strtoul __isoc23_strtoll __isoc23_strtoull
qsort bsearch abs labs llabs
__errno_location __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc tolower toupper
__assert_fail abort __stack_chk_fail __stack_chk_guard _GLOBAL_OFFSET_TABLE_
ini_parse_stream ini_parse_string
""".split())
MATH = set("""
fabs floor ceil round trunc rint nearbyint lround llround lrint llrint fmin fmax fmod remainder pow sqrt cbrt exp exp2 expm1 log log2
log10 log1p sin cos sincos tan asin acos atan atan2 hypot ldexp frexp modf nextafter copysign scalbn fdim
""".split())
PURE |= MATH | {m + "f" for m in MATH}
PREFIXES = ("cJSON_",)
# what compilers add: sanitizers, coverage, fortified twins of the functions above, arithmetic helpers of 32-bit machines
ADDED = re.compile(r"^(__asan_|__ubsan_|__tsan_|__lsan_|__sanitizer_|__gcov_|__sanitizer_cov_|__aeabi_|__udivdi3|__divdi3|__umoddi3|__moddi3"
                   r"|__powidf2|__popcount|__ctz|__clz|__fix|__float|__memcpy_chk|__\w+_chk$|__start_|__stop_|__dso_handle)")

# Memory: only where starting up or a worker's job needs it; the control path has none. The reason stands beside the name.
MEMORY = {"malloc", "calloc", "realloc", "reallocarray", "free"}
MAY_ALLOCATE = {
    "config.c": "parsing at start and reload, freed before it returns",
    "planner.c": "the planner runs on a worker, sized by the instance",
    "togo.c": "planner", "instance.c": "planner", "pair.c": "planner", "curve.c": "planner", "pair_exact.c": "planner", "pair_branch.c": "planner", "many.c": "planner", "outlook.c": "planner", "pair_sweep.c": "planner",
    "pair_car.c": "planner", "pair_reach.c": "planner", "pair_whole.c": "planner",
    "flip_api.c": "a list of commands is as long as Flip makes it (at most FLIP_LIST_MAX); made on the HTTPS worker",
    "scenario.c": "a scenario has a list of prices as long as it likes; parsed once", "truth.c": "as long as the simulated time",
    "simulate.c": "half hours of the simulated time", "clairvoyant.c": "one number for each stay of a car", "hub.c": "one struct a run",
    "price_print.c": "R/tariff, when prices change; freed by its caller at once",
    "telemetry_encode.c": "a body of up to a thousand points; made on the HTTPS worker, in queue mode once an interval",
}
# Single exceptions: object -> {symbol: reason}
EXCEPTIONS = {
    "config_print.c": {s: "writes to the stream its caller hands it" for s in ("fputs", "fputc", "fwrite", "putc")},
}
# Variables: object -> reason
MAY_KEEP = {}


def tool(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def symbols(archive):
    """object -> (defined, undefined)"""
    table, name = {}, None
    for line in tool("nm", archive).splitlines():
        if line.endswith(":"):
            name = re.sub(r"\.o$", "", line[:-1])
            table[name] = (set(), set())
            continue
        parts = line.split()
        if len(parts) >= 2 and name:
            kind = parts[-2]
            if kind in "Uwv" and len(parts) == 2:
                table[name][1].add(parts[-1])
            elif kind in "TDBRVWCGSi":
                table[name][0].add(parts[-1])
    return table


def variables(archive):
    """(object, variable) of everything that can change; constant tables with pointers (.data.rel.ro) cannot."""
    name = None
    for line in tool("objdump", "-t", archive).splitlines():
        m = re.match(r"^(\S+\.c)\.o:\s+file format", line)
        if m:
            name = m[1]
        m = re.match(r"^\S+ .{7} (\.data|\.bss|\.tdata|\.tbss|\*COM\*)(?:\.(?!rel\.ro)\S+)?\t\S+\s+(?:\.hidden )?(\S+)$", line)
        if m and " O " in line:
            yield name, m[2]


def pure(symbol, obj):
    if symbol in PURE or symbol.startswith(PREFIXES) or ADDED.match(symbol):
        return True
    if symbol in MEMORY and obj in MAY_ALLOCATE:
        return True
    return symbol in EXCEPTIONS.get(obj, {})


def where(source_dir, obj, symbol):
    """FILE:LINE of the first use, so that the message can be clicked."""
    for top in ("agent", "policies", "drivers"):
        for folder, _, files in os.walk(os.path.join(source_dir, top)):
            if obj in files:
                path = os.path.join(folder, obj)
                with open(path, encoding="utf-8") as f:
                    for number, line in enumerate(f, 1):
                        if re.search(r"\b%s\b(?!\.h)" % re.escape(symbol.split(".")[0]), line):
                            return f"{os.path.relpath(path, source_dir)}:{number}"
    return f"{obj}:1"


def main():
    source_dir, build_dir = sys.argv[1], sys.argv[2]
    tables, bad, seen, instrumented = {}, 0, 0, False
    for archive in ARCHIVES:
        path = os.path.join(build_dir, archive)
        if not os.path.exists(path):
            print(f"{path}:1: not built: build the archive first")
            return 1
        tables[archive] = symbols(path)
    exported = {a: set().union(*(d for d, _ in t.values())) for a, t in tables.items()}
    for archive, below in ARCHIVES.items():
        known = exported[archive].union(*(exported[b] for b in below))
        for obj, (_, undefined) in sorted(tables[archive].items()):
            for symbol in sorted(undefined):
                seen += 1
                instrumented |= symbol.startswith(("__asan_", "__tsan_", "__gcov_"))
                if symbol not in known and not pure(symbol, obj):
                    bad += 1
                    mend = ("no memory here: give it an array with a _MAX, or add the file to MAY_ALLOCATE with a reason"
                            if symbol in MEMORY else "pure layers take time, randomness and results as arguments; move the effect to agent/io")
                    print(f"{where(source_dir, obj, symbol)}: {archive} calls {symbol}: {mend}")
    # instrumented objects carry the instrument's own variables: the plain build checks them
    for archive in () if instrumented else ARCHIVES:
        for obj, variable in variables(os.path.join(build_dir, archive)):
            if obj not in MAY_KEEP:
                bad += 1
                print(f"{where(source_dir, obj, variable)}: {archive} keeps the variable {variable}: make it const, or put it into the "
                      "caller's struct")
    print(f"purity: {seen} references, {bad} impure" + (" (variables unchecked: instrumented build)" if instrumented else ""))
    return 1 if bad or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
