"""The gradient for sparse X summed by rows: in partitions and in shares of features."""

import numpy as np
import pytest
from scipy import sparse
from support.reference import assert_near, logit_loss_and_gradient, one_hot
from support.sparse_rows import INDICES, compressed, scrambled, uniform

from fastsoftmax import linear_cross_entropy_value_and_grad as value_and_grad
from fastsoftmax._engine.data import Batch, Point, SparseData

pytestmark = pytest.mark.kernel

FLOATS = (np.float32, np.float64)
CLASSES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 64)
FEW = range(1, 9)  # logits, for which fits sum by rows too
# rows, features and entries a row: several partitions; one, with more rows than are summed in
# float32 for few logits, and for many
SHAPES = {"partitions": (600, 40, 12), "few": (9000, 15000, 2), "many": (17000, 40000, 2)}


def problem(shape, k, dtype, index=np.int32):
    """Rows in any order, features twice and in no row; W, b and labels."""
    n, d, per_row = SHAPES[shape]
    rng = np.random.default_rng([n, k])
    columns = rng.integers(d // 5, d, (n, per_row)) * rng.integers(0, 2, (n, 1))  # often feature 0
    kept = rng.random((n, per_row)) < 0.8
    kept[::7] = False
    values = np.where(rng.random(kept.sum()) < 0.1, 0.0, rng.standard_normal(kept.sum()))
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(index)
    rows = compressed(values.astype(dtype), columns[kept].astype(index), starts, (n, d))
    W = (rng.standard_normal((k, d)) / np.sqrt(per_row)).astype(dtype)
    return rows, W, rng.standard_normal(k).astype(dtype), rng.integers(max(k, 2), size=n)


def exact(rows, W, b, y):
    """Mean loss and gradients in float64, and how far rounding may take the gradient of W."""
    X = rows.astype(np.float64)
    X.sum_duplicates()
    n, eps = X.shape[0], np.finfo(rows.dtype).eps
    z = X @ W.T.astype(float) + b
    size = abs(X) @ abs(W).T.astype(float) + abs(b)
    if len(W) == 1:
        z, size = (np.column_stack([np.zeros(n), table]) for table in (z, size))
    losses, G = logit_loss_and_gradient(z, one_hot(y, z.shape[1]))
    off = eps * ((n / 2 + 20) * abs(G) + 20 * size.max(axis=1, keepdims=True))
    G, off = (table[:, -len(W) :] for table in (G, off))
    return losses.mean(), (X.T @ G).T / n, G.mean(axis=0), (abs(X).T @ off).T / n


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("shape", "k"),
    [(shape, k) for shape in SHAPES for k in CLASSES if shape != "many" or k > max(FEW)],
)
def test_right_and_the_same_for_any_number_of_threads(shape, k, dtype, index, whole_teams):
    rows, W, b, y = problem(shape, k, dtype, index)
    assert not SparseData(rows, 1)._kernel.by_columns(*rows.shape, k, rows.nnz, True)
    loss, by_W, by_b, bound = exact(rows, W, b, y)
    first = value_and_grad(rows, W, b, y, n_threads=1)
    assert first[0] == pytest.approx(loss, rel=100 * float(np.finfo(dtype).eps))
    assert_near(first[1].W, by_W, bound + np.finfo(dtype).eps * abs(by_W))
    np.testing.assert_allclose(first[1].b, by_b, atol=100 * np.finfo(dtype).eps)
    for n_threads in (2, 3, 8, 19):
        other = value_and_grad(rows, np.asfortranarray(W), b, y, n_threads=n_threads)
        assert other[0] == first[0]
        np.testing.assert_array_equal(other[1].W, first[1].W)
        np.testing.assert_array_equal(other[1].b, first[1].b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [*FEW, 20])
def test_fits_get_the_same_sums(k, dtype, whole_teams):
    """With a penalty, added to a gradient, in float32 and float64, for any number of threads."""
    rows, W, b, y = problem("partitions", k, dtype)
    wide, batch = np.asfortranarray(W, np.float64), Batch(y.astype(np.int32), None, 1 / len(y))
    assert SparseData(rows, 1)._kernel.by_columns(*rows.shape, k, rows.nnz, False) == (k == 20)
    _, by_W, _, bound = exact(rows, W, b, y)
    results = []
    for n_threads in (1, 2, 8):
        data = SparseData(rows, n_threads)
        outs = [np.full(W.shape, 7, out, order="F") for out in (np.float64, np.float32)]
        for out in outs:
            data.penalised(Point(wide, b), batch, 0.25, out)
            tolerance = bound + 4 * np.finfo(out.dtype).eps * (abs(by_W) + abs(wide))
            assert_near(out, by_W + 0.25 * wide, tolerance)
        more = outs[0].copy(order="F")
        data.add_gradient(Point(wide, b), batch, more)
        assert_near(more - outs[0], by_W, bound + 1e-14)
        results.append([*outs, more])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("d", "k"), [(1_100_000, 7), (40, 1100)])
def test_by_columns_where_a_table_would_be_too_large(d, k, dtype):
    rng = np.random.default_rng(0)
    X = uniform(60, d, 400 / (60 * d), rng, dtype)
    X = scrambled(X, rng)
    W, b, y = rng.standard_normal((k, d)).astype(dtype), None, rng.integers(k, size=60)
    assert SparseData(X, 1)._kernel.by_columns(*X.shape, k, X.nnz, True) == (
        k > 1024 or dtype == np.float64
    )
    loss, by_W, _, bound = exact(X, W, np.zeros(k), y)
    got, grads = value_and_grad(X, W, b, y)
    assert got == pytest.approx(loss, rel=100 * float(np.finfo(dtype).eps))
    assert_near(grads.W, by_W, bound + np.finfo(dtype).eps * abs(by_W))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [*FEW, 20])
def test_numbers_that_are_not_finite_stay_in_their_rows(k, dtype):
    """An infinite weight makes the logits of rows that have its feature NaN, and no others."""
    X = sparse.csr_array(np.array([[1, 0, 2, 0], [0, 3, 0, 0], [0, 0, 1, 0]], dtype))
    W = np.zeros((k, 4), dtype)
    W[-1, 0], W[0, 0] = np.inf, np.inf if k > 1 else np.nan
    with np.errstate(invalid="ignore"):
        _, grads = value_and_grad(X, W, None, [0, 1, 1])
    assert np.isnan(grads.W[:, [0, 2]]).any()
    assert np.isfinite(grads.W[:, [1, 3]]).all()
    assert (grads.W[:, 3] == 0).all()
