"""What a penalty is taken of: features in units in which all are penalised alike, or the rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import Data, RowSpace, row_space
from fastsoftmax.linear._targets import Targets

MOST_ROWS = 1024  # of which a row space is told: their Gram matrix takes n² D multiply-adds
SHARE = 0.3  # of the memory budget for the features in the row space
TINY = 1e-9  # the factor of features that an L1 penalty leaves free: of no weight beside others


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
    if l1:
        roots = np.sqrt(np.maximum(factors, TINY))
        return Penalised(units / roots, roots)
    free = factors == 0
    roots = np.sqrt(np.where(free, 1.0, factors))
    return Penalised(units / roots, None, free if free.any() else None)


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
    if n >= d or n > MOST_ROWS or penalised.free is not None:
        return None
    budget = max(512 << 20, data.nbytes // 4) if max_memory is None else max_memory
    if 48 * n**2 > SHARE * budget:  # XXᵀ, Q as combinations of rows, and the rows in it
        return None
    data = data if penalised.units is None else data.scaled(penalised.units)
    return row_space(data, targets.weights, fit_intercept, SHARE * budget)
