"""What of an objective does not depend on the rows of X."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective.loss import Loss
from fastsoftmax._engine.objective.penalty import Penalty


@dataclass(frozen=True)
class Terms:
    """The loss, and which weights are penalised by how much."""

    loss: Loss
    fit_intercept: bool
    penalty: float  # the ridge μ in ½ μ ‖W‖²
    l1: float  # λ in λ ‖W‖₁
    free: NDArray[np.intp]  # features whose weights are not penalised, in order

    @classmethod
    def of(cls, loss: Loss, fit_intercept: bool, penalty: Penalty, total_weight: float) -> Self:
        """Those of a penalty of the sum of the losses."""
        ridge, l1 = penalty.strengths(total_weight)
        free = np.empty(0, np.intp) if penalty.of.free is None else np.flatnonzero(penalty.of.free)
        return cls(loss, fit_intercept, ridge, l1, free)

    @property
    def open_ended(self) -> bool:
        """Whether weights are not penalised, so that F may have no minimiser."""
        return not (self.penalty or self.l1) or len(self.free) > 0
