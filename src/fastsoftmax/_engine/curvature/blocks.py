"""Which blocks of the Hessian to precondition with."""

from dataclasses import dataclass
from typing import Protocol

from numpy.typing import NDArray

from fastsoftmax._engine.curvature.block_gram import ClassGrams
from fastsoftmax._engine.curvature.diagonal import ClassDiagonals
from fastsoftmax._engine.curvature.hessian import Curvature, GramCurvature
from fastsoftmax._engine.curvature.joint import JointHessian
from fastsoftmax._engine.curvature.low_rank import LowRankBlocks
from fastsoftmax._engine.line_search.iterate import Iterate


@dataclass(frozen=True)
class BlockRules:
    """Which blocks cost what they save.

    docs/experiments/0020-full-or-low-rank-blocks.md, 0023-joint-hessian.md and
    0085-early-builds.md.
    """

    joint_passes: float = 1.25  # for the joint Hessian, up to which it saves more than it costs,
    joint_passes_far: float = 6.0  # where few far rows have nearly all curvature, or
    joint_work: float = 2e6  # multiply-adds, which do not show beside those of an iteration
    gram_cost: float = 3.0  # of full Gram matrices, times that of low rank: beyond, first low rank


class Factors(Protocol):
    """M⁻¹: of vectors like θ, without what all classes have in common."""

    def solve(self, *right: NDArray) -> list[NDArray]: ...


class HessianBlocks(Protocol):
    """Where M comes from."""

    memory: int  # pairs of L-BFGS that go with it
    rows: int  # to make a class's block from, at first
    most_rows: int  # beyond which more do not help
    reused: bool  # whether they come from a fit before this one
    fits: bool  # whether there is memory for the blocks of all classes
    interval: int  # iterations from one build to the next, at least
    joint: bool  # whether M is the joint Hessian, after whose builds pairs of before are cleared

    def cost(self, rows: int) -> float: ...

    def at_start(self, it: Iterate) -> Factors: ...

    def by_class(self, it: Iterate, rows: int, seed: int) -> Factors: ...


def of_dense(curvature: GramCurvature, seed: int, rules: BlockRules) -> list[HessianBlocks]:
    """The joint Hessian, if that is cheap, else full Gram matrices; if these are expensive and
    blocks of low rank are not, first those."""
    joint = JointHessian(curvature, seed)
    most = rules.joint_passes_far if len(curvature.few_far) else rules.joint_passes
    is_cheap = joint.cost(joint.rows) <= most or joint.work <= rules.joint_work
    if is_cheap and joint.fits and curvature.objective.loss.couples_classes:
        return [joint, ClassGrams(curvature, seed)]
    full, low = ClassGrams(curvature, seed), LowRankBlocks(curvature, seed)
    if full.reused and full.fits:
        return [full]
    is_dear = full.cost(full.rows) > rules.gram_cost * (low.start_cost + low.cost(low.rows))
    if not low.fits or (full.fits and not is_dear):
        return [full]
    return [low, full] if full.fits else [low]


def blocks_for(
    curvature: Curvature, seed: int, rules: BlockRules | None = None
) -> list[HessianBlocks]:
    """The blocks to begin with, and others for problems that turn out to be hard.

    For sparse X diagonals: all else has as many numbers per class as there are pairs of features.
    """
    if curvature.objective.data.is_sparse:
        return [ClassDiagonals(curvature)]
    return of_dense(curvature, seed, rules or BlockRules())
