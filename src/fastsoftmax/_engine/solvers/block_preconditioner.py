"""M, blocks of the Hessian, and when they are rebuilt.

M is block-diagonal over the classes: at first one matrix for all, of uniform rows, then each
class's own, of rows drawn by importance, rebuilt as the probabilities change: full Gram matrices,
or, where these are expensive, blocks of low rank. It leaves out the coupling of the classes, which
L-BFGS learns. Where the joint Hessian takes no more than a pass, M is that, from pairs of classes.
The class mean, to which no loss is sensitive, is projected out of every direction: without that the
method stalls.
"""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import NDArray

from fastsoftmax._engine.curvature import BlockRules, Curvature, Factors, blocks_for
from fastsoftmax._engine.line_search import Iterate


@dataclass(frozen=True)
class RebuildSchedule:
    """When M is rebuilt; costs are in passes over X (docs/experiments/0022, 0077 and 0085)."""

    amortisation: float = 0.7  # of the last build's cost, in passes since, before the next
    first_build_delay: float = 0.1  # of its cost, in passes before it: easy fits end without
    weight_change: float = 0.25  # or rise of the weights p(1 - p), before the next, or else
    regular_builds: int = 3  # after these a problem is hard, and the next build is forced after
    forced_rebuild: float = 3.0  # times the last build's cost in passes since, if of other rows
    far_row_change: float = 0.5  # of a feature's curvature, by far rows, before the next, at once
    far_row_share: float = 0.05  # of the features, at least, that these change without far cells
    upgrade: float = 3.0  # times the cost of full Gram matrices in passes, after which they come
    joint_iterations: int = 40  # at least, before they take the joint Hessian's place


class BlockPreconditioner:
    """M, rebuilt where it is due.

    Parameters
    ----------
    curvature : Curvature
    seed : int
        Of the rows that are sampled.
    schedule : RebuildSchedule, optional
    rules : BlockRules, optional
    """

    factor = 4.0

    def __init__(
        self,
        curvature: Curvature,
        seed: int,
        schedule: RebuildSchedule | None = None,
        rules: BlockRules | None = None,
    ) -> None:
        self._curvature, self._seed = curvature, seed
        self._objective = curvature.objective
        self._schedule = schedule or RebuildSchedule()
        self._blocks, *self._others = blocks_for(curvature, seed, rules)
        self.memory = self._blocks.memory
        self._factors: Factors | None = None
        self._built_at = self._build_cost = 0.0  # in passes
        self._far_rows_changed = False
        self.since, self._builds = 0, int(self._blocks.reused)

    @property
    def joint(self) -> bool:
        """Whether M is the joint Hessian."""
        return self._blocks.joint

    @property
    def forgets(self) -> bool:
        """Whether what the pairs say of before is in M, or no longer true."""
        return self._blocks.joint or self._far_rows_changed

    def update(self, it: Iterate, n_iter: int) -> bool:
        """Rebuild M where it is due; whether it was."""
        if self._factors is None:
            self._factors = self._counted(lambda: self._blocks.at_start(it))
            if not self._blocks.reused:
                self._curvature.set_start(it)
        self._upgrade(it, n_iter)
        blocks = self._blocks
        if not (self._is_due(it, n_iter) and blocks.fits):
            return False
        self._builds += 1
        seed = self._seed + self._builds
        self._objective.lengths()  # found once: not of what a build costs
        self._factors = self._counted(lambda: blocks.by_class(it, blocks.rows, seed))
        self._curvature.set_reference(it)
        self.since = n_iter
        return True

    def build(self, it: Iterate) -> None:
        """M at the iterate, whatever it costs."""
        blocks = self._blocks
        self._factors = blocks.at_start(it)
        if blocks.fits:
            self._factors = blocks.by_class(it, blocks.rows, self._seed)

    def solve(self, *vectors: NDArray) -> list[NDArray]:
        """M⁻¹ of vectors of class mean 0, as such vectors."""
        return self._factors.solve(*vectors)

    def _is_due(self, it: Iterate, n_iter: int) -> bool:
        curvature = self._curvature
        # the blocks at the start leave out far rows
        at_once = not self._builds and len(curvature.few_far) > 0
        self._far_rows_changed = self._have_far_rows_changed(it)
        if at_once:
            return True
        # few far rows have nearly all curvature of their features: nothing else gets on before
        whatever_it_costs = self._far_rows_changed and len(curvature.few_far) > 0
        since = n_iter - self.since
        return since > 0 and (whatever_it_costs or self._is_worth_it(it, since))

    def _have_far_rows_changed(self, it: Iterate) -> bool:
        """Whether far rows have changed much of M.

        Far cells may have all curvature of a feature on which other rows depend. Without them far
        rows are those of rare features, or far in all features.
        """
        curvature, schedule = self._curvature, self._schedule
        least = schedule.far_row_change
        if not curvature.far_cells:
            least = max(least, schedule.far_row_share * self._objective.shape[1])
        return curvature.change_of_far_rows(it) > least

    def _is_worth_it(self, it: Iterate, iterations: int) -> bool:
        """Whether enough was done with M, and it is no longer what it was.

        A longer step makes up for curvature that has fallen since the last build, so that M may
        serve for some iterations. Nothing makes up for curvature that has risen, but a build from
        all rows: from a few it may be worse.
        """
        schedule, blocks, first = self._schedule, self._blocks, not self._builds
        least = schedule.amortisation * self._build_cost
        if first:
            least = schedule.first_build_delay * blocks.cost(blocks.rows)
        since = self._objective.passes.count - self._built_at
        if since < least:
            return False
        waited, of_all_rows = iterations >= blocks.interval, it.sample_step == 1
        if self._far_rows_changed or (first and waited):
            return True
        if not (waited or of_all_rows):
            return False
        change, most = self._curvature.change_of_weights(it), schedule.weight_change
        if (of_all_rows and change.rise > most) or (waited and change.size > most):
            return True
        is_hard = self._builds > schedule.regular_builds and blocks.rows < blocks.most_rows
        return waited and is_hard and since >= schedule.forced_rebuild * self._build_cost

    def _upgrade(self, it: Iterate, n_iter: int) -> None:
        """Upgrade to other blocks, where the problem turns out to be hard enough for them."""
        least = self._schedule.joint_iterations if self.joint else 0
        for other in self._others:
            cost = self._schedule.upgrade * other.cost(other.rows)
            if self._objective.passes.count >= cost and n_iter >= least:
                other.at_start(it)
                self._blocks, self._builds, self._others = other, 0, []

    def _counted(self, build: Callable[[], Factors]) -> Factors:
        began = self._objective.passes.count
        factors = build()
        self._built_at = self._objective.passes.count
        self._build_cost = self._built_at - began
        return factors
