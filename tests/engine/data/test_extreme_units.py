"""Features with large means, tiny or huge numbers: the optimum is that of benign units.

What is right comes from Newton's method in float64 NumPy on the same numbers, shifted and scaled.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from support.problems import softmax_rows
from support.sparse_rows import uniform

from fastsoftmax import Blocks, SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax._engine.data import SparseData
from fastsoftmax._engine.objective import Objective, Observations, Penalty
from fastsoftmax._engine.objective.coordinates.features import change_of, ranges

KINDS = ["dense", "dense blocks", "sparse", "sparse blocks"]
INF = np.inf


def problem(seed, n, d, k):
    return softmax_rows(n, d, k, seed, slope=1.5)


def newton(X, y, C, weights=None, units=1.0):
    """min F for ``X * units``, penalised as W of X: units are those of the penalty."""
    n, d = X.shape
    k, Y = y.max() + 1, np.eye(y.max() + 1)[y]
    w = np.ones(n) if weights is None else weights / weights.mean()
    ridge = 1 / (C * np.sum(np.ones(n) if weights is None else weights)) * np.ones(d) / units**2
    mean = w @ X / n
    U = np.column_stack([X - mean, np.ones(n)])
    table, before = np.zeros((k, d + 1)), INF
    mu = np.append(ridge, 0.0)
    for _ in range(60):
        z = U @ table.T
        z -= logsumexp(z, axis=1, keepdims=True)
        value = w @ -z[np.arange(n), y] / n + 0.5 * np.sum(mu * table**2)
        P = np.exp(z)
        gradient = ((P - Y) * w[:, None] / n).T @ U + mu * table
        H = np.einsum("n,nk,kl,ni,nj->kilj", w / n, P, np.eye(k), U, U, optimize=True)
        H -= np.einsum("n,nk,nl,ni,nj->kilj", w / n, P, P, U, U, optimize=True)
        H = H.reshape(k * (d + 1), -1) + np.diag(np.tile(mu, k))
        if before - value <= 1e-13 * value and before < INF:
            return value
        before = value
        table = table - np.linalg.lstsq(H, gradient.ravel(), rcond=1e-13)[0].reshape(k, d + 1)
    raise AssertionError("Newton's method has not ended")


def floats(X):
    """A dtype that sparse arrays may have."""
    return "f8" if X.dtype == "f8" else "f4"


def fitted(kind, X, y, weights=None, wide=60, model=SoftmaxRegression, **params):
    """A fit of dense or sparse rows, these with some columns of zeros, in memory or in blocks."""
    if "sparse" in kind:
        X = sparse.csr_array(np.hstack([X, np.zeros((len(X), wide), X.dtype)], dtype=floats(X)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if "blocks" not in kind:
            return model(**params).fit(X, y, weights)
        n = X.shape[0] // 3
        parts = [slice(0, n), slice(n, X.shape[0])]
        if weights is None:
            return model(**params).fit(Blocks([(X[part], y[part]) for part in parts]))
        return model(**params).fit(Blocks([(X[part], y[part], weights[part]) for part in parts]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("C", "standardize"), [(INF, False), (1.0, False), (0.1, True)])
@pytest.mark.parametrize(
    ("offset", "dtype"), [(2e6, "f4"), (1e5, "f4"), (300.0, "f2"), (1e8, "f8"), (1e12, "f8")]
)
def test_large_means(kind, offset, dtype, C, standardize):
    X, y = problem(0, 700, 3, 3)
    X = (X + offset).astype(dtype)
    benign = X.astype("f8") - offset
    right = newton(benign, y, C, units=1 / benign.std(axis=0) if standardize else 1.0)
    model = fitted(kind, X, y, C=C, standardize=standardize)
    assert model.converged_
    assert model.objective_ == pytest.approx(right, rel=3e-6)


@pytest.mark.parametrize("kind", ["sparse", "sparse blocks"])
def test_sparse_features_with_large_means(kind):
    """It ended 25 % above the optimum, converged."""
    Z, y = problem(0, 2000, 3, 3)
    X = (Z + 1e5).astype("f4")
    X[3, 1] = 0  # one that is not full
    shift = np.array([1e5, 0, 1e5])
    right = newton(X.astype("f8")[:, [0, 2]] - 1e5, y, 1e3)
    for wide in (60, 200):
        both = fitted(kind, X[:, [0, 2]], y, wide=wide, C=1e3)
        assert both.objective_ == pytest.approx(right, rel=3e-6)
    three = fitted(kind, X, y, C=1e3)
    assert three.objective_ == pytest.approx(newton(X.astype("f8") - shift, y, 1e3), rel=3e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-40, 1e-26, 1e-23, 1e18, 1e19, 1e37])
def test_units_beyond_the_products_of_float32(kind, scale):
    X, y = problem(0, 700, 3, 3)
    X = (X * scale).astype("f4")
    benign = X.astype("f8") / scale
    right = newton(benign, y, 0.1, units=1 / benign.std(axis=0))
    model = fitted(kind, X, y, C=0.1, standardize=True)
    assert model.objective_ == pytest.approx(right, rel=3e-6)
    right = newton(benign, y, INF)
    assert fitted(kind, X, y, C=INF).objective_ == pytest.approx(right, rel=3e-6)
    if scale > 1:
        assert fitted(kind, X, y).objective_ == pytest.approx(right, rel=3e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-200, 1e-155, 1e155, 1e200, 1e299])
def test_squares_beyond_float64(kind, scale):
    """Sparse X of 1e155 was a TypeError: "sparse array length is ambiguous"."""
    X, y = problem(0, 700, 3, 3)
    right, strong = newton(X, y, INF), newton(X, y, 0.1, units=1 / X.std(axis=0))
    benign = SoftmaxRegression(C=0.1, standardize=True).fit(X, y)
    for units in (scale, np.array([1, scale, 1])):
        assert fitted(kind, X * units, y, C=INF).objective_ == pytest.approx(right, rel=3e-6)
        model = fitted(kind, X * units, y, C=0.1, standardize=True)
        assert model.objective_ == pytest.approx(strong, rel=3e-6)
        given = X * units
        if "sparse" in kind:
            given = sparse.csr_array(np.hstack([given, np.zeros((700, 60))]))
        assert model.score(given, y) == pytest.approx(benign.score(X, y), abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("l1_ratio", "tol"), [(0.5, 1e-8), (1.0, 1e-8)])
@pytest.mark.parametrize(("offset", "scale"), [(2e6, 1), (0, 1e-26), (0, 3e18)])
def test_l1(kind, l1_ratio, tol, offset, scale):
    X, y = problem(0, 700, 3, 3)
    X = ((X + offset) * scale).astype("f4")
    benign = X.astype("f8") / scale - offset
    params = {"l1_ratio": l1_ratio, "tol": tol, "standardize": True, "C": 0.1}
    right = SoftmaxRegression(**params).fit(benign, y)
    assert fitted(kind, X, y, **params).objective_ == pytest.approx(right.objective_, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [1e-300, 1e-44, 1e37, 1e300])
def test_weights_of_any_size(kind, weight):
    X, y = problem(0, 700, 3, 3)
    X = X.astype("f4")
    weights = np.where(np.arange(700) % 5, weight, 2 * weight)
    mean = np.average(X, axis=0, weights=weights / weight).astype("f8")
    units = 1 / np.sqrt(np.average((X.astype("f8") - mean) ** 2, axis=0, weights=weights / weight))
    right = newton(X.astype("f8"), y, 1.0, weights / weight, units=units)
    model = fitted(kind, X, y, weights, C=1 / weight, standardize=True)
    assert model.objective_ == pytest.approx(right, rel=3e-6)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(("cell", "dtype"), [(1e30, "f4"), (1e38, "f4"), (1e300, "f8")])
def test_far_cells_in_rows_of_weight_zero(kind, cell, dtype):
    X, y = problem(0, 700, 3, 3)
    X = X.astype(dtype)
    weights = np.ones(700)
    weights[7] = 0
    benign = np.delete(X.astype("f8"), 7, axis=0)
    right = newton(benign, np.delete(y, 7), 1.0, units=1 / benign.std(axis=0))
    X[7, 0] = cell
    model = fitted(kind, X, y, weights, standardize=True)
    assert model.objective_ == pytest.approx(right, rel=3e-6)


def test_a_feature_that_varies_by_units_in_the_last_place():
    X, y = problem(0, 500, 3, 3)
    last = np.where(np.arange(500) % 3, 0.3, 0.1 + 0.2)
    benign = np.column_stack([X, (last - 0.3) * 2**53])
    right = newton(benign, y, 1.0, units=1 / benign.std(axis=0))
    model = SoftmaxRegression(standardize=True)
    # the intercept that the model has, a difference of numbers of 1e15, is rounded by more than tol
    with pytest.warns(ConvergenceWarning, match="beyond rounding"):
        model.fit(np.column_stack([X, last]), y)
    assert not model.converged_
    assert model.objective_ == pytest.approx(right, rel=3e-6)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_predictions_and_warm_starts_with_large_means(kind):
    X, y = problem(0, 700, 3, 3)
    far = (X + 2e6).astype("f4")
    model = fitted(kind, far, y, C=1e3)
    benign = SoftmaxRegression(C=1e3).fit(far.astype("f8") - 2e6, y)
    given = (
        far if kind == "dense" else sparse.csr_array(np.hstack([far, np.zeros((700, 60), "f4")]))
    )
    expected = benign.predict_proba(far.astype("f8") - 2e6)
    got = model.predict_proba(given)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-3)
    again = SoftmaxRegression(C=1e3, warm_start=True)
    first = again.fit(given, y).objective_
    assert again.fit(given, y).n_iter_ <= 1
    assert again.objective_ == pytest.approx(first, rel=1e-6)


def test_cross_validation_scores_with_large_means():
    X, y = problem(0, 600, 3, 2)
    far = (X + 2e6).astype("f4")
    params = {"Cs": [0.01, 1.0, 100.0], "cv": 3}
    right = SoftmaxRegressionCV(**params).fit(far.astype("f8") - 2e6, y)
    for given in (far, sparse.csr_array(np.hstack([far, np.zeros((600, 60), "f4")]))):
        model = SoftmaxRegressionCV(**params).fit(given, y)
        np.testing.assert_allclose(model.scores_, right.scores_, atol=5e-3)


def test_plain_sparse_rows_are_left_alone():
    rng = np.random.default_rng(0)
    X = uniform(500, 2000, 0.02, rng, np.float32)
    data, change = change_of(SparseData(X, 1), None, None, True, 1e-3)
    assert change is None
    assert data.X is X


@pytest.mark.parametrize("kind", ["dense", "dense blocks"])
def test_no_precision_suffices(kind):
    X, y = problem(0, 60, 3, 3)
    X[:, 1] *= 1e307
    with pytest.raises(ValueError, match=r"X: expected numbers of up to 1e\+300 .* column 1"):
        fitted(kind, X, y)
    with pytest.raises(ValueError, match="column 1"):
        fitted(kind, X, y, standardize=True)


def test_a_sum_of_weights_that_overflows():
    X, y = problem(0, 60, 3, 3)
    with pytest.raises(ValueError, match="sample_weight: expected weights of rows whose sum is"):
        SoftmaxRegression().fit(X, y, np.full(60, 1e307))
    with pytest.raises(ValueError, match="sample_weight: expected a positive weight"):
        SoftmaxRegression().fit(X, y, np.zeros(60))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(
    ("offset", "scale", "dtype"),
    [(10, 1, "f8"), (1e5, 1, "f4"), (1e7, 1, "f8"), (1e10, 1, "f8"), (0, 1e155, "f8")],
)
def test_partial_fit(kind, offset, scale, dtype):
    """Nothing was learnt from dense means of 1e7 deviations, nor from sparse ones of 10."""
    X, y = problem(0, 2000, 5, 3)
    given = ((X + offset) * scale).astype(dtype)
    if kind == "sparse":
        given = sparse.csr_array(np.hstack([given, np.zeros((2000, 30), dtype)]))

    def stream(X):
        model = SoftmaxRegression(C=INF)
        for start in range(0, 2000, 400):
            rows = slice(start, start + 400)
            model.partial_fit(X[rows], y[rows], classes=range(3))
        return model

    expected = stream(X)
    model = stream(given)
    assert model.score(given, y) >= expected.score(X, y) - 0.01
    tolerance = 0.02 if dtype == "f4" else 1e-5
    if offset or kind == "dense":
        np.testing.assert_allclose(model.coef_[:, :5] * scale, expected.coef_, atol=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
def test_ranges_of_features(weighted):
    """The least and the largest size of a number that is not 0, where a weight is not 0."""
    rng = np.random.default_rng(0)
    X = sparse.csr_array(sparse.random(30, 5, density=0.5, random_state=rng))
    X.data -= 0.5
    X.data[::4] = 0
    weights = (np.arange(30) % 3).astype(float) if weighted else None
    sizes = np.abs(X.toarray())[slice(None) if weights is None else weights > 0]
    largest, smallest = ranges(SparseData(X, 1), weights)
    assert np.array_equal(largest.numbers, sizes.max(axis=0))
    assert np.array_equal(-smallest.numbers, np.where(sizes > 0, sizes, np.inf).min(axis=0))


def test_units_of_intercepts_are_0():
    X = sparse.csr_array(np.diag([1e-30, 1.0, 1e30]))
    codes = np.arange(3, dtype=np.int32)
    objective = Objective(
        Observations(SparseData(X, 1), codes, 3), Penalty(1.0), fit_intercept=True
    )
    units = objective.parameters.units(np.arange(4))
    assert (units[:3] > 0).all() and len(set(units[:3])) > 1
    assert units[3] == 0
