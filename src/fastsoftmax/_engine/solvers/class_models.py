"""Quadratic models of the loss with a block for each class, on a working set.

Two things are asked of a model: the minimum of model + L1 penalty, by coordinate descent
(`descend`), and M⁻¹ v on a face, the weights that are not 0 (`factor`). And the exact product with
the Hessian (`hessian_times`), which for sparse X is cheaper on the columns of the set alone.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import (
    Curvature,
    GramCurvature,
    of_shifts,
)
from fastsoftmax._engine.data import Batch, Point, RowSample, SparseData
from fastsoftmax._engine.linalg import ClassFactors, WeightedColumns, descend_by_grams
from fastsoftmax._engine.line_search.penalised import PenalisedIterate
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.solvers.norm_curvature import NormCurvature, Solve
from fastsoftmax._engine.solvers.working_set import WorkingSet
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._validation import check

COPIES = 3  # of these: by rows, and by columns for descent and for gradients,
INDEX = 4  # bytes of a row's or a feature's number in them
AT_ONCE = 4  # vectors that one reading of factors serves


@dataclass(frozen=True)
class ModelRules:
    """How models are made, and when they are renewed.

    docs/experiments/0033-proximal-newton.md and 0034-nearly-separable-text.md.
    """

    rows_per_column: int = 4  # to make a Gram matrix from, or
    least_rows: int = 2048  # if that is more
    damping: float = 0.01  # of the diagonal, added to it
    weight_change: float = 0.25  # of the weights p(1 - p), before a model is renewed
    missing: float = 0.25  # of the columns, in a joint Hessian that is kept: their blocks do
    upgrade_products: int = 16  # in an iteration, with the Hessian: diagonals are not enough


class GramModel:
    """The model for dense X: Gram matrices of rows drawn by importance.

    Of all columns, where the set has most of them or they are few, else of those of the set.
    """

    def __init__(
        self, curvature: GramCurvature, it: PenalisedIterate, seed: int, rules: ModelRules
    ) -> None:
        self._curvature, self._objective = curvature, curvature.objective
        self._rules, objective = rules, curvature.objective
        self._kept = objective.parameters.found.setdefault("models", Kept())
        k, size = objective.shape
        self._budget = objective.memory.working_set / objective.data.dtype.itemsize
        most = max(1, int(np.sqrt(self._budget / 2 / k)) - 1)
        self.set = WorkingSet(objective, it, most)
        m = self.set.features.shape[1]
        # whether weights that are not 0 may be missing
        self.partial = m - self.set.intercept >= most and most < objective.data.shape[1]
        full = 2 * m > size and 2 * k * size**2 <= self._budget
        kept, self._full_gram = self._kept, None
        if full and kept.grams is not None and self._resembles(it):
            diagonals(kept.grams)[:] += curvature.ridge - kept.ridge
        else:
            drawn, scale = self._sample(it, size if full else m, seed)
            if full:
                kept.grams = damped(curvature.gram(drawn, scale, curvature.ridge), rules.damping)
            else:
                self._grams = self._of_columns(drawn, scale)
            curvature.set_reference(it)
        if full:
            self._full_gram, kept.ridge = kept.grams, curvature.ridge
            self._grams = self._of_set()
        self._diagonals = diagonals(self._grams).copy()

    def _resembles(self, it: PenalisedIterate) -> bool:
        """Whether rows weigh about what they did when Gram matrices were made."""
        return self._curvature.change_of_weights(it).size <= self._rules.weight_change

    def damp(self, damping: float) -> None:
        """Make directions so much stiffer, of what they are where classes are equally probable."""
        self._damping = damping * self.set.filled  # 1 in these coordinates
        diagonals(self._grams)[:] = self._diagonals + self._damping

    def _sample(self, it: PenalisedIterate, m: int, seed: int) -> tuple[RowSample, float]:
        """Rows for matrices of m columns, and what their sums are to be multiplied by."""
        o = self._objective
        (n, d), rules = o.data.shape, self._rules
        rows = min(n, max(rules.least_rows, rules.rows_per_column * m))
        drawn, step, seen = self._curvature.sample_rows(it, rows, seed)
        drawn.rows[:] *= step
        o.passes.count += float(drawn.counts.sum()) * m**2 / (4 * n * d * o.n_logits)
        return drawn, 1 / seen

    def _of_set(self) -> NDArray:
        """The set's part of the matrices of all columns."""
        f, filled = self.set.features, self.set.filled
        classes = np.arange(len(f))[:, None, None]
        return self._full_gram[classes, f[:, :, None], f[:, None, :]] * (
            filled[:, :, None] & filled[:, None, :]
        )

    def _of_columns(self, drawn: RowSample, scale: float) -> NDArray:
        """Matrices of the set's columns alone."""
        o, c, s = self._objective, self._curvature, self.set
        k, m = s.features.shape
        pairs = zip(s.features, s.counts, strict=True)
        each = [np.roll(mine[:count], -s.intercept) for mine, count in pairs]  # intercepts last
        grams = o.data.grams_of(drawn, each, o.parameters.shift, c.units, scale)
        out = np.zeros((k, m, m), o.data.dtype)
        for matrix, gram in zip(out, grams, strict=True):
            at = np.roll(np.arange(len(gram)), s.intercept)
            matrix[: len(gram), : len(gram)] = gram[np.ix_(at, at)]
        diagonals(out)[:] += c.ridge[s.features] * s.filled
        return damped(out, self._rules.damping)

    def serves(self, it: PenalisedIterate) -> bool:
        """Whether it still does at the iterate; renews what is cheap to renew."""
        if not self._resembles(it) or self.partial:
            return False
        if self.set.holds(it.places):
            return True
        if self._full_gram is None:
            return False
        self.set = WorkingSet(self._objective, it, self._objective.data.shape[1])
        self._grams = self._of_set()
        self._diagonals = diagonals(self._grams).copy()
        return True

    def descend(self, it: PenalisedIterate) -> NDArray:
        """The change of the set's weights that minimises model + penalty."""
        s = self.set
        return descend_by_grams(
            self._grams, s.counts, s.take(it.smooth), s.take(it.theta), s.thresholds,
            self._objective.data.n_threads, groups=s.groups,
        )  # fmt: skip

    def factor(
        self, it: PenalisedIterate, face: NDArray, products: int, curved: NormCurvature
    ) -> Solve:
        """M⁻¹ of tables that are 0 off the face.

        M is the Hessian itself, classes coupled, where that takes less work than the products which
        an iteration of this fit took with blocks, or all of those of the fits before it on the
        path, or than those since it was made last. Until then that of a fit before does, and its
        factors, as long as products with them take less than new ones.
        """
        joint, kept = JointFace(self._curvature, self.set, face), self._kept
        if joint.bytes <= self._objective.memory.working_set:
            # where a fit is far from its end one that was made once may do harm
            far = kept.hessian is None and products > 0
            if (products if far else max(kept.products, products)) >= joint.passes:
                kept.hessian = kept.factors = None
                kept.columns, kept.hessian, kept.products = joint.columns, joint.hessian(it), 0
            if kept.lacks(joint.columns) <= self._rules.missing:
                return joint.inverse(kept, self._grams, self._damping, curved, self._rules)
        on = Face(face)
        classes = np.arange(len(face))[:, None, None]
        matrices = self._grams[classes, on.at[:, :, None], on.at[:, None, :]]
        diagonals(matrices)[:] += on.take(curved.diagonal)
        return curved.corrected(on.factor(matrices, self._objective.data.n_threads), face)

    def hessian_times(self, it: PenalisedIterate, table: NDArray) -> NDArray:
        self._kept.products += 1
        return self.set.take(it.hessian_times(self.set.put(table))) + self._damping * table


