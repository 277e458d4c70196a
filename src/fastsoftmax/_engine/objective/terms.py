"""What of an objective does not depend on the rows of X."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Terms:
    """Logits, their losses, and which weights are penalised by how much."""

    n_logits: int
    logistic: bool  # whether each logit has a logistic function of its own, no shift invariance
    fit_intercept: bool
    penalty: float  # the ridge μ in ½ μ ‖W‖²
    l1: float  # λ in λ ‖W‖₁
    free: NDArray[np.intp]  # features whose weights are not penalised, in order

    @property
    def typical_share(self) -> float:
        """The probability of each class where all are equally probable."""
        return 0.5 if self.logistic else 1 / self.n_logits
