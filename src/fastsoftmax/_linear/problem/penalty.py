"""What a penalty is taken of: features in units in which all are penalised alike, or the rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, RowSpace, column_space, row_space
from fastsoftmax._engine.objective import Penalised
from fastsoftmax._linear.problem.targets import Targets
from fastsoftmax._runtime.memory_budget import MemoryBudget


@dataclass(frozen=True)
class BasisRules:
    """Where a basis of the rows, or of the columns, pays.

    The Gram matrix of n rows takes n² D / 2 multiply-adds, a pass over X 2 n D K, and where the
    penalty is strong a fit takes few passes (docs/experiments/0032-row-space.md).
    """

    wide: int = 2  # times as many features as rows, at least
    rows: int = 256  # at most, and so many more
    rows_per_logit: int = 16
    few_rows: int = 64  # of a sparse X, or no more than its rows have entries on average
    alike: float = 1e3  # of means, in deviations: of products 6 of 16 digits cancel
    work: float = 1e8  # multiply-adds of an accurate basis, at most: some ten milliseconds


USUAL = BasisRules()


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
    rules: BasisRules = USUAL,
) -> RowSpace | None:
    """Where an L2 penalty lets a fit be made in the row space, and that pays; else None.

    Not where a feature is free: its weight is not held to the rows by a penalty. Large means
    without an intercept make all features alike: in an accurate basis they are one of its.
    """
    n, d = data.shape
    few = n <= rules.rows + rules.rows_per_logit * targets.n_logits
    if penalised.free is not None:
        return None
    alike = not fit_intercept and n * d * min(n, d) <= rules.work
    alike = alike and are_alike(data, targets.weights, rules.alike)
    if not alike and (d < rules.wide * n or not few):
        return None
    if data.is_sparse and n > rules.few_rows and n**2 > data.nnz:
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
    rules: BasisRules = USUAL,
) -> RowSpace | None:
    """X with features that have no penalty in a basis of their columns, where these depend on each
    other; else None."""
    n, d = data.shape
    work = n * d * len(features)
    if not 0 < len(features) < n or work > rules.work or 32 * n * d > memory.row_space:
        return None
    data = data if penalised.units is None else data.scaled(penalised.units)
    return column_space(data, features, targets.weights, fit_intercept)


def are_alike(data: Data, weights: NDArray | None, most: float) -> bool:
    """Whether some features hardly differ but for their size: their means are more than so many
    deviations."""
    means, deviations = data.moments(weights)
    with np.errstate(over="ignore"):
        return int(np.count_nonzero(np.abs(means) > most * deviations)) > 1
