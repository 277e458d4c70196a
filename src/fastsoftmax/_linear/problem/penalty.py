"""What a penalty is taken of: features in units in which all are penalised alike, or the rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, RowSpace, column_space, row_space
from fastsoftmax._linear.problem.targets import Targets
from fastsoftmax._runtime.memory_budget import MemoryBudget

# The Gram matrix of n rows takes n² D / 2 multiply-adds, a pass over X 2 n D K, and where the
# penalty is strong a fit takes few passes: docs/experiments/0032-row-space.md
WIDE = 2  # times as many features as rows
ROWS, ROWS_PER_LOGIT = 256, 16  # at most
FEW_ROWS = 64  # of a sparse X, or no more than its rows have entries on average
ALIKE = 1e3  # of means, in deviations: in products of two such features 6 of 16 digits cancel
SMALL = 1e8  # multiply-adds of an accurate basis, up to which features are asked whether they are


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
    memory: MemoryBudget,
) -> RowSpace | None:
    """Where an L2 penalty lets a fit be made in the row space, and that pays; else None.

    Not where a feature is free: its weight is not held to the rows by a penalty. Large means
    without an intercept make all features alike: in an accurate basis they are one of its.
    """
    n, d = data.shape
    few = n <= ROWS + ROWS_PER_LOGIT * targets.n_logits
    if penalised.free is not None:
        return None
    alike = not fit_intercept and n * d * min(n, d) <= SMALL and are_alike(data, targets.weights)
    if not alike and (d < WIDE * n or not few):
        return None
    if data.is_sparse and n > FEW_ROWS and n**2 > data.nnz:
        return None
    if 48 * n**2 > memory.row_space:  # XXᵀ, Q as combinations of rows, and the rows in it
        return None
    data = data if penalised.units is None else data.scaled(penalised.units)
    return row_space(data, targets.weights, fit_intercept, memory.row_space, accurate=alike)


def column_space_of(
    data: Data,
    targets: Targets,
    penalised: Penalised,
    features: NDArray[np.intp],
    fit_intercept: bool,
    memory: MemoryBudget,
) -> RowSpace | None:
    """X with features that have no penalty in a basis of their columns, where these depend on each
    other; else None."""
    n, d = data.shape
    if not 0 < len(features) < n or n * d * len(features) > SMALL or 32 * n * d > memory.row_space:
        return None
    data = data if penalised.units is None else data.scaled(penalised.units)
    return column_space(data, features, targets.weights, fit_intercept)


def are_alike(data: Data, weights: NDArray | None) -> bool:
    """Whether some features hardly differ but for their size, all their values being nearly one."""
    means, deviations = data.moments(weights)
    with np.errstate(over="ignore"):
        return int(np.count_nonzero(np.abs(means) > ALIKE * deviations)) > 1
