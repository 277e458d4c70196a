"""Stored logits and the loss along a line through them, against plain float64 NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support.logits import stored
from support.reference import logit_loss_and_gradient, one_hot

from fastsoftmax._engine.data import Batch, DenseData, Point, SparseData, StoredLogits
from fastsoftmax._runtime.threads import team

pytestmark = pytest.mark.kernel
FLOATS = (np.float32, np.float64)


def exact(z, d, t, Y, weights):
    """φ, φ', φ'' in float64."""
    if z.shape[1] == 1:
        z, d = (np.column_stack([np.zeros(len(a)), a]) for a in (z, d))
    losses, G = logit_loss_and_gradient(z + t * d, Y)
    mass = Y.sum(axis=1, keepdims=True)
    P = G + Y
    mean = (P * d).sum(axis=1, keepdims=True) / np.where(mass > 0, mass, 1)
    curvature = (P * (d - mean) ** 2).sum(axis=1)
    return weights @ losses, weights @ (G * d).sum(axis=1), weights @ curvature


@st.composite
def lines(draw):
    n, k = draw(st.integers(1, 150)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    z, d = rng.normal(size=(2, n, k)) * draw(st.sampled_from((0.01, 1.0, 20.0)))
    soft = k > 1 and draw(st.booleans())
    target = rng.random((n, k)) if soft else rng.integers(max(k, 2), size=n)
    weights = draw(st.sampled_from((None, rng.integers(0, 3, n) * rng.random(n))))
    return z, d, draw(st.sampled_from((0.0, 0.3, 1.0, -2.0))), target, weights


def for_kernels(z, d, target, weights, dtype):
    """Logits, their change, targets, the same as probabilities, and weights, in this dtype."""
    soft = target.ndim == 2
    Y = target.astype(dtype) if soft else one_hot(target, max(z.shape[1], 2))
    w = None if weights is None else weights.astype(dtype)
    return z.astype(dtype), d.astype(dtype), Y if soft else target.astype(np.int32), Y, w


@given(lines(), st.sampled_from(FLOATS), st.sampled_from((1, 2)))
@settings(deadline=None, max_examples=150, database=None)
def test_along_and_move(case, dtype, n_threads):
    z, d, t, target, weights = case
    z, d, kernel_target, Y, w = for_kernels(z, d, target, weights, dtype)
    n, k = z.shape
    s, change = stored(z, dtype, n_threads), stored(d, dtype, n_threads)
    got = s.along(change, t, kernel_target, w, 1.0)
    wide = np.ones(n) if w is None else w.astype(float)
    right = exact(z.astype(float), d.astype(float), t, Y.astype(float), wide)
    size = np.abs(z).max() + abs(t) * np.abs(d).max() + 2
    scale = (wide @ Y.sum(axis=1) + n) * size * np.array([1, np.abs(d).max(), d.max() ** 2 + 1])
    tolerance = 20 * (k + 5) * size * np.finfo(dtype).eps * scale
    assert (np.abs(got - right) <= tolerance).all()
    s.move(change, t)
    moved = z.astype(float) + dtype(t).astype(float) * d
    np.testing.assert_allclose(s.table(), moved, atol=2 * np.finfo(dtype).eps * size)


@given(lines(), st.sampled_from(FLOATS), st.sampled_from((1, 2)), st.booleans())
@settings(deadline=None, max_examples=100, database=None)
def test_gradient_among_other_classes(case, dtype, n_threads, moves):
    z, d, t, target, weights = case
    z, d, kernel_target, Y, w = for_kernels(z, d, target, weights, dtype)
    n, k = z.shape
    s, step = stored(z, dtype, n_threads), (stored(d, dtype, n_threads), t) if moves else None
    out = stored(np.full((n, k + 5), 7.0, dtype), dtype, n_threads)
    loss = s.gradient(kernel_target, w, step, out, 2)
    at = z.astype(float) + (t * d.astype(float) if moves else 0)
    np.testing.assert_allclose(s.table(), at, rtol=1e-5, atol=1e-5 * np.abs(d).max())
    exact_at = s.table().astype(float)
    exact_at = np.column_stack([np.zeros(n), exact_at]) if k == 1 else exact_at
    losses, G = logit_loss_and_gradient(exact_at, Y.astype(float))
    wide = np.ones(n) if w is None else w.astype(float)
    G = (wide[:, None] * G)[:, -k:]
    eps = 50 * (k + 5) * np.finfo(dtype).eps
    np.testing.assert_allclose(out.table()[:, 2 : 2 + k], G, rtol=eps, atol=eps)
    size = np.abs(at).max() + 2
    np.testing.assert_allclose(loss, wide @ losses, rtol=eps, atol=eps * size * n * k)
    assert (out.table()[:, :2] == 7).all() and (out.table()[:, 2 + k :] == 7).all()
    assert s.gradient(None, None, None, out, 5) == 0
    np.testing.assert_array_equal(out.table()[:, 5 : 5 + k], s.table())


def test_gradient_needs_room():
    s, small = stored(np.ones((40, 3)), np.float64, 1), stored(np.ones((40, 4)), np.float64, 1)
    for first in (-1, 2):
        with pytest.raises(ValueError, match="out: expected"):
            s.gradient(np.zeros(40, np.int32), None, None, small, first)


@pytest.mark.parametrize("n", [31, 200, 225])
@pytest.mark.parametrize("every", [2, 3, 9])
def test_along_some_tiles(n, every):
    rng = np.random.default_rng(n)
    z, d = rng.normal(size=(2, n, 3))
    y, w = rng.integers(3, size=n).astype(np.int32), rng.random(n)
    s, change = stored(z, np.float64, 2), stored(d, np.float64, 2)
    chosen = np.arange(n) // s.tiles.shape[2] % every == 0
    got = s.along(change, 0.3, y, w, 2.0, every)
    right = exact(z[chosen], d[chosen], 0.3, one_hot(y, 3)[chosen], w[chosen])
    np.testing.assert_allclose(got, 2 * every * np.array(right), rtol=1e-11)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 3])
