"""Weights brought into the range of the dtype that a kernel computes in, by powers of two."""

import numpy as np
from numpy.typing import DTypeLike, NDArray


def scaled(
    weights: NDArray, dtype: DTypeLike = np.float64, most: int | None = None
) -> tuple[NDArray[np.float64], int]:
    """Weights / 2**e in float64, and e: 0 unless their maximum is near an end of the dtype's range.

    The quotients are at most 2**`most`, by default the root of the dtype's largest power of two, so
    that neither their sum nor the smallest of them leaves the range before it must.
    """
    most = np.finfo(dtype).maxexp // 2 if most is None else most
    weights = weights.astype(np.float64, copy=False)
    exponent = int(np.frexp(weights.max(initial=0.0))[1])
    if not weights.size or abs(exponent) <= most:
        return weights, 0
    return np.ldexp(weights, -exponent), exponent


def times_power_of_two(x: float | NDArray, exponent: int | NDArray) -> float | NDArray:
    """x * 2**exponent, rounded once; infinite or 0 where that leaves the range of float64."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(x, exponent)
