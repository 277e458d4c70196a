"""Softmax, its logarithm, log-sum-exp and products with a Jacobian of float16."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from support.layouts import numbers

import fastsoftmax
from fastsoftmax import log_softmax, softmax, softmax_vjp

pytestmark = pytest.mark.kernel

FUNCTIONS = ("softmax", "log_softmax", "logsumexp")


@pytest.mark.parametrize("shape", [(30_000, 10), (2, 150_000), (2, 7, 20_000), (12_000, 3, 9)])
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("step", [1, -2])
def test_float16_is_float32_rounded(shape, axis, step):
    x, u = (numbers(np.random.default_rng(i), shape, np.float16, 5)[::step] for i in range(2))
    wide, vector = x.astype(np.float32), u.astype(np.float32)
    probabilities = softmax(wide, axis)

    def same(actual, expected):
        assert actual.dtype == np.float16
        np.testing.assert_array_max_ulp(actual, expected.astype(np.float16), maxulp=1)

    for name in FUNCTIONS:
        function = getattr(fastsoftmax, name)
        same(function(x, axis), function(wide, axis))
    same(softmax(x, axis, temperature=1e-7), softmax(wide, axis, temperature=1e-7))
    p = softmax(x, axis)
    product = softmax_vjp(p.astype(np.float32), vector, axis)  # of sums in another order
    np.testing.assert_allclose(softmax_vjp(p, u, axis), product, rtol=1e-3, atol=1e-7)
    assert softmax(x, axis, out=x) is x
    same(x, probabilities)


ROW = 144 * 1024 + 5  # numbers in a row that is too long for the buffers


@pytest.mark.parametrize("temperature", [1.0, 0.01, 1e-7, 1e-300, 1e6])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_long_rows_of_float16(scale, temperature):
    """Of any temperature, against float64; large logits have no digits after the point."""
    rng = np.random.default_rng(7)
    x = (scale * rng.standard_normal((2, ROW, 2))).astype(np.float16)
    below = x.astype(np.float64) - x.max(axis=1, keepdims=True).astype(np.float64)
    below = np.where(below == 0, 0, np.fmax(below / temperature, -1e6))
    exponentials = np.exp(below)
    sums = exponentials.sum(axis=1, keepdims=True)
    same = partial(np.testing.assert_allclose, rtol=1e-3, atol=6e-8)  # one ulp
    p = softmax(x, 1, temperature=temperature)
    same(p, exponentials / sums)
    with np.errstate(over="ignore"):
        logs = (below - np.log(sums)).astype(np.float16)
    same(np.fmax(log_softmax(x, 1, temperature=temperature), -6e4), np.fmax(logs, -6e4))
    u = rng.standard_normal(x.shape).astype(np.float16)
    wide = np.minimum(p.astype(float), 1) / temperature
    dots = (p.astype(float) * u).sum(axis=1, keepdims=True)
    if temperature > 1e-200:
        with np.errstate(over="ignore"):
            expected = (wide * (u - dots)).astype(np.float16)
        same(softmax_vjp(p, u, 1, temperature=temperature), expected, atol=1e-6 / temperature)


@pytest.mark.parametrize("name", [*FUNCTIONS, "softmax_vjp"])
@pytest.mark.parametrize("at", [0, 1024, ROW - 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_long_rows_of_float16_that_are_not_finite(name, value, at):
    """As float32, also where the row begins with -inf or has nothing else."""
    for rest in (0.0, -np.inf):
        x = np.full((2, ROW), rest, np.float16)
        x[:, at] = value
        x[1, :2048] = -np.inf
        arguments = (np.full_like(x, 1e-3), x) if name == "softmax_vjp" else (x,)
        function = getattr(fastsoftmax, name)
        expected = function(*(a.astype(np.float32) for a in arguments))
        np.testing.assert_allclose(function(*arguments), expected, rtol=6e-4, atol=6e-8)


def test_long_rows_of_float16_in_place_and_of_any_strides():
    x = numbers(np.random.default_rng(3), (ROW, 3), np.float16, 5)
    u = numbers(np.random.default_rng(4), (ROW, 3), np.float16, 5)
    p = softmax(x, 0)
    np.testing.assert_array_equal(p, softmax(np.ascontiguousarray(x.T)).T)
    np.testing.assert_array_equal(softmax(x[::-1], 0), p[::-1])
    gradient = softmax_vjp(p, u, 0)
    assert softmax(x, 0, out=x) is x
    np.testing.assert_array_equal(x, p)
    for out in (p.copy(), u.copy()):
        arguments = (out, u) if (out == p).all() else (p, out)
        assert softmax_vjp(*arguments, 0, out=out) is out
        np.testing.assert_array_equal(out, gradient)


@pytest.mark.parametrize("name", [*FUNCTIONS, "softmax_vjp"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((200_000, 20), -1),
        ((20, 200_000), 0),
        ((32, 200_000), 1),
        ((2_000_000, 2), -1),
        ((1, 4_000_000), None),
        ((4_000_000, 1), 0),
        ((7, 300_000), 1),
        ((2, 140_003), 1),
        ((10, 100), 1),
    ],
)
def test_memory_of_float16(name, shape, axis):
    x = np.ones(shape, np.float16)
    arguments = (x, x) if name == "softmax_vjp" else (x,)
    function = getattr(fastsoftmax, name)
    function(*(a[:2] for a in arguments), axis=axis)
    tracemalloc.start()
    result = function(*arguments, axis=axis)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes <= max(len(arguments) * x.nbytes / 2, 1 << 20)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_products_with_the_jacobian_at_tiny_temperatures(dtype):
    """1/T may be more than the dtype holds."""
    p, u = np.full((3, 2), 0.5, dtype), np.array([[0, 0], [1, -1], [3e-7, -3e-7]], dtype)
    for temperature in (1e-39, 1e-40, 1e-320, np.float64(1e-310)):
        with np.errstate(over="ignore"):
            expected = (0.5 * u.astype(float) / temperature).astype(dtype)
        found = softmax_vjp(p, u, temperature=temperature)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    row = np.full((1, ROW), 1 / ROW, dtype)
    assert not softmax_vjp(row, np.zeros_like(row), temperature=1e-320).any()


@pytest.mark.parametrize("shape", [(40, 7), (500, 33), (12, 1000), (3, 5, 8)])
@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"temperature": 1e-7}])
def test_cross_entropy_of_float16_is_that_of_float32(shape, axis, options):
    rng = np.random.default_rng(2)
    x = numbers(rng, shape, np.float16, 5)[::-1]
    kept = shape[:axis] + shape[axis + 1 :]
    labels, given = rng.integers(0, shape[axis], kept), rng.random(shape).astype(np.float16)
    for target, weights in ((labels, rng.integers(0, 3, kept)), (given, None)):
        both = [
            fastsoftmax.cross_entropy_value_and_grad(
                z, target, axis=axis, sample_weight=weights, **options
            )
            for z in (x, x.astype(np.float32))
        ]
        (value, gradient), (expected, of_float32) = both
        assert value == expected and gradient.dtype == np.float16
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(gradient, of_float32.astype(np.float16))
        out = x.copy()
        found = fastsoftmax.cross_entropy_value_and_grad(
            out, target, axis=axis, sample_weight=weights, out=out, **options
        )
        assert found[1] is out
        np.testing.assert_array_equal(out, gradient)


@pytest.mark.parametrize(("shape", "axis"), [((30_000, 10), 0), ((3, 200_000), 1)])
def test_products_with_the_jacobian_of_many_classes(shape, axis):
    """Rounding does not grow with the number of classes; one sum of them all was off by 1e-5."""
    rng = np.random.default_rng(0)
    p = softmax(5 * rng.standard_normal(shape, dtype=np.float32), axis)
    u = 10 + 5 * rng.standard_normal(shape, dtype=np.float32)
    wide = p.astype(float)
    expected = wide * (u - (wide * u).sum(axis=axis, keepdims=True))
    assert (abs(softmax_vjp(p, u, axis) - expected) <= 5e-7 * wide * abs(u).max()).all()