def test_confident_rows_keep_their_digits(k, dtype):
    z = np.full((40, k), -50.0)
    z[:, 0] = 0 if k > 1 else -50
    d = np.zeros((40, k))
    d[:, -1] = 1
    got = stored(z, dtype).along(stored(d, dtype), 0.0, np.zeros(40, np.int32), None, 1 / 40)
    # to first order: the loss is the sum of the others' probabilities
    other = np.exp(-50.0)
    np.testing.assert_allclose(got, np.array([max(k - 1, 1), 1, 1]) * other, rtol=1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("n", "d", "k"),
    [
        *((333, 37, 1), (333, 37, 2), (333, 37, 7), (333, 37, 40), (333, 16, 26), (70, 600, 300)),
        *((333, 100, 48), (12_000, 9, 3), (12_000, 9, 11)),  # lanes filled; partitions of many rows
    ],
)
def test_stored_logits_give_the_fused_pass(n, d, k, dtype):
    rng = np.random.default_rng(k)
    X, W, b = (rng.normal(size=s).astype(dtype) for s in ((n, d), (k, d), k))
    y = rng.integers(max(k, 2), size=n).astype(np.int32)
    for x in (X, np.asfortranarray(X), X[::-1, ::-1]):
        data = DenseData(x, 2)
        out = StoredLogits(n, k, np.dtype(dtype), 2)
        data.store_logits(W, b, out)
        exact = x.astype(float) @ W.T.astype(float) + b
        np.testing.assert_allclose(out.table(), exact, atol=d * 30 * np.finfo(dtype).eps)
        fused = data.value_and_grad(Point(W, b), Batch(y, None, 1 / n))
        half = data.value_and_grad(Point(logits=out), Batch(y, None, 1 / n))
        transposed = k in (
            11,
            26,
            40,
            48,
            300,
        )  # features are summed in order, rows or weights transposed
        if transposed:
            np.testing.assert_array_equal(data.logits(W, b), out.table())
        rounding = (
            0 if transposed or k == 1 else 30 * np.finfo(dtype).eps
        )  # one class is eliminated
        np.testing.assert_allclose(half[0], fused[0], rtol=rounding)
        np.testing.assert_allclose(half[1].W, fused[1].W, rtol=0, atol=rounding)
        np.testing.assert_allclose(half[1].b, fused[1].b, rtol=0, atol=rounding)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("n", "d", "k"), [(1, 3, 1), (333, 37, 7), (333, 16, 26), (70, 600, 300)])
