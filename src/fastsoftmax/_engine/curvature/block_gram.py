"""The block of the Hessian of each class: the Gram matrix of its rows, weighted by p(1 - p).

A few thousand rows, sampled with probability proportional to that weight, give it to a few percent.
Measurements: docs/experiments/0020-full-or-low-rank-blocks.md.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.far_rows import limited
from fastsoftmax._engine.curvature.hessian import GramCurvature, fetched
from fastsoftmax._engine.data import numbers_of
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.line_search.iterate import Iterate
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.warm_start import Grams
from fastsoftmax._runtime.dtypes import TINY

GOLDEN = 0.6180339887498949  # multiples of it, less whole numbers, are spread evenly


@dataclass(frozen=True)
class GramRules:
    """From which rows Grams are made, what is added to them, and how they are used.

    docs/experiments/0020-full-or-low-rank-blocks.md, 0022-passes-at-convergence.md and
    0026-warm-start.md.
    """

    affordable: float = 20.0  # times n / D: rows from which Grams take 5 passes over X,
    enough: int = 2048  # rows, unless the features are more
    shared: float = 0.02  # of the unweighted Gram, so that no direction is without curvature
    diagonal: float = 0.01  # of the variances, in the unweighted Gram of some rows
    near: float = 0.6  # of a ridge, by which another may differ and go with the same factors
    memory: int = 30  # pairs of L-BFGS that go with them
    interval: int = 3  # iterations from one build to the next, at least


class TableFactors(Protocol):
    """Inverses of a block for each class, of tables (K, D) or (K, D + 1)."""

    def solve(self, *right: NDArray) -> list[NDArray]: ...


class Projected:
    """M⁻¹ of vectors like θ, with the class mean projected out."""

    def __init__(self, objective: Objective, factors: TableFactors) -> None:
        self._parameters, self.factors = objective.parameters, factors

    def solve(self, *right: NDArray) -> list[NDArray]:
        p = self._parameters
        return [p.project(z) for z in self.factors.solve(*map(p.layout.table, right))]


class ClassGrams:
    """The blocks of an objective's Hessian, as full Gram matrices."""

    joint = False
    usual_rules = GramRules()

    def __init__(self, curvature: GramCurvature, seed: int, rules: GramRules | None = None) -> None:
        self._curvature, self._seed = curvature, seed
        self._objective = objective = curvature.objective
        self.rules = rules = rules or self.usual_rules
        self.memory, self.interval = rules.memory, rules.interval
        n, d = objective.data.shape
        affordable = int(rules.affordable * n // d)
        self.rows, self.most_rows = min(n, max(d, min(affordable, rules.enough))), n
        self._unweighted: NDArray | None = None
        grams = curvature.grams
        whole = grams is not None and grams.ridge is not None
        self.reused = whole and grams.joint == self.joint

    def cost(self, rows: int, n_matrices: int | None = None) -> float:
        """The work of the blocks in passes, from so many rows each; or that of so many matrices."""
        n, d = self._objective.data.shape
        k, size = self._objective.shape
        count = k if n_matrices is None else n_matrices
        return count * (rows * size**2 / 2 + size**3 / 6) / (2 * n * d * k)

    @property
    def fits(self) -> bool:
        """Whether a matrix per class leaves room for the rest."""
        o = self._objective
        each = o.shape[1] ** 2 * o.data.dtype.itemsize
        return o.n_logits * each <= o.memory.preconditioner

    def at_start(self, it: Iterate) -> "Projected":
        """One unweighted Gram matrix for all classes, each times p(1 - p) of its share.

        Without the coupling of classes, this is the Hessian at the intercept-only model. X is
        divided into stretches of equal length, and one row is taken from each. Far rows are left
        out if they are few: their curvature is gone once they are predicted confidently.
        """
        o, c = self._objective, self._curvature
        if self.reused and c.grams.joint == self.joint:  # and not by others since
            return self._reuse(c.grams)
        n, d = o.data.shape
        rows = min(n, max(4 * d, self.rows))
        chosen = np.arange(n if rows == n else 0, dtype=np.int32)
        if rows < n:
            places = np.arange(rows, dtype=np.float64)
            # as good as random, for a tenth of the time
            places += (places + self._seed % n) * GOLDEN % 1
            places *= n / rows
            chosen = np.minimum(places, n - 1).astype(numbers_of(n))  # rounding may end at n
            chosen = fetched(o.data, chosen)
        weights = np.ones(len(chosen)) if o.weights is None else o.weights[chosen].astype(float)
        weights[np.isin(chosen, c.few_far)] = 0
        self._unweighted = c.of_rows(chosen, weights, 1 / len(chosen), self.rules.diagonal * c.bulk)
        o.passes.count += self.cost(len(chosen), 1)
        masses = c.start_masses()
        matrix = self._unweighted[None].copy()
        np.einsum("kii->ki", matrix)[:] += c.ridge / masses.mean()
        return Projected(o, ClassFactors(matrix, o.data.n_threads, masses))

    def _reuse(self, grams: Grams) -> "Projected":
        """The blocks of a fit before this one, with the penalty of this one."""
        self._unweighted = grams.unweighted
        if not np.allclose(grams.ridge, self._ridge, rtol=self.rules.near):
            before, grams.ridge = grams.ridge, None
            grams.factors.with_added(self._ridge - before)
            grams.ridge = self._ridge
            self._objective.passes.count += self.cost(0)
        return self._inverse(grams.factors)

    @property
    def _ridge(self) -> NDArray[np.float64]:
        return self._curvature.ridge

    def _inverse(self, factors: ClassFactors) -> "Projected":
        return Projected(self._objective, factors)

    def by_class(self, it: Iterate, rows: int, seed: int) -> "Projected":
        """The block of each class at the iterate, from about so many rows."""
        o, c = self._objective, self._curvature
        drawn, step, n = c.sample_rows(it, rows, seed)
        drawn = drawn.of_all(step, n)
        masses = drawn.totals / n
        shared = self.rules.shared
        shares = shared * masses + c.missing(masses)
        if c.far and not len(c.few_far):
            matrices = c.gram(drawn, 1 / n, c.ridge)
            for matrix, share, mass in zip(matrices, shares, masses, strict=True):
                own = np.diagonal(matrix) - c.ridge
                matrix += share * limited(self._unweighted, own / max(mass, TINY))
        else:
            more = {"shared": self._unweighted, "shares": shares}
            matrices = c.gram(drawn, (1 - shared) / n, c.ridge, **more)
        o.passes.count += self.cost(int(drawn.counts.sum()) // o.n_logits)
        factors = ClassFactors(matrices, o.data.n_threads)
        c.grams = Grams(self._unweighted, factors, c.ridge, self.joint)
        return self._inverse(factors)
