"""A start where offsets lie far apart.

Nearly all rows are then predicted with certainty, rightly or not: F is made of pieces that are
linear but for rounding, and has no curvature to tell Newton's step. So we first minimise F with
softer losses, τ CE(z / τ), from a τ on at which no offset is large, down to 1: each optimum is near
the next. With φ = θ / τ such an F is τ times an objective of offsets / τ and of a ridge times τ.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._engine.objective import Objective
from fastsoftmax._linear.problem.problem import Problem


@dataclass(frozen=True)
class FarOffsetRules:
    """How losses are softened beside large offsets (docs/experiments/0087-far-offsets.md).

    Which offsets are large is said by `EndingRules.large_offset`, of distances from the median.
    """

    farthest: float = 1e13  # beyond it logits are rounded to more than 0.001
    softest: float = 30.0  # the largest offset of the softest losses
    ratio: float = 4.0  # of one τ to the next
    tol: float = 1e-3  # of the fits of softened losses
    max_iter: int = 100


USUAL = FarOffsetRules()


def start_beside(
    problem: Problem, C: float, objective: Objective, theta: NDArray, rules: FarOffsetRules = USUAL
) -> NDArray:
    """Where to begin instead of θ, if offsets lie far apart; else θ."""
    spread = spread_of(problem)
    if not problem.options.endings.large_offset < spread < rules.farthest:
        return theta
    n = int(np.ceil(np.log(spread / rules.softest) / np.log(rules.ratio)))
    options = replace(problem.options, tol=rules.tol, max_iter=rules.max_iter)
    for tau in rules.ratio ** np.arange(n, 0, -1.0):
        softened = softer(problem, C, tau, objective)
        solver = solvers.find("auto", softened)
        found = solver.minimize(softened, theta / tau, options)
        if np.isfinite(found.value):
            theta = tau * np.asarray(found.theta, np.float64)
        objective.passes.count += found.n_passes
    return theta


def softer(problem: Problem, C: float, tau: float, like: Objective) -> Objective:
    """1 / τ of F with losses τ CE(z / τ), as a function of θ / τ."""
    r = problem.l1_ratio
    strength = tau * (1 - r) + r
    other = problem._replace(offset=problem.offset / tau, l1_ratio=r / strength)
    return other.objective(C / strength, like=like)


def spread_of(problem: Problem) -> float:
    """The largest distance of an offset from the median of its column, of rows that count."""
    offset, weights = problem.offset, problem.targets.weights
    if not isinstance(offset, np.ndarray):
        return 0.0
    if weights is not None:
        offset = offset[weights > 0]
    return float(np.abs(offset - np.median(offset, axis=0)).max(initial=0))
