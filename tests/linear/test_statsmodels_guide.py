"""Every row of the guide's page for users of statsmodels: both sides are equal."""

import re
from pathlib import Path

import numpy as np
import pytest

from fastsoftmax import SoftmaxRegression, inference

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "from_statsmodels.md"
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def names():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X @ [[0.0, 1.0, -0.5], [0.0, 0.3, 0.8]] + rng.gumbel(size=(300, 3))).argmax(axis=1)
    two, w, Z = (y > 0).astype(int), rng.integers(1, 4, 300), sm.add_constant(X)
    model, binary, weighted = (SoftmaxRegression(C=np.inf, reference_class=0) for _ in range(3))
    model.fit(X, y)
    binary.fit(X, two)
    weighted.fit(X, two, sample_weight=w)
    found = inference.results(model, X, y)
    return locals() | {"np": np, "res": sm.MNLogit(y, Z).fit(disp=0)}


def test_the_page_has_rows():
    assert len(ROWS) == 18


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row(row, names):
    theirs, ours = (eval(code.replace(".fit(", ".fit(disp=0, "), dict(names)) for code in row)
    theirs = np.asarray(theirs)
    assert theirs.size == np.size(ours)
    np.testing.assert_allclose(np.reshape(ours, theirs.shape), theirs, rtol=1e-5, atol=1e-8)
