"""Coordinate descent for an L1 penalty, on quadratic models of a loss; one class per thread."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, ints, longs
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.coordinate_kernels cimport Columns, Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "coordinate")

    def by_grams(
        self, cnp.ndarray grams not None, cnp.ndarray counts not None, cnp.ndarray gradient not None,
        cnp.ndarray values not None, cnp.ndarray thresholds not None, cnp.ndarray change not None,
        cnp.ndarray slopes not None, int cycles, double tolerance, int n_threads,
    ):
        """change (k, m) from zeros; grams (k, m, m), of each class the first of counts (k,) places.

        gradient, values and thresholds are (k, m) too, slopes (k, m) is scratch; all but counts, int64,
        are `real`.
        """
        cdef const real *h = self.reals(grams, "grams")
        cdef const int64_t *count = longs(counts, "counts")
        cdef const real *g = self.reals(gradient, "gradient")
        cdef const real *v = self.reals(values, "values")
        cdef const real *t = self.reals(thresholds, "thresholds")
        cdef real *d = self.reals(change, "change")
        cdef real *s = self.reals(slopes, "slopes")
        cdef Py_ssize_t k = grams.shape[0], m = grams.shape[1]
        with nogil:
            self.kernels.by_grams(h, count, k, m, g, v, t, d, s, cycles, tolerance, n_threads)

    cdef Columns of_classes(
        self, cnp.ndarray x, cnp.ndarray rows, cnp.ndarray starts, cnp.ndarray weights,
        cnp.ndarray columns, cnp.ndarray counts,
    ):
        cdef Columns c
        c.x = self.reals(x, "x")
        c.rows = ints(rows, "rows")
        c.starts = longs(starts, "starts")
        c.n = weights.shape[1]
        c.weights = self.reals(weights, "weights")
        c.columns = longs(columns, "columns")
        c.counts = longs(counts, "counts")
        return c

    def by_columns(
        self, cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray starts not None,
        cnp.ndarray weights not None, cnp.ndarray columns not None, cnp.ndarray counts not None,
        cnp.ndarray means not None, cnp.ndarray diagonals not None, cnp.ndarray gradient not None,
        cnp.ndarray values not None, cnp.ndarray thresholds not None, bint intercept,
        cnp.ndarray ridges not None, cnp.ndarray change not None, cnp.ndarray scratch not None,
        int cycles, double tolerance, int n_threads,
    ):
        """change (k, m) from zeros, for X by columns and weights (k, n).

        columns (k, m), int64, of each class the first of counts (k,): the first place is the
        intercept's, if there is one. means and diagonals (k, m) are those of `moments`, the ridges (k,
        m), which the diagonals contain, penalise the change: float64. scratch is (n_threads, n),
        `real`.
        """
        cdef Columns c = self.of_classes(x, rows, starts, weights, columns, counts)
        cdef const double *mean = doubles(means, "means")
        cdef const double *h = doubles(diagonals, "diagonals")
        cdef const double *ridge = doubles(ridges, "ridges")
        cdef const real *g = self.reals(gradient, "gradient")
        cdef const real *v = self.reals(values, "values")
        cdef const real *t = self.reals(thresholds, "thresholds")
        cdef real *d = self.reals(change, "change")
        cdef real *r = self.reals(scratch, "scratch")
        cdef Py_ssize_t k = columns.shape[0], m = columns.shape[1]
        with nogil:
            self.kernels.by_columns(
                &c, k, m, mean, h, g, v, t, intercept, ridge, d, r, cycles, tolerance, n_threads)

    def moments(
        self, cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray starts not None,
        cnp.ndarray weights not None, cnp.ndarray columns not None, cnp.ndarray counts not None,
        bint intercept, cnp.ndarray means not None, cnp.ndarray diagonals not None, int n_threads,
    ):
        """Weighted means of the columns, and Σ w (x - mean)²; arguments as of `by_columns`.

        The first place of `diagonals` holds Σ w, where there is an intercept; means are else 0.
        """
        cdef Columns c = self.of_classes(x, rows, starts, weights, columns, counts)
        cdef double *mean = doubles(means, "means")
        cdef double *h = doubles(diagonals, "diagonals")
        cdef Py_ssize_t k = columns.shape[0], m = columns.shape[1]
        with nogil:
            self.kernels.moments(&c, k, m, intercept, mean, h, n_threads)

    def grams(
        self, cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray starts not None,
        cnp.ndarray weights not None, cnp.ndarray columns not None, cnp.ndarray counts not None,
        bint intercept, cnp.ndarray out not None, cnp.ndarray begins not None,
        cnp.ndarray places not None, cnp.ndarray entries not None, int n_threads,
    ):
        """Σ w u uᵀ over the rows u of each class's columns, 1 for the intercept's: out (k, m, m), of 0.

        The lower triangle; the rest as for `by_columns`. A row has few of a class's columns, and pairs
        of these are all that is added. Scratch: begins (n_threads, n + 1), int64; places, int32, and
        entries, `real`, (n_threads, most that a class's columns hold).
        """
        cdef Columns c = self.of_classes(x, rows, starts, weights, columns, counts)
        cdef real *to = self.reals(out, "out")
        cdef int64_t *begin = longs(begins, "begins")
        cdef int *place = ints(places, "places")
        cdef real *entry = self.reals(entries, "entries")
        cdef Py_ssize_t k = columns.shape[0], m = columns.shape[1], most = places.shape[1]
        with nogil:
            self.kernels.grams(&c, k, m, intercept, to, begin, place, entry, most, n_threads)

    def subgradient(
        self, cnp.ndarray gradient not None, cnp.ndarray theta not None, cnp.ndarray thresholds not None,
        bint by_feature, cnp.ndarray out not None, int n_threads,
    ):
        """The subgradient of least norm of gradient·θ + Σ t |θ| into out; returns Σ t |θ|.

        θ holds a number for each class and each of the thresholds t (width,), feature by feature or
        class by class. All are float64.
        """
        cdef const double *g = doubles(gradient, "gradient")
        cdef const double *v = doubles(theta, "theta")
        cdef const double *t = doubles(thresholds, "thresholds")
        cdef double *to = doubles(out, "out")
        cdef Py_ssize_t width = thresholds.shape[0]
        # runs of one threshold side by side, or rows of them all
        cdef Py_ssize_t run = theta.shape[0] // width if by_feature else 1
        cdef Py_ssize_t runs = theta.shape[0] // run
        cdef double total
        with nogil:
            total = self.kernels.subgradient(g, v, t, width, run, runs, to, n_threads)
        return total
