"""The rows that an estimator is given: features, labels and weights, checked."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import _validation as check
from fastsoftmax import _validation_blocks as check_blocks
from fastsoftmax._typing import MatrixLike
from fastsoftmax._validation_sparse import features
from fastsoftmax._validation_targets import as_table
from fastsoftmax.blocks import Blocks
from fastsoftmax.data import BlocksData, DenseData, SparseData, data_of, dense_if_small


class Rows(NamedTuple):
    """What is fitted."""

    given: ArrayLike  # X as it came, or a block of it
    data: BlocksData | DenseData | SparseData
    y: ArrayLike | None
    weights: NDArray[np.float64] | None
    feature_scale: NDArray | None
    require_finite: Callable[[], None]  # raises for what is not


def rows_of(
    X: MatrixLike | Blocks,
    y: MatrixLike | None,
    sample_weight: ArrayLike | None,
    n_threads: int,
    feature_scale: object,
) -> Rows:
    """Arrays, or blocks, ready to be fitted."""
    if isinstance(X, Blocks):
        check_blocks.nothing_else(y, "y")
        check_blocks.nothing_else(sample_weight, "sample_weight")
        scan = X.scan()
        scale = check.feature_scale(feature_scale, scan.shape[1])
        data = BlocksData(
            lambda: X.features(scan), scan.shape, scan.dtype, n_threads, feature_scale=scale
        )
        return Rows(scan.first, data, scan.y, scan.weights, scale, X.require_finite)
    array = features(X)
    scale = check.feature_scale(feature_scale, array.shape[1])
    weights = check.weights(sample_weight, array.shape[0], np.dtype(np.float64))
    data = data_of(dense_if_small(array), n_threads, scale)
    return Rows(X, data, as_table(y), weights, scale, lambda: check.require_finite(array))
