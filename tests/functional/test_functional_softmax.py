"""softmax, log_softmax, logsumexp, softmax_vjp: SciPy for the edges, mpmath for the digits."""

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference
from support.layouts import (
    FLOATS,
    LENGTHS,
    STRIDED,
    arrays,
    axes,
    computed_eps,
    layouts,
    numbers,
    result_dtype,
    shapes,
    strided,
    terms,
)  # fmt: skip
from support.reference import assert_near, mp, ulps
from support.versions import at_least

import fastsoftmax
from fastsoftmax import log_softmax, logsumexp, softmax, softmax_vjp
from fastsoftmax._runtime.threads import team

pytestmark = pytest.mark.kernel

FUNCTIONS = ("softmax", "log_softmax", "logsumexp")
LONG = (131_072, 131_073, 140_003)  # a softmax row longer than the first is read twice
TINY = 4.248354255291589e-18  # log1p(exp(-40))


def as_scipy(name, x, axis, dtype):
    """SciPy's answer for wider numbers, and what x - max, which is rounded, and sums may be off."""
    wide = x.astype(np.longdouble)
    indices = range(x.ndim) if axis is None else np.atleast_1d(axis)
    k, eps = math.prod(x.shape[i] for i in indices), computed_eps(x.dtype)
    with np.errstate(all="ignore"):
        exact = getattr(scipy.special, name)(wide, axis=axis)
        if name == "softmax":
            away = np.minimum(wide.max(axis=axis, keepdims=True) - wide, 750)
            bound = (terms(k) + 16 + 2 * away) * eps * exact + np.finfo(np.float32).tiny * eps
        else:
            bound = (terms(k) + 16 + 2 * abs(exact)) * eps
        if dtype == np.float16:
            bound = bound + abs(exact) * 2.0**-11 + 2.0**-24
            exact = np.where(abs(exact) >= 65520, np.copysign(np.inf, exact), exact)
    return exact, bound


def dtype_of(name, x):
    """As SciPy has it: exp of short integers is short."""
    if name == "logsumexp" or x.dtype.kind not in "iu":
        return result_dtype(x.dtype)
    return np.exp(x[:0]).dtype


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "f2", "f4", "f8", ">i2"]
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_dtypes_are_as_scipys(name, dtype):
    x = np.array([[1, 2, 3], [7, 0, 2]], dtype)
    function = getattr(scipy.special, name)
    actual = getattr(fastsoftmax, name)(x)
    assert actual.dtype == dtype_of(name, x)
    if name != "logsumexp" or at_least("scipy", 1, 15):  # before, short integers gave short numbers
        with np.errstate(all="ignore"):  # its differences of unsigned integers wrap around
            assert actual.dtype == function(x, axis=-1).dtype
    eps = np.finfo(actual.dtype).eps
    np.testing.assert_allclose(actual, function(x.astype(float), axis=-1), rtol=eps, atol=eps)
    assert getattr(fastsoftmax, name)(x.tolist()).dtype == np.float64


@pytest.mark.parametrize("name", FUNCTIONS)
@given(arrays(), st.data())
@settings(deadline=None, max_examples=150, database=None)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_as_scipy(name, x, data):
    axis = data.draw(axes(x.ndim))
    before = x.tobytes()
    actual = getattr(fastsoftmax, name)(x, axis=axis, n_threads=1)
    assert actual.dtype == dtype_of(name, x)
    assert_near(actual, *as_scipy(name, x, axis, actual.dtype))
    assert x.tobytes() == before


@pytest.mark.parametrize("name", FUNCTIONS)
@given(arrays(dtypes=(np.float16, *FLOATS, np.int8)), st.data())
@settings(deadline=None, max_examples=60, database=None)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_out_of_any_strides_and_in_place(name, x, data):
    function, axis = getattr(fastsoftmax, name), data.draw(axes(x.ndim))
    options = {"keepdims": data.draw(st.booleans())} if name == "logsumexp" else {}
    x = x if x.flags.writeable else x.copy()
    expected = function(x, axis, **options)
    if name == "logsumexp":
        assert expected.shape == np.zeros(x.shape).sum(axis, **options).shape
    out = np.full(expected.shape or 1, -7, expected.dtype)
    out = strided(out)[data.draw(st.sampled_from(STRIDED))].reshape(expected.shape)
    assert function(x, axis, out=out, **options) is out
    np.testing.assert_array_equal(out, expected)
    if x.dtype == expected.dtype and name != "logsumexp":
        assert function(x, axis, out=x) is x
        np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("k", LONG)
