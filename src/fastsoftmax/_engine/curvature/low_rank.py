"""The blocks of the Hessian in the leading directions of the features, where full Gram matrices are
expensive.

That of class k is close to U B_k Uᵀ + τ_k (1 - UUᵀ): U leading eigenvectors of the features'
covariance, for all classes, B_k the Gram matrix of the class's rows in them, weighted by p(1 - p),
τ_k one curvature for what is left. The class's weighted means decouple its intercept from its
weights: without them it takes up to twice the iterations. A build costs about r²/D² of full Gram
matrices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.block_gram import Projected
from fastsoftmax._engine.curvature.hessian import GramCurvature, fetched
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.linalg import (
    ClassFactors,
    LowRankFactors,
    low_rank_blocks,
    orthonormal_rows,
)
from fastsoftmax._engine.line_search.iterate import Iterate

DTYPE = np.dtype(np.float32)  # of the blocks, whatever that of X is: they are estimates
# to within this are the leading directions (docs/experiments/0050-campaign.md)
ORTHOGONAL = 8 * float(np.finfo(DTYPE).eps)
# of a direction's square, beyond those before it: a length of 1e-5 is known to 6 of 16 digits
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class LowRankRules:
    """How many directions and rows there are (docs/experiments/0020-full-or-low-rank-blocks.md)."""

    rank: int = 64
    rows: int = 512  # drawn for each class
    sample: int = 2048  # rows from which the leading directions are found
    means: int = 4  # drawn rows, of which one is enough for the means
    rounds: int = 2  # of subspace iteration
    shared: float = 0.02  # of the covariance of all rows: no direction is without curvature
    memory: int = 30  # pairs of L-BFGS that go with them
    interval: int = 3  # iterations from one build to the next, at least


class LowRankBlocks:
    """The blocks of an objective's Hessian, each of low rank but for a multiple of the identity."""

    joint = False
    reused = False

    def __init__(
        self, curvature: GramCurvature, seed: int, rules: LowRankRules | None = None
    ) -> None:
        self._curvature, self._seed = curvature, seed
        self._objective = objective = curvature.objective
        self._rules = rules = rules or LowRankRules()
        self.memory, self.interval = rules.memory, rules.interval
        self.rows = self.most_rows = min(objective.data.shape[0], rules.rows)
        self._rank = min(rules.rank, objective.data.shape[1])

    def cost(self, rows: int) -> float:
        """The work of the blocks in passes, from so many rows each."""
        n, d = self._objective.data.shape
        return (rows * (self._rank**2 / 2 + d) + self._rank**3 / 6) / (2 * n * d)

    @property
    def start_cost(self) -> float:
        """The work in passes of finding the leading directions, and of all rows in them."""
        o, rules = self._objective, self._rules
        n = o.data.shape[0]
        sampled = 2 * rules.rounds * min(rules.sample, n)
        return (sampled + n) * self._rank / (2 * n * o.n_logits)

    @property
    def fits(self) -> bool:
        """Whether a matrix per class, and all rows in those directions, leave room for the rest."""
        o = self._objective
        rows = o.data.shape[0] // o.data.sample_step
        numbers = o.n_logits * self._rank**2 + rows * self._rank
        return numbers * DTYPE.itemsize <= o.memory.preconditioner

    def _rows(self, step: int) -> DenseData:
        """Every step-th row in the leading directions, (n / step, r)."""
        o = self._objective
        found, key = o.parameters.found, ("projected", self._seed, step)
        if key not in found:
            rows = ScaledFeatures(o.data.every(step), o.parameters.shift, self._units)
            found[key] = o.data.like(
                o.data.once(
                    (*key, o.parameters.key),
                    lambda: rows.times(self._basis).astype(DTYPE, copy=False),
                )
            )
        return found[key]

    def _leading(self) -> tuple[NDArray, NDArray]:
        """Leading directions of the features, and their covariance, from some rows."""
        o, rules = self._objective, self._rules
        n, d = o.data.shape
        generator = np.random.default_rng([self._seed, n, d])
        rows = slice(None)
        if n > rules.sample:
            rows = fetched(o.data, np.sort(generator.choice(n, rules.sample, replace=False)))
        sample = ScaledFeatures(o.data.rows(rows), o.parameters.shift, self._units)
        basis = leading(sample, self._rank, generator, rules.rounds).astype(DTYPE)
        V = o.data.like(sample.times(basis).astype(DTYPE, copy=False))
        return basis, V.second_moments().astype(DTYPE)

    def at_start(self, it: Iterate) -> Projected:
        """The covariance of the features for all classes, each times p(1 - p) of its share."""
        o, c = self._objective, self._curvature
        d = o.data.shape[1]
        self._units, ridge = c.units[:d], c.ridge[:d]
        found, key = o.parameters.found, ("leading", self._seed)
        if key not in found:
            found[key] = o.data.once((*key, o.parameters.key), self._leading)
            o.passes.count += self.start_cost
        self._basis, self._covariance = found[key]
        self._rank = rank = len(self._basis)
        spread = float(np.sum(c.spread[:d] * (self._units > 0)))
        seen = float(np.einsum("rr->", self._covariance))
        rest = max(spread - seen, 0.0)
        # no less than what the leading directions leave over by rounding
        self._tail = max(rest / max(d - rank, 1), ORTHOGONAL * seen)
        penalised = o.data.like((self._basis * ridge).astype(DTYPE))
        self._ridge = penalised.logits(self._basis, None)
        self._tail_ridge = float(ridge.mean())
        masses = c.start_masses()
        matrix = self._covariance + self._ridge / masses.mean()
        factors = ClassFactors(matrix[None].astype(DTYPE), o.data.n_threads, masses)
        return self._inverse(factors, masses, np.zeros((o.n_logits, d)))

    def by_class(self, it: Iterate, rows: int, seed: int) -> Projected:
        """The block of each class at the iterate, from about so many rows."""
        o, rules = self._objective, self._rules
        d = o.data.shape[1]
        drawn, step, n = self._curvature.sample_rows(it, rows, seed)
        rank = self._rank
        grams = self._rows(step).gram(drawn, scales=np.ones(rank + 1), scale=1 / n)
        means = np.zeros((o.n_logits, d))
        if o.fit_intercept:
            few = drawn.every(rules.means if rows < n else 1).of_all(step, n)
            weights = np.maximum(few.powers(2), np.finfo(float).tiny)
            means[:] = (o.data.sums(few) / weights[:, None] - o.parameters.shift) * self._units
            means[few.counts == 0] = 0
        share = np.full(o.n_logits, rules.shared)
        if step > 1:  # a class of which few rows were seen is more like all rows than these say
            totals = np.maximum(grams[:, rank, rank], np.finfo(DTYPE).tiny)
            effective = np.square(n * totals) / np.maximum(drawn.powers(4), np.finfo(float).tiny)
            share = np.maximum(share, rank / (rank + effective))
        masses = drawn.totals / n
        missing = self._curvature.missing(masses)
        blocks = low_rank_blocks(
            grams, o.fit_intercept, 1 - share, share * masses + missing,
            self._covariance, self._ridge, o.data.n_threads,
        )  # fmt: skip
        o.passes.count += self.cost(int(drawn.counts.sum()) // o.n_logits)
        return self._inverse(ClassFactors(blocks, o.data.n_threads), masses + missing, means)

    def _inverse(self, factors: ClassFactors, masses: NDArray, means: NDArray) -> Projected:
        o = self._objective
        tails = masses * self._tail + self._tail_ridge
        tails = np.where(tails > 0, tails, 1.0)
        if not o.fit_intercept:
            return Projected(o, LowRankFactors(self._basis, factors, tails, o.data.n_threads))
        one = 1 / o.parameters.intercept_scale  # what the intercept's column holds
        intercepts = np.where(masses > 0, masses, 1.0) * one**2
        return Projected(
            o,
            LowRankFactors(self._basis, factors, tails, o.data.n_threads, means / one, intercepts),
        )


class ScaledFeatures:
    """B = (X - shift) * units as a factor of products."""

    def __init__(self, data: DenseData, shift: NDArray, units: NDArray) -> None:
        self._shift, self._units = shift, units
        self.data, self.shape = data, data.shape

    def times(self, Q: NDArray) -> NDArray:
        """B Qᵀ, (n, r), for Q (r, d)."""
        W = Q * self._units
        return self.data.logits(W, -np.einsum("rd,d->r", W, self._shift))

    def across(self, T: NDArray) -> NDArray[np.float64]:
        """Bᵀ T, (d, r), for T (n, r)."""
        product = self.data.across(T)
        product -= np.outer(self._shift, T.sum(axis=0, dtype=np.float64))
        return product * self._units[:, None]


def leading(
    B: ScaledFeatures, rank: int, generator: np.random.Generator, rounds: int = LowRankRules.rounds
) -> NDArray:
    """About the leading right singular vectors of B (n, d): (r, d), orthonormal, r <= rank.

    Subspace iteration from Gaussian vectors (Halko, Martinsson & Tropp, SIAM Review 53, 2011,
    algorithm 4.4).
    """
    n, d = B.shape
    Q = generator.standard_normal((min(rank, n, d), d))
    for _ in range(rounds):
        Q = orthonormal(B.data.like(B.across(B.times(Q))))
    return Q


def orthonormal(Y: DenseData) -> NDArray[np.float64]:
    """An orthonormal basis of the columns of Y (d, r), as rows, but for what is negligible.

    Gram-Schmidt on coefficients of the columns, from their Gram matrix in float64: the long sums
    are one product, and no LAPACK's threads are left spinning beside the kernels that follow.
    """
    G = len(Y.X) * Y.second_moments()
    rows = orthonormal_rows(G, NEGLIGIBLE)
    if not len(rows):  # there are no features at all: any direction
        return np.eye(1, len(Y.X))
    return np.ascontiguousarray(Y.logits(rows, None).T)
