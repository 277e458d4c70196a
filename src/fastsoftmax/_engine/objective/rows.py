"""Rows of X with their targets and weights."""

from typing import NamedTuple

from numpy.typing import NDArray

from fastsoftmax._engine.data import Data


class Rows(NamedTuple):
    """Rows to sum the loss over; without targets what is stored stands for their residuals."""

    data: Data
    targets: NDArray | None
    weights: NDArray | None
    ridge: float  # that goes with them