def test_a_step_on_the_way_is_a_step_made_before(n, d, k, dtype):
    rng = np.random.default_rng(k)
    X, z, change = (rng.normal(size=s).astype(dtype) for s in ((n, d), (n, k), (n, k)))
    y = rng.integers(max(k, 2), size=n).astype(np.int32)
    logits, held, before = (stored(a, np.dtype(dtype), 2) for a in (z, change, z))
    before.move(held, 0.3)
    data = DenseData(X, 2)
    got = data.value_and_grad(Point(logits=logits, step=(held, 0.3)), Batch(y, None, 1 / n))
    expected = data.value_and_grad(Point(logits=before), Batch(y, None, 1 / n))
    assert got[0] == expected[0]
    assert got[1].W.tobytes() == expected[1].W.tobytes()
    np.testing.assert_array_equal(logits.table(), before.table())
    np.testing.assert_array_equal(held.table(), change)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (32, 3), (333, 26)])
def test_sums_of_classes(n, k, dtype):
    z, other = np.random.default_rng(n).normal(size=(2, n, k)).astype(dtype)
    held, less = stored(z, np.dtype(dtype)), stored(other, np.dtype(dtype))
    for logits in (held, less):
        logits.put(logits.table().copy())  # 0 in the rows that the last tile lacks
    tol = {"rtol": 1e-5, "atol": 1e-5}
    z, other = z.astype(float), other.astype(float)
    np.testing.assert_allclose(held.class_sums(), z.sum(axis=0), **tol)
    np.testing.assert_allclose(held.class_sums(less.tiles), np.abs(z - other).sum(axis=0), **tol)
    wide = less.tiles.astype(np.float64)  # of a fit before, in another precision
    np.testing.assert_allclose(held.class_sums(wide), np.abs(z - other).sum(axis=0), **tol)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (32, 3), (333, 26)])
def test_squares(n, k, dtype):
    z = np.random.default_rng(n).normal(size=(n, k)).astype(dtype)
    for threads in (1, 2):
        got = stored(z, np.dtype(dtype), threads).squares()
        np.testing.assert_allclose(got, (z.astype(float) ** 2).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 3, 26])
def test_variances(k, dtype):
    rng = np.random.default_rng(0)
    z, weights = rng.normal(size=(70, k)) * 5, rng.random(70).astype(dtype)
    weights[::3] = 0
    s = stored(z, dtype)
    out = s.like()
    s.variances(weights, out)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    P = 1 / (1 + np.exp(-z)) if k == 1 else e / e.sum(axis=1, keepdims=True)
    right = weights[:, None] * P * (1 - P)
    np.testing.assert_allclose(out.table(), right, atol=20 * np.finfo(dtype).eps)
    assert not out.tiles.transpose(0, 2, 1).reshape(-1, k)[70:].any()


@given(lines(), st.sampled_from(FLOATS), st.sampled_from((1, 2)))
@settings(deadline=None, max_examples=100, database=None)
def test_residuals(case, dtype, n_threads):
    z, _, _, target, weights = case
    z, (n, k) = z.astype(dtype), z.shape
    Y = target.astype(dtype) if target.ndim == 2 else one_hot(target, max(k, 2))
    wide = np.column_stack([np.zeros(n), z]) if k == 1 else z
    G = np.abs(logit_loss_and_gradient(wide.astype(float), Y)[1])
    right = G.max(axis=1) * (1 if weights is None else weights)
    got = stored(z, dtype, n_threads).residuals(
        target.astype(dtype) if target.ndim == 2 else target.astype(np.int32),
        None if weights is None else weights.astype(dtype),
    )
    np.testing.assert_allclose(got, right, rtol=1e-4, atol=20 * k * np.finfo(dtype).eps)


def test_draws_follow_the_emphasis():
    """Long rows are drawn more often, by which the sums do not change."""
    n, wanted = 20_000, 500
    emphasis = np.where(np.arange(n) % 100, 1.0, 50.0)
    s = stored(np.ones((n, 2)), np.float64)
    drawn = s.sample_rows(wanted, 0, emphasis)
    rows = drawn.rows[0, : drawn.counts[0]]
    assert 0.25 < np.mean(rows % 100 == 0) < 0.42  # 50 of 149
    squares = drawn.factors[0, : len(rows)] ** 2
    assert squares.sum() == pytest.approx(n, rel=0.2)
    assert squares[rows % 100 == 0].sum() == pytest.approx(n / 100, rel=0.3)
    assert drawn.totals[0] == n


