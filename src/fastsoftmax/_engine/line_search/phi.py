"""F along a line, from logits that are stored there: φ(t) and its derivatives."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rows import Part


class Trial(NamedTuple):
    """φ(t) = F(θ + t·direction) and its derivatives; NaN for a second one that is not known."""

    value: float
    slope: float
    curvature: float


class LineFunction(Protocol):
    """φ, as a search asks for it."""

    near: float  # |φ'| at the end of a search, as a share of |φ'(0)|

    def evaluate(self, t: float) -> Trial: ...


class Path:
    """φ of the rows whose logits and their change are stored, or of one tile of them in `every`."""

    def __init__(
        self, part: Part, parabola: NDArray, scale: float, near: float, every: int = 1
    ) -> None:
        self.part, self._scale, self._every, self.near = part, scale, every, near
        self.at = 0.0  # where along the line the logits are
        self._parabola = parabola.tolist()

    def correct_slope(self, slope: float) -> Trial:
        """Correct φ linearly so that φ'(0) is that of all rows; φ there."""
        here = self.evaluate(0.0)
        self._parabola[1] += (slope - here.slope) / 2
        return here._replace(slope=slope)

    def evaluate(self, t: float) -> Trial:
        part, rows = self.part, self.part.rows
        value, slope, curvature = part.logits.along(
            part.change, t - self.at, rows.targets, rows.weights, self._scale, self._every
        ).tolist()
        a, b, c = self._parabola
        return Trial(value + a + t * (2 * b + t * c), slope + 2 * b + 2 * t * c, curvature + 2 * c)


def parabola(objective: Objective, theta: NDArray, direction: NDArray) -> NDArray:
    """The penalty along a line: its coefficients (1, 2t, t²)."""
    if not objective.penalty:  # squares of weights may overflow
        return np.zeros(3)
    products = objective.parameters.products(theta, direction)
    return 0.5 * objective.penalty * products
