"""Means and standard deviations of features, against long doubles, at any scale."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax._engine.data import DenseBlocks, DenseData, SparseBlocks, SparseData

pytestmark = pytest.mark.kernel

DTYPES = ["u1", "f2", "f4", "f8", "i8"]


def as_kinds(X):
    """The same rows dense and sparse, in memory and in blocks."""
    S = sparse.csr_array(X.astype("f8") if X.dtype.kind != "f" or X.dtype == "f2" else X)
    dense, rows = [X[:77], X[77:]], [S[:77], S[77:]]
    yield "dense", DenseData(X, 1)
    yield "Fortran", DenseData(np.asfortranarray(X), 1)
    yield "dense blocks", DenseBlocks(lambda: dense, X.shape, X.dtype, X.nbytes, 1)
    yield "sparse", SparseData(S, 1)
    yield (
        "sparse blocks",
        SparseBlocks(lambda: rows, X.shape, S.dtype, S.data.nbytes, 1, nnz=S.nnz),
    )


def exact(X, weights=None):
    X = X.astype(np.longdouble)
    w = np.ones(len(X), np.longdouble) if weights is None else weights.astype(np.longdouble)
    means = w @ X / w.sum()
    return means, np.sqrt(w @ (X - means) ** 2 / w.sum())


def check(X, weights=None, rtol=1e-12):
    right = exact(X, weights)
    for name, data in as_kinds(X):
        means, deviations = data.moments(weights)
        apart = np.abs(means - right[0])
        assert (apart <= 1e-6 * right[1] + 4e-16 * np.abs(right[0])).all(), name
        np.testing.assert_allclose(deviations, right[1].astype(float), rtol=rtol, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_any_dtype(dtype, weighted):
    rng = np.random.default_rng(0)
    X = (rng.random((300, 7)) * 200).astype(dtype)
    X[:, 3] = 0
    X[::3, 4] = 0
    check(X, rng.random(300) * (rng.random(300) < 0.8) if weighted else None, rtol=1e-10)


@pytest.mark.parametrize(
    ("offset", "dtype", "rtol"),
    [
        (2e6, "f4", 1e-9),
        (1e7, "f8", 1e-9),
        (1.7e9, "f8", 1e-9),
        (1e12, "f8", 1e-6),
        (1e15, "f8", 1e-3),
        (10**15, "i8", 1e-3),
    ],
)
def test_means_of_many_deviations(offset, dtype, rtol):
    """Blocks are merged by their means, which are rounded to float64 themselves."""
    rng = np.random.default_rng(1)
    X = (rng.normal(size=(300, 3)) * np.array([10, 30, 100])).astype("f4")
    X = X.astype("i8") + offset if dtype == "i8" else (X.astype("f8") + offset).astype(dtype)
    check(X, rtol=rtol)
    check(X, rng.random(300), rtol=rtol)


@pytest.mark.parametrize("deviation", [10.0, 100.0])
def test_sparse_timestamps(deviation):
    """E[x²] - E[x]² was 0.5 to 8 % off."""
    x = 1.7e9 + deviation * np.random.default_rng(0).normal(size=5000)
    X = sparse.csr_array(x[:, None])
    assert SparseData(X, 1).moments(None)[1] == pytest.approx(x.std(), rel=1e-10)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-170, 1e-155, 1e155, 1e200, 1e299])
def test_squares_may_overflow_or_vanish(scale):
    rng = np.random.default_rng(2)
    base = np.round(rng.normal(size=(200, 4)), 3)
    base[::2, 1] = 0
    X = base * np.array([1, scale, scale, 1])
    right = exact(base)[1] * np.array([1, scale, scale, 1])
    for name, data in as_kinds(X):
        got = data.moments(None)[1]
        rtol = 1e-3 if scale < 1e-300 else 1e-12  # subnormal numbers have few digits
        np.testing.assert_allclose(got, right.astype(float), rtol=rtol, err_msg=name)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3, -7.0, 1e-30, 1e30])
def test_constants_are_told_by_values(value, dtype):
    X = np.full((301, 3), value, dtype)
    X[5, 1] = np.nextafter(X[5, 1], X.dtype.type(np.inf)) if value else 1e-40
    weights = np.full(301, 0.3)
    weights[5] = 0
    for name, data in as_kinds(X):
        deviations = data.moments(None)[1]
        assert deviations[0] == deviations[2] == 0, name
        assert deviations[1] > 0, name
        # what a row of weight 0 has is not counted
        assert not data.moments(weights)[1].any(), name


def test_rows_of_weight_zero_do_not_matter():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 3)) + 5
    weights = rng.random(200)
    weights[::7] = 0
    right = exact(X, weights)
    X[::7] = 1e300
    for name, data in as_kinds(X):
        means, deviations = data.moments(weights)
        np.testing.assert_allclose(means, right[0].astype(float), rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(deviations, right[1].astype(float), rtol=1e-12, err_msg=name)


def test_entries_given_twice_are_summed():
    X = sparse.csr_array(
        (np.array([1.0, 2.0, 5.0, 7.0]), np.array([0, 0, 0, 1]), np.array([0, 2, 3, 4])), (3, 2)
    )
    means, deviations = SparseData(X, 1).moments(None)
    right = exact(X.toarray())
    np.testing.assert_allclose(means, right[0].astype(float))
    np.testing.assert_allclose(deviations, right[1].astype(float))
