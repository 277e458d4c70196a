"""Newton's method with the exact Hessian, where there are few parameters.

Boyd & Vandenberghe, Convex Optimization, 9.5. It computes in float64, whatever X is stored in.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import Iterate, Line, iterate_at
from fastsoftmax._engine.line_search.bracket import search
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.precision import to_float64
from fastsoftmax._engine.solvers.base import Options, Result, Run, register
from fastsoftmax._engine.solvers.certificate import certify
from fastsoftmax._engine.solvers.far_start import far_start

# |φ'| at the end of a search, as a share of |φ'(0)|. A trial costs little beside a Hessian, and φ
# is exponential where rows are confidently predicted (docs/experiments/0027-newton-and-auto.md).
NEAR = 0.01
CHANGE = 30.0  # of any logit, at first, where a step is far too long to be searched along


@register("newton", needs=("smooth", "hessian"))
def minimize_newton(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Newton's method: few iterations, each of up to (K + 1) D passes."""
    to_float64(objective)
    run = Run(objective, options)
    return descend(run, iterate_at(objective, far_start(run.curvature, theta), options.line))


def descend(run: Run, it: Iterate) -> Result:
    """Minimise from the iterate, in float64, until that is proved or no step goes down."""
    objective = run.objective
    direction = np.zeros_like(it.theta)
    while np.isfinite(it.value):
        tolerance = run.tolerance(it.value)
        direction = -run.curvature.solve_hessian(it, tolerance)
        slope = dot(it.gradient, direction)
        run.notify(it.theta, abs(slope) / 2)
        if abs(slope) / 2 <= tolerance:
            certificate = certify(objective, it.theta, direction, tolerance)
            if run.proves(certificate):
                return run.end(it)
            direction = certificate.direction
            slope = dot(it.gradient, direction)
        if stop := run.stops(it):
            run.result.stop = stop
            break
        line = it.line(direction)
        t = search_along(line, it.value, slope, objective.rounding)
        if t is None:
            run.result.stop = run.stuck
            break
        it.restart(it.theta + t * direction)
        run.record(it.value, it.gradient)
    else:
        run.result.stop = run.stops(it)
        return run.end(it)
    return run.end(it, certify(objective, it.theta, direction, run.tolerance(it.value)))


def search_along(line: Line, value: float, slope: float, rounding: float) -> float | None:
    """A step that lowers F, near the least along the line; None if none is seen to.

    Where all rows are confidently predicted, rightly or not, there is next to no curvature, and
    Newton's step may be 1e50 times too long.
    """
    for first in (1.0, CHANGE / max(line.reach(), 1e-300)):
        t = search(line, value, slope, min(1.0, first), rounding=rounding, near=NEAR)
        if t is not None:
            return t
    return None
