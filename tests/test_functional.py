"""softmax, log_softmax, logsumexp and cross_entropy: against SciPy at the edges, else mpmath."""

import numpy as np
import pytest
import reference
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_near
from scipy import sparse

import fastsoftmax
from fastsoftmax import cross_entropy, log_softmax, logsumexp, softmax
from fastsoftmax._threads import team

pytestmark = pytest.mark.kernel

FUNCTIONS = ("softmax", "log_softmax", "logsumexp")
LENGTHS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65)
FLOATS = (np.float32, np.float64)
TINY_LOSS = 4.248354255291589e-18  # log1p(exp(-40))


def computed_in(dtype):
    return np.float32 if np.dtype(dtype).itemsize < 4 or dtype == np.float32 else np.float64


def layouts(x):
    """The same numbers, laid out in the ways that NumPy knows."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    shifted = np.empty(x.size + 1, x.dtype)[1:].reshape(x.shape)
    shifted[...] = x
    packed = np.empty(x.shape, [("a", "i1"), ("x", x.dtype)])  # misaligned elements
    packed["x"] = x
    return {
        "C": x.copy(),
        "F": np.asfortranarray(x),
        "every other": wide[..., ::2],
        "backwards": np.flip(np.flip(x).copy()),
        "shifted": shifted,
        "packed": packed["x"],
        "swapped": x.astype(x.dtype.newbyteorder()),
    }


LAYOUTS = tuple(layouts(np.zeros((1, 1))))


@st.composite
def arrays(draw):
    dtype = draw(st.sampled_from((np.float16, *FLOATS, np.int8, np.uint8, np.int64, np.bool_)))
    shape = draw(st.lists(st.sampled_from((1, 2, 3)), max_size=2))
    shape.insert(draw(st.integers(0, len(shape))), draw(st.sampled_from(LENGTHS)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from((0.0, 1e-3, 1.0, 30.0, 1e4)))
    x = rng.standard_normal(shape) * scale
    if np.dtype(dtype).kind == "f":
        x = x.clip(-1e4, 1e4)
        for special in draw(st.sets(st.sampled_from((-1e4, 1e4, -np.inf, np.inf, np.nan)))):
            x[rng.random(shape) < 0.1] = special
    else:
        x = x.clip(0, 100)
    return layouts(x.astype(dtype))[draw(st.sampled_from(LAYOUTS))]


def rounding(name, x, expected, axis, eps):
    """What each function may be off by: x - max is rounded, k terms are summed."""
    k = x.shape[axis]
    if name == "softmax":
        away = np.minimum(x.max(axis=axis, keepdims=True) - x, 750)
        return (k + 16 + 2 * away) * eps * expected + 8 * np.finfo(np.float32).smallest_normal * eps
    return (k + 16 + 2 * abs(expected)) * eps


@pytest.mark.parametrize("name", FUNCTIONS)
@given(arrays(), st.data())
@settings(deadline=None, max_examples=150, database=None)
def test_as_scipy(name, x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    before = x.tobytes()
    actual = getattr(fastsoftmax, name)(x, axis=axis, n_threads=1)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        expected = getattr(scipy.special, name)(wide, axis=axis)
        dtype = computed_in(x.dtype if x.dtype.isnative else np.float64)
        bound = rounding(name, wide, expected, axis, np.finfo(dtype).eps)
    assert actual.dtype == dtype
    assert_near(actual, expected, bound)
    assert x.tobytes() == before


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", LENGTHS)
def test_relative_precision_against_mpmath(dtype, k):
    eps, rng = np.finfo(dtype).eps, np.random.default_rng(k)
    for scale in (0.1, 5.0, 40.0):
        row = (rng.standard_normal(k) * scale).astype(dtype)
        label = int(rng.integers(k))
        relative = (k / 2 + 8 + 2 * np.ptp(row).clip(max=100)) * eps
        a = np.array([float(p) for p in reference.mp_softmax(row)])
        assert_near(softmax(row), a, relative * a + 1e-42)
        logs = np.array([float(p) for p in reference.mp_log_softmax(row)])
        assert_near(log_softmax(row), logs, relative * abs(logs) + 1e-42)
        total = float(reference.mp_logsumexp(row))
        assert_near(logsumexp(row), total, relative * (abs(total) + abs(row.max())))
        loss = float(reference.mp_cross_entropy(row, label))
        assert_near(cross_entropy([row], [label], reduction="none"), [loss], relative * loss)


EDGES = {
    "-inf": [-np.inf, 0],
    "-inf only": [-np.inf, -np.inf, -np.inf],
    "inf": [np.inf, 0, 1],
    "inf twice": [np.inf, np.inf],
    "both infinities": [np.inf, -np.inf],
    "inf beyond large": [-1e308] * 20 + [np.inf],
    "NaN and inf": [np.nan, np.inf],
    "NaN before -inf": [np.nan] + [-np.inf] * 20,
    "NaN after -inf": [-np.inf] * 20 + [np.nan],
    "overflow of x - max": [-1e308, 1e308],
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges_as_scipy(name, edge):
    with np.errstate(all="ignore"):
        expected = getattr(scipy.special, name)(np.array(EDGES[edge]))
    np.testing.assert_allclose(getattr(fastsoftmax, name)(EDGES[edge]), expected, rtol=1e-15)


@pytest.mark.parametrize("k", LENGTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_anywhere_is_nan_throughout(dtype, k):
    for position in range(k):
        rows = np.zeros((3, k), dtype)
        rows[1, position] = np.nan
        poisoned = np.array([False, True, False])
        assert (np.isnan(softmax(rows)) == poisoned[:, None]).all()
        assert (np.isnan(log_softmax(rows)) == poisoned[:, None]).all()
        assert (np.isnan(logsumexp(rows)) == poisoned).all()
        losses = cross_entropy(rows, [0, 0, 0], reduction="none")
        assert (np.isnan(losses) == poisoned).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_ties_share_equally(dtype):
    for k in LENGTHS:
        np.testing.assert_array_equal(softmax(np.full(k, 7, dtype)), np.full(k, dtype(1) / k))
    row = np.array([0, 0, -40], dtype)
    np.testing.assert_allclose(softmax(row)[2], np.exp(-40) / 2, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_confident_rows_keep_their_digits(dtype):
    row = np.array([0, -40], dtype)
    rtol = 1e-15 if dtype == np.float64 else 2 * np.finfo(np.float32).eps
    np.testing.assert_allclose(logsumexp(row), TINY_LOSS, rtol=rtol)
    np.testing.assert_allclose(cross_entropy([row], [0]), TINY_LOSS, rtol=rtol)
    np.testing.assert_allclose(log_softmax(row), [-TINY_LOSS, -40], rtol=rtol)


def test_float32_keeps_subnormal_probabilities():
    a = softmax(np.array([0, -100], np.float32))
    assert 0 < a[1] < np.finfo(np.float32).smallest_normal
    np.testing.assert_allclose(a[1], np.exp(-100.0), rtol=0, atol=1.5e-45)


def test_lecture_example():
    a = [
        [0.3792, 0.3104, 0.3104],
        [0.3072, 0.4147, 0.2780],
        [0.4263, 0.2248, 0.3490],
        [0.2668, 0.2978, 0.4354],
    ]
    logits, labels = np.log(a), [0, 1, 2, 2]
    losses = cross_entropy(logits, labels, reduction="none")
    # rows sum to 1 within 1e-4, which shifts each loss by as much
    np.testing.assert_allclose(losses, [0.969692, 0.880200, 1.05268, 0.831490], atol=1.1e-4)
    exactly = losses - np.log(np.sum(a, axis=1))
    np.testing.assert_allclose(exactly, [0.969692, 0.880200, 1.05268, 0.831490], atol=5e-6)
    assert cross_entropy(logits, labels) == pytest.approx(0.9335, abs=1e-4)
    assert cross_entropy(logits, labels, reduction="sum") == pytest.approx(losses.sum())


def test_impossible_label_costs_infinity():
    losses = cross_entropy([[0, -np.inf], [-np.inf, 3], [0, 0]], [1, 1, 0], reduction="none")
    np.testing.assert_allclose(losses, [np.inf, 0, np.log(2)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_scalars_and_lists(name):
    function, expected = getattr(fastsoftmax, name), getattr(scipy.special, name)
    for x in (3.0, [3.0], [[1, 2], [3, 5]], [True, False]):
        actual, exact = function(x), expected(np.array(x, float), axis=-1)
        np.testing.assert_allclose(actual, exact, rtol=1e-6)
        assert np.shape(actual) == np.shape(exact)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_rows_give_no_results(name):
    actual = getattr(fastsoftmax, name)(np.zeros((0, 3)))
    assert actual.shape == ((0,) if name == "logsumexp" else (0, 3))


@pytest.mark.parametrize("dtype", FLOATS)
def test_threads_change_no_bit(dtype):
    n, k = 6000, 51
    x = np.random.default_rng(1).standard_normal((n, k)).astype(dtype) * 9
    labels = np.arange(n) % k
    assert team(8, x.size * 8) > 3
    for name in FUNCTIONS:
        results = [getattr(fastsoftmax, name)(x, n_threads=t).tobytes() for t in (1, 2, 3, 8)]
        assert len(set(results)) == 1
    losses = {cross_entropy(x, labels, n_threads=t) for t in (1, 2, 3, 8)}
    assert len(losses) == 1


def test_read_only_input_is_left_alone():
    x, labels = np.arange(12.0).reshape(3, 4), np.array([0, 1, 2])
    before = x.copy()
    x.flags.writeable = labels.flags.writeable = False
    for name in FUNCTIONS:
        getattr(fastsoftmax, name)(x)
    cross_entropy(x, labels)
    np.testing.assert_array_equal(x, before)


X = np.zeros((2, 3))
ERRORS = {
    "text": (lambda: softmax(["a", "b"]), ValueError, "x: expected numbers, got dtype <U1"),
    "complex": (lambda: softmax([1j]), ValueError, "x: .* Complex data not supported"),
    "ragged": (lambda: softmax([[1], [1, 2]]), ValueError, "x: expected an array of numbers"),
    "objects": (lambda: softmax([None, {}]), TypeError, "x: expected numbers, got objects"),
    "sparse": (lambda: softmax(sparse.eye_array(2)), TypeError, "x: .* dense array, got a sparse"),
    "empty": (lambda: logsumexp(np.zeros((2, 0))), ValueError, "x: .* at least one element along"),
    "axis far": (lambda: softmax(X, axis=2), ValueError, r"axis: expected -2\.\.1, got 2"),
    "axis kind": (lambda: softmax(X, axis=1.0), TypeError, r"axis: expected an integer, got 1\.0"),
    "axis bool": (lambda: softmax(X, axis=True), TypeError, "axis: expected an integer, got True"),
    "threads 0": (lambda: softmax(X, n_threads=0), ValueError, "n_threads: .* >= 1, got 0"),
    "threads 1.5": (lambda: softmax(X, n_threads=1.5), TypeError, r"n_threads: .*, got 1\.5"),
    "threads True": (lambda: logsumexp(X, n_threads=True), TypeError, "n_threads: .*, got True"),
    "1-d": (lambda: cross_entropy([0.0], [0]), ValueError, "logits: expected a 2-d array"),
    "no rows": (lambda: cross_entropy(X[:0], []), ValueError, r"logits: found array with 0 sample"),
    "no logits": (lambda: cross_entropy(X[:, :0], [0, 0]), ValueError, r"logits: .* 0 feature"),
    "target kind": (lambda: cross_entropy(X, [0.0, 1.0]), TypeError, "target: expected integer"),
    "target shape": (lambda: cross_entropy(X, [0]), ValueError, r"target: expected shape \(2,\)"),
    "target high": (lambda: cross_entropy(X, [0, 3]), ValueError, r"0\.\.2, got 3 in row 1"),
    "target low": (lambda: cross_entropy(X, [-1, 0]), ValueError, r"0\.\.2, got -1 in row 0"),
    "reduction": (lambda: cross_entropy(X, [0, 0], reduction="avg"), ValueError, "reduction: .*av"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        call()