class ColumnModel:
    """The model for sparse X: the columns of the set, weighted; diagonals for M."""

    partial = False

    def __init__(
        self, curvature: Curvature, it: PenalisedIterate, seed: int, rules: ModelRules
    ) -> None:
        self._objective, self._rules = curvature.objective, rules
        objective = curvature.objective
        self.set = s = WorkingSet(objective, it, objective.data.shape[1])
        weights, union = s.weights, s.union
        require_memory(objective, union)
        self._data, X = columns_of(objective, union)
        self._columns = np.where(weights, np.searchsorted(union, s.features), 0)
        self._weighted = WeightedColumns(
            X, self._columns, s.counts, s.intercept, objective.data.n_threads
        )
        self._share = max(X.nnz / max(objective.data.nnz, 1), 1e-3)  # of a pass
        self._width, self._of_weights = len(union), weights
        squares = np.add.reduceat(np.append(np.square(X.data), 0.0), X.indptr[:-1])
        squares = np.where(np.diff(X.indptr) > 0, squares, 0.0) / objective.data.shape[0]
        share = objective.loss.typical_share
        squares = np.append(squares, 0.0)[self._columns]  # the set may be empty
        self._reference = share * (1 - share) * np.where(weights, squares, s.filled)
        self._weigh(it)

    def _weigh(self, it: PenalisedIterate) -> None:
        sample = next(it.samples())
        sample.logits.variances(self._objective.weights, sample.scratch)
        self._weighted.weigh(sample.scratch.table().T / self._objective.data.shape[0])

    def damp(self, damping: float) -> None:
        """Make directions so much stiffer, of what they are where classes are equally probable."""
        self._ridges = damping * self._reference + self.set.ridges
        self._weighted.add(self._ridges)

    def serves(self, it: PenalisedIterate) -> bool:
        """Whether it still does at the iterate; renews what is cheap to renew."""
        if not self.set.holds(it.places):
            return False
        self._weigh(it)
        return True

    def descend(self, it: PenalisedIterate) -> NDArray:
        """The change of the set's weights that minimises model + penalty."""
        s = self.set
        values, slopes = s.take(it.theta), s.take(it.smooth)
        return self._weighted.descend(slopes, values, s.thresholds, groups=s.groups)

    def factor(
        self, it: PenalisedIterate, face: NDArray, products: int, curved: NormCurvature
    ) -> Solve:
        """M⁻¹ of tables that are 0 off the face: by diagonals, or by full blocks if it is hard."""
        on = Face(face)
        k, size = on.at.shape
        needed = 2 * k * size**2 * self._objective.data.dtype.itemsize
        easy = products <= self._rules.upgrade_products
        if easy or needed > self._objective.memory.working_set:
            return self._factor_diagonals(face, curved)
        matrices = self._weighted.grams(on.at, on.counts)
        diagonals(matrices)[:] += on.take(self._ridges + curved.diagonal)
        return curved.corrected(on.factor(matrices, self._objective.data.n_threads), face)

    def _factor_diagonals(self, face: NDArray, curved: NormCurvature) -> Solve:
        """The means decouple the intercept."""
        d = np.where(face & (self._weighted.diagonals > 0), self._weighted.diagonals, 1.0)
        means = self._weighted.means * face

        def solve(v: NDArray) -> NDArray:
            if not self.set.intercept:
                return curved.solve(d, v)
            z = curved.solve(d, v - means * v[:, :1])
            z[:, 0] = v[:, 0] / d[:, 0] - np.einsum("km,km->k", means[:, 1:], z[:, 1:])
            return z

        return solve

    def hessian_times(self, it: PenalisedIterate, table: NDArray) -> NDArray:
        o, s = self._objective, self.set
        classes = np.broadcast_to(np.arange(len(table))[:, None], table.shape)
        at = classes[self._of_weights], self._columns[self._of_weights]
        W = np.zeros((self._width, len(table))).T
        W[at] = table[self._of_weights]
        self._data.store_logits(W, table[:, 0] if s.intercept else None, it.scratch())
        curved = Point(logits=it.curve(it.scratch()))
        _, grads = self._data.value_and_grad(curved, Batch(scale=1 / o.data.shape[0]))
        o.passes.count += self._share
        out = np.zeros(table.shape)
        out[self._of_weights] = grads.W[at]
        if s.intercept:
            out[:, 0] = grads.b
        return out + self._ridges * table


