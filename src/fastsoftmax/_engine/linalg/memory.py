"""Memory of large arrays, which goes from one fit to the next.

The system hands memory out page by page, clears each at its first touch and takes large blocks back
as soon as they are free. So a few free blocks are kept, as linear algebra libraries keep their
buffers. Measurements: docs/experiments/0017-recycled-memory.md.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastsoftmax._core import recycled


@dataclass(frozen=True)
class RecyclingRules:
    """Which memory is kept (docs/experiments/0017-recycled-memory.md)."""

    kept: int = 32 << 20  # bytes of free blocks, at most
    large: int = 64 << 10  # bytes, below which memory costs little
    steps: int = 8  # sizes of blocks from a power of two to the next


USUAL = RecyclingRules()


def contiguous(array: NDArray, dtype: DTypeLike) -> NDArray:
    """As `numpy.ascontiguousarray`, and aligned, as what came over a wire need not be."""
    array = np.ascontiguousarray(array, dtype)
    return array if array.flags.aligned else array.copy()


def empty(shape: int | tuple[int, ...], dtype: DTypeLike, rules: RecyclingRules = USUAL) -> NDArray:
    """As `numpy.empty`, for arrays that no user gets to see.

    Large arrays, up to the size of what is kept, begin at the start of a cache line.
    """
    dtype = np.dtype(dtype)
    size = dtype.itemsize * (shape if isinstance(shape, int) else prod(shape))
    if not rules.large <= size <= rules.kept - recycled.LINE:
        return np.empty(shape, dtype)
    step = (1 << size.bit_length() - 1) // rules.steps
    return np.ndarray(shape, dtype, recycled.Lent(-(-size // step) * step, rules.kept))
