"""A line on stored logits, with an L1 penalty along it."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import StoredLogits
from fastsoftmax._engine.line_search.line import StoredLine
from fastsoftmax._engine.line_search.phi import Trial


class PenalisedLine(StoredLine):
    """`value` is F, `gradient` its subgradient of least norm.

    `smooth` is the gradient of F without the L1 part; `places` are those of θ where `gradient` or θ
    is not 0.
    """

    def _evaluate_gradient(self, t: float | None = None) -> None:
        self._probabilities = None
        smooth_value, self.smooth = self._objective.value_and_grad(self.theta, self._all_rows, t)
        self._penalty, self.gradient = self._objective.l1.subgradient(self.smooth, self.theta)
        self.value = smooth_value + self._penalty
        self.places = np.flatnonzero((self.gradient != 0) | (self.theta != 0))

    def relabel(self, theta: NDArray) -> None:
        """Take another θ of the same probabilities."""
        self.theta = theta
        self._evaluate_gradient()

    def set_direction(self, direction: NDArray) -> None:
        at = np.flatnonzero(direction)
        self._along = self.theta[at], direction[at], self._objective.l1.thresholds(at)
        v, _, thresholds = self._along
        self._still = self._penalty - float(np.sum(thresholds * np.abs(v)))
        super().set_direction(direction)

    def evaluate(self, t: float) -> Trial:
        """φ at t; of its slopes to both sides, where it has a kink, the one between that is nearest
        to 0."""
        smooth, (v, d, thresholds) = super().evaluate(t), self._along
        w = v + t * d
        value = smooth.value + self._still + float(np.sum(thresholds * np.abs(w)))
        slope = smooth.slope + float(np.sum(thresholds * np.sign(w) * d))
        jump = float(np.sum(np.where(w == 0, thresholds * np.abs(d), 0.0)))
        return Trial(value, slope - float(np.clip(slope, -jump, jump)), smooth.curvature)

    def scratch(self) -> StoredLogits:
        """Of the logits' size, until the next `set_direction`."""
        return self._all_rows.change

    def estimated_gap(self) -> float:
        """A bound on F - F* that holds if what is not penalised is optimal, without a pass.

        KL(y + α(p - y) ‖ p) is convex in α, 0 at 1 and at most the loss of the row at 0.
        """
        o = self._objective
        weights = o.l1.weights(self.theta, self.smooth, np.zeros(o.size), o.penalty)
        loss = self.value - weights.value
        return weights.gap(loss, lambda alpha: (1 - alpha) * loss, 0.0).bound
