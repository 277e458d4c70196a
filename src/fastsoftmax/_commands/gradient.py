"""One loss + gradient, fused against plain NumPy: checked first, then timed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._commands import plain_numpy
from fastsoftmax._commands.timing import medians
from fastsoftmax.functional import linear_cross_entropy_value_and_grad

# An entry of the gradient is a mean of (a - y)·x: the error is measured against the largest |x|,
# since at an optimum the gradient itself is nothing but rounding.
TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-13}


@dataclass
class Comparison:
    """Seconds of both, and the work: flops, and bytes of X."""

    numpy: float
    fused: float
    flops: float
    bytes: float

    @property
    def ratio(self) -> float:
        return self.numpy / self.fused


def compare(X: NDArray, W: NDArray, b: NDArray, y: NDArray, seconds: float) -> Comparison:
    """Time both on the same arrays; raises if their results differ."""
    plain = plain_numpy.linear_cross_entropy_value_and_grad
    expected_loss, expected, _ = plain(X, W, b, y)
    loss, grads = linear_cross_entropy_value_and_grad(X, W, b, y)
    error = max(abs(loss / expected_loss - 1), np.abs(grads.W - expected).max() / np.abs(X).max())
    if not error < TOLERANCE[X.dtype]:
        raise AssertionError(f"the fused gradient differs from NumPy's by {error:.1e}")
    times = medians(
        {
            "numpy": lambda: plain(X, W, b, y),
            "fused": lambda: linear_cross_entropy_value_and_grad(X, W, b, y),
        },
        seconds,
    )
    return Comparison(times["numpy"], times["fused"], 4.0 * X.size * len(W), X.nbytes)
