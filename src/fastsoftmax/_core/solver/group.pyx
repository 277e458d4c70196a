"""Block coordinate descent for norms of groups, on quadratic models of a loss."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, ints, longs
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.group_kernels cimport Blocks, Entries, Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "group")

    cdef Blocks of_groups(
        self, cnp.ndarray places, cnp.ndarray starts, cnp.ndarray gradient, cnp.ndarray values,
        cnp.ndarray thresholds, cnp.ndarray bounds, cnp.ndarray change, cnp.ndarray step, int cycles,
        double tolerance,
    ):
        cdef Blocks b
        b.places, b.starts = longs(places, "places"), longs(starts, "starts")
        b.n, b.k, b.m = starts.shape[0] - 1, gradient.shape[0], gradient.shape[1]
        b.gradient = self.reals(gradient, "gradient")
        b.values = self.reals(values, "values")
        b.thresholds = self.reals(thresholds, "thresholds")
        b.bounds = doubles(bounds, "bounds")
        b.change = self.reals(change, "change")
        b.step = doubles(step, "step")
        b.cycles, b.tolerance = cycles, tolerance
        return b

    def by_grams(
        self, cnp.ndarray grams not None, cnp.ndarray slopes not None, cnp.ndarray places not None,
        cnp.ndarray starts not None, cnp.ndarray gradient not None, cnp.ndarray values not None,
        cnp.ndarray thresholds not None, cnp.ndarray bounds not None, cnp.ndarray change not None,
        cnp.ndarray step not None, int cycles, double tolerance,
    ):
        """change (k, m) from zeros; grams (k, m, m).

        places (m,), int64, lists the places of one group after the other, from starts (n + 1,) on.
        gradient, values and thresholds are (k, m), slopes (k, m) and step (m * k,), float64, scratch;
        bounds (k, m), float64, are of the curvature of each group. All else is `real`.
        """
        cdef Blocks b = self.of_groups(
            places, starts, gradient, values, thresholds, bounds, change, step, cycles, tolerance)
        cdef const real *h = self.reals(grams, "grams")
        cdef real *s = self.reals(slopes, "slopes")
        with nogil:
            self.kernels.by_grams(&b, h, s)

    def by_columns(
        self, cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray column_starts not None,
        cnp.ndarray columns not None, cnp.ndarray weights not None, cnp.ndarray means not None,
        cnp.ndarray diagonals not None, cnp.ndarray ridges not None, bint intercept,
        cnp.ndarray residual not None, cnp.ndarray slopes not None, cnp.ndarray totals not None,
        cnp.ndarray places not None, cnp.ndarray starts not None, cnp.ndarray gradient not None,
        cnp.ndarray values not None, cnp.ndarray thresholds not None, cnp.ndarray bounds not None,
        cnp.ndarray change not None, cnp.ndarray step not None, int cycles, double tolerance,
    ):
        """The same for X by columns and weights (n, k).

        columns (m,), int64, of the places; the first is the intercept's, if there is one, and in no
        group. means and diagonals (k, m) are those of `coordinate.moments`, the ridges (k, m)
        penalise the change: float64. residual (n, k), slopes (k, m) and totals (k,), float64, are
        scratch.
        """
        cdef Blocks b = self.of_groups(
            places, starts, gradient, values, thresholds, bounds, change, step, cycles, tolerance)
        cdef Entries e
        e.x, e.rows = self.reals(x, "x"), ints(rows, "rows")
        e.starts = longs(column_starts, "column_starts")
        e.columns, e.weights = longs(columns, "columns"), self.reals(weights, "weights")
        e.n, e.intercept = weights.shape[0], intercept
        e.means, e.diagonals = doubles(means, "means"), doubles(diagonals, "diagonals")
        e.ridges, e.totals = doubles(ridges, "ridges"), doubles(totals, "totals")
        e.residual, e.slopes = self.reals(residual, "residual"), self.reals(slopes, "slopes")
        with nogil:
            self.kernels.by_columns(&b, &e)
