"""A temperature for the logits, from rows that were held out.

(Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, ICML 2017.) It minimises
the cross-entropy of softmax(z / T), which is convex in 1 / T, z being the logits of each row by the
model of the folds without it.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.cv.folds import fits_of_folds, masks_of
from fastsoftmax._linear.cv.scoring import labels_of
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._validation import calibration as check
from fastsoftmax._validation import folds as check_folds

EXTREME = 1e3  # a temperature, or the inverse of one, beyond which none is looked for
ROWS = 1 << 12  # whose exponentials are kept at a time


def temperature_of(problem: Problem, C: float, folds: object) -> float:
    """That of so many folds, stratified by class."""
    n, targets = problem.rows.data.shape[0], problem.targets
    k = check.folds(folds, n, problem.offset is not None, problem.rows.data.is_distributed)
    of_row = check_folds.stratified(labels_of(problem), k, "calibrate")
    pairs = [(np.flatnonzero(of_row != i), np.flatnonzero(of_row == i)) for i in range(k)]
    held_out = np.empty((n, targets.n_logits))
    fits = fits_of_folds(
        problem, np.array([C]), masks_of(pairs, problem, "calibrate"), problem.options.tol
    )
    for fit in fits:
        rows = pairs[fit.fold][1]
        held_out[rows] = fit.logits(rows)
    z = held_out if targets.n_logits > 1 else np.column_stack([np.zeros(n), held_out[:, 0]])
    weights = np.ones(n) if targets.plain_weights is None else targets.plain_weights
    return best_temperature(z, targets.plain, weights)


def best_temperature(z: NDArray, Y: NDArray, weights: NDArray) -> float:
    """The one of the least cross-entropy of logits (n, K) for classes or probabilities Y.

    1 where there is none, all rows being right, each by its largest logit. The largest of each row
    is subtracted from the logits, in their place.
    """
    from scipy.optimize import brentq

    z -= z.max(axis=1, keepdims=True)
    known = z[np.arange(len(z)), Y] if Y.ndim == 1 else np.einsum("nk,nk->n", Y, z)
    if not (known * weights).any():
        return 1.0
    pieces = [slice(i, i + ROWS) for i in range(0, len(z), ROWS)]

    def slope(log_inverse: float) -> float:
        inverse, total = np.exp(log_inverse), 0.0
        for at in pieces:
            e = np.exp(inverse * z[at])
            means = np.einsum("nk,nk->n", e, z[at]) / e.sum(axis=1)
            total += float(weights[at] @ (means - known[at]))
        return total

    ends = -np.log(EXTREME), np.log(EXTREME)
    at = [slope(end) for end in ends]
    if at[0] >= 0:  # logits say nothing, or the opposite of what is right
        return EXTREME
    if at[1] <= 0:
        return 1 / EXTREME
    return float(np.exp(-brentq(slope, *ends, xtol=1e-12, rtol=1e-12)))
