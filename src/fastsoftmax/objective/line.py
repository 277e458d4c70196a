"""A point, and the objective along a line from it.

A solver walks: `aim` in a direction, look at F `at` steps of any length, `move` by one of them.
"""

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import DenseData, StoredLogits

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective


class Trial(NamedTuple):
    """φ(t) = F(θ + t·direction) and its derivatives; NaN for a second one that is not known."""

    value: float
    slope: float
    curvature: float


class Sample(NamedTuple):
    """Logits of every step-th row, and room of their size until the next `aim`."""

    logits: StoredLogits
    room: StoredLogits
    step: int


class Line(Protocol):
    """A point θ with F and ∇F there, and a direction."""

    theta: NDArray
    value: float
    gradient: NDArray
    cheap: bool  # whether `at` costs no pass over X

    def aim(self, direction: NDArray) -> float: ...

    def at(self, t: float) -> Trial: ...

    def move(self, t: float) -> None: ...

    def recompute(self) -> None: ...

    def logits(self, rows: int) -> StoredLogits: ...

    def sample(self) -> "Sample": ...


def dot(a: NDArray, b: NDArray) -> float:
    """aᵀb without BLAS, whose threads would go on spinning where the kernels' should run."""
    return float(np.einsum("i,i->", a, b))


class StoredLine:
    """On stored logits: half a pass to aim, none to look, half to move."""

    cheap = True

    def __init__(self, objective: "Objective", theta: NDArray) -> None:
        self._objective = objective
        data = objective.data
        self._logits = StoredLogits(len(data.X), objective.n_logits, data.dtype, data.n_threads)
        self._change = self._logits.like()
        self.theta = theta
        self.recompute()

    def _store(self, theta: NDArray, out: StoredLogits) -> NDArray:
        W, b = self._objective.user(theta)
        self._objective.n_passes += 0.5
        self._objective.data.store_logits(W, b, out)
        return W

    def _evaluate(self) -> None:
        self.value, self.gradient = self._objective.value_and_grad(self.theta, self._logits)

    def recompute(self) -> None:
        """The logits anew from θ: the sums of many steps drift."""
        self._store(self.theta, self._logits)
        self._evaluate()

    def aim(self, direction: NDArray) -> float:
        """Take a direction; the most that a unit step changes any logit."""
        self._direction = direction
        step = self._store(direction, self._change)
        W, _ = self._objective.user(self.theta)
        # the penalty along the line: a parabola
        self._parabola = (
            0.5
            * self._objective.penalty
            * np.array([np.einsum("kd,kd->", a, c) for a, c in ((W, W), (W, step), (step, step))])
        )
        return float(max(self._change.tiles.max(), -self._change.tiles.min()))

    def at(self, t: float) -> Trial:
        objective = self._objective
        value, slope, curvature = self._logits.along(
            self._change, t, objective.targets, objective.weights, 1 / len(objective.data.X)
        )
        a, b, c = self._parabola
        return Trial(
            float(value + a + t * (2 * b + t * c)),
            float(slope + 2 * b + 2 * t * c),
            float(curvature + 2 * c),
        )

    def move(self, t: float) -> None:
        self.theta = self.theta + t * self._direction
        self._logits.move(self._change, t)
        self._evaluate()

    def logits(self, rows: int) -> StoredLogits:
        """The present logits of about so many rows, evenly spread; of all of them for 0."""
        return self._logits.some(rows) if rows else self._logits

    def sample(self) -> "Sample":
        """The logits to draw rows from: all."""
        return Sample(self._logits, self._change, 1)


class FusedLine:
    """Nothing is kept between passes, and every look is one: where logits would take too much."""

    cheap = False
    SAMPLE_BYTES = 32 << 20  # of the logits to draw rows from

    def __init__(self, objective: "Objective", theta: NDArray) -> None:
        self._objective = objective
        self.theta = theta
        self.recompute()

    def recompute(self) -> None:
        self.value, self.gradient = self._objective.value_and_grad(self.theta)

    def aim(self, direction: NDArray) -> float:
        """Take a direction; what a unit step does to the logits is not known."""
        self._direction = direction
        self._seen: tuple[float, NDArray, float, NDArray] | None = None
        return np.nan

    def at(self, t: float) -> Trial:
        theta = self.theta + t * self._direction
        value, gradient = self._objective.value_and_grad(theta)
        self._seen = t, theta, value, gradient
        return Trial(value, dot(gradient, self._direction), np.nan)

    def move(self, t: float) -> None:
        if self._seen is None or self._seen[0] != t:
            self.at(t)
        _, self.theta, self.value, self.gradient = self._seen

    def logits(self, rows: int) -> StoredLogits:
        """The present logits of about so many rows, evenly spread; of all of them for 0."""
        return self._of_every(max(1, len(self._objective.data.X) // rows) if rows else 1)

    def sample(self) -> "Sample":
        """Logits to draw rows from: of as many as there is room for."""
        data = self._objective.data
        size = StoredLogits.bytes(len(data.X), self._objective.n_logits, data.dtype)
        step = -(-size // self.SAMPLE_BYTES)
        logits = self._of_every(step)
        return Sample(logits, logits.like(), step)

    def _of_every(self, step: int) -> StoredLogits:
        objective = self._objective
        data = DenseData(objective.data.X[::step], objective.data.n_threads)
        out = StoredLogits(len(data.X), objective.n_logits, data.dtype, data.n_threads)
        data.store_logits(*objective.user(self.theta), out)
        objective.n_passes += 0.5 / step
        return out
