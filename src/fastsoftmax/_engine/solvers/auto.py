"""Which solver for which problem."""

from numpy.typing import NDArray

from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.solvers import dual_ascent, newton, preconditioned
from fastsoftmax._engine.solvers.base import Options, Result, find, lacks, register

TINY = 256  # parameters, and
LIGHT = 2e6  # multiply-adds of the exact Hessian, up to which it costs less than what it saves


@register("auto")
def minimize_auto(objective: Objective, theta: NDArray, options: Options) -> Result:
    """Proximal Newton for an L1 penalty; else Newton for tiny problems, L-BFGS for all others."""
    if objective.l1:
        return find("proximal-newton", objective).minimize(objective, theta, options)
    if objective.has_easy_dual and lacks(objective, "dual") is None:
        return dual_ascent.minimize_dual_ascent(objective, theta, options)
    n = objective.data.shape[0]
    light = objective.size <= TINY and n * objective.size**2 <= LIGHT
    if light and lacks(objective, "hessian") is None:
        return newton.minimize_newton(objective, theta, options)
    return preconditioned.minimize_preconditioned(objective, theta, options)
