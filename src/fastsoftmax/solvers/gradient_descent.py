"""Batch gradient descent, with the step that a Lipschitz bound of the gradient allows.

F(θ - ∇F/L) <= F - ‖∇F‖²/(2L), where L bounds the Hessian's largest eigenvalue (Nesterov, Lectures
on Convex Optimization, 1.2.3). That of the softmax is at most ½, of the logistic function ¼
(Böhning 1992; Gao & Pavel 2017), times that of the Gram matrix of the features.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.objective import Objective, dot
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
            if proved(run, theta, options, PRODUCTS):
                break
        theta = theta - gradient / lipschitz
        value, gradient = objective.value_and_grad(theta)
        run.note(value, gradient)
    line = objective.line(theta)
    if not np.isfinite(lipschitz):
        run.result.stop = OVERFLOW
        return run.end(line)
    bound = np.inf
    if not run.result.converged:
        run.result.stop = run.stops(line) or ROUNDED
        if np.isfinite(line.value):
            bound = proved(run, theta, options, LAST_PRODUCTS, bound=True)
    return run.end(line, bound)


def proved(run: Run, theta: NDArray, options: Options, most: int, *, bound: bool = False) -> float:
    """Try a proof at θ by conjugate gradients; the bound on the gap, 0 where there is none."""
    objective = run.objective
    line = objective.line(theta)
    preconditioner = BlockPreconditioner(objective, options.seed)
    preconditioner.update(line, 0)

    def solve(vector: NDArray) -> NDArray:
        return preconditioner.solve(vector)[0]

    direction = -solve(line.gradient)
    wanted = run.tolerance(line.value)
    certificate = prove(objective, line, direction, solve, wanted, most, bound=bound).certificate
    run.proves(certificate)
    return certificate.bound if bound else float(run.result.converged)
