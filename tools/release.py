"""What a release has to be, checked: python tools/release.py FOLDER [--tagged]

FOLDER holds the source archive and the wheels; its checksums are written to SHA256SUMS there.
Without `--tagged` it is a rehearsal: the tag, a date in the changelog and an address of the project
are reported as open, and do not fail. Nothing is uploaded.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = PYPROJECT["project"]["name"]
MOST = 6 << 20  # bytes of a wheel
LICENCES = {"LICENSE", "licenses/gpl-3.0.txt", "licenses/libgomp.txt"}


def version() -> str:
    """The one constant."""
    text = (ROOT / f"src/{NAME}/_runtime/version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


def citation() -> dict[str, str]:
    """Fields of CITATION.cff that are one line."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+): *(\S.*)$", text, re.MULTILINE))


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def open_points(v: str) -> Iterator[str]:
    """What is left to do before the tag, and after it nothing."""
    if f"v{v}" not in git("tag", "--points-at", "HEAD").split():
        yield f"no tag v{v} at this commit"
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(v)} \(\d{{4}}-\d\d-\d\d\)$", changes, re.MULTILINE):
        yield f"CHANGELOG.md: no heading '## {v} (YEAR-MONTH-DAY)'"
    if not PYPROJECT["project"].get("urls"):
        yield "pyproject.toml: no [project.urls]: the project has no address yet"
    cited = citation()
    for field in ("repository-code", "date-released"):
        if field not in cited:
            yield f"CITATION.cff: no {field}"


def metadata_faults(text: str, v: str) -> Iterator[str]:
    found = Parser().parsestr(text)
    wanted = {"Name": NAME, "Version": v, "License-Expression": PYPROJECT["project"]["license"]}
    for field, value in wanted.items():
        if found[field] != value:
            yield f"{field}: expected {value}, got {found[field]}"
    if missing := LICENCES - set(found.get_all("License-File", [])):
        yield f"License-File: {', '.join(sorted(missing))} missing"
    if not found.get_payload().strip():
        yield "no description"


def archive_faults(path: Path, v: str) -> Iterator[str]:
    """What is wrong with a source archive."""
    with tarfile.open(path) as opened:
        members = {m.name.partition("/")[2]: m for m in opened.getmembers() if m.isfile()}
        text = opened.extractfile(members["PKG-INFO"]).read().decode()
    yield from metadata_faults(text, v)
    tracked = set(git("ls-files", "src", "tests").splitlines())
    present = {n for n in members if n.startswith(("src/", "tests/")) and ".egg-info/" not in n}
    for name in sorted(tracked ^ present):
        yield f"{name}: {'missing' if name in tracked else 'not in git'}"


def wheel_faults(path: Path, v: str, most: int = MOST) -> Iterator[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(path) as opened:
        if opened.testzip():
            yield "damaged"
        names = opened.namelist()
        info = f"{NAME}-{v}.dist-info"
        if f"{info}/METADATA" not in names:
            yield f"no {info}"
            return
        yield from metadata_faults(opened.read(f"{info}/METADATA").decode(), v)
    if path.stat().st_size > most:
        yield f"{path.stat().st_size} bytes, more than {most}"
    for level in (
        ("v2", "v3", "v4") if "x86_64" in path.name or "amd64" in path.name else ("plain",)
    ):
        for precision in ("f32", "f64"):
            if not any(f"/_core/{level}_{precision}/" in name for name in names):
                yield f"no kernels of {level}, {precision}"
        if level == "v4" and not any("/_core/v4_amx_f32/" in name for name in names):
            yield "no kernels of v4_amx"
    if "linux" in path.name:
        if "-linux_" in path.name:
            yield "not repaired: its tag is no manylinux"
        if not any(re.search(r"\.libs/libgomp-\w+", name) for name in names):
            yield "no OpenMP runtime under its own name"
        if not any(name.startswith(f"{info}/sboms/") for name in names):
            yield "no bill of materials"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tagged", action="store_true", help="open points are faults")
    arguments = parser.parse_args()
    v, faults = version(), []
    if git("status", "--porcelain", "--untracked-files=no"):
        faults.append("changes that are not committed")
    if citation()["version"] != v:
        faults.append(f"CITATION.cff: expected version {v}, got {citation()['version']}")
    archives = sorted(arguments.folder.glob("*.tar.gz"))
    wheels = sorted(arguments.folder.glob("*.whl"))
    if [path.name for path in archives] != [f"{NAME}-{v}.tar.gz"]:
        faults.append(f"expected one archive, {NAME}-{v}.tar.gz, got {len(archives)}")
    if not wheels:
        faults.append("no wheels")
    for kind, paths in ((archive_faults, archives), (wheel_faults, wheels)):
        for path in paths:
            faults += (f"{path.name}: {fault}" for fault in kind(path, v))
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in archives + wheels]
    (arguments.folder / "SHA256SUMS").write_text("".join(sums), encoding="ascii")
    points = list(open_points(v))
    print(f"{NAME} {v}: {len(archives)} archive, {len(wheels)} wheels")
    for word, entries in (("open", points), ("fault", faults)):
        for entry in entries:
            print(f"{word}: {entry}")
    return int(bool(faults or (arguments.tagged and points)))


if __name__ == "__main__":
    sys.exit(main())
