"""What a solver may know of the Hessian, Σᵢ sᵢ (diag(pᵢ) - pᵢ pᵢᵀ) ⊗ uᵢ uᵢᵀ.

u are the features of θ and a 1. Rows to make its blocks from (`block_gram.py`, `low_rank.py`), its
largest eigenvalue, or all of it.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.far_rows import FarRows, FarRules, with_pairs
from fastsoftmax._engine.data import Data, RowSample, StoredLogits, some_rows
from fastsoftmax._engine.linalg import ClassFactors, dot
from fastsoftmax._engine.line_search.iterate import Iterate
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.warm_start import Grams, WarmStart, key_of
from fastsoftmax._runtime.dtypes import TINY

# at most, for all of the Hessian: 32 MiB, and 1.4e9 multiply-adds to factor it, half a second
HESSIAN_PARAMETERS = 2048
NUMBERS = 1 << 18  # probabilities at a time: with what is made of them, 16 MiB


@dataclass(frozen=True)
class CurvatureRules:
    """How a change of the Hessian is measured, and how little curvature a class may have.

    docs/experiments/0020-full-or-low-rank-blocks.md, 0022-passes-at-convergence.md and
    0023-joint-hessian.md.
    """

    reference_rows: int = 1024  # whose p(1 - p) at the last build are kept as reference
    small_fall: float = 1e-4  # of F, a change by less than which they have hardly changed
    floor: float = 0.02  # of the median class's curvature mass, for each by its share
    rare: float = 1e-6  # of a typical class, what another counts for at least
    far: FarRules = field(default_factory=FarRules)


@dataclass(frozen=True)
class RefinementRules:
    """How a step of Newton's method is refined (docs/experiments/0042-newton-solves.md)."""

    steps: int = 20  # at most
    flat: float = 1e-15  # of the largest curvature: one that may be rounding
    solved: float = 1e-24  # of the square of its residual: nothing more is left of it


class Change(NamedTuple):
    """Means over the classes of what weights have changed by, relatively."""

    size: float  # the sum of all changes, of that of the weights
    rise: float  # the sum of those that are greater now, of what the weights were