def test_long_rows(k, name, dtype):
    x = numbers(np.random.default_rng(k), (2, k), dtype, 9)
    x[0, :1500] = -np.inf
    x[1, -3:] = 99  # the maximum comes last
    function = getattr(fastsoftmax, name)
    exact, bound = as_scipy(name, x, -1, dtype)
    expected = function(x)
    assert_near(expected, exact, bound)
    transposed = np.asfortranarray(x)
    assert_near(function(transposed), exact, bound)
    assert_near(function(transposed.T, axis=0), exact.T, bound.T)
    if name != "logsumexp":
        np.testing.assert_array_equal(function(x, out=x), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_late_in_a_long_row(name, value):
    x = np.zeros((3, LONG[1]))
    x[0, -1] = x[1, 70_000] = x[2, 0] = value
    x[1, :3000] = -np.inf
    exact, bound = as_scipy(name, x, -1, x.dtype)
    assert_near(getattr(fastsoftmax, name)(x), exact, bound)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (2, 0, 3), (0, 0)])
def test_empty_arrays(shape, name):
    x = np.zeros(shape)
    for axis in (*range(len(shape)), None):
        k = 0 if axis is None else shape[axis]
        if k == 0 and name != "logsumexp":  # SciPy: zero-size array to reduction operation
            with pytest.raises(ValueError, match="x: expected at least one element along the axis"):
                getattr(fastsoftmax, name)(x, axis=axis)
            continue
        actual = getattr(fastsoftmax, name)(x, axis=axis)
        expected = np.zeros(shape) if name != "logsumexp" else np.full(x.sum(axis).shape, -np.inf)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_and_lists(name):
    function, expected = getattr(fastsoftmax, name), getattr(scipy.special, name)
    for x in (3.0, 2, True, -np.inf, np.float32(1), [3.0], [[1, 2], [3, 5]], [True, False]):
        with np.errstate(invalid="ignore"):
            actual, exact = function(x), expected(np.array(x, float), axis=-1)
        np.testing.assert_allclose(actual, exact, rtol=1e-15)
        assert np.shape(actual) == np.shape(exact)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(function(x, ()), expected(x[..., None], axis=-1).reshape(2, 3))


def test_objects_that_are_numbers():
    x = np.array([[Fraction(1, 2), 3], [2.5, True]], object)
    np.testing.assert_array_equal(softmax(x), softmax(x.astype(float)))


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
    "largest": [np.finfo(float).max] * 2,
    "least": [5e-324, 0.0],
}


@pytest.mark.parametrize("repeat", [1, 60, 700])
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges_as_scipy(name, edge, repeat):
    row = np.repeat(EDGES[edge], repeat)
    with np.errstate(all="ignore"):
        expected = getattr(scipy.special, name)(row)
    np.testing.assert_allclose(getattr(fastsoftmax, name)(row), expected, rtol=1e-14)


