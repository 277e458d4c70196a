"""Which solver for which problem."""

from numpy.typing import NDArray

from fastsoftmax.objective import Objective
from fastsoftmax.solvers import lbfgs, newton, preconditioned
from fastsoftmax.solvers.base import Options, Result, register

TINY = 128  # parameters, and
LIGHT = 2e7  # multiply-adds of the exact Hessian, up to which it costs less than what it saves
DEAR = 400.0  # passes for a Gram a class: beyond, L-BFGS needs fewer in all


@register("auto")
def minimize_auto(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Newton's method for tiny problems; else L-BFGS, preconditioned unless rows are so few that
    Grams of the features cost too much."""
    n, d = objective.data.shape
    if objective.size <= TINY and n * objective.size**2 <= LIGHT:
        return newton.minimize_newton(objective, theta, options)
    if preconditioned.gram_cost(min(n, d), n, d) > DEAR:
        return lbfgs.minimize_plain(objective, theta, options)
    return preconditioned.minimize_preconditioned(objective, theta, options)
