"""Memory of blocks that are read, which is used again when all arrays in it are gone."""

import sys
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BufferRules:
    """Which memory is kept (docs/experiments/0086-parquet-pages.md)."""

    most: int = 3  # blocks: one that is worked on, one that is read, and the one before
    large: int = 128 << 20  # bytes of a block, beyond which it is not


def references() -> int:
    """Those to an array that a list alone has, as `Buffers` counts them."""
    arrays = [np.empty(0)]
    return sys.getrefcount(arrays[0])


UNUSED = references()


class Buffers:
    """Memory of some blocks. What the system gives anew for each, it has to clear.

    Parameters
    ----------
    rules : BufferRules
    """

    def __init__(self, rules: BufferRules | None = None) -> None:
        self._rules = rules or BufferRules()
        self._buffers: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type, tuple[BufferRules]]:
        return Buffers, (self._rules,)

    def empty(self, size: int) -> NDArray[np.uint8]:
        """Memory of so many bytes, in which no other array is.

        Nobody waits for it: a thread that looks at the same time may be one of the process that
        this one was forked from, or this one, before a signal whose handler reads blocks.
        """
        if not self._lock.acquire(blocking=False):
            return np.empty(size, np.uint8)
        try:
            for i in range(len(self._buffers)):
                if len(self._buffers[i]) >= size and sys.getrefcount(self._buffers[i]) == UNUSED:
                    return self._buffers[i][:size]
            buffer = np.empty(size, np.uint8)
            if size <= self._rules.large:
                self._buffers = [buffer, *self._buffers][: self._rules.most]
            return buffer[:]
        finally:
            self._lock.release()
