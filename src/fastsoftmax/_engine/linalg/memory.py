"""Memory of large arrays, which goes from one fit to the next.

The system hands memory out page by page, clears each at its first touch and takes large blocks back
as soon as they are free. So a few free blocks are kept, as linear algebra libraries keep their
buffers. Measurements: docs/experiments/0017-recycled-memory.md.
"""

import threading
from math import prod

import numpy as np
from numpy.typing import DTypeLike, NDArray

KEPT = 32 << 20  # bytes of free blocks, at most
LARGE = 64 << 10  # bytes, below which memory costs little
LINE = 64  # bytes, at a multiple of which arrays begin
STEPS = 8  # sizes of blocks from a power of two to the next


class Block(np.ndarray):
    """Bytes. Of a type of its own: NumPy makes the last array of one type the base of all views."""


_free: list[Block] = []  # the one that was in use last at the end
# Never waited for: what is freed while some other thread, or this one, looks for memory, or after a
# fork that happened meanwhile, is left to the system.
_lock = threading.Lock()


class Lent(np.ndarray):
    """A block in use: the base of all arrays in it, and when the last is gone the block is free."""

    def __del__(self) -> None:
        if _lock.acquire(blocking=False):
            _free.append(self.base)
            while sum(block.size for block in _free) > KEPT:
                del _free[0]
            _lock.release()


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """As `numpy.empty`, for arrays that no user gets to see.

    Large ones, up to those that are kept, begin with a line of cache.
    """
    dtype = np.dtype(dtype)
    size = dtype.itemsize * (shape if isinstance(shape, int) else prod(shape))
    if not LARGE <= size <= KEPT - LINE:
        return np.empty(shape, dtype)
    step = (1 << size.bit_length() - 1) // STEPS
    block = _block(-(-size // step) * step + LINE)
    return np.ndarray(shape, dtype, Lent(block.size, np.uint8, block), -block.ctypes.data % LINE)


def _block(size: int) -> Block:
    """One of this size that is free, or a new one."""
    if _lock.acquire(blocking=False):
        try:
            for i in reversed(range(len(_free))):
                if _free[i].size == size:
                    return _free.pop(i)
        finally:
            _lock.release()
    return Block(size, np.uint8)
