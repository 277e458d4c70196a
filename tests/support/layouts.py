"""Arrays of awkward shapes, strides, dtypes and numbers, for tests of the functions on rows."""

import numpy as np
from hypothesis import strategies as st

FLOATS = (np.float32, np.float64)
DTYPES = (np.float16, *FLOATS, np.longdouble, np.int8, np.uint8, np.int64, np.bool_)
# around whole vectors, and around the 96 classes from which a kernel takes a row at a time
LENGTHS = (1, 2, 3, 4, 7, 8, 9, 10, 15, 16, 17, 31, 33, 64, 65, *range(95, 99), 112, 127, 130, 1000)
SPECIAL = (-1e4, 1e4, -np.inf, np.inf, np.nan)


def strided(x):
    """The same numbers in memory of any order and strides, which can be written to."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    shifted = np.empty(x.size + 1, x.dtype)[1:].reshape(x.shape)
    shifted[...] = x
    packed = np.empty(x.shape, [("a", "i1"), ("x", x.dtype)])
    packed["x"] = x
    unaligned = np.frombuffer(bytearray(x.nbytes + 1), x.dtype, offset=1).reshape(x.shape)
    unaligned[...] = x
    return {
        "C": x.copy(),
        "F": np.array(x, order="F"),
        "every other": wide[..., ::2],
        "backwards": np.flip(np.flip(x).copy()),
        "shifted": shifted,
        "packed": packed["x"],
        "unaligned": unaligned,
    }


def layouts(x):
    """Besides those, bytes in the other order."""
    return strided(x) | {"swapped": x.astype(x.dtype.newbyteorder())}


STRIDED = tuple(strided(np.zeros((1, 1))))
LAYOUTS = (*STRIDED, "swapped")


def numbers(rng, shape, dtype, scale, special=()):
    x = rng.standard_normal(shape) * scale
    if np.dtype(dtype).kind != "f":
        return x.clip(0, 100).astype(dtype)
    x = x.clip(-1e4, 1e4)
    for value in special:
        x[rng.random(shape) < 0.1] = value
    return x.astype(dtype)


@st.composite
def shapes(draw, lengths=LENGTHS):
    shape = draw(st.lists(st.sampled_from((1, 2, 3)), max_size=2))
    shape.insert(draw(st.integers(0, len(shape))), draw(st.sampled_from(lengths)))
    return tuple(shape)


@st.composite
def arrays(draw, dtypes=DTYPES, special=SPECIAL):
    """An array of up to three dimensions, of any layout or the same numbers over and over."""
    shape, dtype = draw(shapes()), draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from((0.0, 1e-3, 1.0, 30.0, 1e4)))
    chosen = draw(st.sets(st.sampled_from(special))) if special else ()
    if draw(st.integers(0, 9)) == 0:
        repeated = draw(st.integers(0, len(shape) - 1))
        one = (*shape[:repeated], 1, *shape[repeated + 1 :])
        return np.broadcast_to(numbers(rng, one, dtype, scale, chosen), shape)
    x = numbers(rng, shape, dtype, scale, chosen)
    return layouts(x)[draw(st.sampled_from(LAYOUTS))]


@st.composite
def axes(draw, ndim, single=False):
    """An axis, a tuple of some, or None."""
    axis = st.integers(-ndim, ndim - 1)
    several = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True).map(tuple)
    return draw(axis if single else st.one_of(axis, several, st.none()))


def result_dtype(dtype):
    """Floats up to float64 keep theirs, in this machine's byte order; all others give float64."""
    dtype = np.dtype(dtype).newbyteorder("=")
    return dtype if dtype in (np.float16, np.float32) else np.dtype(np.float64)


def computed_eps(dtype):
    return np.finfo(np.float64 if result_dtype(dtype) == np.float64 else np.float32).eps


def terms(k):
    """The roundings of a sum of k terms: runs of 32, then the sums of the runs."""
    return min(k, 32) + k / 32
