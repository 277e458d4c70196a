"""Loss and gradients of the fused kernels against the oracle: any shape, layout, dtype, target."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference
from support.reference import assert_near, central_difference, linear_bounds, one_hot, soft_linear

from fastsoftmax import linear_cross_entropy
from fastsoftmax import linear_cross_entropy_value_and_grad as value_and_grad
from fastsoftmax._engine.data import Batch, DenseData, Point

pytestmark = pytest.mark.kernel

FLOATS = (np.float32, np.float64)
TINY_LOSS = 4.248354255291589e-18  # log1p(exp(-40))
CLASSES = (1, 2, 3, 5, 9, 10, 11, 16, 17, 20, 21, 33, 100, 257)
FEATURES = (1, 2, 7, 15, 16, 17, 31, 32, 33, 54, 64, 100)
ROWS = (1, 2, 3, 31, 32, 33, 63, 65, 100, 1000)
WANTED = ((), ("W", "b"), ("X",), ("W", "b", "X"))


def problem(n, d, k, dtype, seed=0):
    """X, W, b and labels; k = 1 is one logit for two classes."""
    rng = np.random.default_rng([n, d, k, seed])
    X = rng.standard_normal((n, d)).astype(dtype)
    W = (rng.standard_normal((k, d)) / np.sqrt(d)).astype(dtype)
    b = rng.standard_normal(k).astype(dtype)
    return X, W, b, rng.integers(max(k, 2), size=n)


def check(X, W, b, target, weights=None, n_threads=1):
    """All results, in the combinations for which the kernels take different ways."""
    k = max(len(W), 2)
    Y = one_hot(target, k) if np.ndim(target) == 1 else np.asarray(target, np.float64)
    scale = 1 / (len(X) if weights is None else np.sum(weights, dtype=np.float64))
    eps = np.finfo(X.dtype).eps
    exact = soft_linear(X, W, b, Y, weights)
    bounds = linear_bounds(X, W, b, Y, weights, eps=eps)
    for wrt in WANTED:
        loss, grads = value_and_grad(
            X, W, b, target, wrt=wrt, sample_weight=weights, n_threads=n_threads
        )
        assert isinstance(loss, float)
        assert tuple(name for name in "WbX" if getattr(grads, name) is not None) == wrt
        for actual, right, bound in zip((loss, *grads), exact, bounds, strict=True):
            if actual is not None:
                right = scale * np.asarray(right)
                bound = scale * bound + eps * abs(right)  # the scale is rounded as well
                if actual is grads.W and np.ndim(target) == 1:
                    bound = with_one_eliminated(bound, abs(actual - right))
                assert_near(actual, right, bound)
                assert actual is loss or actual.dtype == X.dtype


def with_one_eliminated(bound, error):
    """The bounds, one class at most having those of all: what it gets is minus the others' sum."""
    eliminated = np.flatnonzero((error > bound).any(axis=1))
    if len(eliminated) == 1:
        bound = bound.copy()
        bound[eliminated] = bound.sum(axis=0)
    return bound


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", CLASSES)
def test_shapes(k, dtype):
    shift = CLASSES.index(k)
    for i, d in enumerate(FEATURES):
        n = ROWS[(i + shift) % len(ROWS)]
        X, W, b, y = problem(n, d, k, dtype)
        check(X, W, b, y)
        check(X, W, None, y)


def layouts(X):
    """The same numbers in other places: what a user may slice out of something else."""
    n, d = X.shape
    tall, wide = np.full((2 * n, d), 7, X.dtype), np.full((n, 3 * d), 7, X.dtype)
    tall[::2], wide[:, 1::3] = X, X
    middle = np.full((n + 2, d + 3), 7, X.dtype)
    middle[1:-1, 2:-1] = X
    shifted = np.empty(X.size + 1, X.dtype)[1:].reshape(X.shape)
    shifted[:] = X
    packed = np.empty(X.shape, [("a", "i1"), ("x", X.dtype)])
    packed["x"] = X
    return {
        "C": X,
        "Fortran": np.asfortranarray(X),
        "sliced rows": tall[::2],
        "sliced columns": wide[:, 1::3],
        "window": middle[1:-1, 2:-1],
        "Fortran window": np.asfortranarray(middle)[1:-1, 2:-1],
        "backwards": X[::-1, ::-1].copy()[::-1, ::-1],
        "rows backwards": X[::-1].copy()[::-1],
        "one row": np.broadcast_to(X[0], X.shape),
        "one column": np.broadcast_to(X[:, :1], X.shape),
        "one number": np.broadcast_to(X[0, 0], X.shape),
        "shifted": shifted,
        "misaligned": packed["x"],
    }


