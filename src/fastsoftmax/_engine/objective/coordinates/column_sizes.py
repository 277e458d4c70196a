"""Weighted mean squares of the entries of a sparse X, each found when it is asked for."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import SparseBlocks, SparseData, SparsePartitions, sum_of_rows
from fastsoftmax._engine.data.column_sums import column_sums
from fastsoftmax._engine.linalg import dot


class ColumnSizes:
    """Those of the columns, and their sum, which takes no sums by columns without weights."""

    def __init__(
        self, data: SparseData | SparseBlocks | SparsePartitions, weights: NDArray | None
    ) -> None:
        self._of = data, weights
        self._n = data.shape[0]

    @cached_property
    def roots(self) -> NDArray[np.float64]:
        """Root mean squares of the columns, (D,)."""
        return np.sqrt(sum_of_rows(*self._of, sums_of_squares)[:, 0] / self._n)

    @cached_property
    def square(self) -> float:
        """The mean of ‖x‖²."""
        return float(sum_of_rows(*self._of, sum_of_squares)) / self._n


def sums_of_squares(data: SparseData, weights: NDArray | None) -> NDArray[np.float64]:
    """The sum of squares of each feature, times the weights of the rows: (D, 1)."""
    return column_sums(data.squared, weights)


def sum_of_squares(data: SparseData, weights: NDArray | None) -> float:
    """Of all features."""
    if weights is None:
        return dot(data.X.data, data.X.data, data.n_threads)
    return float(sums_of_squares(data, weights).sum())
