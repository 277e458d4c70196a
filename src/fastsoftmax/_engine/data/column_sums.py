"""Sums of sparse X by columns, without X by columns."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.stored_logits import StoredLogits

if TYPE_CHECKING:
    from fastsoftmax._engine.data.sparse import SparseData


def add_weighted_sums(
    data: "SparseData", v: StoredLogits, out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add Xᵀ v to `out` (D, K), by rows; the sums of v, (K,)."""
    return data.add_gradient(Point(logits=v), Batch(), out.T)[1]


def column_sums(data: "SparseData", weights: NDArray | None = None) -> NDArray[np.float64]:
    """Σ w x of each column, (D, 1)."""
    w = StoredLogits(data.shape[0], 1, data.dtype, data.n_threads)
    if weights is None:
        w.fill(np.ones(1))
    else:
        w.put(weights[:, None])
    sums = np.zeros((data.shape[1], 1))
    add_weighted_sums(data, w, sums)
    return sums