LAYOUTS = tuple(layouts(np.zeros((1, 1))))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, dtype):
    for n, d, k in ((70, 33, 10), (70, 33, 16), (70, 33, 21), (33, 17, 1), (5, 1, 3)):
        X, W, b, y = problem(n, d, k, dtype)
        X = layouts(X)[layout]
        before = X.copy()
        for array in (W, b, y):
            array.flags.writeable = False
        X.flags.writeable = False
        check(X, W, b, y)
        check(X, np.asfortranarray(W), np.flip(np.flip(b).copy()), y[::-1].copy()[::-1])
        np.testing.assert_array_equal(X, before)


@st.composite
def problems(draw):
    k, d, n = (draw(st.integers(1, most)) for most in (40, 70, 70))
    X, W, b, y = problem(n, d, k, draw(st.sampled_from(FLOATS)), draw(st.integers(0, 2**31)))
    W *= draw(st.sampled_from((0.0, 0.01, 1.0, 30.0)))
    rng = np.random.default_rng(n)
    if k > 1 and draw(st.booleans()):
        y = np.where(rng.random((n, k)) < 0.5, rng.random((n, k)), 0).astype(X.dtype)
    weights = draw(st.sampled_from((None, rng.random(n) + 0.1, rng.integers(0, 2, n) + [1] * n)))
    if weights is not None:
        weights = weights.astype(X.dtype)
    X = layouts(X)[draw(st.sampled_from(LAYOUTS))]
    return X, W, draw(st.sampled_from((None, b))), y, weights


def test_an_eliminated_class_far_smaller_than_the_others():
    X = np.array([[0.3816826], [-0.6390294], [-0.79329664]], np.float32)
    W = np.array([[-36.911514], [2.936883], [-3.6198]], np.float32)
    check(X, W, None, np.array([1, 0, 0]))


@given(problems(), st.sampled_from((1, 2)))
@settings(deadline=None, max_examples=150, database=None)
def test_anything(case, n_threads):
    check(*case, n_threads=n_threads)


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_digit_against_mpmath(dtype):
    """Small integers make the logits exact; one row, so that nothing cancels between rows."""
    rng = np.random.default_rng(3)
    for k in (1, 2, 3, 5, 18):
        for _ in range(6):
            X = rng.integers(-3, 4, (1, 2)).astype(dtype)
            W, b = (rng.integers(-9, 10, shape).astype(dtype) for shape in ((k, 2), k))
            y = rng.integers(max(k, 2), size=1)
            loss, grads = value_and_grad(X, W, b, y)
            exact = reference.mp_linear_loss_and_grad(X, W, b, y)
            for actual, right in zip((loss, grads.W, grads.b), exact, strict=True):
                np.testing.assert_allclose(actual, right, rtol=(k / 2 + 60) * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rare", range(5))
def test_a_rare_class_keeps_its_digits(rare, dtype):
    """Its gradient is not what the others' leave: its error is one of its own terms."""
    n, d, k = 3000, 40, 5
    X, W, b, y = problem(n, d, k, dtype)
    W *= 0.1
    W[rare] = 0
    b[rare] = -12
    y[y == rare] = (rare + 1) % k
    grads = value_and_grad(X, W, b, y)[1]
    right = soft_linear(X, W, b, one_hot(y, k))[1][rare] / n
    logits = X.astype(float) @ W.T.astype(float) + b
    P = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    terms = P[:, rare] @ np.abs(X) / n
    assert (terms < 1e-4).all()
    assert_near(grads.W[rare], right, 20 * np.finfo(dtype).eps * terms)


def test_oracle_against_mpmath_and_plain_numpy():
    for k in (1, 2, 3, 7):
        X, W, b, y = problem(4, 3, k, np.float64)
        exact = reference.mp_linear_loss_and_grad(X, W, b, y)
        oracle = soft_linear(X, W, b, one_hot(y, max(k, 2)))[:3]
        for ours, right in zip(oracle, exact, strict=True):
            np.testing.assert_allclose(ours, 4 * np.asarray(right), rtol=1e-13, atol=1e-15)
        if k > 1:
            plain = reference.plain_linear(X, W, b, y)
            for theirs, right in zip(plain, exact, strict=True):
                np.testing.assert_allclose(theirs, right, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_gradient_is_the_slope_of_the_loss(k):
    X, W, b, y = problem(7, 3, k, np.float64)
    start = {"X": X, "W": W, "b": b}
    rest = {
        "target": y,
        "sample_weight": np.arange(7.0),
        "class_weight": np.arange(1.0, max(k, 2) + 1),
    }
    _, grads = value_and_grad(**start, wrt=("W", "b", "X"), **rest)
    for name, at in start.items():

        def loss(moved, name=name):
            return linear_cross_entropy(**start | {name: moved}, **rest)

        slope = central_difference(loss, at)
        np.testing.assert_allclose(getattr(grads, name), slope, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 3, 32, 33])
@pytest.mark.parametrize("k", [2, 5, 19])
def test_impossible_class(k, n, dtype):
    X, W, b, _ = problem(n, 4, k, dtype)
    for impossible in (0, k - 1):
        logits = b.copy()
        logits[impossible] = -np.inf
        loss, grads = value_and_grad(X, W, logits, np.full(n, k - 1 - impossible))
        assert np.isfinite(loss)
        assert (grads.W[impossible] == 0).all() and grads.b[impossible] == 0
        loss, grads = value_and_grad(X, W, logits, np.full(n, impossible))
        assert loss == np.inf
        assert np.isfinite(grads.W).all() and grads.b[impossible] == -1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 3, 33])
