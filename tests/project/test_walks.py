"""The walks of docs/design/index.md: a fit calls the files that they name, X in their order."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import fastsoftmax

ROOT = Path(__file__).parents[2]
PACKAGE = str(Path(fastsoftmax.__file__).parent)
PAGE = (ROOT / "docs" / "design" / "index.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "fastsoftmax"


def walk(title):
    """The files of the numbered steps of a walk, in order."""
    text = PAGE.partition("## Three walks")[2].partition(f"**{title}")[2].partition("\n**")[0]
    steps = re.findall(r"^\d+\. .*(?:\n {4}.*)*", text, re.MULTILINE)
    return [re.findall(r"`([\w/]+\.(?:pyx?|pxd))`", step) for step in steps]


@pytest.fixture(scope="module")
def called():
    """Modules of the package in the order in which a fit first calls a function of theirs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20000, 60))
    y = (X @ rng.normal(size=(60, 5)) + rng.gumbel(size=(20000, 5))).argmax(axis=1)
    files = {}

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            files.setdefault(str(Path(frame.f_code.co_filename).relative_to(PACKAGE)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        fastsoftmax.fit(X, y)
    finally:
        sys.setprofile(before)
    return list(files)


@pytest.mark.parametrize("title", ["X, from", "y** (dense", "θ, through"])
def test_a_fit_calls_what_a_walk_names(title, called):
    steps = walk(title)
    assert len(steps) > 10
    named = {file for step in steps for file in step}
    assert all((SOURCE / file).exists() for file in named)
    python = {file for file in named if file.endswith(".py")}
    tuples = {"_engine/data/batch.py"}  # of which a fit makes tuples alone
    assert not python - set(called) - tuples


def test_the_walk_of_X_is_in_order(called):
    first = [step[0] for step in walk("X, from") if step[0] in called and step[0][:6] != "_core/"]
    # its class is called for products; the array that it holds is made before
    first = ["_engine/data/dense_array.py" if f.endswith("data/dense.py") else f for f in first]
    assert first == sorted(first, key=called.index)


def test_walks_stay_in_few_packages():
    """At most eight, those inside `_engine` apart, and a file is named once."""
    for title in ("X, from", "y** (dense", "θ, through"):
        files = [file for step in walk(title) for file in step]
        packages = {"/".join(f.split("/")[: 2 if f.startswith("_engine") else 1]) for f in files}
        assert len(packages) <= 8, title