def columns_of(objective: Objective, features: NDArray) -> tuple[SparseData, sparse.csc_array]:
    """Some features of a sparse X, by rows and by columns.

    Where there is memory for a copy of X by columns that is made once, and the features are taken
    from there: to find them in the rows takes as long each time.
    """
    data = objective.data
    if hasattr(data, "csc") and data.nbytes <= objective.memory.working_set:
        X = data.csc[:, features]
        return data.like(X.tocsr()), X
    some = data.only(features)
    return some, some.X.tocsc()


def require_memory(objective: Objective, features: NDArray) -> None:
    """Raise where the columns of some features, which are held, take too much memory.

    Of X in memory there is room for as much again.
    """
    data = objective.data
    if not hasattr(data, "X"):
        entries = int(data.lengths()[features].sum())
        memory = objective.memory
        size = COPIES * (data.dtype.itemsize + INDEX) * entries
        needed = int(size * memory.total / memory.working_set)
        check.max_memory(memory.total, needed, f"columns of {len(features)} features")


class Face:
    """Some places of a working set, (K, size): of each class those on the face, then others."""

    def __init__(self, face: NDArray[np.bool_]) -> None:
        self.counts = face.sum(axis=1)
        size = int(self.counts.max())
        self.at = np.argsort(~face, axis=1, kind="stable")[:, :size]
        self.on = np.arange(size) < self.counts[:, None]
        self._classes = np.arange(len(face))[:, None]

    def take(self, tables: NDArray) -> NDArray:
        """Those places of tables (..., K, m)."""
        return tables[..., self._classes, self.at] * self.on

    def factor(self, matrices: NDArray, n_threads: int) -> Solve:
        """Inverses of matrices (K, size, size) of which the lower triangles are read."""
        matrices *= self.on[:, :, None] & self.on[:, None, :]
        diagonals(matrices)[~self.on] = 1
        factors = ClassFactors(matrices, n_threads)

        def solve(v: NDArray) -> NDArray:
            right, z = self.take(v).reshape(-1, *self.at.shape), np.zeros(v.shape)
            for start in range(0, len(right), AT_ONCE):
                some = slice(start, start + AT_ONCE)
                right[some] = factors.solve(*right[some])
            z[..., self._classes, self.at] = (
                right.reshape(*v.shape[:-1], self.at.shape[1]) * self.on
            )
            return z

        return solve


