"""Which kind of data an X is, and where a sparse one is better made dense."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.dense import DenseData
from fastsoftmax._engine.data.protocol import Data
from fastsoftmax._engine.data.sparse import SparseData
from fastsoftmax._runtime import scipy_sparse as sparse

SMALL = 1 << 18  # bytes


@singledispatch
def data_of(X: Any, n_threads: int, feature_scale: NDArray | None = None) -> Data:
    """X as the kind of data that it is, its features times some factors.

    Another format of X is `register`ed by its type.
    """
    if not sparse.issparse(X):
        return DenseData(X, n_threads, feature_scale=feature_scale)
    data = SparseData(X, n_threads)
    return data if feature_scale is None else data.scaled(feature_scale)


def better_dense(shape: tuple[int, int], dtype: np.dtype, held: int) -> bool:
    """Whether a sparse X takes less memory as a dense array than the bytes held, or hardly any.

    What is known of dense X, all of its second moments, makes for fewer passes and sharper ends.
    """
    return shape[0] * shape[1] * dtype.itemsize <= max(SMALL, held)


def dense_if_small(X: NDArray | sparse.csr_array) -> NDArray | sparse.csr_array:
    """X as a dense array, if it is one or is better made one."""
    is_better = sparse.issparse(X) and better_dense(
        X.shape, X.dtype, X.data.nbytes + X.indices.nbytes
    )
    return X.toarray() if is_better else X
