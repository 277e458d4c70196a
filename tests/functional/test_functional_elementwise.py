"""sigmoid and its kin, losses of single predictions, one_hot: SciPy, PyTorch, NumPy and mpmath."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from support.layouts import (
    FLOATS,
    LAYOUTS,
    STRIDED,
    arrays,
    computed_eps,
    layouts,
    numbers,
    result_dtype,
    strided,
)
from support.reference import assert_near, mp, ulps

import fastsoftmax
from fastsoftmax import binary_cross_entropy, log_sigmoid, logit, mae, mse, one_hot, sigmoid
from fastsoftmax._runtime.threads import team

pytestmark = pytest.mark.kernel


def exact_logit(x):
    """As SciPy has it since 1.15: nothing cancels about 1/2."""
    return np.where(abs(x - 0.5) < 0.25, 2 * np.arctanh(2 * x - 1), np.log(x / (1 - x)))


EXACT = {
    "sigmoid": scipy.special.expit,
    "log_sigmoid": scipy.special.log_expit,
    "logit": exact_logit,
}
TINY = 4.248354255291589e-18  # log1p(exp(-40))


def spacing(dtype):
    """What rounding a float16 result may add, relatively and absolutely."""
    return (2.0**-10, 2.0**-24) if dtype == np.float16 else (0, 0)


@pytest.mark.parametrize("name", EXACT)
@given(arrays(), st.sampled_from(STRIDED))
@settings(deadline=None, max_examples=120, database=None)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_as_scipy(name, x, layout):
    function, before = getattr(fastsoftmax, name), x.tobytes()
    if name == "logit":
        with np.errstate(invalid="ignore"):
            x = np.where(abs(x) < 1e4, abs(x) % 1, x).astype(x.dtype)
    actual = function(x)
    assert actual.dtype == result_dtype(x.dtype)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(float))
    relative, absolute = spacing(actual.dtype)
    eps = computed_eps(x.dtype)
    assert_near(actual, exact, (8 * eps + relative) * abs(exact) + absolute + 1e-42)
    if name != "logit":
        out = strided(np.full(x.shape, -7, actual.dtype))[layout]
        assert function(x, out=out) is out
        np.testing.assert_array_equal(out, actual)
        assert x.tobytes() == before
        if x.dtype == actual.dtype and x.flags.writeable:
            assert function(x, out=x) is x
            np.testing.assert_array_equal(x, actual)


@pytest.mark.parametrize("dtype", FLOATS)
def test_digits_against_mpmath(dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(300) * s for s in (1e-3, 1, 20)]).astype(dtype)
    e = [mp.exp(-mp.mpf(v)) for v in x.tolist()]
    assert ulps(sigmoid(x), np.array([1 / (1 + v) for v in e])).max() <= 3
    assert ulps(log_sigmoid(x), np.array([-mp.log1p(v) for v in e])).max() <= 3
    for label in (0, 1):
        losses = binary_cross_entropy(x, np.full(x.shape, label), reduction="none")
        exact = [mp.log1p(v if label else 1 / v) for v in e]
        assert ulps(losses, np.array(exact)).max() <= 3


@pytest.mark.parametrize("dtype", FLOATS)
def test_digits_of_log_odds_against_mpmath(dtype):
    rng = np.random.default_rng(0)
    p = [rng.random(600), 0.5 + rng.standard_normal(300) * 1e-4, 10.0 ** rng.uniform(-30, -1, 300)]
    p = np.concatenate([*p, [0.25, 0.75, np.finfo(dtype).smallest_subnormal]]).astype(dtype)
    exact = [mp.log(mp.mpf(v) / (1 - mp.mpf(v))) for v in p.tolist()]
    assert ulps(logit(p), np.array(exact)).max() <= 3


@pytest.mark.parametrize(("dtype", "x"), [(np.float32, -100), (np.float64, -740)])
def test_subnormal_results_are_kept(dtype, x):
    value = sigmoid(dtype(x))
    assert 0 < value < np.finfo(dtype).smallest_normal
    assert ulps(value[None], np.array([mp.exp(x)]))[0] <= 1
    assert -log_sigmoid(dtype(-x)) == value
    assert binary_cross_entropy(dtype(-x), 1) == value


def test_special_values_numbers_and_empty_arrays():
    x = [-np.inf, np.inf, np.nan, 0.0, -0.0, -1e308]
    np.testing.assert_array_equal(sigmoid(x), [0, 1, np.nan, 0.5, 0.5, 0])
    np.testing.assert_array_equal(log_sigmoid(x)[[0, 1, 2, 5]], [-np.inf, 0, np.nan, -1e308])
    np.testing.assert_array_equal(logit([0, 1, 2, np.nan]), [-np.inf, np.inf, np.nan, np.nan])
    for function in (sigmoid, log_sigmoid, logit):
        assert function(np.zeros((0, 3), np.float32)).shape == (0, 3)
        assert isinstance(function(0.25), np.float64)
        assert function(np.array(1)).dtype == np.float64


@st.composite
def predictions(draw):
    """Logits, targets of 0..1 of another layout and dtype, weights that broadcast, a reduction."""
    z = draw(arrays(dtypes=(np.float16, *FLOATS, np.int8), special=()))
    z = z if z.dtype == np.int8 else z.clip(-500, 500)  # numbers beyond its range
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.random(z.shape) if draw(st.booleans()) else rng.integers(0, 2, z.shape)
    y = y.astype(draw(st.sampled_from(FLOATS))) if y.dtype.kind == "f" else y
    y = layouts(y)[draw(st.sampled_from(tuple(layouts(y))))]
    shape = [draw(st.sampled_from((1, n))) for n in z.shape][draw(st.integers(0, 1)) :]
    weight = draw(st.sampled_from((None, rng.random(shape))))
    return (
        z,
        y,
        {
            "sample_weight": weight,
            "reduction": draw(st.sampled_from(("mean", "sum", "none"))),
        },
    )


def reduced(losses, sample_weight, reduction):
    weights = np.broadcast_to(1.0 if sample_weight is None else sample_weight, losses.shape)
    losses = losses * weights
    if reduction == "none":
        return losses
    return losses.sum() / (weights.sum() if reduction == "mean" else 1)


@given(predictions())
@settings(deadline=None, max_examples=150, database=None)
def test_losses_as_defined(problem):
    z, y, options = problem
    wide, t = z.astype(float), y.astype(float)
    exact = {
        binary_cross_entropy: np.logaddexp(0, wide) - t * wide,
        mse: (wide - t) ** 2,
        mae: abs(wide - t),
    }
    before = z.tobytes(), y.tobytes()
    for function, losses in exact.items():
        actual, expected = function(z, y, **options), reduced(losses, **options)
        dtype = actual.dtype if options["reduction"] == "none" else np.float64
        eps, (relative, absolute) = computed_eps(np.result_type(z.dtype)), spacing(dtype)
        size = 1 if options["reduction"] == "none" else losses.size
        scale = (1 + abs(wide).max() + (losses.max() if function is mse else 0)) * size
        assert_near(actual, expected, 8 * eps * scale + relative * abs(expected) + absolute)
        assert isinstance(actual, float) or options["reduction"] == "none"
    assert (z.tobytes(), y.tobytes()) == before


def test_binary_cross_entropy_as_pytorch_and_without_its_nan():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z, y, w = rng.standard_normal(500) * 50, rng.random(500), rng.random(500)
    tensors = (torch.tensor(a) for a in (z, y, w))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(*tensors, reduction="none")
    actual = binary_cross_entropy(z, y, sample_weight=w, reduction="none")
    np.testing.assert_allclose(actual, theirs.numpy(), rtol=1e-11, atol=1e-13)
    z, y = [np.inf, -np.inf, np.inf, -np.inf, np.inf, np.nan], [1, 0, 0, 1, 0.5, 1]
    losses = binary_cross_entropy(z, y, reduction="none")
    np.testing.assert_array_equal(losses, [0, 0, np.inf, np.inf, np.inf, np.nan])
    assert binary_cross_entropy([0.0, 40.0], [1, 1], reduction="none")[1] == TINY


@pytest.mark.parametrize("loss", [binary_cross_entropy, mse, mae])
def test_weight_0_leaves_out_and_the_mean_of_nothing_is_nan(loss):
    z, y = [np.nan, 2.0, np.inf], [0.0, 1.0, 0.0]
    assert loss(z, y, sample_weight=[0, 3, 0]) == pytest.approx(loss([2.0], [1.0]), rel=1e-15)
    assert np.isnan(loss(z, y, sample_weight=0))
    assert loss(z, y, sample_weight=0, reduction="sum") == 0
    assert np.isnan(loss([], []))
    assert loss([], [], reduction="sum") == 0
    assert loss([], [], reduction="none").shape == (0,)


def test_dtype_of_unreduced_losses():
    for a, b, expected in (
        (np.float32, np.float32, np.float32),
        (np.float16, np.float16, np.float16),
        (np.float32, np.float64, np.float64),
        (np.uint8, np.uint8, np.float64),
    ):
        z, y = np.array([0, 255], a), np.array([255, 0], b)
        for loss in (mse, mae):
            dtype = loss(z, y / y.dtype.type(255) if b != np.uint8 else y, reduction="none").dtype
            assert dtype == expected
    np.testing.assert_array_equal(mae(z, y, reduction="none"), [255, 255])  # no wrap-around


@pytest.mark.parametrize("dtype", FLOATS)
def test_threads_change_no_bit(dtype):
    x = numbers(np.random.default_rng(0), (300_001,), dtype, 20)
    y = np.random.default_rng(1).random(x.shape).astype(dtype)
    assert team(8, x.size * 16) > 3

    def call(n):
        losses = binary_cross_entropy(x, y, n_threads=n, reduction="none")
        return [a.tobytes() for a in (sigmoid(x, n_threads=n), log_sigmoid(x, n_threads=n), losses)]

    expected = call(1)
    assert all(call(n) == expected for n in (2, 3, 8))
    with ThreadPoolExecutor(4) as pool:
        assert all(result == expected for result in pool.map(call, (1, 2, 1, 2)))


@pytest.mark.parametrize("loss", [binary_cross_entropy, mse, mae])
def test_weights_change_no_mean_that_they_have_in_common(loss):
    x, y = np.array([1e150, -3.0]), np.array([0.25, 0.5])
    expected = loss(x, y)
    for weight in (1e200, 1e-200):
        assert loss(x, y, sample_weight=[weight] * 2) == pytest.approx(expected, rel=1e-15)
    each = loss(x, y, reduction="none")
    weights = np.array([1e-300, 1e300])  # neither is lost beside the other
    weighted = loss(x, y, sample_weight=weights, reduction="none")
    np.testing.assert_allclose(weighted, weights * each, rtol=1e-15)


@pytest.mark.filterwarnings("error")
def test_overflow_is_no_warning():
    most = [1.7e308]
    assert mse(most, [0.0]) == mae(most, [-1.7e308]) == np.inf
    assert np.isnan(mse([np.inf], [np.inf])) and np.isnan(logit(most)[0])


def test_read_only_input_is_left_alone():
    x, w = np.array([0.25, 0.5, 0.75]), np.array([1.0, 0.0, 2.0])
    copies = x.copy(), w.copy()
    x.flags.writeable = w.flags.writeable = False
    for function in (sigmoid, log_sigmoid, logit):
        function(x)
    for loss in (binary_cross_entropy, mse, mae):
        loss(x, x, sample_weight=w)
    np.testing.assert_array_equal((x, w), copies)


@given(st.integers(0, 2), st.integers(1, 5), st.sampled_from((np.int64, np.uint8, np.int8)))
@settings(deadline=None, max_examples=30, database=None)
def test_one_hot(ndim, k, dtype):
    labels = np.random.default_rng(k).integers(k, size=(2, 3)[:ndim]).astype(dtype)
    np.testing.assert_array_equal(one_hot(labels, k), np.eye(k)[labels])
    largest = int(np.max(labels))
    np.testing.assert_array_equal(one_hot(labels), np.eye(largest + 1)[labels])
    for kind in (bool, np.float32, int):
        rows = one_hot(labels, k, dtype=kind)
        assert rows.dtype == kind and rows.shape == (*labels.shape, k)


def test_one_hot_of_no_labels_and_of_booleans():
    assert one_hot(np.zeros((0, 2), int), 3).shape == (0, 2, 3)
    assert one_hot([]).shape == (0, 1)
    np.testing.assert_array_equal(one_hot([True, False]), [[0, 1], [1, 0]])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_errors_and_losses_of_float16_are_those_of_float64_rounded(layout, scale):
    """Of subnormal numbers, too, and from any memory."""
    rng = np.random.default_rng(0)
    x = layouts(numbers(rng, (31, 9), np.float16, scale))[layout]
    y = layouts(numbers(rng, (31, 9), np.float16, scale))[layout]
    wide, other = x.astype(np.float64), y.astype(np.float64)
    for function, expected in ((mse, (wide - other) ** 2), (mae, abs(wide - other))):
        losses = function(x, y, reduction="none")
        assert losses.dtype == np.float16
        np.testing.assert_array_max_ulp(losses, expected.astype(np.float16), maxulp=1)
        assert function(x, y) == pytest.approx(expected.mean(), rel=1e-6)
        assert function(x[0, 0], y[0, 0], reduction="none") == losses[0, 0]
    target = abs(y).clip(0, 1)
    z, t = wide, target.astype(np.float64)
    expected = np.log1p(np.exp(z)) - t * z
    losses = binary_cross_entropy(x, target, reduction="none")
    np.testing.assert_array_max_ulp(losses, expected.astype(np.float16), maxulp=1)
