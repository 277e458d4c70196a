"""Loss, gradient and logits of sparse X against the oracle on the same numbers, dense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support.reference import assert_near, linear_bounds, one_hot, soft_linear
from support.sparse_rows import INDICES, compressed, scrambled, table

from fastsoftmax import linear_cross_entropy_value_and_grad as value_and_grad
from fastsoftmax._engine.data import Batch, Point, SparseData, StoredLogits

pytestmark = pytest.mark.kernel

FLOATS = (np.float32, np.float64)
CLASSES = (*range(1, 10), 17, 20, 64, 77, 200)
SHAPES = ((1, 1), (1, 40), (40, 1), (33, 17), (64, 129), (100, 300))
WANTED = ((), ("W",), ("W", "b"))
MANY = 1000  # classes, of which a block of A - Y holds some thousand rows


def problem(n, d, k, dtype, seed=0):
    """X, dense, W, b and labels."""
    rng = np.random.default_rng([n, d, k, seed])
    W = (rng.standard_normal((k, d)) / np.sqrt(d)).astype(dtype)
    b = rng.standard_normal(k).astype(dtype)
    return table(n, d, dtype, rng), W, b, rng.integers(max(k, 2), size=n), rng


def check(X, rows, W, b, target, weights=None, n_threads=1):
    """What the functions give for `rows`, which hold the numbers of X."""
    Y = one_hot(target, max(len(W), 2)) if np.ndim(target) == 1 else np.asarray(target, float)
    scale = 1 / (len(X) if weights is None else np.sum(weights, dtype=np.float64))
    eps = np.finfo(X.dtype).eps
    exact = soft_linear(X, W, b, Y, weights)
    bounds = linear_bounds(X, W, b, Y, weights, eps=eps)
    for wrt in WANTED:
        loss, grads = value_and_grad(
            rows, W, b, target, wrt=wrt, sample_weight=weights, n_threads=n_threads
        )
        assert isinstance(loss, float) and grads.X is None
        assert tuple(name for name in "Wb" if getattr(grads, name) is not None) == wrt
        for actual, right, bound in zip((loss, *grads), exact, bounds, strict=True):
            if actual is not None:
                tolerance = eps * abs(scale * np.asarray(right))
                assert_near(actual, scale * np.asarray(right), scale * bound + tolerance)
                assert actual is loss or actual.dtype == X.dtype


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", CLASSES)
def test_shapes(k, dtype):
    for i, (n, d) in enumerate(SHAPES):
        X, W, b, y, rng = problem(n, d, k, dtype)
        rows = scrambled(X, rng, INDICES[i % 2])
        check(X, rows, W, b, y)
        check(X, rows, np.asfortranarray(W), None, y)


@st.composite
def problems(draw):
    k, d, n = (draw(st.integers(1, most)) for most in (70, 70, 70))
    X, W, b, y, rng = problem(n, d, k, draw(st.sampled_from(FLOATS)), draw(st.integers(0, 2**31)))
    W *= draw(st.sampled_from((0.0, 0.01, 1.0, 30.0)))
    if k > 1 and draw(st.booleans()):
        y = np.where(rng.random((n, k)) < 0.5, rng.random((n, k)), 0).astype(X.dtype)
    weights = draw(st.sampled_from((None, rng.random(n) + 0.1, rng.integers(0, 2, n) + [1] * n)))
    rows = scrambled(X, rng, draw(st.sampled_from(INDICES)))
    return X, rows, W, draw(st.sampled_from((None, b))), y, weights


@given(problems(), st.sampled_from((1, 2)))
@settings(deadline=None, max_examples=100, database=None)
def test_anything(case, n_threads):
    check(*case, n_threads=n_threads)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_column_longer_than_a_segment(dtype):
    X, W, b, y, rng = problem(3000, 3, 19, dtype)
    check(X, scrambled(X, rng), W, b, y)


@pytest.mark.parametrize("dtype", FLOATS)
def test_no_entries(dtype):
    X, W, b, y, _ = problem(40, 9, 3, dtype)
    X[:] = 0
    check(X, sparse.csr_array(X), W, b, y)


FORMATS = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", FORMATS)
def test_formats(form, kind):
    X, W, b, y, _ = problem(33, 17, 5, np.float64)
    given = getattr(sparse, f"{form}_{kind}")(X)
    check(X, given, W, b, y)
    loss, grads = value_and_grad(sparse.csr_array(X), W, b, y)
    same, same_grads = value_and_grad(given, W, b, y)
    assert same == loss
    np.testing.assert_array_equal(same_grads.W, grads.W)


DTYPES = {
    **dict.fromkeys(("bool", "uint8", "int8", "int16", "uint16", "float16"), np.float32),
    **dict.fromkeys(("int32", "uint32", "int64", "longdouble"), np.float64),
}


@pytest.mark.parametrize("stored", DTYPES)
def test_stored_numbers_of_any_dtype(stored):
    X, W, b, y, _ = problem(50, 30, 4, np.float64)
    X = np.round(abs(X) * 20).astype(stored)
    entries = sparse.csr_array(X != 0)
    rows = compressed(X[X != 0], entries.indices, entries.indptr, X.shape)
    assert rows.dtype == stored
    check(X.astype(DTYPES[stored]), rows, W.astype(DTYPES[stored]), b, y)


@pytest.mark.parametrize("mode", ["read-only", "memory-mapped"])
@pytest.mark.parametrize("index", INDICES)
def test_arrays_that_cannot_be_written_to(mode, index, tmp_path):
    X, W, b, y, rng = problem(40, 20, 4, np.float64)
    rows = scrambled(X, rng, index)
    parts = [rows.data, rows.indices, rows.indptr]
    if mode == "memory-mapped":
        for i, part in enumerate(parts):
            np.save(tmp_path / f"{i}.npy", part)
        parts = [np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(3)]
    for part in (*parts, W, b, y):
        part.flags.writeable = False
    rows = compressed(*parts, X.shape)
    check(X, rows, W, b, y)
    assert rows.data is parts[0] and rows.indices is parts[1] and rows.indptr is parts[2]


def test_arrays_longer_than_the_rows_need():
    """Behind the last row there may be anything."""
    X, W, b, y, _ = problem(40, 20, 4, np.float64)
    rows = sparse.csr_array(X)
    longer = compressed(
        np.concatenate([rows.data, [np.nan, np.inf]]),
        np.concatenate([rows.indices, np.array([-7, 10**6], np.int32)]),
        rows.indptr,
        X.shape,
    )
    check(X, longer, W, b, y)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_same_to_the_bit_for_any_number_of_threads(k, dtype, whole_teams):
    X, W, b, y, rng = problem(1500, 400, k, dtype)
    rows = scrambled(X, rng)
    results = []
    for n_threads in (1, 2, 3, 8):
        loss, grads = value_and_grad(rows, W, b, y, n_threads=n_threads)
        data = SparseData(rows, n_threads)
        logits = StoredLogits(*X.shape[:1], k, X.dtype, n_threads)
        data.store_logits(W, b, logits)
        (columns,) = data.columns(k)
        results.append([loss, grads.W, grads.b, data.logits(W, b), logits.table(), *columns])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", CLASSES)
def test_logits_and_what_follows_from_stored_ones(k, dtype):
    for n, d in SHAPES:
        X, W, b, y, rng = problem(n, d, k, dtype)
        data = SparseData(scrambled(X, rng), 1)
        wide = X.astype(np.float64) @ W.T + b
        size = abs(X).astype(np.float64) @ abs(W).T + abs(b)
        bound = (d / 2 + 2) * np.finfo(dtype).eps * size
        assert_near(data.logits(W, b), wide, bound)
        assert_near(data.logits(W, None), wide - b, bound)
        stored = StoredLogits(n, k, X.dtype, 1)
        stored.tiles[...] = np.nan
        data.store_logits(W, b, stored)
        np.testing.assert_array_equal(stored.table(), data.logits(W, b))
        behind = stored.tiles.transpose(0, 2, 1).reshape(-1, k)[n:]
        assert (behind == 0).all()  # `largest` looks at whole tiles
        loss, grads = data.value_and_grad(Point(W, b), Batch(y.astype(np.int32), None, 1 / n))
        same, same_grads = data.value_and_grad(
            Point(logits=stored), Batch(y.astype(np.int32), None, 1 / n)
        )
        assert same == loss
        np.testing.assert_array_equal(same_grads.W, grads.W)
        np.testing.assert_array_equal(same_grads.b, grads.b)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_penalty_is_added(dtype, narrow):
    X, W, b, y, rng = problem(50, 30, 7, dtype)
    data, y = SparseData(scrambled(X, rng), 1), y.astype(np.int32)
    wide = np.asfortranarray(W, np.float64)
    alone = np.empty(wide.shape, order="F")
    loss, of_losses = data.penalised(Point(wide, b), Batch(y, None, 1 / 50), 0.0, alone)
    out = np.empty(wide.shape, np.float32 if narrow else np.float64, order="F")
    same, by_b = data.penalised(Point(wide, b), Batch(y, None, 1 / 50), 0.25, out)
    assert same == loss
    np.testing.assert_array_equal(by_b, of_losses)
    eps = np.finfo(np.float32 if narrow else np.float64).eps
    np.testing.assert_allclose(out, alone + 0.25 * wide, rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("index", INDICES)
def test_columns(index, dtype):
    """Within a column by row, and in the order of the row where it has a column twice."""
    X, *_, rng = problem(90, 40, 3, dtype)
    rows = scrambled(X, rng, index)
    (columns,) = SparseData(rows, 2).columns(3)
    number = np.repeat(np.arange(90), np.diff(rows.indptr))
    order = np.argsort(rows.indices, kind="stable")
    np.testing.assert_array_equal(columns.rows, number[order])
    np.testing.assert_array_equal(columns.values, rows.data[order])
    np.testing.assert_array_equal(columns.starts, np.searchsorted(rows.indices[order], range(41)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_several_bands(dtype, n_threads):
    """Rows over and over: means are those of the rows once."""
    times = 101
    X, W, b, y, rng = problem(400, 7, MANY, dtype)
    rows = scrambled(np.tile(X, (times, 1)), rng)
    data = SparseData(rows, n_threads)
    row_blocks = data.columns(MANY)
    assert len(row_blocks) > 2
    assert sum(len(row_block.values) for row_block in row_blocks) == rows.nnz
    loss, by_W, by_b, _ = soft_linear(X, W, b, one_hot(y, MANY))
    got, grads = value_and_grad(rows, W, b, np.tile(y, times), n_threads=n_threads)
    tolerance = 20 * float(np.finfo(dtype).eps)
    assert got == pytest.approx(loss / len(X), rel=tolerance)
    np.testing.assert_allclose(grads.b, by_b / len(X), atol=tolerance)
    np.testing.assert_allclose(grads.W, by_W / len(X), atol=tolerance)


@pytest.mark.parametrize("dtype", FLOATS)
def test_confident_rows_keep_their_digits(dtype):
    rtol = 1e-12 if dtype == np.float64 else 4 * np.finfo(np.float32).eps
    tiny = 4.248354255291589e-18  # log1p(exp(-40))
    one = sparse.csr_array(np.ones((1, 1), dtype))
    loss, grads = value_and_grad(one, [[0], [-40]], None, [0])
    np.testing.assert_allclose(loss, tiny, rtol=rtol)
    np.testing.assert_allclose(grads.W[:, 0], [-tiny, tiny], rtol=rtol)
    loss, grads = value_and_grad(one, [[-40]], None, [0])
    np.testing.assert_allclose([loss, grads.W[0, 0]], tiny, rtol=rtol)


def test_nothing_is_modified():
    X, W, b, y, rng = problem(40, 20, 4, np.float64)
    for form in FORMATS:
        rows = scrambled(X, rng).asformat(form) if form != "csr" else scrambled(X, rng)
        copy = rows.copy()
        value_and_grad(rows, W, b, y)
        assert rows.format == form
        for part in ("data", "indices", "indptr", "row", "col", "offsets"):
            if form != "dok" and hasattr(rows, part):
                np.testing.assert_array_equal(getattr(rows, part), getattr(copy, part))
