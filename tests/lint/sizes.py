#!/usr/bin/python3
"""Files, functions, headers and parameter lists stay small enough to be read in one go.

usage: sizes.py SOURCE_DIR [BUILD_DIR]
"""
import os
import re
import sys

FILE_LINES, MAIN_LINES, FUNCTION_LINES, HEADER_LINES, PARAMETERS = 600, 150, 80, 200, 6
FOLDERS = ("agent", "policies", "drivers", "tests")

# Tables are data: path -> reason. Nothing else belongs here.
TABLES = {
}


def strip(text):
    """Comments, strings and preprocessor lines blanked, so that brackets and commas count for what they are."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m[0])

    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def count_parameters(inner):
    """As a reader counts: memory and its size are one thing, and `...` belongs to the format."""
    depth, start, parts = 0, 0, []
    if inner.strip() in ("", "void"):
        return 0
    for i, c in enumerate(inner + ","):
        depth += c in "([{"
        depth -= c in ")]}"
        if c == "," and depth == 0:
            parts.append(inner[start:i].strip())
            start = i + 1
    n = 0
    for before, part in zip([""] + parts, parts):
        size = re.match(r"(size_t \w*(len|size|_n)|int n_\w+)$", part) and "*" in before
        n += not size and part != "..."
    return n


def parameter_lists(clean):
    """(line, name, parameters) of every function declared or defined at the left edge."""
    for m in re.finditer(r"^[A-Za-z_][\w \t*\n]*?[ \t*\n](\w+)[ \t]*\(", clean, flags=re.M):
        start, depth = m.end(), 1
        at = start
        while at < len(clean) and depth:
            depth += clean[at] == "("
            depth -= clean[at] == ")"
            at += 1
        behind = clean[at:at + 200].lstrip()
        if behind.startswith(("{", ";", "__attribute__")) and "=" not in m[0]:
            yield clean.count("\n", 0, m.start()) + 1, m[1], count_parameters(clean[start:at - 1])


def functions(clean):
    """(line, name, lines): a body opens with a brace alone at the left edge and closes with one."""
    lines = clean.split("\n")
    first = None
    for i, line in enumerate(lines):
        if line.rstrip() == "{":
            first = i
            while first > 0 and lines[first - 1].strip() and not lines[first - 1].rstrip().endswith((";", "}")):
                first -= 1
        elif line.rstrip() == "}" and first is not None:
            m = re.search(r"(\w+)[ \t]*\(", " ".join(lines[first:i]))
            yield first + 1, m[1] if m else "?", i - first + 1
            first = None


def check(path, text, say):
    n = text.count("\n")
    table = path in TABLES
    limit = HEADER_LINES if path.endswith(".h") else MAIN_LINES if path == "agent/main.c" else FILE_LINES
    if n > limit and not table:
        say(limit + 1, f"the file has {n} lines, {limit} are allowed", "split it by what it does; a mere table goes into TABLES with a reason")
    clean = strip(text)
    for line, name, lines in functions(clean):
        if lines > FUNCTION_LINES:
            say(line, f"{name} has {lines} lines, {FUNCTION_LINES} are allowed", "cut out steps with a name")
    for line, name, parameters in parameter_lists(clean):
        if parameters > PARAMETERS:
            say(line, f"{name} takes {parameters} parameters, {PARAMETERS} are allowed", "pass a struct")


def main():
    root = sys.argv[1]
    bad = files = 0
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if not name.endswith((".c", ".h")):
                    continue
                path = os.path.relpath(os.path.join(folder, name), root)
                files += 1
                with open(os.path.join(root, path), encoding="utf-8") as f:
                    text = f.read()

                def say(line, what, mend):
                    nonlocal bad
                    bad += 1
                    print(f"{path}:{line}: {what}: {mend}")

                check(path, text, say)
    for path in TABLES:
        if not os.path.exists(os.path.join(root, path)):
            bad += 1
            print(f"tests/lint/sizes.py:1: TABLES names {path}, which is gone: take it out")
    print(f"sizes: {files} files, {bad} too large")
    return 1 if bad or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
