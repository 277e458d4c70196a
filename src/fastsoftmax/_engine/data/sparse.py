"""Products with sparse X."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.dense import Gradients
from fastsoftmax._engine.data.moments import Moments, sparse_moments
from fastsoftmax._engine.data.sparse_array import SparseArray
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.linalg.memory import contiguous, empty
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.threads import team

SAMPLE = 1000  # entries, whose features say how threads share all features
FEW = 4  # times the non-zeros of some rows, up to the number of features


class Columns(NamedTuple):
    """Some rows of X by columns: values, row numbers and where each column begins."""

    values: NDArray
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]


def sample_of(X: sparse.csr_array) -> NDArray[np.intp]:
    """Features of some entries, in order."""
    indices = X.indices[: X.indptr[-1]]
    return np.sort(indices[:: 1 + len(indices) // SAMPLE]).astype(np.intp)


class SparseData(SparseArray):
    """X, and the products with it that the kernels offer.

    Weights are (K, D) arrays in Fortran's order, as all of this module's: the classes of a feature
    side by side.
    """

    def moments(self, weights: NDArray | None) -> Moments:
        """Weighted mean and standard deviation of each feature."""
        return sparse_moments(self.X, weights)

    def _team(self, n_logits: int) -> int:
        return team(self.n_threads, self.nnz * n_logits)

    def _by_feature(self, W: NDArray | None) -> NDArray | None:
        """W (D, K), contiguous, with columns of zeros for few K that are no power of two; no copy
        of what is laid out so."""
        if W is None:
            return None
        k, d = W.shape
        columns = self._kernel.weight_columns(k)
        plain = W.dtype == self.dtype and W.flags.f_contiguous and W.flags.aligned
        if columns == k and plain:
            return W.T
        by_feature = empty((d, columns), self.dtype)
        by_feature[:, :k] = W.T
        by_feature[:, k:] = 0
        return by_feature

    def _cast(self, array: NDArray | None) -> NDArray | None:
        return None if array is None else contiguous(array, self.dtype)

    def columns(self, n_logits: int) -> list[Columns]:
        """X by columns, a block of rows at a time: made once."""
        if self._row_blocks is None or self._row_blocks[0] != self.rows_of_a_block(n_logits):
            row_blocks = self._row_block_slices(n_logits)
            self._row_blocks = (
                self.rows_of_a_block(n_logits),
                [self._columns(r.start, r.stop) for r in row_blocks],
            )
        return self._row_blocks[1]

    def row_blocks(self, n_logits: int) -> Iterator[tuple[slice, Columns]]:
        """The rows of each block, and these by columns."""
        return zip(self._row_block_slices(n_logits), self.columns(n_logits), strict=True)

    def _row_block_slices(self, n_logits: int) -> list[slice]:
        n, rows = self.shape[0], self.rows_of_a_block(n_logits)
        return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]

    _row_blocks: tuple[int, list[Columns]] | None = None

    def _columns(self, first: int, end: int) -> Columns:
        starts = self.X.indptr
        count = int(starts[end] - starts[first])
        d = self.shape[1]
        columns = Columns(empty(count, self.dtype), empty(count, np.int32), empty(d + 1, np.int64))
        self._kernel.transpose_rows(
            *self._rows, first, end, d, *columns, self._workspace, team(self.n_threads, 8 * count)
        )
        return columns

    def value_and_grad(
        self, point: Point, batch: Batch, wrt: Collection[str] = ("W", "b")
    ) -> tuple[float, Gradients]:
        """As `DenseData.value_and_grad`; by W (K, D) in Fortran's order, in the dtype of X."""
        by_W = None
        if "W" in wrt:
            by_W = np.empty((self.shape[1], point.n_logits), self.dtype).T
        loss, by_b = self._pass(point, batch, 0.0, by_W, once=True)
        return loss, Gradients(by_W, by_b, None)

    def penalised(
        self, point: Point, batch: Batch, ridge: float, out: NDArray
    ) -> tuple[float, NDArray]:
        """The loss and its gradient by b; that by W, plus ``ridge * W``, into `out`.

        W and `out` are float64, in Fortran's order.
        """
        return self._pass(point, batch, ridge, out)

    def add_gradient(self, point: Point, batch: Batch, out: NDArray) -> tuple[float, NDArray]:
        """The loss and its gradient by b; that by W is added to `out`."""
        return self._pass(point, batch, 0.0, out, adds=True, once=True)

    def _pass(
        self,
        point: Point,
        batch: Batch,
        ridge: float,
        out: NDArray | None,
        adds: bool = False,
        once: bool = False,
    ) -> tuple[float, NDArray]:
        W, b, stored, step = point
        if step is not None:
            stored.move(*step)
        by_b = np.empty(point.n_logits)
        needs_columns = out is not None and self._kernel.by_columns(
            *self.shape, point.n_logits, self.nnz, once
        )
        n_threads = self._team(point.n_logits)
        loss = self._kernel.value_and_grad(
            *self._rows, self.columns(point.n_logits) if needs_columns else None,
            *((self._by_feature(W), self._cast(b)) if stored is None else (None, None)),
            *batch, ridge, W.T if ridge else None,
            None if stored is None else stored.tiles,
            None if out is None else out.T, by_b, self._workspace, n_threads, adds,
            sample_of(self.X) if n_threads > 1 else None,
        )  # fmt: skip
        return loss, by_b

    def rows_of_a_block(self, n_logits: int) -> int:
        """Rows that the kernels take at a time."""
        return self._kernel.rows_of_a_block(self.shape[0], n_logits)

    def logits(self, W: NDArray, b: NDArray | None) -> NDArray:
        """X Wᵀ + b, of shape (n, K)."""
        out = np.empty((self.shape[0], len(W)), self.dtype)
        rows, weights = self._seen(W)
        self._kernel.logits(*rows, weights, self._cast(b), out, self._workspace, self._team(len(W)))
        return out

    def _seen(self, W: NDArray) -> tuple[tuple[NDArray, ...], NDArray]:
        """The parts of X, and the weights by feature: of those alone that it has, where few rows
        do not repay the conversion of all."""
        count = int(self.X.indptr[-1])
        if (W.T.flags.c_contiguous and W.dtype == self.dtype) or FEW * count > self.shape[1]:
            return self._rows, self._by_feature(W)
        indices = self.X.indices[:count]
        seen, at = np.unique(indices, return_inverse=True)
        return (self.X.data, at.astype(indices.dtype), self.X.indptr), self._by_feature(W[:, seen])

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        """X Wᵀ + b into `out`, in half a pass."""
        self._kernel.store_logits(
            *self._rows, self._by_feature(W), self._cast(b), out.tiles, self._workspace,
            self._team(len(W)),
        )  # fmt: skip