@pytest.mark.parametrize("k", LENGTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_anywhere_is_nan_throughout(dtype, k):
    for position in {0, k // 2, k - 1}:
        rows = np.zeros((3, k), dtype)
        rows[1, position] = np.nan
        poisoned = np.array([False, True, False])
        assert (np.isnan(softmax(rows)) == poisoned[:, None]).all()
        assert (np.isnan(log_softmax(rows)) == poisoned[:, None]).all()
        assert (np.isnan(logsumexp(rows)) == poisoned).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", LENGTHS)
def test_digits_against_mpmath(dtype, k):
    eps, rng = np.finfo(dtype).eps, np.random.default_rng(k)
    for scale in (0.1, 5.0, 40.0):
        row = numbers(rng, k, dtype, scale)
        away = row.max() - row
        a = np.array([float(p) for p in reference.mp_softmax(row)])
        assert_near(softmax(row), a, (terms(k) / 4 + 4 + away) * eps * a + 1e-42)
        total = reference.mp_logsumexp(row)
        logs = np.array([float(mp.mpf(float(z)) - total) for z in row])
        few = 4 * eps * (abs(logs) + float(mp.fsum(mp.exp(z) for z in -away.astype(float)) - 1))
        assert_near(log_softmax(row), logs, few + 1e-42)
        if row.max() > 0:  # max + log1p(others) does not cancel
            assert ulps(logsumexp(row)[None], np.array([total]))[0] <= 3


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [2, 17, 130, 1500])
def test_confident_rows_keep_their_digits(dtype, k):
    row = np.full(k, -np.inf, dtype)
    row[[0, -1]] = 0, -40
    rtol = 1e-15 if dtype == np.float64 else 2 * np.finfo(np.float32).eps
    np.testing.assert_allclose(logsumexp(row), TINY, rtol=rtol)
    np.testing.assert_allclose(log_softmax(row)[[0, -1]], [-TINY, -40], rtol=rtol)
    np.testing.assert_array_equal(softmax(np.zeros(k, dtype)), np.full(k, dtype(1) / k))


@pytest.mark.parametrize("k", [2, 130, 1500])
@pytest.mark.parametrize(("dtype", "x"), [(np.float32, -100), (np.float64, -740)])
def test_subnormal_probabilities_are_kept(dtype, x, k):
    row = np.full(k, -np.inf, dtype)
    row[[0, -1]] = 0, x
    a = softmax(row)
    assert 0 < a[-1] < np.finfo(dtype).smallest_normal
    assert ulps(a[-1:], np.array([mp.exp(x)]))[0] <= 1


@given(shapes(), st.sampled_from(FLOATS), st.floats(0.01, 100), st.data())
@settings(deadline=None, max_examples=80, database=None)
def test_temperature_divides(shape, dtype, temperature, data):
    x = numbers(np.random.default_rng(1), shape, dtype, 5 * temperature)
    axis = data.draw(axes(x.ndim))
    exact = scipy.special.softmax(x.astype(float) / temperature, axis=axis)
    rtol = 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(softmax(x, axis, temperature=temperature), exact, rtol, 1e-40)
    logs = log_softmax(x, axis, temperature=temperature)
    np.testing.assert_allclose(logs, np.log(exact), rtol, rtol)


@given(arrays(dtypes=(*FLOATS, np.int8), special=()), st.data())
@settings(deadline=None, max_examples=150, database=None)
def test_factors(x, data):
    x = x.clip(-50, 50)
    axis, keepdims = data.draw(axes(x.ndim)), data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    shape = [data.draw(st.sampled_from((1, n))) for n in x.shape][data.draw(st.integers(0, 1)) :]
    b = rng.integers(data.draw(st.sampled_from((0, -2))), 4, shape).astype(x.dtype)
    wide = x.astype(np.longdouble)
    total, mass = ((c * np.exp(wide)).sum(axis, keepdims=keepdims) for c in (b, abs(b)))
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.log(total)
        cancelled = np.where(mass > 0, mass / abs(total), 1)
    bound = 500 * computed_eps(x.dtype) * cancelled
    actual = logsumexp(x, axis, b=b, keepdims=keepdims)
    lost = bound > 0.1  # rounding decides the sign
    assert_near(np.where(lost, 0, actual), np.where(lost, 0, exact), bound)


@pytest.mark.parametrize(
    ("x", "b", "expected"),
    [
        ([1.0, np.inf], [1, 0], 1),
        ([1.0, np.nan], [1, 0], 1),
        ([1.0, np.nan], [1, -1], np.nan),
        ([np.inf, 1.0], [-1, 1], np.nan),
        ([np.inf, 1.0], [2, -1], np.inf),
        ([0.0, 0.0], [1, -1], -np.inf),
        ([1.0, 0.0], [1, -1], 1 + np.log1p(-np.exp(-1))),
        ([0.0, 1.0], [1, -1], np.nan),
        ([0.0, 1.0], [0, 0], -np.inf),
        ([0.0, 1.0], [np.nan, 1], np.nan),
        ([-np.inf, -np.inf], [1, 2], -np.inf),
        ([1e308, 1e308], [0.5, 0.5], 1e308),
        ([], [], -np.inf),
    ],
)
def test_factors_at_the_edges(x, b, expected):
    np.testing.assert_allclose(logsumexp(x, b=b), expected, rtol=1e-15)


@given(arrays(dtypes=(*FLOATS, np.float16), special=()), st.data())
@settings(deadline=None, max_examples=150, database=None)
def test_vjp_is_the_jacobian_times_the_vector(x, data):
    axis, temperature = data.draw(axes(x.ndim)), data.draw(st.sampled_from((1.0, 0.3)))
    p = scipy.special.softmax(x.astype(float).clip(-50, 50), axis=axis).astype(
        result_dtype(x.dtype)
    )
    u = numbers(np.random.default_rng(3), x.shape, p.dtype, 1)
    wide_p, wide_u = p.astype(float), u.astype(float)
    dot = (wide_p * wide_u).sum(axis=axis, keepdims=True)
    exact = wide_p * (wide_u - dot) / temperature
    size = wide_p * (abs(wide_u) + (wide_p * abs(wide_u)).sum(axis=axis, keepdims=True)) + 1e-35
    bound = 100 * (np.finfo(p.dtype).eps + computed_eps(p.dtype)) * size + 2.0**-24 * (
        p.dtype == np.float16
    )
    p, u = (layouts(a)[data.draw(st.sampled_from(tuple(layouts(a))))] for a in (p, u))
    expected = softmax_vjp(p, u, axis, temperature=temperature)
    assert_near(expected, exact, bound)
    for out in (p, u):
        if out.dtype == expected.dtype:
            before = out.copy()
            assert softmax_vjp(p, u, axis, temperature=temperature, out=out) is out
            np.testing.assert_array_equal(out, expected)
            out[...] = before


def test_vjp_against_finite_differences_in_mpmath():
    row, u = np.array([0.5, -1.0, 2.0]), np.array([0.3, -2.0, 1.0])
    h = mp.mpf(10) ** -20
    exact = []
    for j in range(3):
        moved = [mp.mpf(z) / 2 for z in row.tolist()]
        moved[j] += h / 2  # of the argument before the temperature of 2
        exp = [mp.exp(z) for z in moved]
        base = [mp.exp(mp.mpf(z) / 2) for z in row.tolist()]
        change = [e / mp.fsum(exp) - b / mp.fsum(base) for e, b in zip(exp, base, strict=True)]
        exact.append(float(mp.fsum(c * v for c, v in zip(change, u.tolist(), strict=True)) / h))
    actual = softmax_vjp(softmax(row, temperature=2.0), u, temperature=2.0)
    np.testing.assert_allclose(actual, exact, rtol=1e-14)


SHAPES = {"rows": (6000, 51, -1), "columns": (51, 6000, 0), "long": (7, 140_003, -1)}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_threads_change_no_bit(shape, dtype):
    *shape, axis = SHAPES[shape]
    x = numbers(np.random.default_rng(1), shape, dtype, 9)
    u = np.random.default_rng(2).random(shape).astype(dtype)
    assert team(8, x.size * 16) > 3
    functions = [partial(getattr(fastsoftmax, name), x, axis) for name in FUNCTIONS]
    for function in (*functions, partial(softmax_vjp, u, x, axis)):

        def call(n_threads, function=function):
            return function(n_threads=n_threads)

        expected = call(1).tobytes()
        assert all(call(t).tobytes() == expected for t in (2, 3, 8))
        with ThreadPoolExecutor(4) as pool:
            assert all(r.tobytes() == expected for r in pool.map(call, (1, 2, 1, 2)))


def test_read_only_input_is_left_alone():
    x = np.arange(12.0).reshape(3, 4)
    before = x.copy()
    x.flags.writeable = False
    for name in FUNCTIONS:
        getattr(fastsoftmax, name)(x, axis=0)
    logsumexp(x, b=x)
    softmax_vjp(x, x)
    np.testing.assert_array_equal(x, before)
