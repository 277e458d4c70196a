"""Diagonals of a matrix for each class, and means of the features: a preconditioner's parts."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._threads import team
from fastsoftmax.data.workspace import Workspace

DTYPE = np.dtype(np.float32)  # whatever that of X is: they are estimates
WORK = 4  # multiply-adds that a number is worth, for the number of threads


class DiagonalFactors:
    """Inverses of what `SparseData.diagonals` approximates.

    Parameters
    ----------
    means, inverses : ndarray of shape (D, K), float32
    strengths : ndarray of shape (K,) or None
        Of the intercepts; None without them.
    gauge : bool
        Whether to take out what all classes have in common.
    n_threads : int
    """

    def __init__(
        self,
        means: NDArray,
        inverses: NDArray,
        strengths: NDArray | None,
        gauge: bool,
        n_threads: int,
    ) -> None:
        self._parts = means, inverses, strengths, gauge
        self._n_threads = n_threads
        self._workspace = Workspace()

    def solve(self, *right: NDArray) -> list[NDArray]:
        """M⁻¹ of vectors like θ."""
        threads = team(self._n_threads, WORK * self._parts[0].size)
        solved = [np.empty(len(v), DTYPE) for v in right]
        for v, z in zip(right, solved, strict=True):
            kernels(DTYPE).diagonals.solve(
                *self._parts, np.ascontiguousarray(v, DTYPE), z, self._workspace, threads
            )
        return solved
