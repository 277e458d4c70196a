"""The pages of the lecture name functions, tests and pictures: each is there."""

import re
from pathlib import Path

import pytest
from support.named_tests import defined_in

import fastsoftmax
from fastsoftmax import _neural

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [DOCS / "lecture.md", *(p for p in DOCS.glob("lecture/*.md") if p.stem != "report")]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)

TESTS = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", TEXT)))
ROWS = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
NAMES = sorted(
    {name for row in ROWS for name in re.findall(r"`([A-Za-z]\w+(?:\.\w+)?)[(`]", row[1])}
)


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_tests_are_there(file, name):
    assert name in defined_in(file)


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_there(name):
    owner, _, method = name.partition(".")
    if owner.endswith("_"):  # an attribute of fits
        assert owner in _neural.MLPClassifier.__doc__
        return
    if hasattr(fastsoftmax.SoftmaxRegression, owner):  # a method or a parameter
        return
    found = getattr(fastsoftmax, owner, None) or getattr(_neural, owner)
    assert not method or hasattr(found, method)


def test_something_was_found():
    assert len(TESTS) > 20
    assert {"softmax", "nll_loss", "Network.value_and_grad", "coefs_"} <= set(NAMES)


def test_every_picture_is_shown():
    links = set(re.findall(r"\]\((\w+\.png)\)", TEXT))
    assert links == {path.name for path in DOCS.glob("lecture/*.png")}
