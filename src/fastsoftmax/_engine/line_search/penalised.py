"""An iterate with an L1 penalty, and φ with its kinks."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import StoredLogits
from fastsoftmax._engine.line_search.phi import Trial
from fastsoftmax._engine.line_search.stored import StoredIterate, StoredLine


class PenalisedLine(StoredLine):
    """φ with kinks, where weights change their signs."""

    def __init__(self, iterate: "PenalisedIterate", direction: NDArray, parabola: NDArray) -> None:
        super().__init__(iterate, direction, parabola)
        at = np.flatnonzero(direction)
        thresholds = iterate.objective.l1.thresholds(at)
        self._along = iterate.theta[at], direction[at], thresholds
        moving = float(np.sum(thresholds * np.abs(iterate.theta[at])))
        self._still = iterate.penalty - moving  # that of weights that do not change

    def evaluate(self, t: float) -> Trial:
        """φ at t; where φ has a kink, the subgradient nearest to 0 is taken for its slope."""
        smooth, (v, d, thresholds) = super().evaluate(t), self._along
        w = v + t * d
        value = smooth.value + self._still + float(np.sum(thresholds * np.abs(w)))
        slope = smooth.slope + float(np.sum(thresholds * np.sign(w) * d))
        jump = float(np.sum(np.where(w == 0, thresholds * np.abs(d), 0.0)))
        return Trial(value, slope - float(np.clip(slope, -jump, jump)), smooth.curvature)


class PenalisedIterate(StoredIterate):
    """`value` is F, `gradient` its subgradient of least norm.

    `smooth` is the gradient of F without the L1 part; `places` are those of θ where `gradient` or θ
    is not 0.
    """

    line_type = PenalisedLine

    def _arrive(self, theta: NDArray, value: float, gradient: NDArray) -> None:
        self.smooth = gradient
        self.penalty, subgradient = self.objective.l1.subgradient(gradient, theta)
        super()._arrive(theta, value + self.penalty, subgradient)
        self.places = np.flatnonzero((subgradient != 0) | (theta != 0))

    def relabel(self, theta: NDArray) -> None:
        """Take another θ of the same probabilities."""
        self._arrive(theta, *self.evaluate(theta))

    def scratch(self) -> StoredLogits:
        """Memory of the logits' size, free until the next `line`."""
        return self.all_rows.change

    def estimated_gap(self) -> float:
        """A bound on F - F* that holds if what is not penalised is optimal, without a pass.

        KL(y + α(p - y) ‖ p) is convex in α, 0 at 1 and at most the loss of the row at 0.
        """
        o = self.objective
        weights = o.l1.weights(self.theta, self.smooth, np.zeros(o.size), o.penalty)
        loss = self.value - weights.value
        return weights.gap(loss, lambda alpha: (1 - alpha) * loss, 0.0).bound