def test_certain_logit(n, dtype):
    X, W, _, _ = problem(n, 4, 1, dtype)
    for b, label in ((np.inf, 1), (-np.inf, 0)):
        loss, grads = value_and_grad(X, W, [b], np.full(n, label))
        assert loss == 0 and (grads.W == 0).all() and (grads.b == 0).all()
        loss, grads = value_and_grad(X, W, [b], np.full(n, 1 - label))
        assert loss == np.inf and abs(grads.b) == 1 and np.isfinite(grads.W).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 2, 3, 18])
def test_logits_in_the_ten_thousands(k, dtype):
    X, W, b, y = problem(40, 3, k, dtype)
    W = (np.sign(W) * 1e4).astype(dtype)
    check(np.sign(X), W, b, y)
    check(np.sign(X), W, b, np.zeros_like(y))


@pytest.mark.parametrize("dtype", FLOATS)
def test_confident_rows_keep_their_digits(dtype):
    rtol = 1e-12 if dtype == np.float64 else 4 * np.finfo(np.float32).eps
    one = np.ones((1, 1), dtype)
    loss, grads = value_and_grad(one, [[0], [-40]], None, [0], wrt=("W", "b", "X"))
    np.testing.assert_allclose(loss, TINY_LOSS, rtol=rtol)
    np.testing.assert_allclose(grads.W[:, 0], [-TINY_LOSS, TINY_LOSS], rtol=rtol)
    np.testing.assert_allclose(grads.b, [-TINY_LOSS, TINY_LOSS], rtol=rtol)
    np.testing.assert_allclose(grads.X, [[-40 * TINY_LOSS]], rtol=rtol)
    loss, grads = value_and_grad(one, [[-40]], None, [0])
    np.testing.assert_allclose([loss, grads.W[0, 0]], TINY_LOSS, rtol=rtol)
    loss, grads = value_and_grad(one, [[0], [-40]], None, [[1, 0]])
    np.testing.assert_allclose([loss, -grads.W[0, 0]], TINY_LOSS, rtol=rtol)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["labels", "probabilities", "one logit", "sparse"])
def test_residuals_are_normal_numbers_or_zero(dtype, kind):
    """Products with subnormal numbers take Intel's processors some hundred times as long."""
    eps, least = float(np.finfo(dtype).eps), float(np.finfo(dtype).smallest_normal)
    X = np.ones((1, 1), dtype)
    X = scipy.sparse.csr_array(X) if kind == "sparse" else X
    for z in -np.log(least) + np.array([-3, -0.01, 0.01, 3, 9]):
        z = float(dtype(z))
        W = np.array([[-z]] if kind == "one logit" else [[0], [-z], [-2 * z], [-np.inf]], dtype)
        target = [[1, 0, 0, 0]] if kind == "probabilities" else [0]
        _, grads = value_and_grad(X, W, None, target)
        small = np.exp(-z) if np.exp(-z) >= least else 0
        right = [small] if kind == "one logit" else [-small, small, 0, 0]
        np.testing.assert_allclose(grads.W[:, 0], right, rtol=8 * eps + z * eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_logit_is_the_difference_of_two(dtype):
    X, W, b, y = problem(65, 17, 2, dtype)
    loss2, grads2 = value_and_grad(X, W, b, y)
    loss1, grads1 = value_and_grad(X, W[1:] - W[:1], b[1:] - b[:1], y)
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss1, loss2, rtol=tolerance)
    np.testing.assert_allclose(grads1.W[0], grads2.W[1], atol=tolerance)
    np.testing.assert_allclose(-grads1.W[0], grads2.W[0], atol=tolerance)
    np.testing.assert_allclose(-grads1.b, grads2.b[:1], atol=tolerance)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 2, 10, 18])
