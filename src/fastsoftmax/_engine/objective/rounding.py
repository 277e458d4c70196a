"""What rounding adds to a bound on how far F can fall."""

import math

import numpy as np
from numpy.typing import NDArray

CURVATURE = 0.5  # of the loss by the logits of a row, at most: an eigenvalue of diag(p) - p pᵀ
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of Σ |a|: what a sum of such a may be off by
RESIDUAL = 1e-11  # of Σ s|p - y||x| / S: what a step of Newton's leaves of ∇F by rounding (0064)


def raised(bound: float, rounding: float) -> float:
    """(√bound + √r)²: that of F - F*, from one of what was computed.

    F and the divergence of a bound are convex in the logits, with a least value of 0, so that their
    slope by these at a height of h is no more than √(2 L h), L being the largest curvature; r is
    ½ L ‖e‖², e being what the logits are off by.
    """
    return (math.sqrt(max(bound, 0.0)) + math.sqrt(rounding)) ** 2


def of_all(errors: NDArray, curvature: float = CURVATURE) -> float:
    """r, of errors of each logit that are root mean squares over the rows."""
    return 0.5 * curvature * float(np.dot(errors, errors))  # which warns of no overflow
