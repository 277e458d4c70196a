"""Quadratic models of the loss with a block for each class, on a working set.

Two things are asked of a model: the minimum of model + L1 penalty, by coordinate descent
(`descend`), and M⁻¹ v on a face, the weights that are not 0 (`factor`). And the exact product with
the Hessian (`hessian_times`), which for sparse X is cheaper on the columns of the set alone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._threads import team
from fastsoftmax.data import ClassFactors, DenseData, Draw, SparseData
from fastsoftmax.objective.penalised_line import PenalisedLine
from fastsoftmax.objective.working_set import WorkingSet

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective

CYCLES = 50  # of coordinate descent at most
TOLERANCE = 1e-3  # of its largest cycle, at which it ends
MATRICES = 0.3  # of the memory budget
ROWS = 4  # times as many as columns, to make a Gram matrix from, and
LEAST_ROWS = 2048
DAMPING = 0.01  # of the diagonal, added to it
MOVED = 0.25  # of the weights p(1 - p), before a model is renewed

Solve = Callable[[NDArray], NDArray]


class GramModel:
    """Of dense X: Gram matrices of rows drawn by importance, of the columns of the set."""

    def __init__(self, objective: "Objective", line: PenalisedLine, seed: int) -> None:
        self._objective = objective
        budget = MATRICES * objective.max_memory / objective.data.dtype.itemsize
        most = max(1, int(np.sqrt(budget / objective.n_logits / 2)) - 1)
        self.set = WorkingSet(objective, line, most)
        self._whole = int(self.set.counts.max()) <= most + objective.fit_intercept
        self._grams = self._build(line, seed)
        objective.curvature.watch(line)

    def _build(self, line: PenalisedLine, seed: int) -> NDArray:
        o, s = self._objective, self.set
        k, m = s.features.shape
        curvature, parameters = o.curvature, o.parameters
        drawn, step, n = curvature.draw(
            line, min(o.data.shape[0], max(LEAST_ROWS, ROWS * m)), seed
        )
        out = np.zeros((k, m, m), o.data.dtype)
        for i in range(k):
            count, rows = int(s.counts[i]), drawn.rows[i, : drawn.counts[i]].astype(np.int64) * step
            columns = s.features[i, s.intercept : count]
            if not count or not len(rows):
                continue
            X = np.ascontiguousarray(o.data.X[rows[:, None], columns])
            each = np.append(columns, np.full(s.intercept, o.data.shape[1]))
            factors = drawn.factors[i : i + 1, : len(rows)]
            own = Draw(
                np.arange(len(rows), dtype=np.int32)[None], factors, np.array([len(rows)]),
                np.ones(1),
            )  # fmt: skip
            gram = o.data.like(X).gram(
                own, parameters.shift[columns], curvature.units[each], 1 / n,
                np.zeros(len(each)),
            )[0]  # fmt: skip
            order = np.roll(np.arange(count), s.intercept)  # the intercept first
            gram = gram[np.ix_(order, order)]
            gram[np.arange(count), np.arange(count)] *= 1 + DAMPING
            gram[np.arange(count), np.arange(count)] += curvature.ridge[each][order]
            out[i, :count, :count] = gram
        passes = drawn.counts.sum() * m**2 / (4 * o.data.X.size * k)
        o.n_passes += float(passes)
        return out

    def serves(self, line: PenalisedLine) -> bool:
        """Whether it still does at the line's point."""
        return self._whole and self.set.holds(line.places) and (
            self._objective.curvature.moved(line) <= MOVED
        )

    def descend(self, line: PenalisedLine) -> NDArray:
        """The change of the set's weights that minimises model + penalty."""
        s, dtype = self.set, self._grams.dtype
        values = s.take(line.theta)
        args = [np.ascontiguousarray(a, dtype) for a in (s.take(line.smooth), values, s.thresholds)]
        change = np.zeros(values.shape, dtype)
        kernels(dtype).coordinate.by_grams(
            self._grams, s.counts, *args, change, np.empty_like(change), CYCLES, TOLERANCE,
            team(self._objective.data.n_threads, 4 * self._grams.size),
        )  # fmt: skip
        return exactly(change, args[1], values)

    def factor(self, face: NDArray) -> Solve:
        """M⁻¹ of tables that are 0 off the face."""
        matrices = self._grams * (face[:, :, None] & face[:, None, :])
        np.einsum("kmm->km", matrices)[~face] = 1
        factors = ClassFactors(matrices, self._objective.data.n_threads)
        return lambda v: factors.solve(v)[0] * face

    def hessian_times(self, line: PenalisedLine, table: NDArray) -> NDArray:
        return self.set.take(line.hessian_times(self.set.put(table)))


