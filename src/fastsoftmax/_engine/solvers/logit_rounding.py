"""What F may be above the value that was computed, since its logits are rounded.

A bound has the divergence KL(a ‖ p) of the probabilities p of rows from others, a. Where logits are
off by e, the divergence is at most

    (√KL + √r)²,    r = ½ max eᵀ (diag(p) - p pᵀ) e  on the way:

it is convex in the logits, and 0 where these are those of a. The matrix is at most ½, and at most
2 diag(p (1 - p)), which changes by a factor of no more than exp(2 max |e|) on the way. A logit is
off by a few units in the last place of Σ |w x| + |b|, and of the offset.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, StoredLogits
from fastsoftmax._engine.data.float64 import float64_pieces
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rounding import CURVATURE, ROUNDING

NOTICED = 1e-3  # of a bound: below it rounding of the logits adds less than a tenth


def logit_rounding(
    objective: Objective,
    theta: NDArray,
    of_rows: Callable[[], float],
    wanted: float,
) -> float:
    """r, the mean of all rows.

    From root mean squares of the features, or of the rows' lengths, if that is little beside the
    bound that is wanted; else row by row, as their sum tells.
    """
    rounding = objective.models.logit_rounding(theta)
    if rounding <= NOTICED * wanted:
        return rounding
    return min(rounding, of_rows() / objective.data.shape[0])


def rounding_of_rows(
    objective: Objective, theta: NDArray, rows: slice, data: Data, logits: StoredLogits
) -> float:
    """The sum of some rows."""
    _, weights, offset = objective.given
    W, b = (None if x is None else np.abs(x) for x in objective.parameters.user(theta, data.dtype))
    P, Q = objective.loss.probabilities(logits)
    total = 0.0
    for some, X in float64_pieces(data):
        of_all = slice(rows.start + some.start, rows.start + some.stop)
        errors = data.like(np.abs(X)).logits(W, b)
        if offset is not None:
            errors += np.abs(offset[of_all])
        squares = np.square(ROUNDING * errors)
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.exp(2 * ROUNDING * errors.max(axis=1))
            near = growth * np.sum(P[some] * Q[some] * squares, axis=1)
        each = np.fmin(near, 0.5 * CURVATURE * squares.sum(axis=1))
        total += float(each.sum() if weights is None else each @ weights[of_all])
    return total
