"""What X may be. Each kind offers the products that an objective needs, and never copies X."""

from numpy.typing import NDArray
from scipy import sparse

from fastsoftmax.data.csr import SparseData
from fastsoftmax.data.dense import DenseData, Gradients
from fastsoftmax.data.diagonals import DiagonalFactors
from fastsoftmax.data.factors import ClassFactors
from fastsoftmax.data.stored import Draw, StoredLogits
from fastsoftmax.data.vectors import add, combine, dot, dots, largest, products

__all__ = [
    "ClassFactors",
    "DenseData",
    "DiagonalFactors",
    "Draw",
    "Gradients",
    "SparseData",
    "StoredLogits",
    "add",
    "combine",
    "dot",
    "dots",
    "largest",
    "products",
]


def data_of(X: NDArray | sparse.csr_array, n_threads: int) -> DenseData | SparseData:
    """X as the kind of data that it is."""
    return (SparseData if sparse.issparse(X) else DenseData)(X, n_threads)
