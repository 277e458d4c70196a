"""What `show_versions` tells: enough for the report of a fault."""

import io
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import fastsoftmax
from fastsoftmax import _core
from fastsoftmax._core._loaded import libraries
from fastsoftmax._runtime import versions as module
from fastsoftmax._runtime.versions import processor, versions


def test_every_field_is_there():
    found = versions()
    assert found["fastsoftmax"] == fastsoftmax.__version__
    assert {
        "Python", "numpy", "scipy", "scikit-learn", "system", "processor", "kernels", "caches",
        "vectors", "compiler", "flags", "OpenMP", "threads",
    } <= set(found)  # fmt: skip
    assert found["numpy"] == metadata.version("numpy")
    assert found["kernels"].startswith(f"{_core.level}, of those built: ")
    assert re.match(r"(GCC|.*[Cc]lang) \d+\.\d+", found["compiler"])
    assert "-O3" in found["flags"] and "-ffast-math" not in found["flags"]
    assert re.match(r"\S+, specification of 20\d{4}|none: one thread", found["OpenMP"])
    assert _core.waiting() in found["threads"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux's list of libraries")
def test_the_openmp_runtime_named_is_one_that_is_loaded():
    name = versions()["OpenMP"].partition(",")[0]
    assert name in {Path(path).name for path in libraries()}


def test_one_version_everywhere():
    constant = Path(fastsoftmax.__file__).parent / "_runtime/version.py"
    assert re.search(r'"(.*)"\n$', constant.read_text(encoding="utf-8"))[1] == (
        fastsoftmax.__version__
    )
    command = [sys.executable, "-m", "fastsoftmax", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == fastsoftmax.__version__


BLOCK = (
    "processor\t: {}\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nflags\t\t: fpu\n\n"
)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (BLOCK.format(0) + BLOCK.format(1), "AMD EPYC (family 25, model 17), 2 logical processors"),
        ("processor\t: 0\nCPU part\t: 0xd40\n", "Arm, 3 logical processors"),
        ("", "Arm, 3 logical processors"),
    ],
)
def test_the_processor_by_name_and_generation(text, right, monkeypatch):
    monkeypatch.setattr(module, "open", lambda *_, **__: io.StringIO(text), raising=False)
    monkeypatch.setattr(module.platform, "processor", lambda: "Arm")
    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)
    assert processor() == right
