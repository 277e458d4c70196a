"""Arrays converted from one dtype to another, float16 by instructions for many numbers at once.

NumPy converts each float16 by itself, and takes up to 50 ns for one that is subnormal, below 6e-5.
"""

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastsoftmax._core import kernels
from fastsoftmax._runtime.dtypes import as_numpy

_HALF, _SINGLE, _DOUBLE = (np.dtype(name) for name in ("f2", "f4", "f8"))
_BY_INSTRUCTION = {(_HALF, _SINGLE), (_HALF, _DOUBLE), (_SINGLE, _HALF)}


def converted(
    x: NDArray, dtype: DTypeLike, order: Literal["C", "K"] = "K", copy: bool = False
) -> NDArray:
    """As `x.astype(dtype, order, copy=copy)`, where x may be bfloat16, too."""
    x, dtype = as_numpy(x), np.dtype(dtype)
    if (x.dtype.newbyteorder("="), dtype) not in _BY_INSTRUCTION:
        return x.astype(dtype, order, copy=copy)
    result = np.empty_like(x, dtype, order)
    assign(result, x)
    return result


def assign(to: NDArray, x: NDArray) -> None:
    """`to[...] = x`, of one shape; too much for float16 is infinite there, without a warning."""
    if (x.dtype.newbyteorder("="), to.dtype) not in _BY_INSTRUCTION:
        with np.errstate(over="ignore"):
            to[...] = x
        return
    if not to.flags.c_contiguous:  # in the order in which it lies, where that is another one
        axes = np.argsort(to.strides)[::-1]
        to, x = to.transpose(axes), x.transpose(axes)
    whole = to if to.flags.carray else np.empty(to.shape, to.dtype)
    if not (x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative):
        x = x.astype(x.dtype.newbyteorder("="), "C")
    if to.dtype == _HALF:
        kernels(_SINGLE).elementwise.to_float16(np.asarray(x), whole)
    else:
        kernels(to.dtype).elementwise.from_float16(np.asarray(x), whole)
    if whole is not to:
        to[...] = whole
