"""Diagonals of a matrix for each class, and means of the features: a preconditioner's parts."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.column_sums import add_weighted_sums, column_sums
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team

if TYPE_CHECKING:
    from fastsoftmax._engine.data.sparse import Columns, SparseData

DTYPE = np.dtype(np.float32)  # whatever that of X is: they are estimates
WORK = 4  # multiply-adds that a number is worth, for the number of threads

#: (data, rows, begin) -> the weighted p(1 - p) of these rows of the data, of consecutive rows at a
#: time; the data begin with row `begin` of all. Of partitions the model (W, b) and the weights, of
#: which workers make them
Variances = Callable[["SparseData", slice, int], Iterator[StoredLogits]] | tuple[Any, Any]


class Diagonals(NamedTuple):
    """Diagonals of the Hessian of each class, and what goes with them."""

    means: NDArray  # (D, K), float32
    inverses: NDArray  # (D, K), float32
    masses: NDArray[np.float64]  # (K,)


class SparsePieces(Protocol):
    """Sparse X, whole or in pieces."""

    shape: tuple[int, int]
    dtype: np.dtype
    n_threads: int
    is_distributed: bool

    @property
    def nnz(self) -> int: ...

    def pieces(self) -> Iterable[tuple[slice, "SparseData"]]: ...


def diagonals(
    X: SparsePieces,
    variances: Variances,
    n_logits: int,
    ridge: float,
    share: float,
    centred: bool,
    missing: Callable[[NDArray], NDArray] = np.zeros_like,
) -> Diagonals:
    """The diagonals of Xᵀ diag(v) X / n + ridge for the weights v of each class.

    `share` of a diagonal is that of the rows unweighted, and to the masses,
    by which that is weighted, is added what is `missing` of them. Entries that a row has twice
    count as two, whose squares sum to less than that of their sum.
    """
    sums = None
    if X.is_distributed:
        sums = X.diagonal_sums(*variances)
    elif not kernels(X.dtype).sparse.by_columns(*X.shape, n_logits, X.nnz, False):
        sums = sums_by_rows(X, variances, n_logits, centred)
    if sums is not None:
        return of_sums(sums, X.shape[0], ridge, share, centred, missing)

    def row_blocks() -> Iterator[tuple[int, "Columns", Iterator[NDArray]]]:
        for all_rows, data in X.pieces():
            for rows, columns in data.row_blocks(n_logits):
                parts = (v.tiles for v in variances(data, rows, all_rows.start))
                yield rows.stop - rows.start, columns, parts

    n, d = X.shape
    masses = np.empty(n_logits)
    means, inverses = (np.empty((d, n_logits), np.float32) for _ in range(2))
    kernels(X.dtype).diagonals.build(
        row_blocks(), n, ridge, share, missing, centred, means, inverses, masses, Workspace(),
        team(X.n_threads, 2 * X.nnz * n_logits),
    )  # fmt: skip
    return Diagonals(means, inverses, masses / n)


def sums_by_rows(
    X: SparsePieces, variances: Variances, n_logits: int, centred: bool
) -> tuple[NDArray | None, ...]:
    """What `of_sums` takes, of few logits, for which X by columns is not worth its making."""
    d, k = X.shape[1], n_logits
    first, second = np.zeros((2, d, k)) if centred else (None, np.zeros((d, k)))
    of_all, squares_of_all = np.zeros((2, d, 1))
    masses = np.zeros(k)
    for rows, data in X.pieces():
        done, squared = 0, data.squared
        for v in variances(data, slice(0, data.shape[0]), rows.start):
            some = slice(done, done + v.n)
            done, whole = some.stop, v.n == data.shape[0]
            masses += add_weighted_sums(squared if whole else squared.rows(some), v, second)
            if centred:
                add_weighted_sums(data if whole else data.rows(some), v, first)
        squares_of_all += column_sums(squared)
        if centred:
            of_all += column_sums(data)
    return first, second, masses, of_all, squares_of_all


def of_sums(
    sums: tuple[NDArray | None, ...],
    n: int,
    ridge: float,
    share: float,
    centred: bool,
    missing: Callable[[NDArray], NDArray],
) -> Diagonals:
    """The same of Σ v x and Σ v x² (D, K), Σ v (K,), and Σ x and Σ x² (D, 1), over n rows."""
    first, second, masses, of_all, squares_of_all = sums
    means = np.zeros(second.shape)
    if centred:
        np.divide(first, masses, out=means, where=masses > 0)
        second -= means**2 * masses
    overall = np.maximum(squares_of_all - (of_all**2 / n if centred else 0), 0)
    masses /= n
    of_missing = missing(masses)
    of_shares = share * masses + of_missing
    spread = ((1 - share) * np.maximum(second, 0) + of_shares * overall) / n + ridge
    inverses = np.divide(1, spread, out=np.zeros(second.shape), where=spread > 0)
    return Diagonals(means.astype(np.float32), inverses.astype(np.float32), masses + of_missing)


class DiagonalFactors:
    """Inverses of what `SparseData.diagonals` approximates.

    Parameters
    ----------
    means, inverses : ndarray of shape (D, K), float32
    masses : ndarray of shape (K,) or None
        Curvature masses of the classes; None without intercepts.
    project : bool
        Whether to take out what all classes have in common.
    n_threads : int
    """

    def __init__(
        self,
        means: NDArray,
        inverses: NDArray,
        masses: NDArray | None,
        project: bool,
        n_threads: int,
    ) -> None:
        self._parts = means, inverses, masses, project
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
