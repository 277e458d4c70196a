"""exp and log1p of the kernels: within 1 ulp everywhere, and exact where IEEE 754 says so."""

import numpy as np
import pytest
from support.reference import mp, ulps

from fastsoftmax import _core

pytestmark = pytest.mark.kernel

LN2 = np.log(2)
LARGEST = {np.float32: 88.72283, np.float64: 709.782712893384}  # whose exp is finite
LEAST = {np.float32: -103.972, np.float64: -745.13}  # whose exp is not 0
FIRST_SUBNORMAL = {np.float32: -87.337, np.float64: -708.397}
BITS = {np.float32: np.uint32, np.float64: np.uint64}


def evaluate(name, x, out=None):
    out = np.empty_like(x) if out is None else out
    _core.kernels(x.dtype).elementwise.apply(("exp", "log1p").index(name), x, out)
    return out


def by_bits(low, high, count, dtype):
    """Evenly spaced bit patterns of positive numbers: each binade gets its share."""
    ends = [int(dtype(v).view(BITS[dtype])) for v in (low, high)]
    return np.linspace(*ends, count).astype(BITS[dtype]).view(dtype)


def around(centres, steps, dtype):
    """The numbers so many steps (of their spacing) from each of the centres."""
    patterns = centres[:, None].astype(dtype).view(BITS[dtype])
    return (patterns + steps.astype(BITS[dtype])).view(dtype)


def edges(dtype):
    """Where the multiple of ln 2 that is split off changes: odd multiples of ln(2)/2."""
    n = np.arange(np.ceil(LEAST[dtype] / LN2), np.floor(LARGEST[dtype] / LN2))
    return (n + 0.5) * LN2


def exp_arguments(dtype, count, reach, per_edge, rng):
    low, high = LEAST[dtype], LARGEST[dtype]
    steps = np.linspace(-reach, reach, per_edge).astype(np.int64)
    narrow = rng.uniform(0.36, 0.5, count)  # exp in the lower half of a binade: its ulps are fine
    multiples = rng.integers(int(FIRST_SUBNORMAL[dtype] / LN2) + 2, int(high / LN2), count)
    parts = [
        by_bits(2.0**-30, high, count, dtype),
        -by_bits(2.0**-30, -low, count, dtype),
        rng.uniform(low, high, count),
        (multiples - narrow) * LN2,
        rng.uniform(low, FIRST_SUBNORMAL[dtype], count),
        around(edges(dtype), steps, dtype).ravel(),
        np.array([0.0, 5e-324, -5e-324, 1e-40, -1e-300, low, high]),
    ]
    return within(np.concatenate([p.astype(dtype) for p in parts]), low, high)


def within(x, low, high):
    return x[(x >= low) & (x <= high)]


def log1p_arguments(dtype, count, rng):
    least = np.finfo(dtype).smallest_subnormal
    parts = [
        by_bits(least, 1e30, count, dtype),
        by_bits(2.0**-30, 8, count, dtype),
        rng.uniform(0, 3, count),
        rng.uniform(0.38, 0.45, count),  # around sqrt(2) - 1, where the first ln 2 is split off
        np.exp2(np.arange(40)[:, None] + rng.uniform(0.45, 0.55, 25)).ravel() - 1,
        np.array([0.0, least, 1e-40, 1e-300, 1e30, np.finfo(dtype).max]),
    ]
    return np.concatenate([p.astype(dtype) for p in parts])


def arguments(name, dtype, count, reach, per_edge):
    rng = np.random.default_rng(20)
    if name == "log1p":
        return log1p_arguments(dtype, count, rng)
    return exp_arguments(dtype, count, reach, per_edge, rng)


def assert_within_one_ulp(name, x, exact_of, record_property):
    worst, witness = 0.0, None
    for part in np.array_split(x, max(1, len(x) >> 18)):
        errors = ulps(evaluate(name, part), exact_of(part))
        i = int(np.argmax(errors))  # the first NaN, if there is one
        if not errors[i] <= worst:
            worst, witness = errors[i], part[i]
    text = f"{worst:.4f} ulp at {witness!r} ({float(witness).hex()}), of {len(x)} arguments"
    print(f"{name} {x.dtype} {_core.level}: {text}")
    record_property("worst", text)
    assert worst <= 1, text


@pytest.mark.parametrize("name", ["exp", "log1p"])
def test_float32(name, record_property):
    x = arguments(name, np.float32, 300_000, 6000, 6001)
    exact = getattr(np, name)
    assert_within_one_ulp(name, x, lambda x: exact(x.astype(np.float64)), record_property)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider")
@pytest.mark.parametrize("name", ["exp", "log1p"])
def test_float64_against_long_double(name, record_property):
    x = arguments(name, np.float64, 100_000, 2**44, 101)
    exact = getattr(np, name)
    assert_within_one_ulp(name, x, lambda x: exact(x.astype(np.longdouble)), record_property)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "log1p"])
def test_against_mpmath(name, dtype, record_property):
    x = arguments(name, dtype, 600, 3, 3)
    exact = getattr(mp, name)
    assert_within_one_ulp(
        name, x, lambda x: np.array([exact(mp.mpf(v)) for v in x.tolist()]), record_property
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_of_special_values(dtype):
    beyond = np.nextafter(dtype(LARGEST[dtype]), dtype(np.inf)) + dtype(1e-3)
    x = np.array([0.0, -0.0, -np.inf, np.inf, np.nan, beyond, 1e30, LEAST[dtype] - 1, -1e30], dtype)
    expected = [1, 1, 0, np.inf, np.nan, np.inf, np.inf, 0, 0]
    np.testing.assert_array_equal(evaluate("exp", x), np.array(expected, dtype))
    assert np.isfinite(evaluate("exp", np.array([LARGEST[dtype]], dtype)))


@pytest.mark.parametrize(("dtype", "x"), [(np.float32, -100.0), (np.float64, -740.0)])
def test_exp_keeps_subnormals(dtype, x):
    value = evaluate("exp", np.array([x], dtype))
    assert 0 < value[0] < np.finfo(dtype).smallest_normal
    assert ulps(value, np.array([mp.exp(x)]))[0] <= 0.75


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log1p_of_special_values(dtype):
    least = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, np.inf, np.nan, least, 1e-30], dtype)
    np.testing.assert_array_equal(evaluate("log1p", x), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "log1p"])
def test_any_length_and_nothing_beyond(name, dtype):
    x = np.linspace(0, 3, 40).astype(dtype)
    whole = evaluate(name, x)
    for n in range(len(x)):
        out = np.full(len(x), -7, dtype)
        evaluate(name, x[:n], out[:n])
        np.testing.assert_array_equal(out[:n], whole[:n])
        assert (out[n:] == -7).all()
