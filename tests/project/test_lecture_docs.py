"""docs/lecture.md names functions, tests and pictures: each is there, and its code runs."""

import re
from pathlib import Path

import pytest
from matplotlib import pyplot
from support.named_tests import defined_in

import fastsoftmax
from fastsoftmax import _neural

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8")

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
    found = getattr(fastsoftmax, owner, None) or getattr(_neural, owner)
    assert not method or hasattr(found, method)


def test_something_was_found():
    assert len(TESTS) > 20
    assert {"softmax", "nll_loss", "Network.value_and_grad", "coefs_"} <= set(NAMES)


def test_pictures_are_there():
    links = re.findall(r"\]\((lecture/[\w/.]+)\)", TEXT)
    assert len(links) == 7
    assert all((ROOT / "docs" / link).is_file() for link in links)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_code_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    exec(compile(code, "lecture.md", "exec"), {})
    assert [path.name for path in tmp_path.iterdir()] == ["weights.png"]
    pyplot.close("all")
    pyplot.switch_backend(before)
