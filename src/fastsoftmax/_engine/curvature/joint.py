"""The joint Hessian of a softmax, with the coupling of classes, where it takes about a pass.

It is a sum over rows and pairs of classes (`_core/hessian/coupling_kernels.pyx`), of which some
dozens per parameter are sampled: steps are nearly Newton's, for a small part of the cost.

The history of L-BFGS is cleared at each build. Where M leaves out the coupling, the pairs of steps
describe it and stay valid; here they would describe a Hessian that has changed since.
Measurements: docs/experiments/0023-joint-hessian.md.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.block_gram import ClassGrams, GramRules, Projected
from fastsoftmax._engine.curvature.far_rows import limited
from fastsoftmax._engine.curvature.hessian import GramCurvature
from fastsoftmax._engine.linalg import ClassFactors, assemble_joint_hessian
from fastsoftmax._engine.line_search.iterate import Iterate
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.warm_start import Grams
from fastsoftmax._runtime.dtypes import TINY


@dataclass(frozen=True)
class JointRules(GramRules):
    """How the joint Hessian differs from blocks (docs/experiments/0023-joint-hessian.md)."""

    pairs_per_parameter: int = 56  # of rows and pairs of classes
    shared: float = 0.005
    diagonal: float = 1e-4  # where there is no intercept, squared means are in the variances
    interval: int = 1


class JointHessian(ClassGrams):
    """The objective's Hessian from pairs of classes."""

    joint = True
    usual_rules = JointRules()
    rules: JointRules

    def __init__(
        self, curvature: GramCurvature, seed: int, rules: JointRules | None = None
    ) -> None:
        super().__init__(curvature, seed, rules)
        self._n_pairs = self.rules.pairs_per_parameter * curvature.objective.size
        self.most_rows = self.rows  # others would tell the same
        self._matrix: NDArray | None = None  # whose memory goes from one build to the next

    def cost(self, rows: int, n_matrices: int | None = None) -> float:
        """The work of a build in passes; or that of so many Gram matrices, of so many rows each."""
        if n_matrices is not None:
            return super().cost(rows, n_matrices)
        n, d = self._objective.data.shape
        return self.work / (2 * n * d * self._objective.n_logits)

    @property
    def work(self) -> float:
        """Multiply-adds of a build."""
        k, size = self._objective.shape
        return self._n_pairs * (size**2 / 2 + k) + (k * size) ** 3 / 6

    @property
    def fits(self) -> bool:
        """Whether the matrix, and the Grams of pairs, leave room for the rest."""
        o = self._objective
        return 1.5 * o.size**2 * o.data.dtype.itemsize <= o.memory.preconditioner

    @cached_property
    def _ridge(self) -> NDArray[np.float64]:
        return np.tile(self._curvature.ridge, self._objective.n_logits)

    def _inverse(self, factors: ClassFactors) -> Projected:
        return Projected(self._objective, Tables(factors, self._objective))

    def by_class(self, it: Iterate, rows: int, seed: int) -> Projected:
        """The Hessian at the iterate."""
        o, c = self._objective, self._curvature
        (k, size), n_threads = o.shape, o.data.n_threads
        drawn, step, n = c.sample_pairs(it, self._n_pairs, seed)
        drawn = drawn.of_all(step, n)
        grams = c.gram(drawn, 1 / n)
        masses, counts = by_class(drawn.totals / n, k), by_class(drawn.counts, k)
        # a class of which few rows were drawn is more like all rows than these say
        shares = np.maximum(self.rules.shared, size / (size + counts))
        # What all classes have in common has no curvature but the penalty's, and factors would be
        # as good as float32's idea of that 0. With zzᵀ added, z not of sum 0, they are good, and
        # solve for gradients without it as before; z like this adds less to a class than it has.
        common = masses / np.sqrt(max(masses.sum(), np.finfo(float).tiny))
        shared = self._unweighted
        if c.far and not len(c.few_far):  # zzᵀ goes with what all classes have of a feature
            own = by_class(np.einsum("kii->ik", grams), k) / np.maximum(masses, TINY)
            shared = limited(shared, own.min(axis=1))
        parts = grams, shared, shares * masses + c.missing(masses), common, c.ridge
        # in the memory where the last one was factored
        self._matrix = assemble_joint_hessian(*parts, n_threads, self._matrix)
        o.passes.count += self.cost(rows)
        factors = ClassFactors(self._matrix, n_threads)
        c.grams = Grams(self._unweighted, factors, self._ridge, self.joint)
        return self._inverse(factors)


def by_class(of_pairs: NDArray, k: int) -> NDArray[np.float64]:
    """Sums over the pairs, which are last, of each of k classes."""
    sums = np.zeros((*of_pairs.shape[:-1], k))
    for of_class in ends(k):
        np.add.at(sums, (..., of_class), of_pairs)
    return sums


@cache
def ends(k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The larger and the smaller class of each pair."""
    larger, smaller = np.tril_indices(k, -1)
    return larger, smaller


class Tables:
    """The inverse of one matrix for all parameters, of tables (K, size).

    What is rounding in the part that all classes have in common, whose curvature may be nearly 0,
    is taken out first: it would come back magnified.
    """

    def __init__(self, factors: ClassFactors, objective: Objective) -> None:
        self._factors, self._parameters = factors, objective.parameters

    def solve(self, *right: NDArray) -> list[NDArray]:
        p = self._parameters
        solved = self._factors.solve(*(p.project(v)[None] for v in right))
        return [z.reshape(p.shape) for z in solved]
