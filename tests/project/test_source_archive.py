"""The source archive holds what git does; a build says what is missing, and stops."""

import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
METADATA = {
    "CHANGELOG.md",
    "LICENSE",
    "licenses/gpl-3.0.txt",
    "licenses/libgomp.txt",
    "MANIFEST.in",
    "PKG-INFO",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
}

if not (ROOT / ".git").exists() or shutil.which("git") is None:
    pytest.skip("no git checkout", allow_module_level=True)
if int(version("setuptools").partition(".")[0]) < 77:
    pytest.skip("setuptools of before SPDX licences", allow_module_level=True)


def tracked() -> set[str]:
    """What git tracks in src and tests, or would once it is added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "tests"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def run_setup(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FASTSOFTMAX_BUILD_ISA")}
    environment = kept | variables
    command = [sys.executable, "setup.py", "-q", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The files of a fresh checkout, and beside them what a build leaves."""
    folder = tmp_path / "checkout"
    for name in tracked() | (METADATA - {"PKG-INFO", "setup.cfg"}):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    package = folder / "src/fastsoftmax"
    for left in (
        package / "_core/gram.c",
        package / "_core/v3_f32/gram_kernels.so",
        package / "__pycache__/blocks.cpython-311.pyc",
        folder / "tests/project/.mypy_cache/3.11/cache.db",
    ):
        left.parent.mkdir(parents=True, exist_ok=True)
        left.touch()
    return folder


def test_the_source_archive_holds_sources_tests_and_metadata(checkout):
    made = run_setup(checkout, "sdist")
    assert made.returncode == 0, made.stderr
    (archive,) = (checkout / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {m.name.partition("/")[2] for m in opened.getmembers() if m.isfile()}
    assert {n for n in names if not n.startswith("src/fastsoftmax.egg-info/")} == (
        tracked() | METADATA
    )


@pytest.mark.parametrize("name", ["gram.pyx", "gram_kernels.pyx", "gram_kernels.pxd"])
def test_a_build_stops_where_a_source_is_missing(checkout, name):
    missing = checkout / "src/fastsoftmax/_core/hessian" / name
    missing.unlink()
    stopped = run_setup(checkout, "build_ext")
    assert stopped.returncode != 0
    assert f"the source of a kernel is missing: src/fastsoftmax/_core/hessian/{name}" in (
        stopped.stderr
    )
    assert not (checkout / "build").exists()


def test_a_build_stops_where_the_compiler_has_no_openmp(checkout):
    """A compiler that knows no -fopenmp, as Apple's is."""
    compiler = checkout / "without_openmp"
    compiler.write_text('#!/bin/sh\ncase "$*" in *fopenmp*) echo "no openmp" >&2; exit 1;; esac\n')
    compiler.chmod(0o755)
    stopped = run_setup(checkout, "build_ext", CC=str(compiler))
    assert stopped.returncode != 0
    assert "this compiler cannot build and run an OpenMP program" in stopped.stderr
    assert "FASTSOFTMAX_BUILD_OPENMP=0 pip install ." in stopped.stderr


@pytest.mark.parametrize("jobs", ["many", "0", "-1"])
def test_jobs_are_a_positive_integer(checkout, jobs):
    stopped = run_setup(checkout, "build_ext", FASTSOFTMAX_BUILD_JOBS=jobs)
    assert stopped.returncode != 0
    expected = f"FASTSOFTMAX_BUILD_JOBS: expected a positive integer, got '{jobs}'"
    assert stopped.stderr.strip() == expected


def test_an_unknown_level_is_refused(checkout):
    stopped = run_setup(checkout, "build_ext", FASTSOFTMAX_BUILD_ISA="v2,v9")
    assert stopped.returncode != 0
    assert "expected 'native' or some of v2, v3, v4 joined by commas, got 'v2,v9'" in stopped.stderr
