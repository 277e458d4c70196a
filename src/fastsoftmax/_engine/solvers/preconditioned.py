"""L-BFGS preconditioned by blocks of the Hessian, and Newton's method where that is faster."""

from dataclasses import dataclass

from numpy.typing import NDArray

from fastsoftmax._engine.curvature import GramCurvature
from fastsoftmax._engine.objective import Objective
from fastsoftmax._engine.objective.precision import to_float32
from fastsoftmax._engine.solvers import lbfgs, newton
from fastsoftmax._engine.solvers.base import ROUNDED, SLOW, Options, Result, Run, lacks, register
from fastsoftmax._engine.solvers.block_preconditioner import BlockPreconditioner
from fastsoftmax._engine.solvers.far_start import far_start


@dataclass(frozen=True)
class Handover:
    """When Newton's method takes over from L-BFGS, where the exact Hessian can be made."""

    newton_steps: int = 15  # that it takes, as a rule: L-BFGS may cost as much before
    iteration_work: float = 1e6  # multiply-adds worth what an iteration takes beside them

    def is_due(self, curvature: GramCurvature, n_iter: int, max_iter: int) -> bool:
        """Whether L-BFGS has taken as long as Newton's steps would, or half its iterations."""
        objective = curvature.objective
        iteration = self.iteration_work / objective.passes.work
        newton_step = curvature.hessian_cost() + iteration
        spent = objective.passes.count + n_iter * iteration
        return spent > self.newton_steps * newton_step or n_iter > max_iter // 2


@register("preconditioned-lbfgs", needs=("smooth",))
def minimize_preconditioned(
    objective: Objective, theta: NDArray, options: Options, handover: Handover | None = None
) -> Result:
    """L-BFGS, preconditioned; in float32 as far as that shows the way.

    Where it takes longer than Newton's method would, or float64 shows no step, Newton's method
    goes on from where it is.
    """
    to_float32(objective)
    run, exact = Run(objective, options), lacks(objective, "hessian") is None
    start = theta = far_start(run.curvature, theta)
    preconditioner = BlockPreconditioner(
        run.curvature, options.seed, options.rebuilds, options.blocks
    )
    handover = handover or Handover()

    def slow(n_iter: int) -> bool:
        return exact and handover.is_due(run.curvature, n_iter, options.max_iter)

    it, inverse_hessian = lbfgs.descend(
        run, theta, preconditioner, memory=preconditioner.memory, slow=slow
    )
    if exact and run.result.stop in (ROUNDED, SLOW):
        result = newton.descend(run, run.go_on(it))
        if result.stop != ROUNDED or result.halted:
            return result
        # rounding, as of rows whose weights differ by 1e30, may hide the way down from here alone
        again = newton.minimize_newton(objective, start, options)
        return again if again.value < result.value else result
    return lbfgs.finish(run, it, inverse_hessian)
