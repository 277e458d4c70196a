"""Coordinate descent for an L1 penalty, on quadratic models with a block for each class.

Tables are (K, m): for each class its places, of which the first `counts` are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg import groups as of_groups
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.threads import team

WORK = 4  # cycles that are to be expected, for the number of threads


@dataclass(frozen=True)
class DescentRules:
    """When coordinate descent ends (docs/experiments/0071-rules.md)."""

    cycles: int = 50  # at most
    tolerance: float = 1e-3  # of the largest cycle, at which it ends


def subgradient(
    gradient: NDArray, theta: NDArray, thresholds: NDArray, by_feature: bool, n_threads: int
) -> tuple[float, NDArray]:
    """Σ t|θ|, and the subgradient of least norm of gradient·θ + Σ t|θ|.

    Thresholds t are those of one class's places; θ holds them class by class or feature by feature.
    """
    out = np.empty_like(theta)
    value = kernels(theta.dtype).coordinate.subgradient(
        gradient, theta, thresholds, by_feature, out, team(n_threads, theta.size)
    )
    return value, out


def exactly(change: NDArray, rounded: NDArray, values: NDArray) -> NDArray[np.float64]:
    """The change, of values that were rounded, exact where it takes them to 0."""
    return np.where(change == -rounded, -values, change.astype(np.float64))


def descend_by_grams(
    grams: NDArray,
    counts: NDArray[np.int64],
    gradient: NDArray,
    values: NDArray,
    thresholds: NDArray,
    n_threads: int,
    rules: DescentRules | None = None,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """The change d of least g·d + ½ dᵀ H d + Σ t |v + d|, H being grams (K, m, m).

    With groups, (K, m) and the same for all classes, Σ ‖t∘(v + d)‖ over these.
    """
    dtype, rules = grams.dtype, rules or DescentRules()
    g, v, t = (np.ascontiguousarray(table, dtype) for table in (gradient, values, thresholds))
    if groups is not None:
        change = of_groups.descend_by_grams(
            kernels(dtype).group, grams, groups, (g, v, t), rules.cycles, rules.tolerance
        )
        return exactly(change, v, values)
    change = np.zeros(v.shape, dtype)
    kernels(dtype).coordinate.by_grams(
        grams, counts, g, v, t, change, np.empty_like(change), rules.cycles,
        rules.tolerance, team(n_threads, WORK * grams.size),
    )  # fmt: skip
    return exactly(change, v, values)


class WeightedColumns:
    """Xᵀ diag(w) X of a sparse X and the weights w of each class, never made.

    Parameters
    ----------
    X : csc_array of shape (n, d)
    columns : ndarray of shape (K, m), int64
        A class's columns of X; the first place is the intercept's where there is one.
    counts : ndarray of shape (K,), int64
    intercept : int
        Whether there is one.
    n_threads : int
    """

    def __init__(
        self,
        X: sparse.csc_array,
        columns: NDArray[np.int64],
        counts: NDArray[np.int64],
        intercept: int,
        n_threads: int,
    ) -> None:
        self._csc = X.data, X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64)
        self._columns, self._counts = np.ascontiguousarray(columns), counts
        self._intercept, self._n_threads = intercept, n_threads
        self._kernel = kernels(X.dtype).coordinate

    def weigh(self, weights: NDArray) -> None:
        """Take weights (K, n)."""
        X = self._csc[0]
        self._weights = np.ascontiguousarray(weights, X.dtype)
        self._means, self._diagonals = np.zeros((2, *self._columns.shape))
        self._kernel.moments(
            *self._csc, self._weights, self._columns, self._counts, self._intercept,
            self._means, self._diagonals, team(self._n_threads, 2 * X.size * len(self._columns)),
        )  # fmt: skip

    def grams(self, at: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray:
        """The matrices themselves, without ridges, of some places `at` (K, size) of the classes.

        Of these the first `counts`, the intercept first. Lower triangles.
        """
        k, size = at.shape
        columns = np.take_along_axis(self._columns, at, axis=1)
        X, rows, starts = self._csc
        inside = np.arange(size) < counts[:, None]
        inside[:, : self._intercept] = False
        lengths = np.append(np.diff(starts), 0)  # there may be no columns at all
        most = int(np.sum(lengths[columns] * inside, axis=1).max())
        threads = team(self._n_threads, k * X.size)
        out = np.zeros((k, size, size), X.dtype)
        self._kernel.grams(
            X, rows, starts, self._weights, columns, counts, self._intercept, out,
            np.empty((threads, self._weights.shape[1] + 1), np.int64),
            np.empty((threads, most), np.int32), np.empty((threads, most), X.dtype), threads,
        )  # fmt: skip
        return out

    def add(self, ridges: NDArray[np.float64]) -> None:
        """Add this table to the diagonals."""
        self._ridges = np.ascontiguousarray(ridges, np.float64)
        self.diagonals, self.means = self._diagonals + ridges, self._means
        if self._intercept:  # which moves less now, and with it what it takes out
            mass = self._diagonals[:, :1]
            part = mass / np.where(self.diagonals[:, :1] > 0, self.diagonals[:, :1], 1)
            self.means = part * self._means
            self.diagonals[:, 1:] += (mass * (1 - part) * self._means**2)[:, 1:]

    def descend(
        self,
        gradient: NDArray,
        values: NDArray,
        thresholds: NDArray,
        rules: DescentRules | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """As `descend_by_grams`."""
        X, rules = self._csc[0], rules or DescentRules()
        g, v, t = (np.ascontiguousarray(table, X.dtype) for table in (gradient, values, thresholds))
        if groups is not None:
            return exactly(self._descend_groups(g, v, t, groups, rules), v, values)
        change = np.zeros(v.shape, X.dtype)
        threads = team(self._n_threads, 4 * WORK * X.size * len(v))
        scratch = np.empty((threads, self._weights.shape[1]), X.dtype)
        self._kernel.by_columns(
            *self._csc, self._weights, self._columns, self._counts, self.means, self.diagonals,
            g, v, t, self._intercept, self._ridges, change, scratch, rules.cycles, rules.tolerance,
            threads,
        )  # fmt: skip
        return exactly(change, v, values)

    def _descend_groups(
        self, g: NDArray, v: NDArray, t: NDArray, groups: NDArray[np.int64], rules: DescentRules
    ) -> NDArray:
        dtype, columns = v.dtype, np.ascontiguousarray(self._columns[0])
        places, starts, bounds, step = of_groups.blocks_of(groups, self.diagonals, self._intercept)
        weights, change = np.ascontiguousarray(self._weights.T), np.zeros_like(v)
        kernels(dtype).group.by_columns(
            *self._csc, columns, weights, np.ascontiguousarray(self.means),
            np.ascontiguousarray(self.diagonals), self._ridges, self._intercept,
            np.empty_like(weights), np.empty_like(v), np.empty(len(v)),
            places, starts, g, v, t, bounds, change, step, rules.cycles, rules.tolerance,
        )  # fmt: skip
        return change
