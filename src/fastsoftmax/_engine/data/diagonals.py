"""Diagonals of a matrix for each class, and means of the features: a preconditioner's parts."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team

if TYPE_CHECKING:
    from fastsoftmax._engine.data.sparse import Columns, SparseData

DTYPE = np.dtype(np.float32)  # whatever that of X is: they are estimates
WORK = 4  # multiply-adds that a number is worth, for the number of threads

#: (data, rows, begin) -> the weighted p(1 - p) of these rows of the data, in tiles of consecutive
#: rows; the data begin with row `begin` of all. Of partitions the model (W, b) and the weights, of
#: which workers make them
Variances = Callable[["SparseData", slice, int], Iterator[NDArray]] | tuple[Any, Any]


class Diagonals(NamedTuple):
    """Of the Hessian of each class."""

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
    """Those of Xᵀ diag(v) X / n + ridge for the weights v of each class.

    `share` of a diagonal is that of the rows unweighted, and to the masses,
    by which that is weighted, is added what is `missing` of them. Entries that a row has twice
    count as two, whose squares sum to less than that of their sum.
    """

    if X.is_distributed:
        return of_sums(X.diagonal_sums(*variances), X.shape[0], ridge, share, centred, missing)

    def row_blocks() -> Iterator[tuple[int, "Columns", Iterator[NDArray]]]:
        for all_rows, data in X.pieces():
            for rows, columns in data.row_blocks(n_logits):
                yield rows.stop - rows.start, columns, variances(data, rows, all_rows.start)

    n, d = X.shape
    masses = np.empty(n_logits)
    means, inverses = (np.empty((d, n_logits), np.float32) for _ in range(2))
    kernels(X.dtype).diagonals.build(
        row_blocks(), n, ridge, share, missing, centred, means, inverses, masses, Workspace(),
        team(X.n_threads, 2 * X.nnz * n_logits),
    )  # fmt: skip
    return Diagonals(means, inverses, masses / n)


def of_sums(
    sums: tuple[NDArray, ...],
    n: int,
    ridge: float,
    share: float,
    centred: bool,
    missing: Callable[[NDArray], NDArray],
) -> Diagonals:
    """The same of the sums over the rows, as `_core/sparse/diagonals_kernels.pyx` ends."""
    first, second, masses, x, squares = sums
    more = missing(masses / n)
    means, spread = np.zeros(first.shape), second.astype(np.float64)
    overall = squares
    if centred:
        np.divide(first, masses[:, None], out=means, where=masses[:, None] > 0)
        spread -= means**2 * masses[:, None]
        overall = squares - (x / n) ** 2 * n
    spread = (1 - share) * np.maximum(spread, 0)
    spread += np.multiply.outer(share * masses / n + more, np.maximum(overall, 0))
    spread = spread / n + ridge
    inverses = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    columns = (np.ascontiguousarray(part.T, np.float32) for part in (means, inverses))
    return Diagonals(*columns, (masses + n * more) / n)


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
