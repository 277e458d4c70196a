"""The rows that an estimator is given: features, labels and weights, checked."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine.data import (
    Data,
    DenseBlocks,
    SparseBlocks,
    better_dense,
    data_of,
    dense_if_small,
)
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import blocks as check_blocks
from fastsoftmax._validation import check
from fastsoftmax._validation.columns import by_column
from fastsoftmax._validation.sparse import features, require_finite
from fastsoftmax._validation.targets import as_table
from fastsoftmax.blocks import Blocks, Scan


class GivenRows(NamedTuple):
    """What is fitted."""

    given: ArrayLike  # X as it came, or a block of it
    data: Data
    y: ArrayLike | None
    weights: NDArray[np.float64] | None
    feature_scale: NDArray | None
    require_finite: Callable[[], None]  # raises for what is not
    scan: Scan | None = None  # of blocks

    def require_spread(self, means: NDArray, deviations: NDArray) -> None:
        """Raise where features, of these moments, are not finite or too far apart."""
        if not check.has_spread(means, deviations).all():
            self.require_finite()
            check.spread(means, deviations)


def rows_of(
    X: MatrixLike | Blocks,
    y: MatrixLike | None,
    sample_weight: ArrayLike | None,
    n_threads: int,
    feature_scale: object,
) -> GivenRows:
    """Arrays, or blocks, ready to be fitted."""
    if isinstance(X, Blocks):
        check_blocks.nothing_else(y, "y")
        check_blocks.nothing_else(sample_weight, "sample_weight")
        scan = X.scan()
        scale = by_column(feature_scale, scan.first, "feature_scale")
        scale = check.feature_scale(scale, scan.shape[1])
        data = _data_of_blocks(X, scan, n_threads, scale)
        check.usable_sum(scan.weights)
        return GivenRows(scan.first, data, scan.y, scan.weights, scale, X.require_finite, scan)
    array = features(X)
    scale = by_column(feature_scale, X, "feature_scale")
    scale = check.feature_scale(scale, array.shape[1])
    weights = check.weights(sample_weight, array.shape[0], np.dtype(np.float64))
    check.usable_sum(weights)
    data = data_of(dense_if_small(array), n_threads, scale)
    return GivenRows(X, data, as_table(y), weights, scale, lambda: require_finite(array))


def _data_of_blocks(
    X: Blocks, scan: Scan, n_threads: int, feature_scale: NDArray | None
) -> DenseBlocks | SparseBlocks:
    """As `data_of`."""
    parts = scan.shape, scan.dtype, scan.nbytes, n_threads
    if not scan.is_sparse:
        return DenseBlocks(lambda: X.features(scan), *parts, feature_scale=feature_scale)
    if better_dense(scan.shape, scan.dtype, scan.nbytes):
        dense = lambda: (block.toarray() for block in X.features(scan))  # noqa: E731
        return DenseBlocks(dense, *parts, feature_scale=feature_scale)
    data = SparseBlocks(lambda: X.features(scan), *parts, nnz=scan.nnz)
    return data if feature_scale is None else data.scaled(feature_scale)
