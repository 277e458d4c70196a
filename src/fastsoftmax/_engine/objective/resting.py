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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, StoredLogits
from fastsoftmax._engine.linalg import dot, empty

if TYPE_CHECKING:
    from fastsoftmax._engine.objective.objective import Objective

CURVATURE = 0.01  # of the penalty's, that a row at rest may have
SURE = 1e-3  # a residual above which no row rests
WAKING = 1.1  # times the logarithm: a row is kept as awake before it is
MANY = 0.7  # of the rows: with more awake nothing is left out
CHECK_INTERVAL = 24  # steps before all rows are evaluated again, twice as many if none woke, up to
LONGEST_INTERVAL = 96
DOUBTS = 3  # checks that show F risen, or a solver that it is not there yet, after which none rests


class Rows(NamedTuple):
    """Rows to sum the loss over; without targets what is stored stands for their residuals."""

    data: Data
    targets: NDArray | None
    weights: NDArray | None
    ridge: float  # that goes with them


class Part:
    """Rows, and room for their logits and the change of these along a line.

    The memory of the logits in the precision of X holds both in float32, and is handed on: new
    memory costs more than what is written to it.
    """

    def __init__(self, objective: "Objective", rows: Rows, before: "Part | None" = None) -> None:
        self.rows = rows
        size = objective.logits_bytes(rows.data.shape[0])
        self.memory = empty(size, np.uint8) if before is None else before.memory
        self.logits = objective.logits_of(rows.data, self.memory)
        self.change = objective.logits_of(rows.data, self.memory[self.logits.tiles.nbytes :])


class Awake(Part):
    """A copy of the rows that do not rest."""

    def __init__(self, objective: "Objective", mask: NDArray[np.bool_]) -> None:
        o = objective
        self._mask, self._at = mask, np.flatnonzero(mask)
        weights = None if o.weights is None else o.weights[self._at]
        super().__init__(o, Rows(o.data.rows(self._at), o.targets[self._at], weights, o.penalty))

    def others(self, objective: "Objective") -> Rows:
        """All rows, of which those awake weigh nothing, without a penalty.

        What these add to F is known by itself: F less that of the rows awake would be the rounding
        of an F that may yet fall by orders of magnitude.
        """
        o = objective
        weights = np.ones(len(self._mask), o.data.dtype) if o.weights is None else o.weights.copy()
        weights[self._mask] = 0
        return Rows(o.data, o.targets, weights, 0.0)

    def serves(self, awake: NDArray[np.bool_]) -> bool:
        """Whether the copy holds all rows that are awake, and not many others."""
        return not (awake & ~self._mask).any() and awake.sum() >= MANY * len(self._at)

    def read(self, whole: StoredLogits) -> None:
        """Their logits from those of all rows."""
        size = whole.tiles.shape[2]
        self.logits.put(whole.tiles[self._at // size, :, self._at % size])

    def write(self, whole: StoredLogits) -> None:
        """Their logits into those of all rows."""
        size = whole.tiles.shape[2]
        whole.tiles[self._at // size, :, self._at % size] = self.logits.table()


class Tangent:
    """Of the loss of the rows at rest, at a θ where F of all rows is known."""

    def __init__(self, theta: NDArray, total: float, value: float, gradient: NDArray) -> None:
        self.theta, self.total = theta.copy(), total
        self._value, self.gradient = value, gradient

    def evaluate(self, theta: NDArray) -> float:
        return self._value + dot(self.gradient, theta - self.theta)

    def along(self, theta: NDArray, direction: NDArray) -> tuple[float, float, float]:
        """Coefficients of (1, 2t, t²) on the way from θ."""
        return self.evaluate(theta), dot(self.gradient, direction) / 2, 0.0


class Rest:
    """Decides which rows rest, and for how long."""

    def __init__(self, objective: "Objective", theta: NDArray) -> None:
        self._objective = objective
        self._awake: Awake | None = None
        self._lengths: NDArray[np.float64] | None = None
        self._restless = np.zeros(objective.data.shape[0], bool)
        blind = objective.weights is None and not objective.parameters.split(theta)[0].any()
        self._check_interval, self.steps = CHECK_INTERVAL if blind else 0, 0
        self.doubts = 0

    @cached_property
    def _surest(self) -> float:
        return surest(self._objective)

    @property
    def due(self) -> bool:
        return self.steps >= self._check_interval and self.doubts < DOUBTS

    def rouse(self, logits: StoredLogits) -> None:
        """No row is to rest any more that is awake at these logits, where F has risen."""
        o = self._objective
        self.doubts += 1
        self._restless |= logits.residuals(o.targets, o.weights) > self._surest**self._lengths

    def choose(self, logits: StoredLogits) -> Awake | None:
        """The rows awake at the logits of all rows; None where these are too many."""
        o, before = self._objective, self._awake
        self.steps, self._check_interval, self._awake = 0, CHECK_INTERVAL, None
        if not self._surest:
            return None
        residuals = logits.residuals(o.targets, o.weights)
        if np.count_nonzero(residuals > self._surest) > MANY * len(residuals):
            return None
        if self._lengths is None:
            self._lengths = np.maximum(1, o.parameters.lengths())
        awake = (residuals > self._surest**self._lengths) | self._restless
        if before is not None and before.serves(awake):
            self._check_interval, self._awake = (
                min(2 * self._check_interval, LONGEST_INTERVAL),
                before,
            )
            return before
        kept = (residuals > self._surest ** (WAKING * self._lengths)) | self._restless
        share = np.count_nonzero(kept) / len(kept)
        if 0 < share <= MANY and share * o.data.nbytes <= o.spare:
            self._awake = Awake(o, kept)
        return self._awake


def surest(objective: "Objective") -> float:
    """The residual with which a row of typical length may rest; 0 where none may."""
    o = objective
    if not hasattr(o.data, "X") or o.parameters.spread is None or len(o.free):
        return 0.0
    spread = float(np.sum(o.parameters.spread))
    return min(CURVATURE * o.penalty * o.data.shape[0] / spread, SURE) if spread > 0 else 0.0