@dataclass
class Kept:
    """What was made at a point of this fit or of one before it, on the path: Gram matrices of all
    columns, and the joint Hessian of the loss by some, with factors of its part on a face."""

    grams: NDArray | None = None
    ridge: NDArray | None = None  # that is in them
    columns: NDArray[np.intp] | None = None  # ascending
    hessian: NDArray | None = None  # (K, size, K, size)
    products: int = 0  # with the Hessian since
    factors: "FaceFactors | None" = None

    def lacks(self, columns: NDArray[np.intp]) -> float:
        """The share of columns that it does not have."""
        if self.hessian is None:
            return 1.0
        return 1 - float(np.mean(np.isin(columns, self.columns)))


class FaceFactors(NamedTuple):
    """Factors of a matrix of some places (classes, features)."""

    places: NDArray[np.intp]  # as one number each, ascending
    factors: ClassFactors
    damping: float
    products: int  # that had been taken when they were made

    def serve(self, places: NDArray[np.intp], damping: float, missing: float) -> bool:
        """Whether they are of this damping, and of these places but for such a share."""
        differ = np.setxor1d(self.places, places, assume_unique=True)
        return self.damping == damping and len(differ) <= missing * len(places)


class JointFace:
    """The Hessian of the weights on a face, of dense X, classes coupled.

    Attributes
    ----------
    columns : ndarray
        Of the features that are on it, ascending.
    passes, bytes : float
        The work and the memory that it takes.
    """

    def __init__(
        self, curvature: GramCurvature, chosen: WorkingSet, face: NDArray[np.bool_]
    ) -> None:
        self._objective, self._units = curvature.objective, curvature.units
        objective, self._set, self._face = curvature.objective, chosen, face
        n, d = objective.data.shape
        self.columns = np.unique(chosen.features[face])  # an intercept's number is the last
        k, size = len(face), len(self.columns)
        self.passes = objective.loss.n_grams * size**2 / (4 * d * k)
        self.bytes = 8 * (n * (size + 2 * k) + 3 * (k * size) ** 2)

    def hessian(self, it: PenalisedIterate) -> NDArray:
        """The Hessian of the loss by the columns, (K, size, K, size)."""
        o, face, size = self._objective, self._face, len(self.columns)
        n, d = o.data.shape
        columns = self.columns[self.columns < d]
        data, units = o.data.only(columns), self._units[self.columns]
        gram = partial(data.gram, centre=o.parameters.shift[columns], scales=units, scale=1 / n)
        o.passes.count += self.passes
        P, Q = o.loss.probabilities(it.logits(0))
        H = o.loss.hessian(P, Q, o.weights, size, gram)
        free = np.isin(self.columns, [*o.free, d])
        if free.any() and o.loss.shift_invariant:
            classes, free = np.arange(len(face)), np.flatnonzero(free)
            H[np.ix_(classes, free, classes, free)] += of_shifts(H[:, free][:, :, :, free])
        return H

    def inverse(
        self,
        kept: Kept,
        grams: NDArray,
        damping: NDArray,
        curved: NormCurvature,
        rules: ModelRules,
    ) -> Solve:
        """The inverse of a Hessian with this damping, and the curvature of norms, added: by the
        factors that there are, if they are of about this face, or by new ones.

        Weights that factors lack have the diagonal of Gram matrices (K, m, m).
        """
        face, size = self._face, self._objective.data.shape[1] + 1
        classes, places = np.nonzero(face)
        flat = classes * size + self._set.features[face]
        order = np.argsort(flat)  # an intercept comes before the features, and has the last number
        classes, places, flat = classes[order], places[order], flat[order]
        most, taken, there = float(damping.max(initial=0.0)), kept.products, kept.factors
        work = len(flat) ** 3 / 6 / self._objective.passes.work
        if (
            there is None
            or taken - there.products >= work
            or (not there.serve(flat, most, rules.missing))
        ):
            H = self._matrix(kept, classes, places, grams)
            np.einsum("ii->i", H)[:] += (self._set.ridges + damping)[classes, places]
            curved.add_to(H, classes, places)
            factors = ClassFactors(H[None], self._objective.data.n_threads)
            kept.factors = there = FaceFactors(flat, factors, most, taken)
        known = np.isin(flat, there.places)
        at = np.searchsorted(there.places, flat[known])
        diagonal = (diagonals(grams) + curved.diagonal)[classes, places]
        diagonal[~(diagonal > 0)] = 1  # where a feature has no curvature
        right = np.zeros((1, len(there.places)))

        def solve(v: NDArray) -> NDArray:
            of_face = v[classes, places]
            right[0, at] = of_face[known]
            of_face = of_face / diagonal
            of_face[known] = there.factors.solve(right)[0][0, at]
            z = np.zeros(face.shape)
            z[classes, places] = of_face
            return z

        return solve

    def _matrix(
        self, kept: Kept, classes: NDArray, places: NDArray, grams: NDArray
    ) -> NDArray[np.float64]:
        """The Hessian of the loss by some places. What is not kept of it has the blocks of Gram
        matrices, coupled with nothing else."""
        size, features = len(kept.columns), self._set.features[classes, places]
        known = np.isin(features, kept.columns)
        at = classes[known] * size + np.searchsorted(kept.columns, features[known])
        H = kept.hessian.reshape(len(self._face) * size, -1).take(at, axis=0).take(at, axis=1)
        if not known.all():
            whole = np.zeros((len(features), len(features)))
            whole[np.ix_(known, known)] = H
            c, p = classes[~known], places[~known]
            same = c[:, None] == c
            whole[np.ix_(~known, ~known)] = np.where(same, grams[c, p[:, None], p], 0.0)
            H = whole
        return H


def damped(grams: NDArray, share: float) -> NDArray:
    """The matrices, with such a share more on their diagonals."""
    diagonals(grams)[:] *= 1 + share
    return grams


def diagonals(matrices: NDArray) -> NDArray:
    """The diagonals of matrices (K, m, m), as a view."""
    return np.einsum("kii->ki", matrices)


def model_for(
    curvature: Curvature, it: PenalisedIterate, seed: int, rules: ModelRules | None = None
) -> GramModel | ColumnModel:
    """A model at the iterate."""
    kind = ColumnModel if curvature.objective.data.is_sparse else GramModel
    return kind(curvature, it, seed, rules or ModelRules())
