"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

from numpy.typing import NDArray
from scipy import sparse

from fastsoftmax.data.coordinate import WeightedColumns, descend_by_grams, subgradient
from fastsoftmax.data.csr import SparseData
from fastsoftmax.data.dense import DenseData, Gradients
from fastsoftmax.data.diagonals import DiagonalFactors
from fastsoftmax.data.factors import ClassFactors
from fastsoftmax.data.float64 import float64_pieces
from fastsoftmax.data.stored import Draw, StoredLogits
from fastsoftmax.data.streamed import BlocksData
from fastsoftmax.data.vectors import add, combine, dot, dots, largest, products

SMALL = 1 << 18  # bytes

__all__ = [
    "BlocksData",
    "ClassFactors",
    "DenseData",
    "DiagonalFactors",
    "Draw",
    "Gradients",
    "SparseData",
    "StoredLogits",
    "WeightedColumns",
    "add",
    "combine",
    "data_of",
    "dense_if_small",
    "descend_by_grams",
    "dot",
    "dots",
    "float64_pieces",
    "largest",
    "products",
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


def dense_if_small(X: NDArray | sparse.csr_array) -> NDArray | sparse.csr_array:
    """X as a dense array if it is that, or takes less memory so, or hardly any.

    What is known of dense X, all of its second moments, makes for fewer passes and sharper ends.
    """
    if not sparse.issparse(X):
        return X
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    held = X.data.nbytes + X.indices.nbytes
    return X.toarray() if size <= max(SMALL, held) else X
