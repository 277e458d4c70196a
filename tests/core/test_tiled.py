"""Products with X in tiles of rows, beside NumPy's."""

import numpy as np
import pytest

from fastsoftmax import _core
from fastsoftmax._engine.linalg.workspace import Workspace

ROWS = 32
SHAPES = [(1, 1, 1), (31, 5, 1), (32, 6, 2), (100, 20, 4), (700, 51, 5), (1100, 13, 13)]


def kernels(dtype):
    return _core.kernels(np.dtype(dtype)).tiled


def tiled(X, width, dtype):
    """X as `pack` lays it out, and how many tiles there are."""
    tiles = -(-len(X) // ROWS)
    out = np.full(kernels(dtype).numbers(tiles, width), np.nan, dtype)
    kernels(dtype).pack(X, width, out)
    return out, tiles


def by_rows(tiles, n):
    """(tiles, k, ROWS) as (n, k)."""
    return np.moveaxis(tiles, 1, 2).reshape(-1, tiles.shape[1])[:n]


def in_tiles(Z):
    tiles = np.zeros((-(-len(Z) // ROWS), ROWS, Z.shape[1]), Z.dtype)
    tiles.reshape(-1, Z.shape[1])[: len(Z)] = Z
    return np.ascontiguousarray(np.moveaxis(tiles, 1, 2))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("stored", [np.float64, np.float32, np.uint8, np.float16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_lie_side_by_side_with_ones_behind(dtype, stored, order):
    X = np.random.default_rng(0).normal(size=(75, 9)) * 9 + 50
    X = np.asarray(X.astype(stored), order=order)
    x, tiles = tiled(X[::2], 10, dtype)
    found = x[: tiles * 10 * ROWS].reshape(tiles, 10, ROWS)
    expected = np.column_stack([X[::2].astype(dtype), np.ones(38)])
    np.testing.assert_array_equal(by_rows(found, 38), expected)
    assert not np.moveaxis(found, 1, 2).reshape(-1, 10)[38:].any()


@pytest.mark.parametrize("subtract", [True, False])
def test_means_and_squares_are_weighted(subtract):
    rng = np.random.default_rng(1)
    n, d, workspace = 130, 7, Workspace()
    X, w = rng.normal(size=(n, d)) + 5, rng.random(n) * (np.arange(n) % 5 > 0)
    x, tiles = tiled(X, d + 1, np.float64)
    weights = np.zeros(tiles * ROWS)
    weights[:n] = w
    means, squares = np.empty((2, d))
    kernels(np.float64).centre(
        x, tiles, d + 1, weights, 1 / w.sum(), subtract, means, squares, workspace
    )
    mean = np.average(X, axis=0, weights=w)
    np.testing.assert_allclose(means, mean, rtol=1e-14)
    np.testing.assert_allclose(squares, np.average((X - mean) ** 2, axis=0, weights=w), rtol=1e-13)
    rows = by_rows(x[: tiles * (d + 1) * ROWS].reshape(tiles, d + 1, ROWS), n)[:, :d]
    np.testing.assert_allclose(rows, X - mean if subtract else X, rtol=1e-15, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_products_are_those_of_numpy(dtype, shape, n_threads):
    n, d, k = shape
    rng, workspace, own = np.random.default_rng(2), Workspace(), kernels(dtype)
    X, W = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(k, d)).astype(dtype)
    x, tiles = tiled(X, d, dtype)
    rtol = 1e-13 if dtype == np.float64 else 1e-5
    z = np.empty((tiles, k, ROWS), dtype)
    own.logits(x, tiles, W, z, n_threads)
    np.testing.assert_allclose(by_rows(z, n), X @ W.T, rtol=rtol, atol=10 * rtol)

    Z, out = rng.normal(size=(n, k)).astype(dtype), np.empty((k, d))
    own.pull(x, n, in_tiles(Z), None, None, 0.5, out, workspace, n_threads)
    np.testing.assert_allclose(out, 0.5 * Z.T @ X, rtol=rtol, atol=100 * rtol)

    weights = np.zeros((k, tiles * ROWS), dtype)
    weights[:, :n] = rng.random((k, n))
    grams = np.full((k, d, d), np.nan)
    own.gram(x, tiles, weights, 0.5, grams, workspace, n_threads)
    for w, gram in zip(weights[:, :n], grams, strict=True):
        expected = 0.5 * (X.T * w) @ X
        lower = np.tril_indices(d)
        np.testing.assert_allclose(gram[lower], expected[lower], rtol=rtol, atol=100 * rtol)


@pytest.mark.parametrize("k", [1, 3])
def test_the_loss_and_its_gradient_by_the_weights(k):
    rng, workspace = np.random.default_rng(3), Workspace()
    n, d = 90, 4
    X, Z, weights = rng.normal(size=(n, d)), rng.normal(size=(n, k)) * 3, rng.random(n)
    y = rng.integers(0, max(k, 2), n).astype(np.int32)
    x, _ = tiled(X, d, np.float64)
    out = np.empty((k, d))
    loss = kernels(np.float64).pull(x, n, in_tiles(Z), y, weights, 1 / n, out, workspace, 1)
    both = np.column_stack([np.zeros(n), Z]) if k == 1 else Z
    log_p = both - np.log(np.exp(both).sum(axis=1, keepdims=True))
    assert loss == pytest.approx(-(weights * log_p[np.arange(n), y]).sum() / n, rel=1e-13)
    R = np.exp(log_p) - np.eye(both.shape[1])[y]
    R = (R[:, 1:] if k == 1 else R) * weights[:, None]
    np.testing.assert_allclose(out, R.T @ X / n, rtol=1e-12, atol=1e-15)


def test_bits_do_not_depend_on_threads():
    rng, workspace = np.random.default_rng(4), Workspace()
    X, (n, d) = rng.normal(size=(1500, 23)).astype(np.float32), (1500, 23)
    x, tiles = tiled(X, d, np.float32)
    weights, found = rng.random((2, tiles * ROWS)).astype(np.float32), []
    for n_threads in (1, 2, 5):
        grams = np.zeros((2, d, d))
        kernels(np.float32).gram(x, tiles, weights, 1 / n, grams, workspace, n_threads)
        found.append(grams)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("k", [1, 2, 4])
def test_weights_of_pairs_are_the_curvature_of_each_row(k):
    rng = np.random.default_rng(5)
    n = 40
    Z, w = rng.normal(size=(n, k)) * 3, rng.random(n)
    p = 1 / (1 + np.exp(-Z)) if k == 1 else np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    H = np.einsum(
        "n,nab->nab", w, np.einsum("na,ab->nab", p, np.eye(k)) - p[:, :, None] * p[:, None]
    )
    B = np.eye(k) if k == 1 else np.vstack([np.eye(k - 1), -np.ones(k - 1)])
    free, variances = B.T @ H @ B, in_tiles(w[:, None] * p * (1 - p))
    weights, out = np.zeros(64), np.empty(64)
    weights[:n] = w
    for a in range(B.shape[1]):
        for b in range(a + 1):
            reference = -1 if k == 1 else k - 1
            kernels(np.float64).weigh(in_tiles(p), variances, weights, a, b, reference, out)
            np.testing.assert_allclose(out[:n], free[:, a, b], rtol=1e-12, atol=1e-16)


def test_arrays_of_another_dtype_or_size_are_refused():
    x, tiles = tiled(np.eye(4), 4, np.float64)
    z = np.empty((tiles, 1, ROWS))
    with pytest.raises(TypeError, match="w: expected dtype f8"):
        kernels(np.float64).logits(x, tiles, np.ones((1, 4), np.float32), z, 1)
    with pytest.raises(ValueError, match="x: expected"):
        kernels(np.float64).logits(x[:-1], tiles, np.ones((1, 4)), z, 1)
