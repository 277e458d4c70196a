"""Count lines of code: neither comments nor docstrings, blank lines or data.

    python tools/count_code.py [COMMIT ...]

Python, Cython, C and templates, of each package, in the working tree or in commits side by side.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import PurePosixPath

SUFFIXES = {".py", ".pyx", ".pxd", ".pxi", ".in", ".h", ".c"}
FOLDERS = ("src", "tests", "benchmarks", "tools", "examples", "setup.py")
DOCSTRING = re.compile(r'^[ \t]*[rR]?("""|\'\'\').*?\1[ \t]*$', re.MULTILINE | re.DOTALL)
C_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def git(*args):
    """What a git command prints."""
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout


def lines_of_code(text, suffix):
    """How many lines of a file are code."""
    if suffix in {".h", ".c"}:
        text, comment = C_COMMENT.sub("", text), "//"
    else:
        text, comment = DOCSTRING.sub("", text), "#"
    lines = (line.strip() for line in text.splitlines())
    return sum(bool(line) and not line.startswith(comment) for line in lines)


def package_of(path):
    """Where a file is counted: a package of src, with those inside _engine apart."""
    parts = path.parts
    if parts[0] != "src":
        return parts[0]
    inner = [part for part in parts[2:-1] if part.isidentifier()]
    return "/".join(["src", *inner[: 1 + (inner[:1] == ["_engine"])]])


def count(commit):
    """Lines of code of each package; of the working tree for None."""
    counts = Counter()
    paths = git("ls-files", *FOLDERS) if commit is None else git(
        "ls-tree", "-r", "--name-only", commit, "--", *FOLDERS
    )  # fmt: skip
    for name in paths.splitlines():
        path = PurePosixPath(name)
        if path.suffix in SUFFIXES:
            if commit is None:
                with open(name, encoding="utf-8") as file:
                    text = file.read()
            else:
                text = git("show", f"{commit}:{name}")
            counts[package_of(path)] += lines_of_code(text, path.suffix)
    return counts


def main(commits):
    """Print a table."""
    tables = [count(commit) for commit in commits]
    names = sorted(set().union(*tables))
    print(f"{'':24}" + "".join(f"{commit or 'working tree':>14}" for commit in commits))
    for name in names:
        print(f"{name:24}" + "".join(f"{table[name]:14}" for table in tables))
    inside = [sum(n for name, n in table.items() if name.startswith("src")) for table in tables]
    print(f"{'src in all':24}" + "".join(f"{n:14}" for n in inside))


if __name__ == "__main__":
    main(sys.argv[1:] or [None])
