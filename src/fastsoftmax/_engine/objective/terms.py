"""What of an objective does not depend on the rows of X."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective.loss import Loss


@dataclass(frozen=True)
class Terms:
    """The loss, and which weights are penalised by how much."""

    loss: Loss
    fit_intercept: bool
    penalty: float  # the ridge μ in ½ μ ‖W‖²
    l1: float  # λ in λ ‖W‖₁
    free: NDArray[np.intp]  # features whose weights are not penalised, in order

    @property
    def open_ended(self) -> bool:
        """Whether weights are not penalised, so that F may have no minimiser."""
        return not (self.penalty or self.l1) or len(self.free) > 0
