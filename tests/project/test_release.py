"""What `tools/release.py` finds in archives and wheels: each fault is planted, and named.

And what the tests of a wheel import, where it is built.
"""

import ast
import hashlib
import importlib.util
import shutil
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastsoftmax

ROOT = Path(__file__).parents[2]
if not (ROOT / ".git").exists() or shutil.which("git") is None:
    pytest.skip("no git checkout", allow_module_level=True)

V = fastsoftmax.__version__
INFO = f"fastsoftmax-{V}.dist-info"
METADATA = f"""Metadata-Version: 2.4
Name: fastsoftmax
Version: {V}
License-Expression: BSD-3-Clause
License-File: LICENSE
License-File: licenses/gpl-3.0.txt
License-File: licenses/libgomp.txt

A description.
"""
WHEEL = {
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/sboms/auditwheel.cdx.json": "{}",
    "fastsoftmax.libs/libgomp-f9a9ad78.so.1.0.0": "",
    "fastsoftmax/_core/v4_amx_f32/matrix_units_kernels.so": "",
} | {f"fastsoftmax/_core/v{i}_f{size}/gram_kernels.so": "" for i in (2, 3, 4) for size in (32, 64)}
TAG = "cp311-cp311-manylinux_2_28_x86_64"


@pytest.fixture(scope="module")
def release():
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools/release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(folder, files, tag=TAG):
    path = folder / f"fastsoftmax-{V}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return path


def archive(folder, names, root=ROOT):
    """A source archive of these files of the checkout."""
    path = folder / f"fastsoftmax-{V}.tar.gz"
    (folder / "PKG-INFO").write_text(METADATA)
    with tarfile.open(path, "w:gz") as opened:
        opened.add(folder / "PKG-INFO", f"fastsoftmax-{V}/PKG-INFO")
        for name in names:
            opened.add(root / name, f"fastsoftmax-{V}/{name}")
    return path


def test_a_wheel_without_fault(release, tmp_path):
    assert list(release.wheel_faults(wheel(tmp_path, WHEEL), V)) == []


@pytest.mark.parametrize(
    ("left_out", "fault"),
    [
        ("fastsoftmax/_core/v2_f64/gram_kernels.so", "no kernels of v2, f64"),
        ("fastsoftmax/_core/v4_amx_f32/matrix_units_kernels.so", "no kernels of v4_amx"),
        ("fastsoftmax.libs/libgomp-f9a9ad78.so.1.0.0", "no OpenMP runtime under its own name"),
        (f"{INFO}/sboms/auditwheel.cdx.json", "no bill of materials"),
        (f"{INFO}/METADATA", f"no {INFO}"),
    ],
)
def test_what_a_wheel_lacks(release, tmp_path, left_out, fault):
    files = {name: text for name, text in WHEEL.items() if name != left_out}
    assert list(release.wheel_faults(wheel(tmp_path, files), V)) == [fault]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"Version: {V}", f"Version: expected {V}, got None"),
        ("License-Expression: BSD-3-Clause", "License-Expression: expected BSD-3-Clause, got None"),
        ("License-File: licenses/libgomp.txt", "License-File: licenses/libgomp.txt missing"),
        ("A description.", "no description"),
    ],
)
def test_what_metadata_lacks(release, tmp_path, line, fault):
    files = WHEEL | {f"{INFO}/METADATA": METADATA.replace(f"{line}\n", "")}
    assert list(release.wheel_faults(wheel(tmp_path, files), V)) == [fault]


def test_a_wheel_that_is_not_repaired_or_too_large(release, tmp_path):
    path = wheel(tmp_path, WHEEL, "cp311-cp311-linux_x86_64")
    size = path.stat().st_size
    assert list(release.wheel_faults(path, V, most=size - 1)) == [
        f"{size} bytes, more than {size - 1}",
        "not repaired: its tag is no manylinux",
    ]


def test_an_archive_holds_what_git_does(release, tmp_path):
    tracked = release.git("ls-files", "src", "tests").splitlines()
    names = [name for name in tracked if (ROOT / name).exists()]
    assert not list(release.archive_faults(archive(tmp_path, names), V))
    (tmp_path / "src").mkdir()
    (tmp_path / "src/left.c").touch()
    path = archive(tmp_path, names[1:])
    with tarfile.open(tmp_path / "more.tar.gz", "w:gz") as opened, tarfile.open(path) as before:
        for member in before.getmembers():
            opened.addfile(member, before.extractfile(member))
        opened.add(tmp_path / "src/left.c", f"fastsoftmax-{V}/src/left.c")
    assert sorted(release.archive_faults(tmp_path / "more.tar.gz", V)) == sorted(
        ["src/left.c: not in git", f"{names[0]}: missing"]
    )


def test_open_points_fail_a_release_and_not_its_rehearsal(release, tmp_path, monkeypatch, capsys):
    path = wheel(tmp_path, WHEEL)
    sums = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    monkeypatch.setattr(release, "open_points", lambda v: ["no tag"])
    monkeypatch.setattr(release, "archive_faults", lambda path, v: [])
    monkeypatch.setattr(release, "git", lambda *arguments: "")  # nothing is left to commit
    (tmp_path / f"fastsoftmax-{V}.tar.gz").touch()
    for options, status in ((), 0), (("--tagged",), 1):
        monkeypatch.setattr(sys, "argv", ["release.py", str(tmp_path), *options])
        assert release.main() == status
        assert "open: no tag" in capsys.readouterr().out
    assert sums in (tmp_path / "SHA256SUMS").read_text()


def test_the_citation_names_this_version(release):
    assert release.citation()["version"] == release.version() == V


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports when it is loaded."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_what_the_tests_of_a_wheel_import_is_installed_there():
    """They run where cibuildwheel has installed the wheel and `test-requires`, and nothing else."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    build = build["cibuildwheel"]
    folders = [word for word in build["test-command"].split() if word.startswith("tests/")]
    assert folders == ["tests/core", "tests/functional"]
    files = {path for folder in folders for path in (ROOT / folder).glob("test_*.py")}
    names = {name for path in files | {ROOT / "tests/conftest.py"} for name in imported(path)}
    own = {name for name in names if name.startswith("support.")}
    names |= {
        name for each in own for name in imported(ROOT / f"tests/support/{each.split('.')[1]}.py")
    }
    packages = {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, "support"}
    installed = {name.partition(">")[0] for name in build["test-requires"]}
    assert packages <= installed | {"fastsoftmax", "numpy", "scipy"}
