"""Kernels of coordinate descent and of the Hessian's products, against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax
from support.logits import stored
from support.sparse_rows import scrambled, table

from fastsoftmax._core import kernels
from fastsoftmax._engine.data import Batch, Point, data_of
from fastsoftmax._engine.linalg import WeightedColumns

pytestmark = pytest.mark.kernel
FLOATS = (np.float32, np.float64)


def close(actual, expected, dtype):
    scale = np.abs(expected).max(initial=1e-300)
    return np.abs(actual - expected).max(initial=0) <= 2000 * np.finfo(dtype).eps * scale


@given(
    st.integers(1, 150), st.integers(1, 30), st.sampled_from(FLOATS), st.booleans(),
    st.integers(0, 2**31),
)  # fmt: skip
@settings(deadline=None, max_examples=100, database=None)
def test_curve(n, k, dtype, weighted, seed):
    rng = np.random.default_rng(seed)
    z, d = rng.normal(size=(2, n, k)).astype(dtype)
    w = (rng.integers(0, 3, n) * rng.random(n)).astype(dtype) if weighted else None
    p = 1 / (1 + np.exp(-z.astype(float))) if k == 1 else softmax(z.astype(float), axis=1)
    right = p * (d - (p * d).sum(axis=1, keepdims=True)) * (1 if w is None else w[:, None])
    for n_threads in (1, 2):
        change = stored(d, dtype, n_threads)
        probabilities = stored(z, dtype, n_threads).probabilities()
        assert close(probabilities.table(), p, dtype)
        probabilities.curve(change, w)
        assert close(change.table(), right, dtype)
        rest = change.tiles.transpose(0, 2, 1).reshape(-1, k)[n:]
        assert not rest.any()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("shape", [(70, 5, 3), (400, 90, 12), (300, 40, 60), (33, 3, 1)])
def test_transposed_product(shape, is_sparse, dtype):
    n, d, k = shape
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.4)).astype(dtype)
    Z = rng.normal(size=(n, k)).astype(dtype)
    rows = stored(Z, dtype)
    rows.tiles[...] = np.nan_to_num(rows.tiles, nan=0.0)
    data = data_of(sparse.csr_array(X) if is_sparse else X, 2)
    _, grads = data.value_and_grad(Point(logits=rows), Batch(scale=0.5))
    assert close(grads.W, 0.5 * Z.T.astype(float) @ X, dtype)
    assert close(grads.b, 0.5 * Z.sum(axis=0, dtype=float), dtype)


def model_and_penalty(H, g, v, t, d):
    return g @ d + 0.5 * d @ H @ d + t @ np.abs(v + d)


def quadratic(rng, n, m, dtype):
    X = rng.normal(size=(n, m)).astype(dtype)
    w = rng.random(n).astype(dtype)
    g, v = rng.normal(size=(2, m)).astype(dtype)
    v[rng.random(m) < 0.4] = 0
    return X, w, g, v, (rng.random(m) * 2).astype(dtype)


@given(st.integers(1, 40), st.integers(1, 30), st.sampled_from(FLOATS), st.integers(0, 2**31))
@settings(deadline=None, max_examples=80, database=None)
def test_by_grams_is_optimal(m, k, dtype, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, m + 1, k)
    H, (g, v, t) = np.zeros((k, m, m), dtype), np.zeros((3, k, m), dtype)
    for i, c in enumerate(counts):
        X, w, g[i, :c], v[i, :c], t[i, :c] = quadratic(rng, 60, c, dtype)
        H[i, :c, :c] = (X.T * w) @ X + np.eye(c, dtype=dtype)
    found = []
    for n_threads in (1, 2):
        d = np.zeros((k, m), dtype)
        kernels(dtype).coordinate.by_grams(
            H, counts.astype(np.int64), g, v, t, d, np.empty_like(d), 2000, 0.0, n_threads
        )
        found.append(d)
    assert np.array_equal(*found)
    w = np.where(d == -v, 0, v + d).astype(float)
    slope = g + np.einsum("kij,kj->ki", H.astype(float), d)
    off = np.where(w == 0, np.maximum(np.abs(slope) - t, 0), np.abs(slope + t * np.sign(w)))
    assert off.max() <= 1e4 * np.finfo(dtype).eps * (1 + np.abs(H).max())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("intercept", [False, True])
def test_by_columns_is_by_grams(dtype, intercept):
    rng = np.random.default_rng(0)
    k, n, m = 5, 80, 11
    X = (rng.normal(size=(n, m)) * (rng.random((n, m)) < 0.5) + 0.3).astype(dtype)
    _, _, g, v, t = quadratic(rng, n, m + intercept, dtype)
    g, v, t = (np.tile(a, (k, 1)) for a in (g, v, t))
    if intercept:
        t[:, 0] = 0
    w = rng.random((k, n)).astype(dtype)
    U = np.column_stack([np.ones(n), X]) if intercept else X
    ridge = np.full((k, m + intercept), 0.5)
    ridge[:, :intercept] = 0
    H = np.stack([(U.T * each) @ U + np.diag(r) for each, r in zip(w, ridge, strict=True)])
    counts = np.full(k, m + intercept, np.int64)
    right = np.zeros_like(g)
    kernels(dtype).coordinate.by_grams(
        H.astype(dtype), counts, g, v, t, right, np.empty_like(right), 3000, 0.0, 1
    )
    C = sparse.csc_array(X)
    columns = np.tile(np.arange(-intercept, m), (k, 1)).astype(np.int64)
    csc = C.data, C.indices.astype(np.int32), C.indptr.astype(np.int64)
    means, diagonals = np.zeros((2, k, m + intercept))
    kernels(dtype).coordinate.moments(*csc, w, columns, counts, intercept, means, diagonals, 1)
    diagonals += ridge
    found = []
    for n_threads in (1, 2):
        d = np.zeros_like(g)
        kernels(dtype).coordinate.by_columns(
            *csc, w, columns, counts, means, diagonals, g, v, t, intercept, ridge, d,
            np.empty((n_threads, n), dtype), 3000, 0.0, n_threads,
        )  # fmt: skip
        found.append(d)
    assert np.array_equal(*found)
    assert np.allclose(d, right, atol=3e-3 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("intercept", [0, 1])
@pytest.mark.parametrize("m", [0, 1, 30])
def test_grams_of_columns(dtype, intercept, m):
    """Of some of each class's columns, in any order, some with entries twice."""
    rng = np.random.default_rng(m)
    n, d, k = 70, 40, 4
    X = sparse.csc_array(scrambled(table(n, d, dtype, rng, 0.4), rng).T.tocsr().T)
    columns = np.stack([rng.permutation(d)[: m + intercept] for _ in range(k)])
    w = rng.random((k, n)).astype(dtype)
    at = np.stack([rng.permutation(np.arange(intercept, m + intercept)) for _ in range(k)])
    at = np.column_stack([np.zeros((k, intercept), int), at])[:, : max(intercept, m // 2 + 1)]
    counts = np.append(rng.integers(intercept, at.shape[1] + 1, k - 1), at.shape[1])
    found = []
    for n_threads in (1, 2):
        model = WeightedColumns(X, columns, np.full(k, m + intercept), intercept, n_threads)
        model.weigh(w)
        found.append(model.grams(at, counts))
    np.testing.assert_array_equal(*found)
    for i, count in enumerate(counts):
        picked = X.toarray().astype(float)[:, columns[i, at[i, intercept:count]]]
        U = np.column_stack([np.ones((n, intercept)), picked])[:, :count]
        right = (U.T * w[i]) @ U
        assert close(np.tril(found[0][i, :count, :count]), np.tril(right), dtype)


@pytest.mark.parametrize("by_feature", [False, True])
def test_subgradient(by_feature):
    rng = np.random.default_rng(0)
    k, width = 3, 50
    g, v = rng.normal(size=(2, k * width))
    v[rng.random(v.size) < 0.5] = 0
    t = rng.random(width)
    each = np.repeat(t, k) if by_feature else np.tile(t, k)
    right = np.where(v == 0, np.sign(g) * np.maximum(np.abs(g) - each, 0), g + each * np.sign(v))
    found = []
    for n_threads in (1, 2):
        out = np.empty_like(g)
        value = kernels(np.float64).coordinate.subgradient(g, v, t, by_feature, out, n_threads)
        assert np.allclose(out, right, rtol=1e-15)
        found.append(value)
    assert found[0] == found[1]
    assert np.isclose(value, each @ np.abs(v))
