"""L-BFGS preconditioned by the Hessian's block of each class.

M is block-diagonal over the classes: at first one matrix for all, of uniform rows, then each
class's own, of rows drawn by importance, renewed as the probabilities move: full Gram matrices,
or, where these are expensive, blocks of low rank. It leaves out the coupling of the classes, which
L-BFGS learns. Where the joint Hessian takes no more than a pass, M is that, from pairs of classes.
The class mean, to which no loss is sensitive, is projected out of every direction:
without that the method stalls.
"""

from collections.abc import Callable

from numpy.typing import NDArray

from fastsoftmax._engine.objective import Factors, Line, Objective, blocks_for
from fastsoftmax._engine.solvers import lbfgs, newton
from fastsoftmax._engine.solvers.base import ROUNDED, SLOW, Options, Result, Run, register
from fastsoftmax._engine.solvers.far_start import far_start

AMORTISATION = 0.7  # of the last build's cost, in passes since, before the next
FIRST_BUILD_DELAY = 0.1  # of the first build's cost, in passes before it: easy problems end without
WEIGHT_CHANGE = 0.25  # of the weights p(1 - p), relatively, before the next, or else
REGULAR_BUILDS = 3  # after these a problem is hard, and the next build is forced after
FORCED_REBUILD = 3.0  # times the last build's cost in passes since, if it has other rows
FAR_ROW_CHANGE = 0.5  # of a feature's curvature, by far rows, before the next, at any cost
NEWTON_STEPS = 15  # by Newton's method, as a rule: what L-BFGS may cost before that takes over
ITERATION = 1e6  # multiply-adds that its time without those is worth
UPGRADE = 3.0  # times the cost of full Gram matrices in passes, after which a problem gets them


class BlockPreconditioner:
    """M, renewed where it is due."""

    factor = 4.0

    def __init__(self, objective: Objective, seed: int) -> None:
        self._objective = objective
        self._seed = seed
        self._blocks, *self._others = blocks_for(objective, seed)
        self.memory = self._blocks.memory
        self._factors: Factors | None = None
        self._built_at = self._built_for = 0.0
        self._far_rows_changed = False
        self.since, self._builds = 0, int(self._blocks.reused)

    @property
    def joint(self) -> bool:
        return self._blocks.joint

    @property
    def forgets(self) -> bool:
        """Whether what the pairs say of before is in M, or no longer true."""
        return self._blocks.joint or self._far_rows_changed

    def update(self, line: Line, n_iter: int) -> bool:
        """Renew M where it is due; whether it was."""
        if self._factors is None:
            self._factors = self._counted(lambda: self._blocks.at_start(line))
        self._upgrade(line, n_iter)
        curvature, blocks = self._objective.curvature, self._blocks
        since = self._objective.n_passes - self._built_at
        due = (
            AMORTISATION * self._built_for
            if self._builds
            else FIRST_BUILD_DELAY * blocks.cost(blocks.rows)
        )
        # the blocks at the start leave out far rows
        at_once = not self._builds and len(curvature.few_far) > 0
        changed = since >= due and (
            not self._builds
            or curvature.change_of_weights(line) > WEIGHT_CHANGE
            or self._rebuild_is_forced(since)
        )
        self._far_rows_changed = curvature.change_of_far_rows(line) > FAR_ROW_CHANGE
        waited = n_iter - self.since >= (1 if self._far_rows_changed else blocks.interval)
        if blocks.fits and (at_once or (waited and (changed or self._far_rows_changed))):
            self._builds += 1
            seed = self._seed + self._builds
            self._objective.parameters.lengths()  # found once: not of what a build costs
            self._factors = self._counted(lambda: blocks.by_class(line, blocks.rows, seed))
            curvature.set_reference(line)
            self.since = n_iter
            return True
        return False

    def build(self, line: Line) -> None:
        """M at the line's point, whatever it costs."""
        blocks = self._blocks
        self._factors = blocks.at_start(line)
        if blocks.fits:
            self._factors = blocks.by_class(line, blocks.rows, self._seed)

    def _counted(self, build: Callable[[], Factors]) -> Factors:
        began = self._objective.n_passes
        factors = build()
        self._built_at = self._objective.n_passes
        self._built_for = self._built_at - began
        return factors

    def _upgrade(self, line: Line, n_iter: int) -> None:
        """Upgrade to other blocks, where the problem turns out to be hard enough for them."""
        for other in self._others:
            worth = self._objective.n_passes >= UPGRADE * other.cost(other.rows)
            if worth and n_iter >= self._blocks.lasts:
                other.at_start(line)
                self._blocks, self._builds, self._others = other, 0, []

    def _rebuild_is_forced(self, since: float) -> bool:
        more = self._builds > REGULAR_BUILDS and self._blocks.rows < self._blocks.most_rows
        return more and since >= FORCED_REBUILD * self._built_for

    def solve(self, *vectors: NDArray) -> list[NDArray]:
        """M⁻¹ of vectors of class mean 0, as such vectors."""
        return self._factors.solve(*vectors)


@register("preconditioned-lbfgs", needs=("smooth",))
def minimize_preconditioned(objective: Objective, theta: NDArray, options: Options) -> Result:
    """L-BFGS, preconditioned; in float32 as far as that shows the way.

    Where it takes longer than Newton's method would, or float64 shows no step, Newton's method
    goes on from where it is.
    """
    objective.to_float32()
    theta = far_start(objective, theta)
    preconditioner = BlockPreconditioner(objective, options.seed)
    run, exact = Run(objective, theta, options), objective.lacks("hessian") is None

    def slow(n_iter: int) -> bool:
        iteration = ITERATION / objective.pass_work
        cost = objective.curvature.hessian_cost()
        spent = objective.n_passes + n_iter * iteration
        return spent > NEWTON_STEPS * (cost + iteration) or n_iter > options.max_iter // 2

    line, inverse_hessian = lbfgs.descend(
        run, preconditioner, memory=preconditioner.memory, **({"slow": slow} if exact else {})
    )
    if exact and run.result.stop in (ROUNDED, SLOW):
        return newton.descend(run, run.go_on(line))
    return lbfgs.finish(run, line, inverse_hessian)
