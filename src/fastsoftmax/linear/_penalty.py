"""What a penalty is taken of: features in units in which all are penalised alike, or the rows."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import Data, RowSpace, SparseBlocks, SparseData, row_space
from fastsoftmax.linear._targets import Targets

# The Gram matrix of n rows takes n² D / 2 multiply-adds, a pass over X 2 n D K, and where the
# penalty is strong a fit takes few passes. Time without a row space over that with it, one thread,
# C = 1e-3: 40 x 768 (K = 5) 2.9, 200 x 1000 (3) 1.3, 512 x 4096 (2) 0.98, 1000 x 5000 (3) 0.5,
# 60 x 130 (3) 0.6.
WIDE = 4  # times as many features as rows
ROWS, ROWS_PER_LOGIT = 256, 16  # at most
FEW_ROWS = 64  # of a sparse X, or no more than its rows have entries on average
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
    if d < WIDE * n or n > ROWS + ROWS_PER_LOGIT * targets.n_logits or is_free:
        return None
    if isinstance(data, SparseData | SparseBlocks) and n > FEW_ROWS and n**2 > data.nnz:
        return None
    budget = max(512 << 20, data.nbytes // 4) if max_memory is None else max_memory
    if 48 * n**2 > SHARE * budget:  # XXᵀ, Q as combinations of rows, and the rows in it
        return None
    data = data if units is None else data.scaled(units)
    return row_space(data, targets.weights, fit_intercept, SHARE * budget)
