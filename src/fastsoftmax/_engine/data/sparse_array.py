"""Sparse X as it is held: compressed rows of float32 or float64."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.dense import DenseData
from fastsoftmax._engine.data.local import LocalRows
from fastsoftmax._engine.data.merged_features import WORK, Merger, merge
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.threads import team


def some_rows(X: sparse.csr_array, rows: slice) -> sparse.csr_array:
    """Rows side by side: a view, where SciPy would copy."""
    starts = X.indptr[rows.start : rows.stop + 1]
    part = sparse.csr_array((len(starts) - 1, X.shape[1]), dtype=X.dtype)
    part.indptr = starts - starts[0]
    part.indices = X.indices[starts[0] : starts[-1]]
    part.data = X.data[starts[0] : starts[-1]]
    return part


def with_values(X: sparse.csr_array, values: NDArray) -> sparse.csr_array:
    """Other values at the same places."""
    other = sparse.csr_array(X.shape, dtype=values.dtype)
    other.data, other.indices, other.indptr = values, X.indices, X.indptr
    return other


def with_scaled(
    X: sparse.csr_array, units: NDArray[np.float64], dtype: np.dtype
) -> sparse.csr_array:
    """X with each feature times a number, in this dtype: its values are copied."""
    with np.errstate(over="ignore"):  # shows in the objective
        return with_values(X, (X.data * units[X.indices]).astype(dtype, copy=False))


class Change(NamedTuple):
    """(X - shift) * factors, in a dtype; features are clipped to limits, where some are given.

    Features that are shifted have hardly any zeros, and these are filled in.
    """

    shift: NDArray[np.float64]
    factors: NDArray[np.float64]
    dtype: np.dtype
    limits: NDArray[np.float64] | None = None


def with_changed(X: sparse.csr_array, change: Change) -> sparse.csr_array:
    """A changed copy of X."""
    shift, factors, dtype, limits = change
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


class SparseArray(LocalRows):
    """X, rows and features of it, in other units or precision.

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
        self.X, self.shape, self.dtype = X, X.shape, X.dtype
        self.merger: Merger | None = None
        self.n_threads = n_threads
        self._rows = X.data, X.indices, X.indptr
        self.nbytes = sum(part.nbytes for part in self._rows)
        self.nnz = len(X.data)  # entries
        self._kernel = kernels(X.dtype).sparse
        self._workspace = Workspace() if workspace is None else workspace

    def like(self, X: NDArray | sparse.csr_array) -> Self | DenseData:
        """Another array, with the threads of this one; a dense one with its workspace."""
        if sparse.issparse(X):
            return type(self)(X, self.n_threads)
        return DenseData(X, self.n_threads, self._workspace)

    #: X and the numbers by which its features were multiplied, which rounded them to its dtype
    _scaled_from: tuple[sparse.csr_array, NDArray[np.float64]] | None = None

    def scaled(self, units: NDArray[np.float64]) -> Self:
        """The same with each feature times a number."""
        data = type(self)(with_scaled(self.X, units, self.dtype), self.n_threads)
        data._scaled_from = self.X, units
        return data

    def changed(self, change: Change) -> Self:
        """A changed copy."""
        return type(self)(with_changed(self.X, change), self.n_threads)

    def to_float64(self) -> Self:
        """The same rows, computed in float64: a copy of the values."""
        if self.dtype == np.float64:
            return self
        dtype = np.dtype(np.float64)
        if self._scaled_from is None:
            values = empty(self.nnz, dtype)
            values[:] = self.X.data
            exact = with_values(self.X, values)
        else:
            exact = with_scaled(*self._scaled_from, dtype)
        data = type(self)(exact, self.n_threads, self._workspace)
        data.merger = self.merger
        return data

    @cached_property
    def squared(self) -> Self:
        """The squares of the entries; of those that a row has twice, one for each."""
        squares = with_values(self.X, np.square(self.X.data, out=empty(self.nnz, self.dtype)))
        return type(self)(squares, self.n_threads, self._workspace)

    @cached_property
    def csc(self) -> sparse.csc_array:
        """X by columns: a copy."""
        return self.X.tocsc()

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """The number of entries of each feature, up to the largest int32."""
        counts = np.empty(self.shape[1], np.int32)
        kernels(self.dtype).merged_features.count(
            *self._rows, counts, self._workspace, team(self.n_threads, WORK * self.nnz)
        )
        return counts

    def to_float32(self, most: int) -> Self:
        """Itself: half of what is read are indices."""
        return self

    def fingerprint(self) -> bytes:
        """Empty: nothing is kept for another fit."""
        return b""

    def in_float64(self, rows: slice) -> NDArray[np.float64]:
        """A copy of some rows."""
        return self.X[rows].toarray().astype(np.float64, copy=False)

    def rows(self, chosen: slice) -> Self:
        """Some of the rows."""
        return self.like(self.X[chosen])

    def only(self, features: NDArray[np.int64]) -> Self:
        """Some of the features."""
        return self.like(self.X[:, features])

    def every(self, step: int) -> Self:
        """Every step-th row."""
        return self if step == 1 else self.rows(slice(None, None, step))

    def with_merged_features(self) -> Self:
        """The same with singleton features merged, where that is worth it."""
        result = merge(self.X, self.counts, self.n_threads)
        if result is None:
            return self
        data = type(self)(result[0], self.n_threads, self._workspace)
        data.merger = result[1]
        return data

    def pieces(self) -> list[tuple[slice, Self]]:
        """All rows, in one piece."""
        return [(slice(0, self.shape[0]), self)]