@pytest.mark.parametrize("dtype", FLOATS)
def test_draws_follow_the_importance(dtype):
    n, k, wanted = 20_000, 3, 500
    v = np.random.default_rng(0).exponential(size=(n, k)) ** 4
    v[:100] = 0
    s = stored(v, dtype)
    draws = [s.sample_rows(wanted, seed) for seed in (0, 0, 1)]
    for a, b in zip(draws[0], draws[1], strict=True):
        if a.ndim == 1:
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(draws[0].rows[0][:400], draws[2].rows[0][:400])
    for drawn in draws:
        np.testing.assert_allclose(drawn.totals, s.table().sum(axis=0, dtype=float), rtol=1e-12)
        for c in range(k):
            rows = drawn.rows[c, : drawn.counts[c]]
            assert (np.diff(rows) > 0).all() and rows[0] >= 100
            assert abs(len(rows) - wanted) < 5 * wanted**0.5
            estimate = np.sum(drawn.factors[c, : len(rows)].astype(float) ** 2)
            assert estimate == pytest.approx(drawn.totals[c], rel=0.2)
    everything = s.sample_rows(n, 0)
    assert (everything.counts == n - 100).all()
    np.testing.assert_allclose(
        everything.factors[0, : n - 100] ** 2, s.table()[100:, 0], rtol=8 * np.finfo(dtype).eps
    )


@pytest.mark.usefixtures("whole_teams")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 5, 40])
def test_threads_change_no_bit(k, dtype):
    rng = np.random.default_rng(0)
    n = 80_000 // k
    X, W = rng.normal(size=(n, 50)).astype(dtype), rng.normal(size=(k, 50)).astype(dtype)
    y, b = rng.integers(max(k, 2), size=n).astype(np.int32), np.zeros(k)
    assert team(8, n * k * 32) > 3
    results = set()
    for threads in (1, 2, 3, 8):
        data = DenseData(X, threads)
        s, change = (StoredLogits(n, k, np.dtype(dtype), threads) for _ in range(2))
        data.store_logits(W, b, s)
        data.store_logits(W[:, ::-1], b, change)
        phi = s.along(change, 0.3, y, None, 1 / n)
        s.move(change, 0.3)
        loss, grads = data.value_and_grad(Point(logits=s), Batch(y, None, 1 / n))
        s.variances(None, change)
        drawn = change.sample_rows(100, 3)
        rows = [row[:count].tobytes() for row, count in zip(drawn.rows, drawn.counts, strict=True)]
        results.add((phi.tobytes(), loss, grads.W.tobytes(), *rows, drawn.totals.tobytes()))
    assert len(results) == 1


# ---- a logistic function for each logit


def logistic_parts(z, Y):
    """Losses of rows, A - Y, and A in float64."""
    A, known = 1 / (1 + np.exp(-z)), Y != 2  # 2 is a missing indicator
    return (known * (np.logaddexp(0, z) - Y * z)).sum(axis=1), known * (A - Y), known * A


@given(
    st.integers(1, 120), st.integers(1, 20), st.integers(0, 2**31), st.sampled_from(FLOATS),
    st.sampled_from(("indicators", "probabilities")), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=100, database=None)
def test_logistic_functions_along_a_line(n, k, seed, dtype, kind, weighted):
    k = 1 if kind == "probabilities" else k
    rng = np.random.default_rng(seed)
    z, d = rng.normal(size=(2, n, k)).astype(dtype) * dtype(rng.choice((0.1, 1, 20)))
    Y = rng.random((n, k)) if kind == "probabilities" else rng.integers(3, size=(n, k))
    Y = Y.astype(dtype if kind == "probabilities" else np.uint8)
    w = rng.integers(0, 3, n).astype(dtype) if weighted else None
    wide = np.ones(n) if w is None else w.astype(float)
    s, change = logistic(z, dtype), logistic(d, dtype)
    t = 0.7
    got = s.along(change, t, Y, w, 1.0)
    at = z.astype(float) + t * d
    losses, G, A = logistic_parts(at, Y.astype(float))
    squares = (A * (1 - A) * d.astype(float) ** 2).sum(axis=1)
    right = wide @ losses, wide @ (G * d).sum(axis=1), wide @ squares
    scale = wide @ (1 + np.abs(at).sum(axis=1) + (d.astype(float) ** 2).sum(axis=1))
    np.testing.assert_allclose(got, right, atol=8 * np.finfo(dtype).eps * scale, rtol=1e-5)


