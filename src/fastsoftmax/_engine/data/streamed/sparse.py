"""Sparse X in blocks of rows.

By columns a block is laid out anew in each pass that needs it so, which is about as much work as
the gradient itself. To keep the columns would be to keep X, and features are not merged: which of
them one row alone has is known when all rows were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.merged_features import Merger
from fastsoftmax._engine.data.sparse import SparseData
from fastsoftmax._engine.data.sparse_array import Change, some_rows, with_changed, with_scaled
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.data.streamed.base import BlocksData, Read
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.ahead import ahead


def in_tiles(blocks: Iterable[sparse.csr_array], tile: int) -> Iterator[sparse.csr_array]:
    """The same rows in blocks of whole tiles, but for the last.

    What a block ends with in the middle of a tile is joined to the next, all of which is copied:
    a piece of a few rows would cost a pass over the gradient of all features.
    """
    left = None
    for X in blocks:
        X = X if left is None else sparse.vstack([left, X], format="csr")
        n = X.shape[0]
        whole = n // tile * tile
        if whole:
            yield some_rows(X, slice(0, whole))
        left = some_rows(X, slice(whole, n)) if whole < n else None
    if left is not None:
        yield left


class SparseBlocks(BlocksData):
    """What `SparseData` offers, of rows that come in blocks.

    Parameters
    ----------
    *args, **more
        Of `BlocksData`.
    nnz : int
        Entries of all blocks.
    """

    merger: Merger | None = None

    is_sparse = True

    def __init__(self, *args: Any, nnz: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self.nnz = nnz

    def _other(self, read: Read, shape: tuple[int, int], nbytes: int) -> SparseBlocks:
        nnz = self.nnz * shape[0] // self.shape[0]
        return SparseBlocks(
            read, shape, self._stored, nbytes, self.n_threads, self._workspace, self.dtype, nnz=nnz
        )

    def pieces(self) -> Iterator[tuple[slice, SparseData]]:
        """Blocks of whole tiles but for the last."""
        begin = 0
        for X in ahead(in_tiles(self._read(), self._tile)):
            end = begin + X.shape[0]
            piece = SparseData(X, self.n_threads, self._workspace)
            yield slice(begin, end), piece.to_float64() if self.dtype == np.float64 else piece
            begin = end

    def scaled(self, units: NDArray[np.float64]) -> SparseBlocks:
        """The same with each feature times a number."""
        other = self._other(self._with(units, self.dtype), self.shape, self.nbytes)
        other._exact = self._with(units, np.dtype(np.float64))
        return other

    #: gives the blocks in float64, where scaled ones were rounded to the dtype of X
    _exact: Read | None = None

    def _with(self, units: NDArray[np.float64], dtype: np.dtype) -> Read:
        return lambda: (with_scaled(X, units, dtype) for X in self._read())

    def to_float64(self) -> SparseBlocks:
        other = super().to_float64()
        if self._exact is not None:
            other._read = self._exact
        return other

    def changed(self, change: Change) -> SparseBlocks:
        """As `SparseData.changed`, block by block."""
        return SparseBlocks(
            lambda: (with_changed(X, change) for X in self._read()), self.shape, change.dtype,
            self.nbytes, self.n_threads, self._workspace, change.dtype, nnz=self.nnz,
        )  # fmt: skip

    def only(self, features: NDArray[np.int64]) -> SparseData:
        """Some of the features, in memory."""
        X = sparse.vstack([X[:, features] for X in ahead(self._read())], format="csr")
        data = SparseData(X, self.n_threads, self._workspace)
        return data.to_float64() if self.dtype == np.float64 else data

    def lengths(self) -> NDArray[np.int64]:
        """The number of entries of each feature."""
        if self._lengths is None:
            self._lengths = np.zeros(self.shape[1], np.int64)
            for X in ahead(self._read()):
                self._lengths += np.bincount(X.indices, minlength=self.shape[1])
        return self._lengths

    _lengths: NDArray[np.int64] | None = None

    def _cast(self, W: NDArray) -> NDArray:
        """Once, not for each block: there may be more weights than a block has entries."""
        return np.asarray(W, self.dtype, order="F")

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        """X Wᵀ + b into `out`, in half a pass."""
        super().store_logits(self._cast(W), b, out)

    def penalised(
        self, point: Point, batch: Batch, ridge: float, out: NDArray
    ) -> tuple[float, NDArray]:
        """As `SparseData.penalised`; summed in float64."""
        total = np.multiply(point.W, ridge, order="F")
        if point.logits is None:
            point = point._replace(W=self._cast(point.W))
        loss, by_b = 0.0, np.zeros(point.n_logits)
        for rows, piece in self.pieces():
            value, by_intercepts = piece.add_gradient(point.part(rows), batch.part(rows), total)
            loss += value
            by_b += by_intercepts
        out[...] = total
        return loss, by_b
