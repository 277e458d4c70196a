"""Newton's method with the exact Hessian, where there are few parameters.

Boyd & Vandenberghe, Convex Optimization, 9.5; ½gᵀH⁻¹g is what is left to gain to second order.
"""

from numpy.typing import NDArray

from fastsoftmax.objective import Objective, dot
from fastsoftmax.solvers.base import Options, Result, Run, register
from fastsoftmax.solvers.line_search import search


@register("newton", needs=("smooth", "hessian"))
def minimize_newton(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Newton's method: few iterations, each of up to (K + 1) D passes."""
    run = Run(objective, theta, options)
    line = objective.line(theta)
    while True:
        if 0 <= line.value <= 1e-16 or not line.gradient.any():
            run.tell(line.theta, 0.0)
            run.converge()
            break
        if message := run.stops(line):
            run.result.message = message
            break
        direction = -objective.curvature.solve_hessian(line)
        slope = dot(line.gradient, direction)
        run.tell(line.theta, abs(slope) / 2)
        if run.result.halted:
            run.result.message = run.stops(line)
            break
        line.aim(direction)
        if abs(slope) / 2 <= options.tol * line.value:
            # the last step squares what is left; it costs half a pass
            if line.at(1.0).value <= line.value:
                line.move(1.0)
                run.note(line.value, line.gradient)
                run.tell(line.theta, abs(slope) / 2)
            run.converge()
            break
        t = search(line, line.value, slope, 1.0, rounding=objective.rounding)
        if t is None:
            run.result.message = "no step decreases the objective beyond rounding"
            break
        line.move(t)
        line.recompute()
        run.note(line.value, line.gradient)
    return run.end(line)
