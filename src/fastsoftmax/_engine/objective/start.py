"""Where a fit begins."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective.objective import Objective


def start_of(
    objective: Objective, coef: NDArray | None = None, intercept: NDArray | None = None
) -> NDArray:
    """θ of a model; without one, zero weights and the intercepts of the intercept-only model,
    beside a typical offset.

    What all classes have in common, which only a ridge sees, is taken out.
    """
    o, p = objective, objective.parameters
    if coef is not None:
        theta = o.models.theta(coef, intercept)
        return theta if o.l1 else p.project(theta)
    theta = np.zeros(o.size)
    _, c = p.split(theta)
    if c is not None:
        c[:] = o.loss.intercepts(o.shares)
        _, weights, offset = o.given
        if offset is not None:  # a median, since few rows may be far off
            some = slice(None, None, o.data.sample_step)
            offset, weights = offset[some], None if weights is None else weights[some]
            c -= np.median(offset if weights is None else offset[weights > 0], axis=0)
        c *= p.intercept_scale
    return theta
