"""Coefficients before the first step; intercepts are zero.

Uniform in ±bound. Glorot & Bengio (AISTATS 2010): bound² = 6 / (inputs + units), a third of that
for logistic units, as scikit-learn has it; He et al. (ICCV 2015): bound² = 6 / (inputs (1 +
slope²)), which keeps the variance through rectified units.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bound = Callable[[int, int, str, float], float]


def _glorot(n: int, m: int, activation: str, slope: float) -> float:
    return ((2.0 if activation == "logistic" else 6.0) / (n + m)) ** 0.5


def _he(n: int, m: int, activation: str, slope: float) -> float:
    return (6.0 / (n * (1.0 + (slope**2 if activation == "leaky_relu" else 0.0)))) ** 0.5


def _auto(n: int, m: int, activation: str, slope: float) -> float:
    rule = _he if activation in ("relu", "leaky_relu") else _glorot
    return rule(n, m, activation, slope)


BOUNDS: dict[str, Bound] = {
    "auto": _auto,
    "he": _he,
    "glorot": _glorot,
    "zeros": lambda n, m, activation, slope: 0.0,
}


def initial_coefs(
    init: str,
    sizes: tuple[int, ...],
    activations: list[str],
    slope: float,
    rng: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """Coefficients (inputs, units) of each layer; `activations` those of the hidden ones."""
    coefs = []
    for n, m, activation in zip(sizes[:-1], sizes[1:], [*activations, "identity"], strict=True):
        bound = BOUNDS[init](n, m, activation, slope)
        coefs.append(rng.uniform(-bound, bound, (n, m)) if bound else np.zeros((n, m)))
    return coefs
