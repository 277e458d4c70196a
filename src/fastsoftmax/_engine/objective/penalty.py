"""The penalty of an objective: how strong it is, and of which weights."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Penalised(NamedTuple):
    """Units of the features, and what differs between them in these."""

    units: NDArray[np.float64] | None = None  # (D,) s such that W / s has a plain L2 penalty
    l1_factors: NDArray[np.float64] | None = None  # (D,) of its absolute values in an L1 penalty
    free: NDArray[np.bool_] | None = None  # (D,) of no penalty at all; None if there are none
    #: (D,) the number of each feature's group, which has its weights for all classes; ‖W‖₁ is then
    #: Σ‖W_g‖; None if there are none
    groups: NDArray[np.intp] | None = None


class Penalty(NamedTuple):
    """((1 - r)/2·‖W‖² + r·‖W‖₁) / C, of the sum of the losses."""

    C: float  # infinity for none
    l1_ratio: float = 0.0  # r
    of: Penalised = Penalised()

    def strengths(self, total_weight: float) -> tuple[float, float]:
        """The ridge μ and λ, of the mean of the losses."""
        scale = self.C * total_weight
        return (1 - self.l1_ratio) / scale, self.l1_ratio / scale
