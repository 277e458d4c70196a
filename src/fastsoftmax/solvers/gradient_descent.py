"""Batch gradient descent, with the step that a Lipschitz bound of the gradient allows.

F(θ - ∇F/L) <= F - ‖∇F‖²/(2L), where L bounds the Hessian's largest eigenvalue (Nesterov, Lectures
on Convex Optimization, 1.2.3). That of the softmax is at most ½, of the logistic function ¼
(Böhning 1992; Gao & Pavel 2017), times that of the Gram matrix of the features.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective import Objective, dot
from fastsoftmax.solvers.base import Options, Result, Run, register


@register("gd", needs=("smooth",))
def minimize_gd(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Gradient descent from θ until the bound of the gap is tol * F, without a penalty ‖∇F‖²/L."""
    run = Run(objective, theta, options)
    lipschitz = objective.curvature.lipschitz()
    value, gradient = objective.value_and_grad(theta)
    while np.isfinite(value) and np.isfinite(lipschitz):
        square = dot(gradient, gradient, objective.data.n_threads)
        left = objective.gap_bound(gradient) if objective.penalty else square / lipschitz
        run.tell(theta, left)
        if left <= options.tol * value:
            run.converge()
            break
        if run.n_iter == options.max_iter or run.result.halted:
            break
        theta = theta - gradient / lipschitz
        value, gradient = objective.value_and_grad(theta)
        run.note(value, gradient)
    line = objective.line(theta)
    if not np.isfinite(lipschitz):
        run.result.message = "the features overflow"
    elif not run.result.converged:
        run.result.message = run.stops(line) or run.result.message
    return run.end(line)
