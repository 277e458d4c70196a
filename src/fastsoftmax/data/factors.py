"""Cholesky factors of a matrix for each class."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from fastsoftmax._core import kernels
from fastsoftmax._threads import team

JITTER = 10.0  # units of the last place times the size: what a first attempt adds to the diagonal
RETRY = 100.0  # times that after each failure


class ClassFactors:
    """Inverses of symmetric positive semi-definite matrices M (m, size, size), which are overwritten.

    They are scaled to a diagonal of ones, then factored with as little added to it as it takes.
    One matrix serves all classes, each times a number of its own: `strengths`.
    """

    def __init__(
        self, matrices: NDArray, n_threads: int, strengths: NDArray | None = None
    ) -> None:
        self._n_threads = n_threads
        self._kernel = kernels(matrices.dtype).gram
        self._matrices = matrices
        self._scales = np.empty(matrices.shape[:2])
        for matrix, scales in zip(matrices, self._scales, strict=True):
            scales[:] = _factor(matrix)
        if strengths is not None:
            self._scales = self._scales / np.sqrt(strengths)[:, None]

    def solve(self, *right: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """M⁻¹ v of up to four v (K, size); one reading of the factors serves them."""
        scaled = np.stack(right) * self._scales
        tops = np.abs(scaled).max(axis=(1, 2), keepdims=True)
        tops[tops == 0] = 1
        z = np.ascontiguousarray(scaled / tops, dtype=self._matrices.dtype)
        self._kernel.solve(
            self._matrices, z, int(len(self._matrices) > 1), team(self._n_threads, 2 * z.size * z.shape[2])
        )
        return list(z * tops * self._scales)


def _factor(matrix: NDArray) -> NDArray[np.float64]:
    """Overwrite the lower triangle by the factor of the scaled matrix; the scales."""
    diagonal = np.diagonal(matrix).astype(np.float64)
    scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
    narrow = scales.astype(matrix.dtype)
    matrix *= narrow
    matrix *= narrow[:, None]
    jitter = JITTER * len(matrix) * np.finfo(matrix.dtype).eps
    potrf = lapack.spotrf if matrix.dtype == np.float32 else lapack.dpotrf
    while True:
        # the upper triangle keeps the matrix
        np.fill_diagonal(matrix, 1 + jitter)
        _, failed = potrf(matrix.T, lower=0, clean=0, overwrite_a=1)
        if not failed:
            return scales
        lower = np.tril_indices(len(matrix), -1)
        matrix[lower] = matrix.T[lower]
        jitter *= RETRY
