"""What a penalty is taken of: features in units in which all are penalised alike, or the rows."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import Data, RowSpace, row_space
from fastsoftmax.linear._targets import Targets

MOST_ROWS = 1024  # of which a row space is told: their Gram matrix takes n² D multiply-adds
SHARE = 0.3  # of the memory budget for the features in the row space
FREE = 1e-9  # the factor of features that are said to be free: of no weight beside others


def penalised_units(
    data: Data,
    weights: NDArray | None,
    factors: NDArray | None,
    standardize: bool,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Numbers s (D,) such that W / s has the plain L2 penalty that is wanted; None for 1.

    And factors of its absolute values in an L1 penalty. Standardised features are x / σ, their
    weights Wσ; with a factor f of a feature in the penalty f w²σ² = (√f wσ)², f |wσ| = √f |√f wσ|.
    """
    if not standardize and factors is None:
        return None, None
    units = np.ones(data.shape[1])
    if standardize:
        w = None if weights is None else np.ascontiguousarray(weights, data.dtype)
        means, variances = data.moments(w)
        rounding = 8 * float(np.finfo(data.dtype).eps) * np.abs(means)
        deviations = np.sqrt(np.maximum(variances, 0))
        units /= np.where(deviations > rounding, deviations, 1.0)
    if factors is None:
        return units, None
    roots = np.sqrt(np.maximum(factors, FREE))
    return units / roots, roots


def row_space_of(
    data: Data,
    targets: Targets,
    units: NDArray | None,
    factors: NDArray | None,
    fit_intercept: bool,
    max_memory: int | None,
) -> RowSpace | None:
    """Where an L2 penalty lets a fit be made in the row space, and that pays; else None.

    Not where a feature is free: its weight is not held to the rows by a penalty.
    """
    n, d = data.shape
    is_free = factors is not None and not factors.all()
    if n >= d or n > MOST_ROWS or is_free:
        return None
    budget = max(512 << 20, data.nbytes // 4) if max_memory is None else max_memory
    if 48 * n**2 > SHARE * budget:  # XXᵀ, Q as combinations of rows, and the rows in it
        return None
    data = data if units is None else data.scaled(units)
    return row_space(data, targets.weights, fit_intercept, SHARE * budget)
