#!/usr/bin/python3
"""Who may include whom: includes only go down the layers, and the parts of one layer do not see each other.

usage: layers.py SOURCE_DIR [BUILD_DIR]
"""
import os
import re
import sys

# Longest prefix wins: (prefix, layer, part). Parts of one layer never include each other, except as ALLOWED says.
PARTS = [
    ("agent/core/", 0, "core"),
    ("policies/", 1, "policies"),
    ("drivers/", 1, "drivers"),
    ("agent/cloud/", 1, "cloud"),
    ("agent/simulate/", 2, "simulate"),
    ("agent/io/", 2, "io"),
    ("drivers/modbus/bus", 2, "bus"),
    ("agent/flow/", 3, "flow"),
    ("agent/ctl/", 4, "ctl"),
    ("agent/provider/", 4, "provider"),
    ("agent/", 4, "app"),
]
ALLOWED = {("bus", "io")}       # the bus runs on io/worker
DENIED = {("ctl", "flow"): "hearthctl is a program of its own; it speaks to the agent by MQTT",
          ("provider", "flow"): "the provider is a program of its own"}

# Headers with effects: where they may stand. A pure layer gets none of them; one library a file above it.
EFFECTS = {
    "uv.h": ("agent/io/", "drivers/modbus/bus", "agent/flow/", "agent/app.", "agent/main.", "agent/release."),
    "modbus": ("drivers/modbus/bus",),
    "mosquitto.h": ("agent/io/mqtt", "agent/ctl/link."),
    "sqlite3.h": ("agent/io/store",),
    "openssl/": ("agent/io/crypto.",),
    "curl/": ("agent/io/http",),
    "microhttpd.h": ("agent/io/web", "agent/provider/"),
    "systemd/": ("agent/io/log.", "agent/io/notify."),
    "pthread.h": ("agent/io/worker.", "agent/io/log."),
}
NOT_PURE = ("time.h", "unistd.h", "fcntl.h", "pthread.h", "signal.h", "poll.h", "dirent.h", "sys/", "netinet/", "arpa/",
            "netdb.h", "threads.h", "stdatomic.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
THREAD = re.compile(r"\b(pthread_create|uv_thread_create|uv_queue_work|thrd_create|fork)\s*\(")


def part_of(path):
    best = max((p for p in PARTS if path.startswith(p[0])), key=lambda p: len(p[0]), default=None)
    return best[1:] if best else None


def sources(root):
    for top in ("agent", "policies", "drivers"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def resolve(root, name):
    for base in ("agent/", ""):
        if os.path.isfile(os.path.join(root, base + name)):
            return base + name
    return None


def check_own(root, path, name, say):
    target = resolve(root, name)
    if target is None:
        say(f'"{name}" is neither below agent/ nor below the root', "write the path from there, with its folder")
        return
    layer, part = part_of(path)
    there = part_of(target)
    if there is None:
        say(f'"{name}" belongs to no layer', "programs do not include tests")
    elif (part, there[1]) in DENIED:
        say(f'{part} includes {there[1]} ("{name}")', DENIED[(part, there[1])])
    elif there[0] > layer:
        say(f'layer {layer} ({part}) includes layer {there[0]} ({there[1]}: "{name}")',
            "move what both need down, or hand it in as an argument")
    elif there[0] == layer and there[1] != part and (part, there[1]) not in ALLOWED:
        say(f'{part} includes {there[1]} ("{name}") of the same layer', "share through agent/core")


def check_system(path, name, say):
    layer, part = part_of(path)
    for header, places in EFFECTS.items():
        if name.startswith(header) and not path.startswith(places):
            say(f"<{name}> does not belong here", "it may be used in " + ", ".join(places))
            return
    if (layer < 2 or part == "simulate") and name.startswith(NOT_PURE):
        say(f"<{name}> in the pure part {part}", "take time, text and results as arguments")


def main():
    root = sys.argv[1]
    bad = count = 0
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        for number, line in enumerate(lines, 1):
            def say(what, mend):
                nonlocal bad
                bad += 1
                print(f"{path}:{number}: {what}: {mend}")

            m = INCLUDE.match(line)
            if m:
                count += 1
                (check_own(root, path, m[2], say) if m[1] == '"' else check_system(path, m[2], say))
            elif THREAD.search(line) and path != "agent/io/worker.c" and not line.lstrip().startswith(("*", "/*", "//")):
                say("makes a thread or process", "only agent/io/worker.c does; send it a message")
    print(f"layers: {count} includes, {bad} against the layers")
    return 1 if bad or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
