"""The names and rules of SciPy and PyTorch: dim, dtype, promotion, signs, pos_weight, tensors."""

from itertools import product

import ml_dtypes
import numpy as np
import pytest
import scipy.special
from support.reference import mp
from support.versions import at_least

import fastsoftmax
from fastsoftmax import (
    binary_cross_entropy,
    cross_entropy,
    cross_entropy_value_and_grad,
    linear_cross_entropy,
    linear_cross_entropy_value_and_grad,
    log_softmax,
    logsumexp,
    nll_loss,
    sigmoid,
    softmax,
    softmax_vjp,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 5))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_dim_is_axis(name):
    function, theirs = getattr(fastsoftmax, name), getattr(scipy.special, name)
    for axis in (0, 1, -1, (0, 2)):
        np.testing.assert_allclose(function(X, dim=axis), theirs(X, axis=axis), rtol=1e-13)
    with pytest.raises(TypeError, match=r"dim: expected None beside axis=1, got 0"):
        function(X, 1, dim=0)
    p = softmax(X, dim=1)
    np.testing.assert_array_equal(softmax_vjp(p, X, dim=1), softmax_vjp(p, X, 1))


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_dtype_is_that_of_input_and_result(function):
    x = np.array([[70000.0, 70001.5]])
    for given in (np.float32, "float32", np.dtype(np.float32)):
        result = function(x, dtype=given)
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, function(x.astype(np.float32)))
    exact = getattr(scipy.special, function.__name__)(np.float32(x).astype(float), axis=-1)
    np.testing.assert_allclose(function(np.float32(x), dtype=np.float64), exact, rtol=1e-15)
    assert function([1, 2], dtype=np.float16).dtype == np.float16
    out = np.empty((1, 2), np.float32)
    assert function(x, dtype=np.float32, out=out) is out
    with pytest.raises(TypeError, match="dtype: expected float16, float32 or float64, got 'i8'"):
        function(x, dtype="i8")
    with pytest.raises(TypeError, match=r"dtype: expected float16.*, got 'much'"):
        function(x, dtype="much")


DTYPES = "?", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8"


@pytest.mark.parametrize(("a", "b"), list(product(DTYPES, DTYPES)))
def test_factors_are_promoted_as_numpy_does(a, b):
    x = np.ones((2, 3), a)
    for factors in (np.full(3, 1, b), 2, 2.0, np.float64(2), [2.0], [2]):
        common = np.result_type(x, factors if np.isscalar(factors) else np.asarray(factors))
        dtype = common if common.kind == "f" else np.float64
        actual = logsumexp(x, b=factors)
        assert actual.dtype == dtype
        exact = np.log(np.broadcast_to(factors, 3).sum(dtype=float)) + 1
        np.testing.assert_allclose(actual, np.full(2, exact), rtol=2 * np.finfo(dtype).eps)
        if at_least("scipy", 1, 16):
            assert scipy.special.logsumexp(x, -1, factors).dtype == dtype


@pytest.mark.parametrize(
    ("x", "b"), [((3, 1), (1, 4)), ((), (3,)), ((4,), (2, 3, 4)), ((2, 3, 4), ()), ((1, 4), (4, 1))]
)
def test_factors_and_numbers_are_broadcast_as_scipy_does(x, b):
    x, b = RNG.standard_normal(x), RNG.standard_normal(b)
    for axis, keepdims in product((-1, 0, None), (False, True)):
        actual = logsumexp(x, axis, b, keepdims, True)
        expected = scipy.special.logsumexp(x, axis, b, keepdims, True)
        for one, other in zip(actual, expected, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=1e-10)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("x", "b", "expected", "sign"),
    [
        ([0.0, 1.0], [1, -1], np.log(np.e - 1), -1),
        ([1.0, 0.0], [1, -1], np.log(np.e - 1), 1),
        ([2.0, 2.0], [1, -1], -INF, 0),
        ([0.0, 1.0], [0, 0], -INF, 0),
        ([-INF, -INF], [1, -1], -INF, 0),
        ([INF, 1.0], [-1, 1], INF, -1),
        ([INF, INF], [-1, 1], NAN, NAN),
        ([1.0, NAN], [1, -1], NAN, NAN),
        ([1.0, NAN], [-1, 0], 1, -1),
        ([1000.0, 999.0], [-1, -1], 999 + np.log(1 + np.e), -1),
    ],
)
def test_sign_of_the_sum(x, b, expected, sign):
    log, of = logsumexp(x, b=b, return_sign=True)
    np.testing.assert_allclose((log, of), (expected, sign), rtol=1e-15)
    with np.errstate(invalid="ignore"):  # before SciPy 1.15 it warns
        theirs = scipy.special.logsumexp(x, b=b, return_sign=True)
    np.testing.assert_allclose((log, of), theirs, rtol=1e-13)
    np.testing.assert_allclose(logsumexp(x, b=b), NAN if sign < 0 else expected, rtol=1e-15)


