"""What a penalty is taken of: units of the features in which all are penalised alike."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import BlocksData, DenseData, SparseData

FREE = 1e-9  # the factor of features that are said to be free: of no weight beside others


def penalised_units(
    data: BlocksData | DenseData | SparseData,
    weights: NDArray | None,
    factors: NDArray | None,
    l1_ratio: float,
    standardize: bool,
) -> NDArray[np.float64] | None:
    """Numbers s (D,) such that the plain penalty of W / s is the one that is wanted; None for 1.

    Standardised features are x / σ, their weights Wσ; a factor f of a feature in the penalty is one
    of √f of its weights in their squares, of f in their absolute values.
    """
    if not standardize and factors is None:
        return None
    units = np.ones(data.shape[1])
    if standardize:
        w = None if weights is None else np.ascontiguousarray(weights, data.dtype)
        means, variances = data.moments(w)
        rounding = 8 * float(np.finfo(data.dtype).eps) * np.abs(means)
        deviations = np.sqrt(np.maximum(variances, 0))
        units /= np.where(deviations > rounding, deviations, 1.0)
    if factors is not None:
        units /= np.maximum(factors, FREE) ** (1.0 if l1_ratio else 0.5)
    return units
