"""One loss + gradient, fused against plain NumPy: checked first, then timed."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._commands import plain_numpy
from fastsoftmax._commands.timing import Timing, in_turns
from fastsoftmax.functional import linear_cross_entropy_value_and_grad

# An entry of the gradient is a mean of (a - y)·x: the error is measured against the largest |x|,
# since at an optimum the gradient itself is nothing but rounding.
TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-13}


@dataclass(frozen=True)
class Comparison:
    """Times of both, and the work: flops, and bytes of X."""

    numpy: Timing
    fused: Timing
    flops: float
    bytes: float

    @property
    def ratio(self) -> float:
        return self.numpy.least / self.fused.least


def compare(X: NDArray, W: NDArray, b: NDArray, y: NDArray, seconds: float) -> Comparison:
    """Time both on the same arrays; raises if their results differ.

    NumPy runs on all of its BLAS threads and, where threadpoolctl is there to say so, on one; the
    faster counts. Beside other work one is faster: several wait for each other, spinning.
    """
    plain = plain_numpy.linear_cross_entropy_value_and_grad
    # of losses far below 1 NumPy knows few digits in float32
    expected_loss, expected, _ = plain(*(np.asarray(a, np.float64) for a in (X, W, b)), y)
    loss, grads = linear_cross_entropy_value_and_grad(X, W, b, y)
    error = max(abs(loss / expected_loss - 1), np.abs(grads.W - expected).max() / np.abs(X).max())
    if not error < TOLERANCE[X.dtype]:
        raise AssertionError(f"the fused gradient differs from NumPy's by {error:.1e}")
    ways = {
        "numpy": lambda: plain(X, W, b, y),
        "fused": lambda: linear_cross_entropy_value_and_grad(X, W, b, y),
    }
    if find_spec("threadpoolctl") is not None:
        ways["numpy, one thread"] = on_one_thread(ways["numpy"])
    times = in_turns(ways, seconds)
    fused = times.pop("fused")
    best = min(times.values(), key=lambda timing: timing.least)
    return Comparison(best, fused, 4.0 * X.size * len(W), X.nbytes)


def on_one_thread(call: Callable[[], object]) -> Callable[[], None]:
    """The call, with BLAS limited to one thread."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()

    def limited() -> None:
        with controller.limit(limits=1, user_api="blas"):
            call()

    return limited
