"""Batch gradient descent, with the step that a Lipschitz bound of the gradient allows.

F(θ - ∇F/L) <= F - ‖∇F‖²/(2L), where L bounds the Hessian's largest eigenvalue (Nesterov, Lectures
on Convex Optimization, 1.2.3). That of the softmax is at most ½, of the logistic function ¼
(Böhning 1992; Gao & Pavel 2017), times that of the Gram matrix of the features.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective import Certificate, Line, Objective, dot
from fastsoftmax.solvers.base import OVERFLOW, ROUNDED, Options, Result, Run, register
from fastsoftmax.solvers.preconditioned import BlockPreconditioner
from fastsoftmax.solvers.proof import LAST_PRODUCTS, PRODUCTS, prove

AGAIN = 0.5  # of the gradient's norm at a proof that failed, when another is tried


@register("gd", needs=("smooth",))
def minimize_gd(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Gradient descent from θ until it is proved that F can fall by no more than tol * F.

    A proof is tried where ‖∇F‖²/L, or the bound from a ridge, is within the tolerance.
    """
    objective.widen()
    run = Run(objective, theta, options)
    lipschitz = objective.curvature.lipschitz()
    value, gradient = objective.value_and_grad(theta)
    most = np.inf
    while np.isfinite(value) and np.isfinite(lipschitz):
        square = dot(gradient, gradient, objective.data.n_threads)
        left = square / lipschitz
        run.tell(theta, left)
        if run.n_iter == options.max_iter or run.result.halted:
            break
        if left <= run.tolerance(value) and square <= most:
            most = AGAIN**2 * square
            line = objective.line(theta)
            if run.proves(certificate_at(line, run, PRODUCTS)):
                return run.end(line)
        theta = theta - gradient / lipschitz
        value, gradient = objective.value_and_grad(theta)
        run.note(value, gradient)
    line = objective.line(theta)
    if not np.isfinite(lipschitz):
        run.result.stop = OVERFLOW
        return run.end(line)
    run.result.stop = run.stops(line) or ROUNDED
    return run.end(line, certificate_at(line, run, LAST_PRODUCTS, bound=True))


def certificate_at(
    line: Line, run: Run, most: int, *, bound: bool = False
) -> Certificate | None:
    """What conjugate gradients, preconditioned by blocks of the Hessian, show of the line's point."""
    if not np.isfinite(line.value):
        return None
    objective = run.objective
    preconditioner = BlockPreconditioner(objective, run.options.seed)
    preconditioner.update(line, 0)

    def solve(vector: NDArray) -> NDArray:
        return preconditioner.solve(vector)[0]

    direction, wanted = -solve(line.gradient), run.tolerance(line.value)
    return prove(objective, line, direction, solve, wanted, most, bound=bound).certificate
