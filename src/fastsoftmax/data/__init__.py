"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastsoftmax.data.coordinate import WeightedColumns, descend_by_grams, subgradient
from fastsoftmax.data.coupling import coupled
from fastsoftmax.data.csr import SparseData
from fastsoftmax.data.dense import DenseData, Gradients
from fastsoftmax.data.diagonals import DiagonalFactors, Variances, diagonals
from fastsoftmax.data.factors import ClassFactors
from fastsoftmax.data.float64 import float64_pieces
from fastsoftmax.data.low_rank import LowRankFactors, low_rank_blocks, orthonormal_rows
from fastsoftmax.data.memory import empty
from fastsoftmax.data.moments import merged
from fastsoftmax.data.protocol import Data
from fastsoftmax.data.row_space import RowSpace, row_space
from fastsoftmax.data.standardised import Standardisation
from fastsoftmax.data.stored import Draw, DualPoint, Step, StoredLogits
from fastsoftmax.data.streamed_dense import DenseBlocks
from fastsoftmax.data.streamed_sparse import SparseBlocks
from fastsoftmax.data.vectors import add, combine, dot, dots, largest, pair, products

SMALL = 1 << 18  # bytes

__all__ = [
    "ClassFactors",
    "Data",
    "DenseBlocks",
    "DenseData",
    "DiagonalFactors",
    "Draw",
    "DualPoint",
    "Gradients",
    "LowRankFactors",
    "RowSpace",
    "SparseBlocks",
    "SparseData",
    "Standardisation",
    "Step",
    "StoredLogits",
    "Variances",
    "WeightedColumns",
    "add",
    "better_dense",
    "combine",
    "coupled",
    "data_of",
    "dense_if_small",
    "descend_by_grams",
    "diagonals",
    "dot",
    "dots",
    "empty",
    "float64_pieces",
    "largest",
    "low_rank_blocks",
    "merged",
    "orthonormal_rows",
    "pair",
    "products",
    "row_space",
    "subgradient",
]


def data_of(
    X: NDArray | sparse.csr_array, n_threads: int, feature_scale: NDArray | None = None
) -> DenseData | SparseData:
    """X as the kind of data that it is, its features times some factors."""
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
    """X as a dense array if it is that or had better be."""
    is_better = sparse.issparse(X) and better_dense(
        X.shape, X.dtype, X.data.nbytes + X.indices.nbytes
    )
    return X.toarray() if is_better else X
