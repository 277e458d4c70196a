"""Every row of the tables of the guide's page on SciPy and PyTorch: both sides are equal."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import fastsoftmax

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "scipy_and_pytorch.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", TEXT, re.MULTILINE)
OF_SCIPY = [row for row in ROWS if row[0].startswith("scipy")]
OF_TORCH = [row for row in ROWS if row not in OF_SCIPY]


def arrays():
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, (6, 3))
    labels[0, 0] = 3  # the last class is there
    p, q = random.random((2, 6, 4))
    return {
        "x": random.standard_normal((6, 4)),
        "z": random.standard_normal((6, 4, 3)),
        "X": random.standard_normal((6, 5)),
        "W": random.standard_normal((4, 5)),
        "b": random.standard_normal((6, 1)),
        "y": np.array([0, 3, -100, 1, 2, 2]),
        "labels": labels,
        "p": p / p.sum(axis=1, keepdims=True),
        "q": q,
        "w": random.random(4),
    }


def sides_agree(row, names):
    theirs, ours = (eval(code, dict(names)) for code in row)
    as_tuple = isinstance(theirs, tuple)
    for one, other in zip(
        theirs if as_tuple else (theirs,), ours if as_tuple else (ours,), strict=True
    ):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), rtol=1e-6, atol=1e-12)


def test_the_page_has_rows():
    assert len(OF_SCIPY) == 8 and len(OF_TORCH) == 19


@pytest.mark.parametrize("row", OF_SCIPY, ids=lambda row: row[0])
def test_row_of_scipy(row):
    with np.errstate(invalid="ignore"):
        sides_agree(row, arrays() | vars(fastsoftmax) | {"scipy": scipy})


@pytest.mark.parametrize("row", OF_TORCH, ids=lambda row: row[0])
def test_row_of_torch(row):
    torch = pytest.importorskip("torch")
    import fastsoftmax.torch

    names = {name: torch.from_numpy(array) for name, array in arrays().items()}
    functions = {name: getattr(fastsoftmax, name) for name in fastsoftmax.__all__}
    others = {"torch": torch, "F": torch.nn.functional, "ft": fastsoftmax.torch}
    sides_agree(row, functions | names | others)


def test_the_program_of_torch_prints_what_is_shown():
    pytest.importorskip("torch")
    program, shown = re.search(r"```py\n(.+?)```\n\n```text\n(.+?)```", TEXT, re.DOTALL).groups()
    printed = StringIO()
    with redirect_stdout(printed):
        exec(program, {"__name__": "guide"})
    assert float(printed.getvalue()) == pytest.approx(float(shown), abs=0.02)


def test_the_reference_lists_the_losses_of_torch():
    pytest.importorskip("torch")
    import fastsoftmax.torch

    reference = (PAGE.parents[1] / "reference" / "index.md").read_text(encoding="utf-8")
    section = reference.split("## PyTorch")[1].split("## ")[0]
    assert set(re.findall(r"^   (\w+)$", section, re.MULTILINE)) == set(fastsoftmax.torch.__all__)
