"""Which blocks of the Hessian to precondition with."""

from typing import Protocol

from numpy.typing import NDArray

from fastsoftmax._engine.curvature.block_gram import ClassGrams
from fastsoftmax._engine.curvature.diagonal import ClassDiagonals
from fastsoftmax._engine.curvature.hessian import Curvature, GramCurvature
from fastsoftmax._engine.curvature.joint import JointHessian
from fastsoftmax._engine.curvature.low_rank import LowRankBlocks
from fastsoftmax._engine.line_search.iterate import Iterate

JOINT_PASSES = 1.25  # passes for the joint Hessian, up to which it saves more than it costs, or
WORTH = 6.0  # the same where few far rows have nearly all curvature, which couples the classes
SLIGHT = 2e6  # multiply-adds, beside what goes with an iteration anyway
DEAR = 6.0  # passes for full Gram matrices: beyond, blocks of low rank, if these are cheaper


class Factors(Protocol):
    """M⁻¹: of vectors like θ, without what all classes have in common."""

    def solve(self, *right: NDArray) -> list[NDArray]: ...


class Blocks(Protocol):
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


def of_dense(curvature: GramCurvature, seed: int) -> list[Blocks]:
    """The joint Hessian, if that is cheap, else full Gram matrices; if these are expensive and
    blocks of low rank are not, first those."""
    joint = JointHessian(curvature, seed)
    most = WORTH if len(curvature.few_far) else JOINT_PASSES
    is_cheap = joint.cost(joint.rows) <= most or joint.work <= SLIGHT
    if is_cheap and joint.fits and curvature.objective.loss.couples_classes:
        return [joint, ClassGrams(curvature, seed)]
    full, low = ClassGrams(curvature, seed), LowRankBlocks(curvature, seed)
    if full.reused and full.fits:
        return [full]
    dear = full.cost(full.rows) > max(DEAR, 2 * (low.start_cost + low.cost(low.rows)))
    if not low.fits or (full.fits and not dear):
        return [full]
    return [low, full] if full.fits else [low]


def of_sparse(curvature: Curvature, seed: int) -> list[Blocks]:
    """Diagonals: all else has as many numbers for a class as there are pairs of features."""
    return [ClassDiagonals(curvature)]


def blocks_for(curvature: Curvature, seed: int) -> list[Blocks]:
    """The blocks to begin with, and others for problems that turn out to be hard."""
    return (of_sparse if curvature.objective.data.is_sparse else of_dense)(curvature, seed)
