"""The right-hand sides of the guide's page for users of R, against glmnet's objective in NumPy."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

import fastsoftmax

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "from_glmnet.md"
TEXT = PAGE.read_text(encoding="utf-8")
TABLES = [
    re.findall(r"^\| `(.+?)`(?:, a matrix y)? \| `(.+?)` \|$", part, re.MULTILINE)
    for part in TEXT.split("| R | fastsoftmax |")[1:]
]
FITS, OTHERS = TABLES
OURS = {name: getattr(fastsoftmax, name) for name in ("SoftmaxRegression", "SoftmaxRegressionCV")}


@pytest.fixture(scope="module")
def names():
    rng = np.random.default_rng(0)
    n, p = 200, 6
    x = rng.normal(size=(n, p)) * [1, 2, 3, 1, 0.5, 1] + 1
    y = (x[:, :3] / [1, 2, 3] + rng.gumbel(size=(n, 3))).argmax(axis=1)
    w, o, f = rng.uniform(0.5, 2, n), rng.normal(size=(n, 3)), rng.uniform(0.5, 2, p)
    counts, lam = rng.integers(1, 5, (n, 3)), 0.02
    return locals() | OURS | {"np": np}


def option(code, name, default):
    found = re.search(rf"\b{re.escape(name)} = ([\w.]+)", code)
    return found[1] if found else default


def test_the_page_has_rows():
    assert len(FITS) == 9 and len(OTHERS) == 11


@pytest.mark.parametrize("row", FITS, ids=lambda row: row[0])
def test_fit_fulfils_the_conditions_of_glmnets_optimum(row, names):
    """0 is a subgradient of -1/Σw Σ w log p + λ Σ f ((1 - α)/2 β² + α |β|), f having the sum p.

    With grouped penalties |β| is the norm of a feature's.
    """
    theirs, ours = row
    model = eval(ours.replace("C=", "tol=1e-12, C="), dict(names))
    x, y, n, p = (names[name] for name in ("x", "y", "n", "p"))
    alpha = float(option(theirs, "alpha", "1"))
    weights = names["w"] if "weights" in theirs else np.ones(n)
    offset = names["o"] if "offset" in theirs else 0
    factors = names["f"] * p / names["f"].sum() if "penalty.factor" in theirs else np.ones(p)
    share = weights / weights.sum()
    scale = np.ones(p)
    if option(theirs, "standardize", "TRUE") == "TRUE":
        scale = np.sqrt(share @ (x - share @ x) ** 2)
    residual = share[:, None] * (
        softmax(x @ model.coef_.T + model.intercept_ + offset, axis=1) - np.eye(3)[y]
    )
    beta = model.coef_ * scale  # of the standardised features
    slope = residual.T @ (x / scale) + names["lam"] * (1 - alpha) * factors * beta
    bound = names["lam"] * alpha * factors
    sizes, slopes = abs(beta), abs(slope)
    if "grouped" in theirs:
        sizes, slopes = (np.linalg.norm(table, axis=0) for table in (beta, slope))
    signs = np.divide(beta, sizes, out=np.zeros_like(beta), where=sizes > 0)
    inside = np.where(sizes == 0, np.maximum(slopes - bound, 0), slope + bound * signs)
    np.testing.assert_allclose(inside, 0, atol=1e-6)
    if option(theirs, "intercept", "TRUE") == "TRUE":
        np.testing.assert_allclose(residual.sum(axis=0), 0, atol=1e-6)
    else:
        np.testing.assert_array_equal(model.intercept_, 0)


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row[0])
def test_other_spellings_are_there(row, names):
    model = fastsoftmax.SoftmaxRegression(C=np.inf, reference_class=0)
    eval(row[1], names | {"model": model.fit(names["x"], names["y"])})
