"""Headers of kernels are short: what they compute and how, with a link to what was measured."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "fastsoftmax" / "_core"
MOST = 15  # lines of text
KERNELS = sorted(path for path in CORE.rglob("*") if path.suffix in {".pyx", ".pxd"})


def header(path):
    """The lines of a file's docstring, blank ones aside."""
    found = re.match(r'\s*"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
    return [line for line in found[1].splitlines() if line.strip()] if found else []


def test_headers_are_found():
    assert len(KERNELS) > 50 and sum(map(bool, map(header, KERNELS))) > 40


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: str(path.relative_to(CORE)))
def test_a_header_is_short(path):
    assert len(header(path)) <= MOST


GROUPS = [path for path in KERNELS if path.stem.endswith("_kernels") and path.suffix == ".pyx"]


@pytest.mark.parametrize("path", GROUPS, ids=lambda path: path.stem)
def test_a_header_links_to_what_was_measured(path):
    links = re.findall(r"docs/[\w/]+(?:-[\w-]+)?", " ".join(header(path)))
    assert links or path.stem == "machine_kernels"  # which measure the machine
    assert all(list(ROOT.glob(f"{link}*.md")) for link in links)
