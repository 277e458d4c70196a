"""Matrices of a few directions, and a multiple of the identity in all others, for each class."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.cholesky import ClassFactors
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team


class LowRankFactors:
    """Inverses of U B_k Uᵀ + τ_k (1 - UUᵀ), each with an intercept that is decoupled by the means.

    Parameters
    ----------
    basis : ndarray of shape (r, D)
        U, transposed: orthonormal rows.
    factors : ClassFactors
        Of B_k, in the dtype of the basis.
    tails : ndarray of shape (K,)
        τ.
    n_threads : int
    means : ndarray of shape (K, D), optional
        Of each class's features, over that of the intercept's column.
    intercepts : ndarray of shape (K,), optional
        Curvatures of the intercepts.
    """

    def __init__(
        self,
        basis: NDArray,
        factors: ClassFactors,
        tails: NDArray,
        n_threads: int,
        means: NDArray | None = None,
        intercepts: NDArray | None = None,
    ) -> None:
        dtype = basis.dtype
        self._kernel = kernels(dtype).low_rank
        unit = self._kernel.padding()
        self._factors = factors
        self._given = padded(basis, unit), padded(basis.T, unit), factors.matrices, factors.scales
        self._by_class = (
            tails.astype(dtype),
            None if means is None else padded(means.astype(dtype), unit),
            None if intercepts is None else intercepts.astype(dtype),
        )
        self._work = 2 * basis.size * len(tails)
        self._n_threads, self._workspace = n_threads, Workspace()

    def solve(self, *right: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """M⁻¹ v of some v (K, D), or (K, D + 1) with the intercepts last."""
        return [self._solve(np.ascontiguousarray(v, np.float64)) for v in right]

    def _solve(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.empty(v.shape)
        self._kernel.solve(
            *self._given, *self._by_class, v, out, self._workspace,
            team(self._n_threads, self._work),
        )  # fmt: skip
        return out


def low_rank_blocks(
    grams: NDArray,
    decoupled: bool,
    own: NDArray,
    shared: NDArray,
    covariance: NDArray,
    ridge: NDArray,
    n_threads: int,
) -> NDArray:
    """B_k = own_k G_k + shared_k covariance + ridge, (K, r, r), G_k from grams (K, r + 1, r + 1).

    The last row of these holds Σ w u of the rows u that the others are the Σ w u uᵀ of, and Σ w: if
    `decoupled`, G_k is that of the u less their mean.
    """
    dtype = grams.dtype
    k, size = grams.shape[:2]
    out = np.empty((k, size - 1, size - 1), dtype)
    kernels(dtype).low_rank.blocks(
        grams, decoupled, own.astype(dtype), shared.astype(dtype), covariance, ridge, out,
        team(n_threads, out.size),
    )  # fmt: skip
    return out


def orthonormal_rows(gram: NDArray[np.float64], negligible: float) -> NDArray[np.float64]:
    """Coefficients (r, m) that make orthonormal vectors of m whose Gram matrix this is.

    A vector is left out if, without what those before it hold, its square is no more than such a
    share of what it was.
    """
    rows = np.empty((len(gram), 2 * len(gram)))
    found = kernels(rows.dtype).low_rank.orthonormal(
        np.ascontiguousarray(gram, rows.dtype), rows, negligible
    )
    return rows[:found, : len(gram)]


def padded(rows: NDArray, unit: int) -> NDArray:
    """A copy with zeros behind each row, up to a multiple of so many numbers."""
    out = np.zeros((len(rows), -(-rows.shape[1] // unit) * unit), rows.dtype)
    out[:, : rows.shape[1]] = rows
    return out
