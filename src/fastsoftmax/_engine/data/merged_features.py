"""Merged singleton features: those of one row become one, a rotation
(`_core/sparse/merged_features_kernels.pyx`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.threads import team

WORTH = 0.1  # of the features have to go, else X stays as it is
MOST = 2**31 - 1  # numbers that an int32 can name
WORK = 8  # multiply-adds that a non-zero is worth, for the number of threads


class Merger(NamedTuple):
    """W = shares * W'[owners], of D features and their D' owners."""

    owners: NDArray[np.int32]  # (D,)
    shares: NDArray[np.float64]  # (D,), 0 for a feature that no row has
    shared: int  # of the D', the first, are features as they were
    peaks: NDArray[np.float64]  # the largest |share| of each of the others

    @property
    def features(self) -> int:
        """D'."""
        return self.shared + len(self.peaks)

    def split(self, W: NDArray, n_threads: int) -> NDArray:
        """Weights (K, D) of the features, from those of their owners."""
        out = np.empty((len(self.owners), len(W)))
        kernels(out.dtype).merged_features.split(
            np.ascontiguousarray(W.T, np.float64), self.owners, self.shares, out,
            team(n_threads, out.size),
        )  # fmt: skip
        return out.T

    def merge(self, W: NDArray) -> NDArray:
        """Weights (K, D') with the same logits, of the least norm."""
        places = self.owners, np.arange(len(self.owners))
        rotation = sparse.csr_array((self.shares, places), (self.features, len(self.owners)))
        return (rotation @ W.T).T


def merge(
    X: sparse.csr_array, counts: NDArray[np.int32], n_threads: int
) -> tuple[sparse.csr_array, Merger] | None:
    """X with fewer features, if that is worth it, and what became of them; from the number of
    entries of each."""
    (n, d), kernel = X.shape, kernels(X.dtype).merged_features
    rows = X.data, X.indices, X.indptr
    count = int(X.indptr[-1])
    if max(n + d, count) > MOST:
        return None
    threads = team(n_threads, WORK * count)
    shared = counts > 1
    if d - np.count_nonzero(shared) <= WORTH * d:
        return None
    lengths, lone = np.empty(n, np.int64), np.empty(n, bool)
    kernel.measure(*rows, counts, lengths, lone, threads)
    n_shared, n_lone = int(np.count_nonzero(shared)), int(np.count_nonzero(lone))
    features = n_shared + n_lone
    if features == 0 or d - features <= WORTH * d:
        return None
    owners = np.where(shared, np.cumsum(shared) - 1, 0).astype(np.int32)
    shares = shared.astype(np.float64)
    own = (n_shared + np.cumsum(lone) - 1).astype(np.int32)
    starts, peaks = np.zeros(n + 1, np.int64), np.empty(n)
    np.cumsum(lengths, out=starts[1:])
    values, at = np.empty(starts[-1], X.dtype), np.empty(starts[-1], np.int32)
    kernel.merge(*rows, counts, own, owners, shares, peaks, values, at, starts, threads)
    merged = sparse.csr_array((n, features), dtype=X.dtype)
    merged.data, merged.indices, merged.indptr = values, at, starts.astype(np.int32)
    return merged, Merger(owners, shares, n_shared, peaks[lone])
