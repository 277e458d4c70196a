"""Weights with a penalty, and what they add to the duality gap at a point of the dual problem.

A weight w has the penalty λ|w| + ½μw², and v is the gradient of the loss by it with probabilities a
in place of the model's. By Fenchel's inequality (Boyd & Vandenberghe, Convex Optimization, 3.3.2)
w adds

    λ|w| + ½μw² + vw + (|v| - λ)₊² / (2μ) >= 0.

With μ = 0 the last term is 0 where |v| <= λ and infinite elsewhere. Therefore a is moved towards
the labels y, to y + α(a - y), and v to αv, α = min(1, λ / max|v|) (Kim, Koh, Lustig, Boyd &
Gorinevsky 2007, for linear models). All of it holds of groups of weights, with their norms and
inner products.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective import group_norms
from fastsoftmax._engine.objective.group_norms import Groups

Table = NDArray[np.float64]


class Gap(NamedTuple):
    """A bound on F - F*, and what rounding alone makes of it."""

    bound: float
    rounding: float


class PenalisedWeights(NamedTuple):
    """Weights in the units in which the ridge is that of all.

    With an L1 penalty those alone that add to the gap or change by the step.
    """

    weights: Table
    gradient: Table  # v
    step: Table
    sizes: Callable[[], Table]  # weighted root mean squares of their features,
    squared_sizes: Callable[[], float]  # and the sum of their squares, which is found faster
    variations: Callable[[], Table]  # their deviations, where these are known
    ridge: float  # μ
    lasso: Table | None  # λ, > 0
    groups: Groups = None  # in which they are penalised

    @property
    def value(self) -> float:
        """The penalty."""
        return self.of_lasso + squares(self.ridge, self.weights)

    @property
    def of_lasso(self) -> float:
        """The part of the penalty on absolute values."""
        if self.lasso is None:
            return 0.0
        return group_norms.total(self.lasso * self.weights, self.groups)

    def gap(self, loss: float, divergence: Callable[[float], float], error: float) -> Gap:
        """F - F* at most, from the mean loss and, as a function of α, the mean divergence.

        The error times the sizes is what v may be off by.
        """
        w, v, mu = self.weights, self.gradient, self.ridge
        if not w.size:
            return Gap(divergence(1.0), 0.0)
        if mu:
            within = self._within()
            of_squares = np.square(mu * w + (v - within)).sum() / (2 * mu)
            rounding = error**2 * self.squared_sizes() / (2 * mu)
            of_weights = self._at_kinks(within) + (np.sqrt(of_squares) + np.sqrt(rounding)) ** 2
            return Gap(divergence(1.0) + float(of_weights), rounding)
        if self.lasso is None:
            return Gap(np.inf, np.inf)
        errors = error * self.sizes()
        slopes, of_errors = (group_norms.norms(x / self.lasso, self.groups) for x in (v, errors))
        alpha = 1 / max(1.0, float(np.max(slopes + of_errors)))
        of_weights = self.of_lasso + alpha * np.sum(v * w + errors * np.abs(w))
        bound = divergence(alpha) + max(float(of_weights), 0.0)
        return Gap(bound, float(np.max(of_errors)) * (loss + self.value))

    def residual(self) -> Table:
        """What the step leaves of the conditions of optimality, v being linear in the step."""
        return self.gradient + self.ridge * (self.weights + self.step) - self._pull()

    def decrease(self) -> float:
        """By how much the penalty, and the linear part of the loss, fall along Newton's step."""
        return self._at_kinks(self._pull()) + squares(self.ridge, self.step)

    def _within(self) -> Table | float:
        """v, as far as |v| <= λ."""
        if self.lasso is None:
            return 0.0
        return group_norms.within(self.gradient, self.lasso, self.groups)

    def _pull(self) -> Table | float:
        """-λ times the subgradient of the norm, where the step leads."""
        if self.lasso is None:
            return 0.0
        there = self.weights + self.step
        is_zero = group_norms.norms(there, self.groups) == 0
        pull = -self.lasso * group_norms.unit(there, self.groups)
        return np.where(is_zero, self._within(), pull)

    def _at_kinks(self, pull: Table | float) -> float:
        """Σ λ|w| + w·pull, of which each group adds something >= 0."""
        if self.lasso is None:
            return 0.0
        slopes = self.lasso * group_norms.unit(self.weights, self.groups)
        return max(0.0, float(np.sum(self.weights * slopes + self.weights * pull)))


def unseen_residual(ridge: float, value: float, count: int) -> float:
    """A residual that adds less to the bound, in each of so many weights, than F is rounded by."""
    return float(np.sqrt(2 * ridge * np.finfo(float).eps * max(value, 0.0) / max(count, 1)))


def squares(ridge: float, W: Table) -> float:
    """½ μ ‖W‖², 0 without a penalty even where the squares overflow."""
    return 0.5 * ridge * float(np.square(W).sum()) if ridge else 0.0