def test_nan_in_a_row_reaches_the_loss(k, dtype):
    for n, row, column in ((1, 0, 0), (33, 32, 8), (64, 5, 3)):
        X, W, b, y = problem(n, 9, k, dtype)
        X[row, column] = np.nan
        loss, grads = value_and_grad(X, W, b, y)
        assert np.isnan(loss) and np.isnan(grads.W[:, column]).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 3, 18])
def test_rows_of_weight_zero_do_not_count(k, dtype):
    X, W, b, y = problem(50, 9, k, dtype)
    weights = np.arange(50) % 3 / 4
    kept = weights > 0
    check(X, W, b, y, weights.astype(dtype))
    loss, grads = value_and_grad(X, W, b, y, sample_weight=weights)
    fewer, fewer_grads = value_and_grad(X[kept], W, b, y[kept], sample_weight=weights[kept])
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, fewer, rtol=tolerance)
    np.testing.assert_allclose(grads.W, fewer_grads.W, atol=tolerance)


@pytest.mark.parametrize("dtype", FLOATS)
def test_very_large_weights_are_summed_in_their_own_precision(dtype):
    for n, d, k in ((70, 33, 1), (70, 33, 10), (40, 17, 33)):
        X, W, b, y = problem(n, d, k, dtype)
        data = DenseData(X, 1)
        data.wide_bytes = 0
        got = data.value_and_grad(Point(W, b), Batch(y.astype(np.int32)))[1].W
        assert got.dtype == dtype
        Y, eps = one_hot(y, max(k, 2)), np.finfo(dtype).eps
        bound = linear_bounds(X, W, b, Y, None, eps=eps)[1]
        exact = soft_linear(X, W, b, Y, None)[1]
        assert_near(got, exact, with_one_eliminated(bound, abs(got - exact)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("weights", [None, "some zero"])
def test_moments(weights, dtype):
    for n, d in ((1, 1), (33, 17), (1000, 5)):
        X = problem(n, d, 1, dtype)[0] + dtype(3)
        w = None if weights is None else (np.arange(n) % 3 + (n == 1)).astype(dtype)
        exact = np.average(X.astype(np.float64), axis=0, weights=w)
        size = np.average(abs(X.astype(np.float64)), axis=0, weights=w)
        bound = (n / 2 + 4) * np.finfo(float).eps * size
        for layout in ("C", "Fortran", "window"):
            means, deviations = DenseData(layouts(X)[layout], 1).moments(w)
            assert_near(means, exact, bound)
            square = np.average((X.astype(np.float64) - exact) ** 2, axis=0, weights=w)
            assert_near(
                deviations**2, square, (n / 2 + 6) * np.finfo(float).eps * square + bound**2
            )


@pytest.mark.parametrize("dtype", FLOATS)
def test_logits(dtype):
    for n, d, k in ((1, 1, 1), (33, 17, 3), (65, 40, 21), (65, 40, 16), (70, 9, 47)):
        X, W, b, _ = problem(n, d, k, dtype)
        wide, size = X.astype(np.float64) @ W.T + b, abs(X).astype(np.float64) @ abs(W).T + abs(b)
        for layout in ("C", "Fortran", "backwards"):
            data = DenseData(layouts(X)[layout], 1)
            bound = (d / 2 + 2) * np.finfo(dtype).eps * size
            assert_near(data.logits(W, b), wide, bound)
            assert_near(data.logits(W, None), wide - b, bound)


@pytest.mark.parametrize("dtype", FLOATS)
def test_no_bit_of_a_row_depends_on_the_rows_behind_it(dtype):
    X, W, b, y = problem(40, 500, 30, dtype)

    def by_rows(n):
        return value_and_grad(X[:n], W, b, y[:n], wrt=("X",), reduction="sum")[1].X

    every = by_rows(40)
    for n in range(1, 40):
        np.testing.assert_array_equal(by_rows(n), every[:n])
