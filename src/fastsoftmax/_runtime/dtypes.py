"""The dtypes that X is read in, and the precision that each is computed in."""

import numpy as np
from numpy.typing import NDArray

# NumPy has no bfloat16. Those of ml_dtypes and of PyTorch are views of this dtype, whose one field
# holds the upper half of a float32.
BFLOAT16 = np.dtype([("bfloat16", np.uint16)])

TINY = float(np.finfo(np.float64).tiny)  # keeps 0 / 0 from being NaN

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
# Every value of the first is a float32, so that computing in float32 loses nothing.
COMPUTED_IN = {
    **dict.fromkeys(map(np.dtype, ("?", "i1", "u1", "i2", "u2", "f2", "f4")), _FLOAT32),
    BFLOAT16: _FLOAT32,
    **dict.fromkeys(map(np.dtype, ("i4", "u4", "i8", "u8", "f8")), _FLOAT64),
}
# The bits of infinity and of -infinity.
INFINITY = {np.dtype("f2"): (0x7C00, 0xFC00), BFLOAT16: (0x7F80, 0xFF80)}


def computed_in(dtype: np.dtype) -> np.dtype:
    """float32 or float64, in which numbers of a dtype of X are computed."""
    return COMPUTED_IN[dtype]


def name_of(dtype: np.dtype) -> str:
    """The name of a dtype as users know it."""
    return "bfloat16" if dtype == BFLOAT16 else str(dtype)


def as_numpy(x: NDArray) -> NDArray:
    """The same numbers in a dtype that NumPy computes with: a copy where they are bfloat16."""
    if x.dtype != BFLOAT16:
        return x
    upper = x["bfloat16"].astype(np.uint32)
    upper <<= 16
    return upper.view(np.float32)