def test_sign_without_factors():
    log, sign = logsumexp(np.array([[0.0, 1], [-INF, -INF], [NAN, 0]]), return_sign=True)
    np.testing.assert_allclose(log, [np.log(1 + np.e), -INF, NAN])
    np.testing.assert_array_equal(sign, [1, 0, NAN])
    out = np.empty(3, np.float32)
    log, sign = logsumexp(np.zeros((3, 2), np.float32), return_sign=True, out=out)
    assert log is out and sign.dtype == np.float32
    assert logsumexp(np.zeros((0, 3)), axis=0, return_sign=True)[1].tolist() == [0, 0, 0]


def test_pytorchs_third_argument_of_logsumexp_is_not_taken_for_factors():
    with pytest.raises(TypeError, match="b: expected numbers, got True; PyTorch's keepdim is keep"):
        logsumexp(X, 1, True)


def test_weight_by_position():
    labels, w = RNG.integers(4, size=(3, 5)), RNG.random(4)
    options = {"axis": 1}
    z = log_softmax(X, 1)
    for function in (cross_entropy, cross_entropy_value_and_grad, nll_loss):
        actual = function(z, labels, w, **options)
        expected = function(z, labels, weight=w, **options)
        np.testing.assert_equal(actual, expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_pos_weight(reduction):
    z, y, p = 9 * RNG.standard_normal((6, 4)), RNG.random((6, 4)), RNG.random(4) * 5
    y[:2], y[2, 0], p[0] = [[0.0], [1.0]], 1.0, 0.0
    exact = np.empty_like(z)
    for at, value in np.ndenumerate(z):
        log, log_not = (mp.log1p(mp.exp(s * mp.mpf(value))) for s in (-1, 1))
        exact[at] = float(mp.mpf(p[at[1]]) * mp.mpf(y[at]) * log + (1 - mp.mpf(y[at])) * log_not)
    reduced = {"mean": np.mean, "sum": np.sum, "none": np.array}[reduction](exact)
    actual = binary_cross_entropy(z, y, pos_weight=p, reduction=reduction)
    np.testing.assert_allclose(actual, reduced, rtol=1e-13)
    with pytest.raises(ValueError, match=r"pos_weight: .* got -1.0"):
        binary_cross_entropy(z, y, pos_weight=-1.0)
    with pytest.raises(ValueError, match=r"pos_weight: expected a shape that broadcasts"):
        binary_cross_entropy(z, y, pos_weight=[1.0, 2.0])


def exact_terms(z, y, p=1.0):
    """By arithmetic of many digits, of the numbers as their dtypes have them."""
    z, y, p = (mp.mpf(float(number)) for number in (z, y, p))
    return p * y * mp.log1p(mp.exp(-z)) + (1 - y) * mp.log1p(mp.exp(z))


@pytest.mark.parametrize(
    ("dtype", "z", "y", "pos_weight"),
    [
        ("f4", 20, 0.999, 1e3),
        ("f4", 20, 0.999, 1e6),
        ("f4", 90, 1 - 2**-24, 1e30),
        ("f2", 20, 0.999, 1e3),
        ("f2", -9, 1e-3, 1e-4),
        ("f8", 164, 1 - 1e-12, 1e8),
        ("f8", 700, 1 - 2**-53, 1e300),
    ],
)
def test_both_terms_count_whatever_their_weights(dtype, z, y, pos_weight):
    z, y = np.array([z, -z], dtype), np.array([y, y], dtype)
    losses = binary_cross_entropy(z, y, pos_weight=pos_weight, reduction="none")
    exact = [float(exact_terms(*number, pos_weight)) for number in zip(z, y, strict=True)]
    assert losses.dtype == dtype
    with np.errstate(over="ignore"):  # of float16 and float32
        rounded = np.array(exact).astype(dtype)
    np.testing.assert_allclose(losses, rounded, rtol={"f2": 1e-3, "f4": 3e-7, "f8": 1e-15}[dtype])
    total = binary_cross_entropy(z, y, pos_weight=pos_weight, reduction="sum")
    np.testing.assert_allclose(total, sum(exact), rtol=1e-15 if dtype == "f8" else 3e-7)


def test_shares_that_the_dtype_of_the_logits_cannot_hold():
    z, y = np.float32([100, -100, 3]), np.array([1 - 1e-9, 1e-9, 0.3])
    losses = binary_cross_entropy(z, y, reduction="none")
    exact = [float(exact_terms(*number)) for number in zip(z, y, strict=True)]
    np.testing.assert_allclose(losses, exact, rtol=3e-7)


def test_a_term_without_weight_leaves_infinite_logits_out():
    z = [np.inf, -np.inf, np.inf, -np.inf, np.nan]
    y, p = [1.0, 0.0, 1.0, 1.0, 1.0], [2.0, 2.0, 0.0, 0.0, 0.0]
    assert binary_cross_entropy(z, y, pos_weight=p, reduction="none").tolist() == [0.0] * 5
    assert binary_cross_entropy(0.0, 1.0, pos_weight=2.0, reduction="none").shape == ()
    assert binary_cross_entropy([-np.inf], [0.5], pos_weight=2.0) == np.inf


def test_pos_weight_as_torch():
    torch = pytest.importorskip("torch")
    z, y, p, s = (torch.from_numpy(RNG.random(shape)) for shape in ((6, 4), (6, 4), 4, (6, 1)))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits
    for reduction in ("mean", "sum", "none"):
        actual = binary_cross_entropy(z, y, pos_weight=p, reduction=reduction)
        np.testing.assert_allclose(actual, theirs(z, y, pos_weight=p, reduction=reduction), 1e-13)
    each = binary_cross_entropy(z, y, sample_weight=s, pos_weight=p, reduction="none")
    np.testing.assert_allclose(each, theirs(z, y, s, pos_weight=p, reduction="none"), 1e-13)


STEEP = 1e-37, 1e-46, 5e-324


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", STEEP)
def test_temperatures_whose_inverse_overflows(temperature, dtype):
    x = np.array([[100, 200, 199], [7, 7, -INF]], dtype)
    expected = [[0, 1, 0], [0.5, 0.5, 0]]
    np.testing.assert_array_equal(softmax(x, temperature=temperature), expected)
    np.testing.assert_array_equal(softmax(x.T, 0, temperature=temperature).T, expected)
    with np.errstate(over="ignore"):
        low = dtype(-100 / temperature), dtype(-1 / temperature)
    half = -np.log(2)
    logs = [[low[0], 0, low[1]], [half, half, -INF]]
    np.testing.assert_allclose(log_softmax(x, temperature=temperature), logs, rtol=1e-6)
    losses, gradient = cross_entropy_value_and_grad(
        x, [1, 0], temperature=temperature, reduction="none"
    )
    np.testing.assert_allclose(losses, [0, np.log(2)], rtol=1e-6)
    with np.errstate(over="ignore"):
        steep = dtype(0.5 / temperature)
    np.testing.assert_allclose(gradient, [[0, 0, 0], [-steep, steep, 0]], rtol=1e-6)
    assert np.isnan(softmax(np.array([INF, 0], dtype), temperature=temperature)).all()


@pytest.mark.parametrize("temperature", [2.0**-20, 2.0**-20.5, 1e-8])
def test_small_temperatures(temperature):
    x = RNG.standard_normal((5, 7)) * temperature * 3
    exact = scipy.special.softmax(x / temperature, axis=-1)
    np.testing.assert_allclose(softmax(x, temperature=temperature), exact, rtol=1e-13)
    labels = RNG.integers(7, size=5)
    gradient = cross_entropy_value_and_grad(x, labels, temperature=temperature)[1]
    exact[range(5), labels] -= 1
    np.testing.assert_allclose(gradient, exact / temperature / 5, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_targets_in_dtypes_that_numpy_lacks(dtype):
    z, W = RNG.standard_normal((6, 4)), RNG.standard_normal((4, 3))
    rows = RNG.standard_normal((6, 3))
    p = (RNG.integers(0, 5, (6, 4)) / 8).astype(getattr(ml_dtypes, dtype))
    wide = p.astype(np.float64)
    assert cross_entropy(z, p) == cross_entropy(z, wide)
    assert linear_cross_entropy(rows, W, None, p) == linear_cross_entropy(rows, W, None, wide)
    assert binary_cross_entropy(z, p if dtype != "float8_e4m3fn" else wide) == binary_cross_entropy(
        z, wide
    )
    labels = np.array([0, 1, 2, 3, 0, 1])
    small = labels.astype(ml_dtypes.uint4)
    assert cross_entropy(z, small) == cross_entropy(z, labels)
    assert nll_loss(log_softmax(z), small) == nll_loss(log_softmax(z), labels)
    assert linear_cross_entropy(rows, W, None, small) == linear_cross_entropy(rows, W, None, labels)
    np.testing.assert_array_equal(fastsoftmax.one_hot(small), fastsoftmax.one_hot(labels))


def test_bfloat16_tables_of_estimators_are_probabilities():
    X, p = RNG.standard_normal((40, 3)), RNG.random((40, 3))
    p = (p / p.sum(axis=1, keepdims=True)).astype(ml_dtypes.bfloat16)
    sums = p.astype(np.float64).sum(axis=1, keepdims=True)
    assert abs(sums - 1).max() > 1e-3  # which the others may not miss
    narrow = fastsoftmax.fit(X, p, tol=1e-9)
    wide = fastsoftmax.fit(X, p.astype(np.float64) / sums, tol=1e-9)
    np.testing.assert_allclose(narrow.coef_, wide.coef_, rtol=1e-6)
    networks = [
        fastsoftmax.MLPClassifier((4,), random_state=0).partial_fit(X, table)
        for table in (p, p.astype(np.float64) / sums)
    ]
    for one, other in zip(*(network.coefs_ for network in networks), strict=True):
        np.testing.assert_allclose(one, other, rtol=0.02, atol=1e-4)


def test_classes_at_axis_1_are_named():
    z, labels = np.zeros((2, 5, 3)), np.zeros((2, 3), int)
    hint = r"got \(2, 3\); classes at axis 1, as PyTorch has them, are axis=1"
    with pytest.raises(ValueError, match=hint):
        cross_entropy(z, labels)
    assert cross_entropy(z, labels, axis=1) == pytest.approx(np.log(5))


def test_linear_sum_and_ignored_rows():
    X, W, b = RNG.standard_normal((9, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal(3)
    labels, w, s = RNG.integers(3, size=9), RNG.random(3), RNG.random(9)
    labels[[2, 5]] = -100
    z = X @ W.T + b
    options = {"sample_weight": s, "ignore_index": -100}
    for reduction in ("mean", "sum"):
        loss, grads = linear_cross_entropy_value_and_grad(
            X, W, b, labels, wrt=("W", "b", "X"), class_weight=w, reduction=reduction, **options
        )
        expected, by_z = cross_entropy_value_and_grad(z, labels, w, reduction=reduction, **options)
        assert loss == pytest.approx(expected, rel=1e-13)
        for actual, exact in zip(grads, (by_z.T @ X, by_z.sum(0), by_z @ W), strict=True):
            np.testing.assert_allclose(actual, exact, rtol=1e-11, atol=1e-14)
        value = linear_cross_entropy(
            X, W, b, labels, class_weight=w, reduction=reduction, **options
        )
        assert value == pytest.approx(expected, rel=1e-13)
    p = RNG.random((9, 3))
    total = linear_cross_entropy(X, W, b, p, class_weight=w, sample_weight=s, reduction="sum")
    exact = cross_entropy(z, p, w, sample_weight=s, reduction="sum")
    assert total == pytest.approx(exact, rel=1e-13)
    loss, grads = linear_cross_entropy_value_and_grad(X, W, b, [-100] * 9, ignore_index=-100)
    assert np.isnan(loss) and not grads.W.any()
    assert linear_cross_entropy(X, W, b, [-100] * 9, ignore_index=-100, reduction="sum") == 0
    with pytest.raises(ValueError, match="reduction: expected one of mean, sum, got 'none'"):
        linear_cross_entropy(X, W, b, labels, reduction="none")
    with pytest.raises(ValueError, match="ignore_index: expected None for targets of numbers"):
        linear_cross_entropy(X, W, b, p, ignore_index=0)


@pytest.mark.parametrize("factor", [1e-300, 1e-46, 1e39, 1e200])
def test_linear_sum_of_weights_that_the_dtype_cannot_hold(factor):
    X, W = RNG.random((6, 5), dtype=np.float32), RNG.random((3, 5))
    s, w = RNG.random(6), RNG.random(3)
    for target in (RNG.integers(3, size=6), RNG.random((6, 3)), RNG.integers(4, size=(6, 3))):
        options = {"class_weight": w, "reduction": "sum"}
        loss = linear_cross_entropy(X, W, None, target, sample_weight=s, **options)
        far = linear_cross_entropy(X, W, None, target, sample_weight=s * factor, **options)
        assert far / factor == pytest.approx(loss, rel=1e-5)


def test_out_may_be_a_torch_tensor():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.5, 0.25]])
    out = torch.empty(3, 2).T
    assert softmax(x, out=out) is out
    torch.testing.assert_close(out, torch.softmax(x, 1))
    assert log_softmax(x, dim=1, out=out) is out
    torch.testing.assert_close(out, torch.log_softmax(x, 1))
    assert sigmoid(x, out=out) is out
    torch.testing.assert_close(out, torch.sigmoid(x))
    sums = torch.empty(2)
    assert logsumexp(x, out=sums) is sums
    torch.testing.assert_close(sums, torch.logsumexp(x, 1))
    _, gradient = cross_entropy_value_and_grad(x, [0, 1], out=out)
    assert gradient is out
    leaf = x.clone().requires_grad_()
    torch.nn.functional.cross_entropy(leaf, torch.tensor([0, 1])).backward()
    torch.testing.assert_close(out, leaf.grad)
    p = torch.softmax(x, 1)
    assert softmax_vjp(p, x, out=out) is out
    assert softmax(x, out=x) is x
    torch.testing.assert_close(x, p)
    with pytest.raises(ValueError, match="out: expected dtype float32, got bfloat16"):
        softmax(x, out=torch.empty(2, 3, dtype=torch.bfloat16))
    with pytest.raises(TypeError, match="out: expected an array without gradient"):
        softmax(x, out=torch.empty(2, 3, requires_grad=True))


def test_dtype_of_torch():
    torch = pytest.importorskip("torch")
    x = torch.tensor([70000.0, 70001.5], dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        theirs = torch.softmax(x, 0, dtype=dtype)
        np.testing.assert_allclose(softmax(x, dim=0, dtype=dtype), theirs, rtol=1e-6)
        assert softmax(x, dtype=dtype).dtype == theirs.numpy().dtype
    with pytest.raises(TypeError, match=r"dtype: expected float16.*, got torch\.bfloat16"):
        softmax(x, dtype=torch.bfloat16)
    target = torch.rand(2, 3)
    wide = target.to(torch.bfloat16)
    assert cross_entropy(np.eye(3)[:2], wide) == cross_entropy(np.eye(3)[:2], wide.float())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["labels", "ignored", "probabilities", "counts"])
def test_linear_label_smoothing_is_that_of_rows(kind, weighted, reduction):
    X, W, b = RNG.standard_normal((9, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal(3)
    target = {"probabilities": RNG.random((9, 3)), "counts": RNG.integers(4, size=(9, 3))}.get(
        kind, RNG.integers(3, size=9)
    )
    options = {"label_smoothing": 0.2, "reduction": reduction}
    if kind == "ignored":
        target[[0, 4]] = -100
        options["ignore_index"] = -100
    s, w = (RNG.random(9), RNG.random(3)) if weighted else (None, None)
    loss, grads = linear_cross_entropy_value_and_grad(
        X, W, b, target, wrt=("W", "b", "X"), sample_weight=s, class_weight=w, **options
    )
    exact, by_z = cross_entropy_value_and_grad(X @ W.T + b, target, w, sample_weight=s, **options)
    assert loss == pytest.approx(exact, rel=1e-13)
    for actual, expected in zip(grads, (by_z.T @ X, by_z.sum(0), by_z @ W), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-14)


def test_linear_label_smoothing_needs_several_logits():
    with pytest.raises(ValueError, match="label_smoothing: expected 0 for one logit"):
        linear_cross_entropy([[1.0], [2.0]], [[1.0]], None, [0, 1], label_smoothing=0.1)
