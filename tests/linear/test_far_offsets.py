"""Offsets that lie far apart, against SciPy's minima."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.sparse import csr_array
from support.tuned import Tuned

from fastsoftmax import Blocks, SoftmaxRegression
from fastsoftmax._engine.solvers.rules import EndingRules


def loss(t, X, y, offset, C=1.0):
    margins = (2 * y - 1) * (X @ t[:-1] + t[-1] + offset)
    return np.logaddexp(0, -margins).mean() + t[:-1] @ t[:-1] / (2 * C * len(y))


def test_all_rows_are_right_with_an_intercept_of_30():
    X, y = np.array([[-1.0], [-1], [-1], [0]]), np.array([1, 0, 1, 1])
    offset = 1e4 * np.array([1, -2, 1, 0.0])
    model = SoftmaxRegression().fit(X, y, offset=offset)
    assert model.certified_
    assert model.objective_ <= loss(np.array([0, 30.0]), X, y, offset) < 1e-13


@pytest.mark.parametrize("spread", [1e3, 1e4, 1e6])
@pytest.mark.parametrize("kind", [np.asarray, csr_array, Blocks, np.float32])
def test_two_classes_against_nelder_mead(spread, kind):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(20, 1)).astype(np.float32).astype(float), rng.integers(0, 2, 20)
        offset = spread * rng.normal(size=20)
        given = (
            Blocks([(X, y)])
            if kind is Blocks
            else X.astype(kind)
            if kind is np.float32
            else kind(X)
        )
        model = SoftmaxRegression().fit(given, None if kind is Blocks else y, offset=offset)
        assert model.certified_
        starts = [np.array([w, -z]) for w in (0.0, model.coef_[0, 0]) for z in np.sort(offset)[::4]]
        found = min(
            minimize(
                loss, start, (X, y, offset), "Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
            ).fun
            for start in [*starts, np.array([model.coef_[0, 0], model.intercept_[0]])]
        )
        assert model.objective_ <= found * (1 + 1e-5)
        here = loss(np.append(model.coef_[0], model.intercept_), X, y, offset)
        np.testing.assert_allclose(model.objective_, here, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:The fit did not converge")
def test_where_no_offset_is_large_by_the_rules_fits_begin_at_the_median():
    """From which some of them end above the minimum."""
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, y, offset = rng.normal(size=(20, 1)), rng.integers(0, 2, 20), 1e6 * rng.normal(size=20)
        model = Tuned().tuned(endings=EndingRules(large_offset=np.inf)).fit(X, y, offset=offset)
        ratios.append(model.objective_ / SoftmaxRegression().fit(X, y, offset=offset).objective_)
    assert min(ratios) > 1 - 1e-5 and max(ratios) > 1.01


@pytest.mark.filterwarnings("ignore:The fit did not converge")
@pytest.mark.parametrize("params", [{}, {"l1_ratio": 0.5}, {"C": np.inf}, {"solver": "lbfgs"}])
def test_intercepts_alone_against_brent(params):
    """Features that are 0 in all rows: F of the intercept is found on a line."""
    rng = np.random.default_rng(0)
    X, y, offset = np.zeros((30, 1)), rng.integers(0, 2, 30), 1e5 * rng.normal(size=30)
    model = SoftmaxRegression(**params).fit(X, y, offset=offset)
    found = min(
        minimize_scalar(
            lambda b: loss(np.array([0.0, b]), X, y, offset),
            bounds=(-z - 2e4, -z + 2e4), method="bounded", options={"xatol": 1e-6},
        ).fun
        for z in offset
    )  # fmt: skip
    assert model.certified_ or params == {"C": np.inf}  # of which nothing may be proved
    assert abs(model.objective_ / found - 1) <= 1e-5


def test_three_classes_against_powell():
    rng = np.random.default_rng(3)
    X, y, offset = rng.normal(size=(20, 1)), rng.integers(0, 3, 20), 1e5 * rng.normal(size=(20, 3))
    model = SoftmaxRegression().fit(X, y, offset=offset)

    def of(t):
        z = X * t[:3] + t[3:] + offset
        z -= z[np.arange(20), y][:, None]
        return np.logaddexp.reduce(z, axis=1).mean() + t[:3] @ t[:3] / 40

    there = np.append(model.coef_, model.intercept_)
    starts = [there, np.zeros(6), np.append(np.zeros(3), -np.median(offset, axis=0))]
    found = min(minimize(of, t, method="Powell", options={"maxiter": 9999}).fun for t in starts)
    assert model.certified_ and model.objective_ <= found * (1 + 1e-5)
    np.testing.assert_allclose(model.objective_, of(there), rtol=1e-6)


def test_the_message_where_no_step_helps():
    X, y = np.arange(6.0)[:, None], [0, 1, 0, 1, 1, 0]
    with pytest.warns(UserWarning, match="offsets lie far apart.*smaller offsets"):
        SoftmaxRegression().fit(X, y, offset=1e30 * np.array([1, -2, 1, 0, 3, 1]))