class Curvature:
    """What stored logits tell of it, whatever X is; counts what it costs in passes.

    Parameters
    ----------
    objective : Objective
    rules : CurvatureRules, optional
    """

    few_far: NDArray = np.empty(0, np.int32)  # far rows, where they are few
    far_cells = False  # whether a few cells are far from all others

    def __init__(self, objective: Objective, rules: CurvatureRules | None = None) -> None:
        self.objective, self.rules = objective, rules or CurvatureRules()
        warm_start = objective.warm_start
        self.reference: NDArray | None = warm_start.reference if warm_start else None
        self.grams: Grams | None = warm_start.grams if warm_start else None
        self._seen: tuple[float, StoredLogits] | None = None  # where F was so much
        self._last_change: tuple[float, Change] | None = None  # the same, and what came out
        self._squares: NDArray[np.float64] | None = None  # lengths of rows
        self._far: FarRows | None = None

    def start_masses(self) -> NDArray:
        """p(1 - p) of each logit, for the shares of the classes."""
        return self.objective.loss.variances(self.objective.shares)

    def missing(self, masses: NDArray) -> NDArray[np.float64]:
        """What the means of p(1 - p) of the classes lack of a floor, by the classes' shares.

        A class far less uncertain than others will not stay so: its next step would overshoot.
        """
        start = self.start_masses()
        return np.maximum(self.rules.floor * start * np.median(masses / start) - masses, 0)

    def sample_rows(self, it: Iterate, rows: int, seed: int) -> tuple[RowSample, int, int]:
        """About so many rows of each class, drawn from every step-th row: the sample, the step, and
        from how many rows it was drawn.

        A row is drawn with probability proportional to p(1 - p), times its squared length where
        that is known, which is about what it adds to the trace. Rows with rare features are few,
        and nothing else tells of these features.
        """
        parts, n = [], 0
        for sample in it.samples():
            weights, squares = self._of_rows(sample.rows)
            sample.logits.variances(weights, sample.scratch)
            step = sample.rows.step // it.sample_step
            key = seed + sample.rows.start * self.objective.n_logits
            drawn = sample.scratch.sample_rows(-(-rows // step), key, squares)
            parts.append(drawn.of_all(step, sample.logits.n, sample.rows.start))
            n += sample.logits.n
        return RowSample.of_parts(parts), it.sample_step, n

    def sample_pairs(self, it: Iterate, wanted: int, seed: int) -> tuple[RowSample, int, int]:
        """So many rows, each with a pair of classes, drawn in the same way by
        p_k p_l (1 / sₖ + 1 / sₗ).

        s is the sum of p(1 - p) of a class over some rows, but no less than a little, so that rare
        classes are drawn as often as others.
        """
        masses = self._weights_of_some_rows(it).class_sums()
        masses /= max(masses.mean(), np.finfo(float).tiny)
        sample = next(it.samples())
        weights, squares = self._of_rows(sample.rows)
        resistances = 1 / np.maximum(masses, self.rules.rare)
        far = self.far if sample.rows.step == 1 else ()
        others = weights
        if far:
            wanted //= 2
            P = far.probabilities(sample.logits)
            others = np.ones(sample.logits.n) if weights is None else weights.astype(float)
            others[far.rows] = 0
        drawn = sample.scratch.sample_pairs(
            wanted, seed, resistances, others, squares, of=sample.logits
        )
        if far:
            leverages = far.set_reference(P, self._masses(it)).leverages
            density, generator = wanted / self.objective.size, np.random.default_rng(seed)
            drawn = with_pairs(drawn, *far.sample_pairs(P, leverages, density, generator))
        return drawn, sample.rows.step, sample.logits.n

    def _of_rows(self, rows: slice) -> tuple[NDArray | None, NDArray[np.float64] | None]:
        """Weights and squared lengths of some rows."""
        o = self.objective
        weights = None if o.weights is None else np.ascontiguousarray(o.weights[rows])
        if self._squares is None and (lengths := o.lengths()) is not None:
            self._squares = np.square(lengths)
        squares = self._squares
        if squares is not None:
            squares = np.ascontiguousarray(squares[rows])
        return weights, squares

    @property
    def far(self) -> FarRows | tuple[()]:
        """The far rows, where lengths are known, or where there are far cells."""
        if self._squares is None and self.far_cells:
            lengths = self.objective.lengths()
            self._squares = None if lengths is None else np.square(lengths)
        if self._squares is None:
            return ()
        if self._far is None:
            self._far = FarRows(
                self.objective, self._squares, self.ridge, self.bulk, self.units, self.rules.far
            )
        return self._far

    def _masses(self, it: Iterate) -> NDArray[np.float64]:
        """The mean of p(1 - p) of each class over some rows."""
        some = self._weights_of_some_rows(it)
        return some.class_sums() / some.n

    def change_of_far_rows(self, it: Iterate) -> float:
        """How far the blocks are from those of the last build, in what far rows add to them.

        It is counted in features, and 0 where logits are not stored.
        """
        if not self._far or not it.incremental_logits:
            return 0.0
        return self._far.change(self._far.probabilities(it.logits(0)))

    def set_start(self, it: Iterate) -> None:
        """Remember the weights p(1 - p) of the intercept-only model: blocks begin with these."""
        some = it.logits(self.rules.reference_rows)
        some.fill(self.objective.loss.intercepts(self.objective.shares))
        self.reference = self._to_weights(some).tiles

    def set_reference(self, it: Iterate) -> None:
        """Remember the weights p(1 - p) at the iterate, for `change_of_weights`."""
        self.reference = self._weights_of_some_rows(it).tiles
        self._last_change = it.value, Change(0.0, 0.0)
        if self.far and it.incremental_logits:
            self.far.set_reference(self.far.probabilities(it.logits(0)), self._masses(it))

    def _weights_of_some_rows(self, it: Iterate) -> StoredLogits:
        """p(1 - p) of some rows; kept as long as F is the same."""
        if self._seen is None or self._seen[0] != it.value:
            some = it.logits(self.rules.reference_rows)  # a copy
            self._seen = it.value, self._to_weights(some)
        return self._seen[1]

    def _to_weights(self, some: StoredLogits) -> StoredLogits:
        """p(1 - p) of logits, in their place."""
        all_rows = some.n == self.objective.data.shape[0]
        weights = self.objective.weights
        some.variances(weights[::1] if all_rows and weights is not None else None, some)
        return some

    def change_of_weights(self, it: Iterate) -> Change:
        """How far the weights p(1 - p) are from those of the last build. Where F has hardly fallen
        since the last call, the result of that is returned."""
        if self.reference is None:
            return Change(np.inf, np.inf)
        small = self.rules.small_fall * abs(it.value)
        if self._last_change and abs(it.value - self._last_change[0]) <= small:
            return self._last_change[1]
        now = self._weights_of_some_rows(it)
        before = now.like()
        before.tiles = np.ascontiguousarray(self.reference, now.tiles.dtype)
        change, total, past = now.class_sums(self.reference), now.class_sums(), before.class_sums()
        rise = (change + total - past) / 2
        shares = change / np.where(total > 0, total, 1), rise / np.where(past > 0, past, 1)
        self._last_change = it.value, Change(*(float(share.mean()) for share in shares))
        return self._last_change[1]

    def lipschitz(self) -> float:
        """A bound on the largest eigenvalue of the Hessian of F, anywhere."""
        gram = self.largest_of_gram()
        return self.objective.loss.largest_curvature * gram + self.objective.penalty

    def largest_of_gram(self) -> float:
        """A bound on the largest eigenvalue of Σ sᵢ uᵢ uᵢᵀ / n, s of mean 1."""
        o = self.objective
        n, d = o.data.shape
        weights = np.ones(n) if o.weights is None else o.weights.astype(float)
        columns, intercept = np.zeros(d), 0.0
        for rows, piece in o.data.pieces():
            X = abs(piece.X)
            sums = weights[rows] * (X @ np.ones(d) + o.fit_intercept)
            columns += X.T @ sums
            intercept += o.fit_intercept * sums.sum()
        # of UᵀSU, all of whose entries are taken for positive: its largest sum of a row
        return float(max(columns.max(), intercept)) / n


class GramCurvature(Curvature):
    """Of dense X: Gram matrices of its rows, in the coordinates of `Standardised`."""

    def __init__(self, objective: Objective, rules: CurvatureRules | None = None) -> None:
        super().__init__(objective, rules)
        q, one = objective.parameters.scaling, 1 / objective.parameters.intercept_scale
        ridge = np.square(np.sqrt(objective.penalty) / q.scales)
        intercept = [one] if objective.fit_intercept else []
        # a constant feature has no curvature beside the intercept's
        self.units = np.concatenate([~q.constant / q.scales, intercept])
        ridge[objective.free] = 0
        self.ridge = np.concatenate([ridge, np.zeros(len(intercept))])
        self.spread = np.concatenate([np.square(q.deviations / q.scales), np.square(intercept)])
        self.far_cells = bool((q.bulk < q.deviations).any())
        self.bulk = np.concatenate([np.square(q.bulk / q.scales), np.square(intercept)])

    def gram(
        self, drawn: RowSample, scale: float, ridge: NDArray | None = None, **more: NDArray
    ) -> NDArray:
        return self._gram_of(self.objective.data, drawn, scale, ridge, **more)

    def _gram_of(
        self,
        data: Data,
        drawn: RowSample,
        scale: float,
        ridge: NDArray | None = None,
        **more: NDArray,
    ) -> NDArray:
        """The same of other rows than those of the objective."""
        # far rows may have 1e8 times the curvature of others: more than float32's digits
        data, shift = data.to_float64() if self.far_cells else data, self.objective.parameters.shift
        return data.gram(drawn, shift, self.units, scale, ridge, **more)

    @property
    def few_far(self) -> NDArray:
        """Far rows, where they are so few that Newton's step for them alone costs little."""
        most = self.rules.far.newton_passes
        if not self.far_cells or self.newton_cost(1) > most:
            return Curvature.few_far
        far = self.far
        return far.rows if far and self.newton_cost(len(far)) <= most else Curvature.few_far

    def newton_cost(self, rows: int) -> float:
        """Passes that a Hessian of so many rows, and its factors, are worth."""
        o = self.objective
        k, size = o.shape
        return (2 * o.loss.n_grams * rows * size**2 / 4 + (k * size) ** 3 / 6) / o.passes.work

    def features(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """The features of some rows in the coordinates of θ, and their constants."""
        return self.objective.parameters.features(self.objective.data.rows(rows))

    def of_rows(self, rows: NDArray, weights: NDArray, scale: float, ridge: NDArray) -> NDArray:
        """One Gram of the rows, weighted."""
        drawn = RowSample(rows[None], np.sqrt(weights)[None], np.array([len(rows)]), np.ones(1))
        return self.gram(drawn, scale, ridge)[0]

    def lipschitz(self) -> float:
        """A bound on the largest eigenvalue of the Hessian of F, anywhere."""
        o = self.objective
        n = o.data.shape[0]
        weights = np.ones(n) if o.weights is None else o.weights
        gram = self.of_rows(np.arange(n, dtype=np.int32), weights, 1 / n, 0 * self.ridge)
        o.passes.count += len(gram) ** 2 / (4 * o.data.shape[1] * o.n_logits)
        if not np.isfinite(gram).all():
            return np.inf
        # of a matrix without negative eigenvalues: the norm of its largest row sum bounds them
        largest = min(np.abs(gram).sum(axis=1).max(), np.einsum("ii->", gram))
        if len(gram) <= HESSIAN_PARAMETERS:
            largest = np.linalg.eigvalsh(gram.astype(np.float64))[-1] * (1 + 1e-3)
        return o.loss.largest_curvature * float(largest) + float(self.ridge.max())

    def solve_hessian(
        self, it: Iterate, tolerance: float, rules: RefinementRules | None = None
    ) -> NDArray:
        """H⁻¹ ∇F, with the class mean projected out. A decrease of F within the tolerance calls for
        no step.

        Conjugate gradients are preconditioned by the factors of H. The factors alone would not do:
        what was added to the diagonal to factor H would hold back directions of less curvature.
        Entries of H are rounded relative to the diagonal of their row and column, so curvature is
        compared in units in which the diagonal is 1.
        """
        H, gradient = self.hessian(it), it.gradient.astype(np.float64)
        copy, rules = H.copy(), rules or RefinementRules()
        if self.objective.loss.shift_invariant:
            add_shifts(copy, self.objective.shape, self.ridge)
        factors = ClassFactors(copy[None], self.objective.data.n_threads)
        x, residual = np.zeros(len(gradient)), gradient
        z = p = self._solved(factors, residual)
        size = first = dot(residual, z)
        diagonal = np.maximum(np.diagonal(H), TINY)
        for _ in range(rules.steps if size > 0 else 0):
            product = np.einsum("ij,j->i", H, p)  # without BLAS
            curvature = dot(p, product)
            if not curvature > rules.flat * dot(p, diagonal * p):
                if x.any():
                    return x
                return p if first > 2 * tolerance else solve_seen(H, gradient, diagonal)
            x = x + (size / curvature) * p
            residual = residual - (size / curvature) * product
            z, before = self._solved(factors, residual), size
            size = dot(residual, z)
            if not rules.solved * first < size < np.inf:
                break
            p = z + (size / before) * p
        return x

    def _solved(self, factors: ClassFactors, vector: NDArray) -> NDArray[np.float64]:
        return self.objective.parameters.project(factors.solve(vector[None])[0][0])

    def hessian_cost(self) -> float:
        """Passes that it is worth, factors and all."""
        return self.newton_cost(self.objective.data.shape[0])

    def hessian(self, it: Iterate) -> NDArray[np.float64]:
        """All of it, (size, size): K(K + 1)/2 Grams of all rows, or K of logistic functions."""
        self.objective.passes.count += self.hessian_cost()
        return self.hessian_of(it.logits(0))

    def hessian_of(self, logits: StoredLogits) -> NDArray[np.float64]:
        """The same for logits of all rows."""
        o, (k, size) = self.objective, self.objective.shape
        H = np.zeros((k, size, k, size))
        for rows, data in some_rows(o.data, rows_of_hessian(k, size)):
            P, Q = o.loss.probabilities(logits.part(rows))
            if (missing := o.loss.missing(o.targets[rows])) is not None:
                P[missing] = 0  # a logit has no loss there, hence no curvature
            weights = None if o.weights is None else o.weights[rows]
            gram = partial(self._gram_of, data, scale=1 / o.data.shape[0])
            H += o.loss.hessian(P, Q, weights, size, gram)
        H = H.reshape(k * size, k * size)
        diagonal = H.ravel()[:: k * size + 1].reshape(k, size)
        diagonal += self.ridge
        return H


def rows_of_hessian(k: int, size: int) -> int:
    """How many at a time, in whole tiles: enough to be worth adding what they make of (K, size)²
    numbers."""
    tile = StoredLogits.tile_rows(np.dtype(np.float32))
    return -(-max(NUMBERS, (k * size) ** 2 // 4) // (k * tile)) * tile


def fetched(data: Data, rows: NDArray) -> NDArray:
    """Numbers of rows; of partitions those of rows beside them that are fetched."""
    return rows - rows % data.sample_step if data.sample_step > 1 else rows


def solve_seen(
    H: NDArray[np.float64], vector: NDArray[np.float64], diagonal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """H⁻¹ v in the directions whose curvature is more than rounding, 0 in the others.

    In units in which the diagonal is 1. Of classes that are separated from others H is a difference
    of much larger numbers, and a step along them may be any.
    """
    units = 1 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(H * units * units[:, None])
    seen = values > len(H) * np.finfo(float).eps * values[-1]
    vectors = vectors[:, seen] * units[:, None]
    return np.einsum("ij,j->i", vectors, np.einsum("ij,i->j", vectors, vector) / values[seen])


def add_shifts(
    H: NDArray[np.float64],
    shape: tuple[int, int],
    ridge: NDArray,
    features: NDArray[np.bool_] | slice = slice(None),
) -> None:
    """Curvature, as much as each class has, for what all classes have in common, in place of the
    ridge, which is all that H (K·size, K·size) has there; for some features.

    Of a vector of class mean 0 the inverse then gives H⁻¹, but for a class mean.
    """
    k, size = shape
    own = np.diagonal(H).reshape(k, size)
    roots = own / np.sqrt(np.maximum(own.sum(axis=0), TINY))
    shared = roots[:, None] * roots - ridge / k
    np.einsum("kjlj->klj", H.reshape(k, size, k, size))[:, :, features] += shared[:, :, features]


def of_shifts(H: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curvature for shifts of all classes, to which the softmax is invariant: (K, m, K, m).

    Of S_k T⁻¹ S_l, S_k being the class's own block and T their sum: no class gets more than it has.
    """
    own = np.einsum("kikj->kij", H)
    total = own.sum(axis=0)
    if len(total) == 1:  # where pinv would take longer than all else
        inverse = 1 / np.maximum(total, TINY)
    else:
        inverse = np.linalg.pinv(total, hermitian=True)
    return np.einsum("kia,ab,lbj->kilj", own, inverse, own)


def warm_start_of(curvature: Curvature) -> WarmStart | None:
    """What a fit leaves for the next, from what it knew of the Hessian; None if that is nothing."""
    objective = curvature.objective
    scaling = objective.parameters.scaling
    if scaling is None:
        return None
    key = key_of(objective.exact_data, objective.loss, objective.fit_intercept)
    return WarmStart(key, scaling, curvature.reference, curvature.grams)


def curvature_of(objective: Objective, rules: CurvatureRules | None = None) -> Curvature:
    """What a solver may know of the Hessian of an objective."""
    return (Curvature if objective.data.is_sparse else GramCurvature)(objective, rules)


def hessian_bytes(objective: Objective) -> int:
    """What the exact Hessian and its factor take."""
    return 3 * 8 * objective.size**2
