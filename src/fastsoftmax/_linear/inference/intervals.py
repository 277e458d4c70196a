"""Wald's intervals."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._validation import inference as check


def half_width(alpha: float) -> float:
    """Of an interval of coverage 1 - alpha, in standard errors."""
    from scipy.special import ndtri

    return float(-ndtri(check.alpha(alpha) / 2))


def wald(
    estimates: NDArray[np.float64], standard_errors: NDArray[np.float64], alpha: float
) -> NDArray[np.float64]:
    """Lower and upper ends, along a last axis."""
    half = half_width(alpha) * standard_errors
    return np.stack([estimates - half, estimates + half], axis=-1)