class ColumnModel:
    """Of sparse X: the columns of the set, weighted; diagonals for M."""

    def __init__(self, objective: "Objective", line: PenalisedLine, seed: int) -> None:
        self._objective = objective
        self.set = s = WorkingSet(objective, line, objective.data.shape[1])
        weights = s.filled.copy()
        weights[:, : s.intercept] = False
        union = np.unique(s.features[weights])
        X = objective.data.X[:, union]
        self._data = objective.data.like(X)
        self._by_column = X.tocsc()
        self._columns = np.where(weights, np.searchsorted(union, s.features), 0)
        self._share = max(X.nnz / max(objective.data.X.nnz, 1), 1e-3)  # of a pass
        self._width = len(union)
        self._weights_filled = weights
        self._moments(line)

    def _moments(self, line: PenalisedLine) -> None:
        o, s = self._objective, self.set
        sample = line.sample()
        sample.logits.variances(o.weights, sample.room)
        n = o.data.shape[0]
        self._weights = np.ascontiguousarray(sample.room.table().T) / n
        self._weights = self._weights.astype(o.data.dtype, copy=False)
        self._means, self._diagonals = np.zeros((2, *s.features.shape))
        X = self._by_column
        self._csc = X.data, X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64)
        kernels(o.data.dtype).coordinate.moments(
            *self._csc, self._weights, self._columns, s.counts, s.intercept, o.penalty,
            self._means, self._diagonals, team(o.data.n_threads, 4 * X.nnz * o.n_logits),
        )  # fmt: skip

    def serves(self, line: PenalisedLine) -> bool:
        """Whether it still does at the line's point; renews what is cheap to renew."""
        if not self.set.holds(line.places):
            return False
        self._moments(line)
        return True

    def descend(self, line: PenalisedLine) -> NDArray:
        """The change of the set's weights that minimises model + penalty."""
        o, s, dtype = self._objective, self.set, self._objective.data.dtype
        values = s.take(line.theta)
        args = [np.ascontiguousarray(a, dtype) for a in (s.take(line.smooth), values, s.thresholds)]
        change = np.zeros(values.shape, dtype)
        threads = team(o.data.n_threads, 16 * self._by_column.nnz * o.n_logits)
        kernels(dtype).coordinate.by_columns(
            *self._csc, self._weights, self._columns, s.counts, self._means, self._diagonals, *args,
            s.intercept, o.penalty, change, np.empty((threads, self._weights.shape[1]), dtype),
            CYCLES, TOLERANCE, threads,
        )  # fmt: skip
        return exactly(change, args[1], values)

    def factor(self, face: NDArray) -> Solve:
        """M⁻¹ of tables that are 0 off the face: diagonals, the intercept decoupled by the means."""
        d = np.where(face & (self._diagonals > 0), self._diagonals, 1.0)
        means = self._means * face

        def solve(v: NDArray) -> NDArray:
            if not self.set.intercept:
                return v / d
            z = (v - means * v[:, :1]) / d
            z[:, 0] = v[:, 0] / d[:, 0] - np.einsum("km,km->k", means[:, 1:], z[:, 1:])
            return z

        return solve

    def hessian_times(self, line: PenalisedLine, table: NDArray) -> NDArray:
        o, s = self._objective, self.set
        classes = np.broadcast_to(np.arange(len(table))[:, None], table.shape)
        at = classes[self._weights_filled], self._columns[self._weights_filled]
        W = np.zeros((self._width, len(table))).T
        W[at] = table[self._weights_filled]
        self._data.store_logits(W, table[:, 0] if s.intercept else None, line.room())
        _, grads = self._data.value_and_grad(
            None, None, None, None, 1 / o.data.shape[0], stored=line.curve(line.room())
        )
        o.n_passes += self._share
        out = np.zeros(table.shape)
        out[self._weights_filled] = grads.W[at]
        out += o.penalty * table
        if s.intercept:
            out[:, 0] = grads.b
        return out


def exactly(change: NDArray, rounded: NDArray, values: NDArray) -> NDArray[np.float64]:
    """The change, of weights that were rounded, exact where it takes them to 0."""
    return np.where(change == -rounded, -values, change.astype(np.float64))


MODELS = {DenseData: GramModel, SparseData: ColumnModel}


def model_for(objective: "Objective", line: PenalisedLine, seed: int) -> GramModel | ColumnModel:
    """A model at the line's point."""
    return MODELS[type(objective.data)](objective, line, seed)
