"""Rates with which the rule of a linear neuron does not diverge, whatever the features' units."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.conversion import converted
from fastsoftmax._runtime.dtypes import computed_in
from fastsoftmax._validation import networks as check_networks

POWER_STEPS = 20  # which find the largest eigenvalue to within some per cent
BLOCK_NUMBERS = 1 << 20  # that are converted at a time
SHARE = 0.2  # of the rate that fits a row exactly: more follows the noise of single rows


@np.errstate(over="ignore", invalid="ignore")
def curvature(X: NDArray, batch_size: int) -> float:
    """The largest eigenvalue that the mean of x xᵀ over the rows of a step has, or a bound of it.

    x has a 1 for the intercept. For all rows the eigenvalue, by power steps; for fewer no more than
    the largest ‖x‖², which it is for one row. Infinite or NaN where float64 cannot hold it.
    """
    if batch_size < len(X):
        return max(float(np.square(rows).sum(axis=1).max()) for rows in blocks(X))
    v = np.random.default_rng(0).normal(size=X.shape[1] + 1)
    norm = float(np.linalg.norm(v))
    for _ in range(POWER_STEPS):
        v = v / norm
        v = sum(rows.T @ (rows @ v) for rows in blocks(X)) / len(X)
        norm = float(np.linalg.norm(v))
    return norm


def stable_rate(X: NDArray, batch_size: int) -> float:
    """1 / λ for steps of all rows, λ being their `curvature`; a share of it for steps of fewer."""
    share = SHARE if batch_size < len(X) else 1.0
    rate = share / curvature(X, batch_size)
    check_networks.a_rate_to_learn_with(rate, computed_in(X.dtype))
    return rate


def blocks(X: NDArray) -> Iterator[NDArray[np.float64]]:
    """Rows with a 1 for the intercept, some at a time."""
    step = max(1, BLOCK_NUMBERS // (X.shape[1] + 1))
    for start in range(0, len(X), step):
        rows = converted(X[start : start + step], np.float64)
        yield np.column_stack([rows, np.ones(len(rows))])