def logistic(z, dtype):
    out = stored(z, dtype)
    out.logistic = True
    return out


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 3, 26])
def test_probabilities_variances_and_products_of_logistic_functions(k, dtype):
    rng = np.random.default_rng(0)
    z, d = rng.normal(size=(2, 70, k)) * 5
    weights = rng.random(70).astype(dtype)
    weights[::3] = 0
    s, change = logistic(z, dtype), logistic(d, dtype)
    A = logistic_parts(z, np.zeros(z.shape))[2]
    atol = 40 * np.finfo(dtype).eps
    P = s.probabilities()
    np.testing.assert_allclose(P.table(), A, atol=atol)
    out = s.like()
    s.variances(weights, out)
    right = weights[:, None] * A * (1 - A)
    np.testing.assert_allclose(out.table(), right, atol=atol)
    P.curve(change, weights)
    np.testing.assert_allclose(change.table(), right * d, atol=10 * atol)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [2, 10, 70])
def test_the_fused_pass_of_logistic_functions(k, dtype):
    rng = np.random.default_rng(k)
    n, d = 500, 37
    X, W, b = (rng.normal(size=s).astype(dtype) for s in ((n, d), (k, d), k))
    Y = rng.integers(3, size=(n, k)).astype(np.uint8)
    w = rng.random(n).astype(dtype)
    losses, G, _ = logistic_parts(X.astype(float) @ W.T.astype(float) + b, Y)
    results = [
        DenseData(X, n_threads).value_and_grad(Point(W, b), Batch(Y, w, 0.5))
        for n_threads in (1, 2, 3)
    ]
    loss, grads = results[0]
    rtol = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, 0.5 * w.astype(float) @ losses, rtol=rtol)
    by_W = 0.5 * (w.astype(float)[:, None] * G).T @ X
    np.testing.assert_allclose(grads.W, by_W, atol=rtol * np.abs(by_W).max())
    np.testing.assert_allclose(grads.b, 0.5 * w @ G, atol=rtol * np.abs(by_W).max())
    by_rows = SparseData(sparse.csr_array(X), 2).value_and_grad(Point(W, b), Batch(Y, w, 0.5))
    np.testing.assert_allclose(by_rows[0], loss, rtol=rtol)
    np.testing.assert_allclose(by_rows[1].W, grads.W, atol=rtol * np.abs(by_W).max())
    for other in results[1:]:
        assert other[0] == loss
        np.testing.assert_array_equal(other[1].W, grads.W)


def test_a_logistic_loss_keeps_its_digits_and_takes_infinities():
    z = np.array([[40.0, -40.0], [np.inf, -np.inf], [-800.0, 800.0]])
    Y = np.array([[1, 0], [1, 0], [0, 1]], np.uint8)
    s = logistic(z, np.float64)
    for row, right in enumerate((2 * np.exp(-40.0), 0.0, 0.0)):
        w = np.zeros(3)
        w[row] = 1.0
        got = s.along(logistic(np.zeros_like(z), np.float64), 0.0, Y, w, 1.0)
        np.testing.assert_allclose(got[0], right, rtol=1e-15)
    got = s.along(logistic(np.zeros_like(z), np.float64), 0.0, 1 - Y, np.array([1.0, 0, 0]), 1.0)
    np.testing.assert_allclose(got[0], 80.0)


def test_products_keep_their_digits_where_a_row_is_predicted_confidently():
    z, d = np.array([[20.0, 0.0, 1.0]]), np.array([[1e9, 1e9 + 1, 1e9 - 2]])
    s, change = (StoredLogits(1, 3, np.dtype(float), 1) for _ in range(2))
    s.put(z)
    change.put(d)
    s.probabilities().curve(change, None)
    odds = np.exp(z - z[:, :1])
    p, moved = odds / odds.sum(), d - d[:, :1]
    np.testing.assert_allclose(change.table(), p * (moved - np.sum(p * moved)), rtol=1e-12)
