"""Newton's method with the exact Hessian, where there are few parameters.

Boyd & Vandenberghe, Convex Optimization, 9.5. It computes in float64, whatever X is stored in.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective import Objective, certify, dot
from fastsoftmax.solvers.base import ROUNDED, Options, Result, Run, register
from fastsoftmax.solvers.far_start import far_start
from fastsoftmax.solvers.line_search import search


@register("newton", needs=("smooth", "hessian"))
def minimize_newton(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Newton's method: few iterations, each of up to (K + 1) D passes."""
    objective.widen()
    run = Run(objective, theta, options)
    line = objective.line(far_start(objective, theta))
    direction = np.zeros_like(theta)
    while np.isfinite(line.value):
        direction = -objective.curvature.solve_hessian(line)
        slope = dot(line.gradient, direction)
        run.tell(line.theta, abs(slope) / 2)
        if abs(slope) / 2 <= run.tolerance(line.value) and run.proves(
            certify(objective, line.theta, direction)
        ):
            return run.end(line)
        if stop := run.stops(line):
            run.result.stop = stop
            break
        line.aim(direction)
        t = search(line, line.value, slope, 1.0, rounding=objective.rounding)
        if t is None:
            run.result.stop = ROUNDED
            break
        line.move(t)
        line.recompute()
        run.note(line.value, line.gradient)
    else:
        run.result.stop = run.stops(line)
        return run.end(line)
    return run.end(line, certify(objective, line.theta, direction))
