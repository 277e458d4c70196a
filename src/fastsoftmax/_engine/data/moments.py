"""Weighted means and standard deviations, in float64 whatever X is stored in.

By two passes, the second about the mean, and relative to a first value where the mean is far larger
than the deviation (Chan, Golub & LeVeque, Algorithms for computing the sample variance, 1983). The
deviation is 0 exactly where all values of positive weight are equal. Deviations rather than
variances are returned, since squares of finite numbers may overflow or vanish.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime import scipy_sparse as sparse

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]

DIGITS = 1e-8  # of the mean, about √eps: plain sums know a smaller deviation to less than a digit
# deviations whose squares, and sums of 1e28 of these, are normal numbers of float64
SQUARES = 1e-140, 1e140


def doubtful(means: NDArray, deviations: NDArray) -> NDArray[np.intp]:
    """Features whose moments by plain sums may be rounding, overflow or underflow."""
    least = np.maximum(DIGITS * np.abs(means), SQUARES[0])
    return np.flatnonzero(~((deviations >= least) & (deviations <= SQUARES[1])))


def column_moments(x: NDArray, weights: NDArray | None) -> tuple[float, float]:
    """Mean and deviation of one feature, to all digits at any scale."""
    x = x.astype(np.float64)
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
    first = x[0]
    with np.errstate(over="ignore", invalid="ignore"):
        x = x - first
        largest = np.abs(x).max()
        if not 0 < largest < np.inf:
            return float(first), float(largest)
        x /= largest
        mean = np.average(x, weights=weights)
        deviation = np.sqrt(np.average((x - mean) ** 2, weights=weights))
        return float(first + largest * mean), float(largest * deviation)


def sparse_moments(X: sparse.csr_array, weights: NDArray | None) -> Moments:
    """The moments of compressed rows, whose zeros count."""
    n, d = X.shape
    w = np.full(n, 1 / n) if weights is None else weights / weights.sum()
    X = X.astype(np.float64)
    X.sum_duplicates()
    rows = np.repeat(np.arange(n), np.diff(X.indptr))
    if weights is not None:
        counted = w[rows] > 0
        rows, at, x = rows[counted], X.indices[counted], X.data[counted]
    else:
        at, x = X.indices, X.data
    full = np.bincount(at, minlength=d) == np.count_nonzero(w)
    first = np.zeros(d)
    first[at[::-1]] = x[::-1]
    first[~full] = 0  # of a feature with zeros
    with np.errstate(over="ignore", invalid="ignore"):
        x = x - first[at]
        largest = np.zeros(d)
        np.maximum.at(largest, at, np.abs(x))
        unit = np.where(largest > 0, largest, 1.0)
        x /= unit[at]
        w = w[rows]
        means = np.bincount(at, w * x, d)
        zeros = np.where(full, 0.0, np.maximum(1 - np.bincount(at, w, d), 0.0))
        variances = np.bincount(at, w * (x - means[at]) ** 2, d) + zeros * means**2
        return first + unit * means, unit * np.sqrt(variances)


def merged(parts: Iterable[tuple[float, Moments]], d: int) -> Moments:
    """The moments of all rows, from the weights and the moments of parts of them."""
    total, means, deviations = 0.0, np.zeros(d), np.zeros(d)
    for weight, (mean, deviation) in parts:
        if not weight:
            continue
        total += weight
        share = weight / total
        with np.errstate(over="ignore", invalid="ignore"):
            apart = mean - means
            means = means + share * apart
            within = np.hypot(np.sqrt(1 - share) * deviations, np.sqrt(share) * deviation)
            deviations = np.hypot(within, np.sqrt(share * (1 - share)) * np.abs(apart))
    return means, deviations
