"""Sparse X: compressed rows of float32 or float64, and by columns where gradients need them."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.dense import DenseData, Gradients
from fastsoftmax._engine.data.merged_features import Merger, merge
from fastsoftmax._engine.data.moments import Moments, sparse_moments
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team

FEW = 4  # times the non-zeros of some rows, up to the number of features


class Columns(NamedTuple):
    """Some rows of X by columns: values, row numbers and where each column begins."""

    values: NDArray
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]


def some_rows(X: sparse.csr_array, rows: slice) -> sparse.csr_array:
    """Rows side by side: a view, where SciPy would copy."""
    starts = X.indptr[rows.start : rows.stop + 1]
    part = sparse.csr_array((len(starts) - 1, X.shape[1]), dtype=X.dtype)
    part.indptr = starts - starts[0]
    part.indices = X.indices[starts[0] : starts[-1]]
    part.data = X.data[starts[0] : starts[-1]]
    return part


def with_scaled(
    X: sparse.csr_array, units: NDArray[np.float64], dtype: np.dtype
) -> sparse.csr_array:
    """X with each feature times a number, in this dtype: its values are copied."""
    scaled = sparse.csr_array(X.shape, dtype=dtype)
    scaled.indices, scaled.indptr = X.indices, X.indptr
    scaled.data = (X.data * units[X.indices]).astype(dtype, copy=False)
    return scaled


def with_changed(
    X: sparse.csr_array,
    shift: NDArray[np.float64],
    factors: NDArray[np.float64],
    dtype: np.dtype,
    limits: NDArray[np.float64] | None,
) -> sparse.csr_array:
    """(X - shift) * factors, in this dtype and clipped to limits, if there are any.

    Zeros of features that are shifted are filled in.
    """
    changed = X.astype(np.float64)
    changed.sum_duplicates()
    changed.data -= shift[changed.indices]
    changed.data *= factors[changed.indices]
    shifted = np.flatnonzero(shift)
    if len(shifted):
        present = sparse.csr_array(
            (np.ones(len(changed.data), bool), changed.indices, changed.indptr), X.shape
        )
        rows, at = np.nonzero(~present[:, shifted].toarray())
        at = shifted[at]
        changed = changed + sparse.csr_array((-(shift * factors)[at], (rows, at)), X.shape)
    if limits is not None:
        most = limits[changed.indices]
        np.clip(changed.data, -most, most, out=changed.data)
    return changed.astype(dtype)


class SparseData:
    """X, and the products with it that the kernels offer.

    Weights are (K, D) arrays in Fortran's order, as all of this module's: the classes of a feature
    side by side.

    Parameters
    ----------
    X : csr_matrix or csr_array of shape (n, d), float32 or float64
        Its indices in range and of one dtype, int32 or int64; in any order, repeated or not.
    n_threads : int
    workspace : Workspace, optional
        The kernels' memory, where it is shared; by no two calls at once.
    """

    is_sparse = True

    def __init__(
        self,
        X: sparse.csr_array | sparse.csr_matrix,
        n_threads: int,
        workspace: Workspace | None = None,
    ) -> None:
        self.X = X
        self.merger: Merger | None = None
        self.n_threads = n_threads
        self._rows = X.data, X.indices, X.indptr
        self._kernel = kernels(X.dtype).sparse
        self._workspace = Workspace() if workspace is None else workspace

    def like(self, X: NDArray | sparse.csr_array) -> "SparseData | DenseData":
        """Another array, with the threads of this one; a dense one with its workspace."""
        if sparse.issparse(X):
            return SparseData(X, self.n_threads)
        return DenseData(X, self.n_threads, self._workspace)

    def scaled(self, units: NDArray[np.float64]) -> "SparseData":
        """The same with each feature times a number."""
        data = SparseData(with_scaled(self.X, units, self.dtype), self.n_threads)
        data._scaled_from = self.X, units
        return data

    #: X and the numbers by which its features were multiplied, which rounded them to its dtype
    _scaled_from: tuple[sparse.csr_array, NDArray[np.float64]] | None = None

    def changed(
        self,
        shift: NDArray[np.float64],
        factors: NDArray[np.float64],
        dtype: np.dtype,
        limits: NDArray[np.float64] | None = None,
    ) -> "SparseData":
        """(X - shift) * factors, in this dtype; features that are shifted have hardly any zeros.

        Features are clipped to limits, where some are given.
        """
        return SparseData(with_changed(self.X, shift, factors, dtype, limits), self.n_threads)

    def to_float64(self) -> "SparseData":
        """The same rows, computed in float64: a copy of the values."""
        if self.dtype == np.float64:
            return self
        X, units = self._scaled_from or (self.X, np.ones(self.shape[1]))
        exact = with_scaled(X, units, np.dtype(np.float64))
        data = SparseData(exact, self.n_threads, self._workspace)
        data.merger = self.merger
        return data

    def to_float32(self, most: int) -> "SparseData":
        """Itself: half of what is read are indices."""
        return self

    def fingerprint(self) -> bytes:
        """Of no use: nothing is kept for another fit."""
        return b""

    def in_float64(self, rows: slice) -> NDArray[np.float64]:
        """A copy of some rows."""
        return self.X[rows].toarray().astype(np.float64, copy=False)

    def moments(self, weights: NDArray | None) -> Moments:
        """Weighted mean and standard deviation of each feature."""
        return sparse_moments(self.X, weights)

    def rows(self, chosen: slice) -> "SparseData":
        """Some of the rows."""
        return self.like(self.X[chosen])

    def only(self, features: NDArray[np.int64]) -> "SparseData":
        """Some of the features."""
        return self.like(self.X[:, features])

    def every(self, step: int) -> "SparseData":
        """Every step-th row."""
        return self if step == 1 else self.rows(slice(None, None, step))

    def with_merged_features(self) -> "SparseData":
        """The same with singleton features merged, where that is worth it."""
        result = merge(self.X, self.n_threads, self._workspace)
        if result is None:
            return self
        data = SparseData(result[0], self.n_threads, self._workspace)
        data.merger = result[1]
        return data

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def dtype(self) -> np.dtype:
        return self.X.dtype

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._rows)

    @property
    def nnz(self) -> int:
        """Entries."""
        return len(self.X.data)

    def pieces(self) -> list[tuple[slice, "SparseData"]]:
        """All rows, in one piece."""
        return [(slice(0, self.shape[0]), self)]

    def _team(self, n_logits: int) -> int:
        return team(self.n_threads, self.nnz * n_logits)

    def _by_feature(self, W: NDArray | None) -> NDArray | None:
        """W (D, K), contiguous; no copy of what is laid out so."""
        return None if W is None else np.ascontiguousarray(W.T, dtype=self.dtype)

    def _cast(self, array: NDArray | None) -> NDArray | None:
        return None if array is None else np.ascontiguousarray(array, dtype=self.dtype)

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
        columns = Columns(
            np.empty(count, self.dtype), np.empty(count, np.int32), np.empty(d + 1, np.int64)
        )
        self._kernel.transpose_rows(
            *self._rows, first, end, d, *columns, self._workspace, team(self.n_threads, 8 * count)
        )
        return columns

    def value_and_grad(
        self,
        W: NDArray | None,
        b: NDArray | None,
        targets: NDArray | None,
        weights: NDArray | None,
        scale: float,
        wrt: Collection[str] = ("W", "b"),
        stored: StoredLogits | None = None,
    ) -> tuple[float, Gradients]:
        """As that of `DenseData`; the gradient of W is (K, D) in Fortran's order, float64."""
        n_logits = len(W) if stored is None else stored.n_logits
        by_W = np.empty((self.shape[1], n_logits)).T if "W" in wrt else None
        loss, by_b = self._pass(W, b, targets, weights, scale, 0.0, by_W, stored)
        return loss, Gradients(by_W, by_b)

    def penalised(
        self,
        W: NDArray,
        b: NDArray | None,
        targets: NDArray | None,
        weights: NDArray | None,
        scale: float,
        ridge: float,
        out: NDArray,
        stored: StoredLogits | None,
    ) -> tuple[float, NDArray]:
        """The loss times `scale` and its gradient by b; that by W, plus ``ridge * W``, into `out`.

        W and `out` are float64, in Fortran's order; with stored logits W is for the penalty alone.
        """
        return self._pass(W, b, targets, weights, scale, ridge, out, stored)

    def add_gradient(
        self,
        W: NDArray,
        b: NDArray | None,
        targets: NDArray | None,
        weights: NDArray | None,
        scale: float,
        out: NDArray,
        stored: StoredLogits | None,
    ) -> tuple[float, NDArray]:
        """The loss times `scale` and its gradient by b; that by W is added to `out`."""
        return self._pass(W, b, targets, weights, scale, 0.0, out, stored, adds=True)

    def _pass(
        self,
        W: NDArray | None,
        b: NDArray | None,
        targets: NDArray | None,
        weights: NDArray | None,
        scale: float,
        ridge: float,
        out: NDArray | None,
        stored: StoredLogits | None,
        adds: bool = False,
    ) -> tuple[float, NDArray]:
        n_logits = len(W) if stored is None else stored.n_logits
        by_b = np.empty(n_logits)
        loss = self._kernel.value_and_grad(
            *self._rows, None if out is None else self.columns(n_logits),
            *((self._by_feature(W), self._cast(b)) if stored is None else (None, None)),
            targets, weights, scale, ridge, W.T if ridge else None,
            None if stored is None else stored.tiles,
            None if out is None else out.T, by_b, self._workspace, self._team(n_logits), adds,
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
        weights = W.T[seen].astype(self.dtype, order="C")
        return (self.X.data, at.astype(indices.dtype), self.X.indptr), weights

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        """X Wᵀ + b into `out`, in half a pass."""
        self._kernel.store_logits(
            *self._rows, self._by_feature(W), self._cast(b), out.tiles, self._workspace,
            self._team(len(W)),
        )  # fmt: skip
