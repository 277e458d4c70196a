"""Conversions between float16, bfloat16 and longer floats, of any layout."""

import numpy as np
import pytest
from support.layouts import layouts, strided

from fastsoftmax._runtime.conversion import assign, converted
from fastsoftmax._runtime.dtypes import BFLOAT16

pytestmark = pytest.mark.kernel

EVERY = np.arange(1 << 16, dtype=np.uint16)
HALVES = EVERY.view(np.float16)
CUBE = HALVES.reshape(32, 64, 32)
LAYOUTS = layouts(CUBE) | {
    "few": HALVES[1:16],
    "some": CUBE[::3, ::-2, 5:],
    "transposed": CUBE.transpose(1, 0, 2),
    "repeated": np.broadcast_to(HALVES[:100], (3, 100)),
    "number": np.asarray(HALVES[7]),
    "empty": HALVES[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_float16_is_the_same_in_longer_floats(layout, dtype):
    halves = LAYOUTS[layout]
    before = halves.tobytes()
    wide = converted(halves, dtype)
    assert wide.dtype == dtype and wide.flags.aligned
    np.testing.assert_array_equal(wide, halves.astype(dtype))
    assert wide.strides == halves.astype(dtype).strides
    assert converted(halves, dtype, "C").flags.c_contiguous
    assert halves.tobytes() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_float16_into_an_array_of_any_layout(layout):
    halves = LAYOUTS[layout]
    wide = halves.astype(np.float32, "C")
    wides = strided(np.zeros_like(np.atleast_1d(wide)))
    for name, narrow in strided(np.zeros_like(np.atleast_1d(halves), order="C")).items():
        assign(wides[name], np.atleast_1d(halves))
        np.testing.assert_array_equal(wides[name], np.atleast_1d(wide))
        assign(narrow, wides[name])
        np.testing.assert_array_equal(narrow, np.atleast_1d(halves))


def test_floats_become_the_nearest_float16():
    """Those halfway between two the even one, as in NumPy; and the floats right beside these."""
    halves = np.sort(HALVES[np.isfinite(HALVES)].astype(np.float32))
    edge = np.float32([-65520, 65520, np.inf, -np.inf, np.nan, 1e30, 0, -0.0, 1e-45])
    x = np.concatenate([halves, (halves[1:] + halves[:-1]) / 2, edge])
    infinity = np.float32(np.inf)
    for floats in (x, np.nextafter(x, infinity), np.nextafter(x, -infinity), x[5:12], x[::-3]):
        actual = converted(floats, np.float16)
        with np.errstate(over="ignore"):
            expected = floats.astype(np.float16)
        np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_bfloat16_is_the_upper_half_of_a_float32(dtype):
    """But for NaN, of which NumPy warns."""
    numbers = EVERY[(EVERY & 0x7FFF) <= 0x7F80]
    expected = (numbers.astype(np.uint32) << 16).view(np.float32).astype(dtype)
    np.testing.assert_array_equal(converted(numbers.view(BFLOAT16), dtype), expected)


def test_what_has_the_dtype_is_copied_on_request_alone():
    for dtype in (np.float16, np.float32, np.int8):
        x = np.ones(3, dtype)
        assert converted(x, dtype) is x
        copy = converted(x, dtype, copy=True)
        assert copy.dtype == dtype and not np.shares_memory(copy, x)
