"""Every row of the tables of the guide's pages on SciPy and PyTorch: both sides are equal."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import fastsoftmax

DOCS = Path(__file__).parents[2] / "docs"
TORCH = (DOCS / "guide" / "from_pytorch.md").read_text(encoding="utf-8")
SCIPY = (DOCS / "guide" / "from_scipy.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```py\n(.+?)```\n\n```text\n(.+?)```", TORCH, re.DOTALL)
OF_SCIPY, OF_TORCH = (
    re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", text, re.MULTILINE) for text in (SCIPY, TORCH)
)


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
        functions = {name: getattr(fastsoftmax, name) for name in fastsoftmax.__all__}
        sides_agree(row, arrays() | functions | {"scipy": scipy})


@pytest.mark.parametrize("row", OF_TORCH, ids=lambda row: row[0])
def test_row_of_torch(row):
    torch = pytest.importorskip("torch")
    import fastsoftmax.torch

    names = {name: torch.from_numpy(array) for name, array in arrays().items()}
    functions = {name: getattr(fastsoftmax, name) for name in fastsoftmax.__all__}
    others = {"torch": torch, "F": torch.nn.functional, "ft": fastsoftmax.torch}
    sides_agree(row, functions | names | others)


@pytest.mark.parametrize(("program", "shown"), PROGRAMS)
def test_programs_of_torch_print_what_is_shown(program, shown):
    pytest.importorskip("torch")
    printed = StringIO()
    with redirect_stdout(printed):
        exec(program, {"__name__": "guide"})
    numbers = [float(word) for word in printed.getvalue().split()]
    assert numbers == pytest.approx([float(word) for word in shown.split()], abs=0.02)
    assert len(set(numbers)) == 1  # where it prints two, they are the same


def test_the_reference_lists_the_losses_of_torch():
    pytest.importorskip("torch")
    import fastsoftmax.torch

    reference = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    section = reference.split("## PyTorch")[1].split("## ")[0]
    assert set(re.findall(r"^   (\w+)$", section, re.MULTILINE)) == set(fastsoftmax.torch.__all__)
