"""The least time that the machine could need for some work, by peaks measured in the same run."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from fastsoftmax._core import kernels
from fastsoftmax._runtime.threads import team

PEAK_WORK = 400_000_000  # multiply-adds per thread: some milliseconds
READ_BYTES = 256 << 20  # well beyond the caches


@dataclass(frozen=True)
class Machine:
    """Peak rates of one precision with so many threads."""

    flops: float  # a second
    bandwidth: float  # bytes per second

    def limit(self, flops: float, n_bytes: float) -> float:
        """Seconds: the larger of arithmetic at its peak and memory at its peak."""
        return max(flops / self.flops, n_bytes / self.bandwidth)


def measure(dtype: DTypeLike, n_threads: int) -> Machine:
    """The best of several short runs: a peak is what nothing disturbed."""
    kernel = kernels(dtype).machine
    array = np.ones(READ_BYTES // np.dtype(dtype).itemsize, dtype)
    return Machine(
        max(_rate(kernel.multiply_adds, PEAK_WORK, n_threads) for _ in range(10)),
        max(_rate(kernel.read, array, n_threads) for _ in range(10)),
    )


def _rate(work, size, n_threads: int) -> float:
    n_threads = team(n_threads, n_threads * PEAK_WORK)  # which keeps them apart
    start = time.perf_counter()
    done = work(size, n_threads)
    return done / (time.perf_counter() - start)
