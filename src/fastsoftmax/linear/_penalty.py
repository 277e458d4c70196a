"""What a penalty is taken of: features in units in which all are penalised alike, or the rows."""

from collections.abc import Callable
from typing import NamedTuple

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


class Penalised(NamedTuple):
    """Units of the features, and what differs between them in these."""

    units: NDArray[np.float64] | None = None  # (D,) s such that W / s has a plain L2 penalty
    l1_factors: NDArray[np.float64] | None = None  # (D,) of its absolute values in an L1 penalty
    free: NDArray[np.bool_] | None = None  # (D,) of no penalty at all; None if there are none


def penalised_units(
    data: Data,
    weights: NDArray | None,
    factors: NDArray | None,
    standardize: bool,
    l1: bool,
    require_spread: Callable[[NDArray, NDArray], None],
) -> Penalised:
    """What the penalty is taken of.

    Standardised features are x / σ, their weights Wσ; with a factor f of a feature in the penalty
    f w²σ² = (√f wσ)², f |wσ| = √f |√f wσ|.
    """
    if not standardize and factors is None:
        return Penalised()
    units = np.ones(data.shape[1])
    if standardize:
        means, deviations = data.moments(weights)
        require_spread(means, deviations)
        units /= np.where(deviations > 0, deviations, 1.0)
    if factors is None:
        return Penalised(units)
    free = factors == 0
    roots = np.sqrt(np.where(free, 1.0, factors))
    l1_factors = np.where(free, 0.0, roots) if l1 else None
    return Penalised(units / roots, l1_factors, free if free.any() else None)


def row_space_of(
    data: Data,
    targets: Targets,
    penalised: Penalised,
    fit_intercept: bool,
    max_memory: int | None,
) -> RowSpace | None:
    """Where an L2 penalty lets a fit be made in the row space, and that pays; else None.

    Not where a feature is free: its weight is not held to the rows by a penalty.
    """
    n, d = data.shape
    few = n <= ROWS + ROWS_PER_LOGIT * targets.n_logits
    if d < WIDE * n or not few or penalised.free is not None:
        return None
    if isinstance(data, SparseData | SparseBlocks) and n > FEW_ROWS and n**2 > data.nnz:
        return None
    budget = max(512 << 20, data.nbytes // 4) if max_memory is None else max_memory
    if 48 * n**2 > SHARE * budget:  # XXᵀ, Q as combinations of rows, and the rows in it
        return None
    data = data if penalised.units is None else data.scaled(penalised.units)
    return row_space(data, targets.weights, fit_intercept, SHARE * budget)
