"""Cholesky factors of a matrix for each class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._runtime.threads import team

TINY = float(np.finfo(np.float32).tiny)  # for a diagonal from which too much was taken


@dataclass(frozen=True)
class JitterRules:
    """What is added to a diagonal of ones where a matrix cannot be factored."""

    first: float = 10.0  # units of the last place: less is lost in the rounding of the sums
    factor: float = 100.0  # after each failure: ten make the diagonal outweigh the rest in float64
    attempts: int = 20  # until that holds for any size that memory holds, and for a matrix of zeros


class ClassFactors:
    """Inverses of positive semi-definite matrices M (m, size, size), which are overwritten.

    They are scaled to a diagonal of ones, then factored with as little added to it as it takes. Of
    one with entries that are not finite the diagonal alone is inverted.
    One matrix serves all classes, each times a number of its own: `masses`.

    Parameters
    ----------
    matrices : ndarray of shape (m, size, size)
    n_threads : int
    masses : ndarray of shape (K,), optional
    rules : JitterRules, optional

    Attributes
    ----------
    matrices : ndarray of shape (m, size, size)
        The factors, in the upper triangles.
    scales : ndarray of shape (m or K, size), float64
        What vectors are multiplied by before and after.
    """

    def __init__(
        self,
        matrices: NDArray,
        n_threads: int,
        masses: NDArray | None = None,
        rules: JitterRules | None = None,
    ) -> None:
        self._n_threads, self._rules = n_threads, rules or JitterRules()
        self._kernel = kernels(matrices.dtype).cholesky
        self.matrices = matrices
        diagonals = matrices.diagonal(axis1=1, axis2=2).astype(np.float64)
        if not (diagonals.min() > 0 and diagonals.max() < np.inf):
            # where all is 0 the inverse is taken for 1; what is not finite is left out
            usable = np.isfinite(diagonals).all(axis=1)
            matrices[~usable] = 0
            diagonals = np.where((diagonals > 0) & usable[:, None], diagonals, 1)
        self.scales = 1 / np.sqrt(diagonals)
        self._factor(matrices)
        if masses is not None:
            self.scales = self.scales / np.sqrt(masses)[:, None]

    def _factor(self, matrices: NDArray) -> None:
        (count, size, _), rules = matrices.shape, self._rules
        narrow = self.scales.astype(matrices.dtype)
        jitters = np.full(count, rules.first * float(np.finfo(matrices.dtype).eps))
        failed = np.ones(count, np.int32)
        threads = team(self._n_threads, matrices.size * size // 6)
        for _ in range(rules.attempts):
            self._kernel.factor(matrices, narrow, jitters, failed, threads)
            if not failed.any():
                return
            jitters[failed > 0] *= rules.factor
            # finite entries are 1 at most, so that this has made the matrix diagonally dominant
            endless = jitters > rules.factor * size
            matrices[endless], jitters[endless] = 0, 0
        raise FloatingPointError("Cholesky factors: expected finite scales, got NaN or infinity")

    def with_added(self, diagonal: NDArray[np.float64]) -> "ClassFactors":
        """The factors of the same matrices plus diag(diagonal), in place of these."""
        self.scales = 1 / np.sqrt(np.maximum(1 / self.scales**2 + diagonal, TINY))
        self._factor(self.matrices)
        return self

    def inverse(self) -> NDArray:
        """M⁻¹ of a single matrix, in the place of its factor; by LAPACK."""
        from scipy.linalg import lapack

        (factor,), (scales,) = self.matrices, self.scales
        triangle, _ = lapack.dpotri(factor.T, lower=1, overwrite_c=1)
        upper = np.triu(triangle.T)
        inverse = upper + np.triu(upper, 1).T
        inverse *= scales
        inverse *= scales[:, None]
        return inverse

    def solve(self, *right: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """M⁻¹ v of up to four v (K, size); one reading of the factors serves them."""
        stacked = np.ascontiguousarray(right, np.float64)
        out = np.empty(stacked.shape)
        threads = team(self._n_threads, 2 * stacked.size * stacked.shape[2])
        self._kernel.solve(
            self.matrices, self.scales, stacked, out, int(len(self.matrices) > 1), threads
        )
        return list(out)
