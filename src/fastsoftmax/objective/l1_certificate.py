"""How far F can still fall, at most."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import ClassFactors
from fastsoftmax.objective.line import Line
from fastsoftmax.objective.objective import Objective

ROUNDS = 4
SHARE = 0.1  # of the bound that may be left in the intercepts, or of the tolerance


def certify_l1(objective: Objective, line: Line, *, tol: float) -> float:
    """Minimise over the intercepts from the line's point; a bound on F - F* there.

    Newton's method in the K intercepts; the Hessian of some rows is enough for that. What their
    gradient leaves to gain, twice by that Hessian, is in the bound, which holds up to this and to
    rounding. Infinity without a penalty.
    """
    bound = line.gap_bound()
    if not objective.fit_intercept or not np.isfinite(bound):
        return bound
    H = objective.curvature.of_intercepts(line)
    # the null space, what all classes have in common, gets the curvature of an average direction
    if not objective.logistic:
        H += np.trace(H) / len(H) ** 2
    # not by LAPACK, whose threads would go on spinning
    factors = ClassFactors(H[None], objective.data.n_threads)
    for _ in range(ROUNDS):
        _, gradient = objective.parameters.split(line.gradient)
        gradient = without_common(objective, gradient.astype(np.float64))
        step = -factors.solve(gradient[None])[0][0]
        slope = float(np.sum(gradient * step))
        left = abs(slope)
        if left <= SHARE * max(bound, tol * line.value) or not line.drifts:
            break
        direction = np.zeros_like(line.gradient)
        objective.parameters.split(direction)[1][:] = without_common(objective, step)
        line.aim(direction)
        trial = line.at(1.0)
        if not (slope < 0 and trial.value <= line.value and abs(trial.slope) < 0.5 * abs(slope)):
            break
        line.move(1.0)
        bound = line.gap_bound()
    return bound + left


def without_common(objective: Objective, intercepts: NDArray) -> NDArray:
    """Less what all classes have in common, of which the loss says nothing."""
    return intercepts if objective.logistic else intercepts - intercepts.mean()
