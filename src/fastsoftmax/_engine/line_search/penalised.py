"""An iterate with an L1 penalty, and φ with its kinks."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import StoredLogits
from fastsoftmax._engine.line_search.phi import Trial
from fastsoftmax._engine.line_search.stored import StoredIterate, StoredLine
from fastsoftmax._engine.objective import group_norms


class PenalisedLine(StoredLine):
    """φ with kinks, where weights change their signs, or groups of them are 0."""

    def __init__(self, iterate: "PenalisedIterate", direction: NDArray, parabola: NDArray) -> None:
        super().__init__(iterate, direction, parabola)
        l1 = iterate.objective.l1
        at, groups = l1.touched(direction)
        thresholds = l1.thresholds(at)
        self._along = thresholds * iterate.theta[at], thresholds * direction[at], groups
        # that of weights that do not change
        self._still = iterate.penalty - group_norms.total(self._along[0], groups)

    def evaluate(self, t: float) -> Trial:
        """φ at t; where φ has a kink, the subgradient nearest to 0 is taken for its slope."""
        smooth, (v, d, groups) = super().evaluate(t), self._along
        w = v + t * d
        lengths, units = group_norms.norms(w, groups), group_norms.unit(w, groups)
        value = smooth.value + self._still + float(np.sum(units * w))
        slope = smooth.slope + float(np.sum(units * d))
        jump = group_norms.total(np.where(lengths == 0, d, 0.0), groups)
        curvature = smooth.curvature
        if groups is not None:
            across = d - units * group_norms.inner(units, d, groups)
            curvature += float(np.sum(group_norms.divided(across * d, lengths)))
        return Trial(value, slope - float(np.clip(slope, -jump, jump)), curvature)


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
