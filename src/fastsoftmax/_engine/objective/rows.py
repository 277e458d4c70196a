"""Rows of X with their targets and weights, and with their logits."""

from typing import NamedTuple

from numpy.typing import NDArray

from fastsoftmax._engine.data import ByRow, Data
from fastsoftmax._engine.objective.loss import Loss


class Rows(NamedTuple):
    """Rows to sum the loss over; without targets what is stored stands for their residuals."""

    data: Data
    targets: NDArray | ByRow | None
    weights: NDArray | ByRow | None
    ridge: float  # that goes with them


class Part:
    """Rows, and memory for their logits and the change of these along a line."""

    def __init__(self, loss: Loss, rows: Rows) -> None:
        self.rows = rows
        self.logits, self.change = (loss.logits_of(rows.data) for _ in range(2))
