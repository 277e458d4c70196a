"""Arithmetic of a solver's vectors, without BLAS.

BLAS's threads would go on spinning where the kernels' should run.
"""

from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._threads import team


def dot(a: NDArray, b: NDArray, n_threads: int = 1) -> float:
    """aᵀb of contiguous vectors of one precision; the same to the bit for any number of threads."""
    return kernels(a.dtype).vectors.dot(a.ravel(), b.ravel(), team(n_threads, a.size))


def add(a: NDArray, t: float, b: NDArray, n_threads: int = 1) -> None:
    """``a += t * b``, in place."""
    kernels(a.dtype).vectors.add(a, t, b, team(n_threads, a.size))
