"""Batch gradient descent, with the step that a Lipschitz bound of the gradient allows.

F(θ - ∇F/L) <= F - ‖∇F‖²/(2L), where L bounds the Hessian's largest eigenvalue (Nesterov, Lectures
on Convex Optimization, 1.2.3). That of the softmax is at most ½, of the logistic function ¼
(Böhning 1992; Gao & Pavel 2017), times that of the Gram matrix of the features.
"""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.precision import to_float64
from fastsoftmax._engine.solvers.base import OVERFLOW, ROUNDED, Options, Result, Run, register
from fastsoftmax._engine.solvers.bound import certificate_at
from fastsoftmax._runtime.dtypes import TINY

AGAIN = 0.5  # of the gradient's norm at a proof that failed, when another is tried


@register("gd", needs=("smooth", "rows"))
def minimize_gd(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Gradient descent from θ until it is proved that F can fall by no more than tol * F.

    A proof is tried where ‖∇F‖²/L, or the bound from a ridge, is within the tolerance.
    """
    to_float64(objective)
    run = Run(objective, options)
    lipschitz = max(run.curvature.lipschitz(), TINY)  # 0 where X is
    value, gradient = objective.value_and_grad(theta)
    most, seed, rules = np.inf, options.seed, options.proving
    while np.isfinite(value) and np.isfinite(lipschitz):
        square = dot(gradient, gradient, objective.data.n_threads)
        left = square / lipschitz
        run.notify(theta, left)
        if run.n_iter == options.max_iter or run.result.halted:
            break
        wanted = run.tolerance(value)
        if left <= wanted and square <= most:
            most = AGAIN**2 * square
            it = iterate_at(objective, theta, options.line)
            found = certificate_at(
                run.curvature, it, wanted, rules.products, seed, bound=False, rules=rules
            )
            if run.proves(found):
                return run.end(it)
        theta = theta - gradient / lipschitz
        value, gradient = objective.value_and_grad(theta)
        run.record(value, gradient)
    it = iterate_at(objective, theta, options.line)
    if not np.isfinite(lipschitz):
        run.result.stop = OVERFLOW
        return run.end(it)
    run.result.stop = run.stops(it) or ROUNDED
    wanted = run.tolerance(it.value)
    found = certificate_at(
        run.curvature, it, wanted, rules.last_products, seed, bound=True, rules=rules
    )
    return run.end(it, found)
