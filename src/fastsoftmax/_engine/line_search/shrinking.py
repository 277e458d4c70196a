"""Shrinking: passes leave out rows whose loss hardly changes (Joachims 1999, as in LIBLINEAR).

With a weak penalty and nearly separable classes most rows become confidently predicted, and their
residuals p - y vanish. Such rows become inactive: their loss is replaced by its tangent, so that
only their curvature is lost. At intervals, and before a solver stops, F is evaluated on all rows.
Rows of weight 0, such as those that a CV fold leaves out, are inactive from the start; other rows
are not where the weights start at 0.

A row may become inactive if its curvature, at most |p - y|·‖x - μ‖², is far below the penalty's,
which then holds its weights about as well. But a row with rare features is alone in determining
their weights, and its logits change most: the longer a row is, in features of unit variance, the
smaller its residual must be. Measurements: docs/experiments/0025-shrinking.md.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import StoredLogits
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search.rules import ShrinkingRules
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.precision import spare_bytes
from fastsoftmax._engine.objective.rows import Part, Rows


class ActiveRows(Part):
    """A copy of the active rows."""

    def __init__(self, objective: Objective, mask: NDArray[np.bool_]) -> None:
        o = objective
        self._mask, self._at = mask, np.flatnonzero(mask)
        weights = None if o.weights is None else o.weights[self._at]
        rows = Rows(o.data.rows(self._at), o.targets[self._at], weights, o.penalty)
        super().__init__(o.loss, rows)

    def others(self, objective: Objective) -> Rows:
        """All rows, the active ones with weight 0, without a penalty.

        What they add to F is computed by itself: F less that of the active rows would be the
        rounding of an F that may yet fall by orders of magnitude.
        """
        o = objective
        weights = np.ones(len(self._mask), o.data.dtype) if o.weights is None else o.weights.copy()
        weights[self._mask] = 0
        return Rows(o.data, o.targets, weights, 0.0)

    def serves(self, active: NDArray[np.bool_], least: float) -> bool:
        """Whether the copy holds all active rows, which are at least such a share of its rows."""
        return not (active & ~self._mask).any() and active.sum() >= least * len(self._at)

    def read(self, all_rows: StoredLogits) -> None:
        """Their logits from those of all rows."""
        size = all_rows.tiles.shape[2]
        self.logits.put(all_rows.tiles[self._at // size, :, self._at % size])

    def write(self, all_rows: StoredLogits) -> None:
        """Their logits into those of all rows."""
        size = all_rows.tiles.shape[2]
        all_rows.tiles[self._at // size, :, self._at % size] = self.logits.table()


class Tangent:
    """The tangent to the loss of the inactive rows, at a θ where F of all rows is known."""

    def __init__(self, theta: NDArray, total: float, value: float, gradient: NDArray) -> None:
        self.theta, self.total = theta.copy(), total
        self._value, self.gradient = value, gradient

    def evaluate(self, theta: NDArray) -> float:
        return self._value + dot(self.gradient, theta - self.theta)

    def along(self, theta: NDArray, direction: NDArray) -> tuple[float, float, float]:
        """Coefficients of (1, 2t, t²) on the way from θ."""
        return self.evaluate(theta), dot(self.gradient, direction) / 2, 0.0


class Shrinking:
    """Decides which rows are active, and for how long."""

    def __init__(self, objective: Objective, theta: NDArray, rules: ShrinkingRules) -> None:
        self._objective, self._rules = objective, rules
        self._active: ActiveRows | None = None
        self._lengths: NDArray[np.float64] | None = None
        self._always_active = np.zeros(objective.data.shape[0], bool)
        at_zero = objective.weights is None and not objective.parameters.split(theta)[0].any()
        self._check_interval, self.steps = rules.check_interval if at_zero else 0, 0
        self.failed_checks = 0

    @cached_property
    def _threshold(self) -> float:
        return residual_threshold(self._objective, self._rules)

    @property
    def due(self) -> bool:
        return (
            self.steps >= self._check_interval
            and self.failed_checks < self._rules.most_failed_checks
        )

    def reactivate(self, logits: StoredLogits) -> None:
        """Rows above the threshold at these logits, where F has risen, stay active for good."""
        o = self._objective
        self.failed_checks += 1
        self._always_active |= (
            logits.residuals(o.targets, o.weights) > self._threshold**self._lengths
        )

    def choose(self, logits: StoredLogits) -> ActiveRows | None:
        """The active rows at the logits of all rows; None where these are too many."""
        o, rules, before = self._objective, self._rules, self._active
        self.steps, self._check_interval, self._active = 0, rules.check_interval, None
        if not self._threshold:
            return None
        residuals = logits.residuals(o.targets, o.weights)
        if np.count_nonzero(residuals > self._threshold) > rules.most_active * len(residuals):
            return None
        if self._lengths is None:
            self._lengths = np.maximum(1, o.lengths())
        active = (residuals > self._threshold**self._lengths) | self._always_active
        if before is not None and before.serves(active, rules.most_active):
            self._check_interval = min(2 * self._check_interval, rules.longest_interval)
            self._active = before
            return before
        kept = (residuals > self._threshold ** (rules.margin * self._lengths)) | self._always_active
        share = np.count_nonzero(kept) / len(kept)
        if 0 < share <= rules.most_active and share * o.data.nbytes <= spare_bytes(o):
            self._active = ActiveRows(o, kept)
        return self._active


def residual_threshold(objective: Objective, rules: ShrinkingRules) -> float:
    """The residual below which a row of typical length may become inactive; 0 where none may."""
    o = objective
    if not hasattr(o.data, "X") or o.parameters.spread is None or len(o.free):
        return 0.0
    spread = float(np.sum(o.parameters.spread))
    if not spread > 0:
        return 0.0
    return min(rules.curvature * o.penalty * o.data.shape[0] / spread, rules.largest_residual)
