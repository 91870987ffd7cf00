#!/usr/bin/python3
"""Words that mark unfinished work and paths of somebody's machine do not stand in the sources.

usage: words.py SOURCE_DIR [BUILD_DIR]
"""
import os
import re
import subprocess
import sys

# put together here, or this file would find itself
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK")) + r")\b")
MACHINE = re.compile(r"(?<![\w./-])/(work|root|home/[a-z]\w*|Users/\w+|mnt|build|builds)/(?=\w)")
BUILD_FOLDER = re.compile(r"/tmp" r"/b-\w")
TEXT = (".c", ".h", ".py", ".sh", ".txt", ".cmake", ".md", ".conf", ".service", ".json", ".bash", ".yml", ".yaml", ".1", ".in", ".acl")
# Other people's text, as it came: prefix -> reason
FOREIGN = {
    "LICENSE": "the licence",
    "tests/data/": "samples",
    "tests/fuzz/corpus/": "inputs, wrong on purpose",
}


def files(root):
    """What git tracks or would; the folder itself where there is no git (a source package)."""
    try:
        out = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"], check=True,
                             capture_output=True, text=True).stdout
        names = [n for n in out.split("\0") if n]
        if names:
            return sorted(set(names))
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [d for d in folders if not d.startswith(".") and d not in ("build", "obj")]
        found += [os.path.relpath(os.path.join(folder, n), root) for n in names]
    return sorted(found)


def is_text(root, path):
    if path.endswith(TEXT):
        return True
    try:
        with open(os.path.join(root, path), "rb") as f:
            head = f.read(128)
    except OSError:
        return False
    return head.startswith(b"#!")


def main():
    root = sys.argv[1]
    bad = seen = 0
    for path in files(root):
        full = os.path.join(root, path)
        if path.startswith(tuple(FOREIGN)) or not os.path.isfile(full) or not is_text(root, path):
            continue
        seen += 1
        with open(full, encoding="utf-8", errors="replace") as f:
            for number, line in enumerate(f, 1):
                m = UNFINISHED.search(line)
                if m:
                    bad += 1
                    print(f"{path}:{number}: '{m[0]}': say what is missing and when it matters, or build it")
                m = MACHINE.search(line) or BUILD_FOLDER.search(line)
                if m:
                    bad += 1
                    print(f"{path}:{number}: '{m[0]}' is a path of one machine: make it relative, or take it as an argument")
    print(f"words: {seen} files, {bad} to mend")
    return 1 if bad or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
