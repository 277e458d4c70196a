"""Rows drawn by importance, for each class, from tiles of weights laid out as logits are."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, ints, intps
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.sampling_kernels cimport Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "sampling")

    def sample_rows(
        self, cnp.ndarray variances not None, emphasis, Py_ssize_t n, Py_ssize_t wanted,
        unsigned long long seed, cnp.ndarray rows not None, cnp.ndarray factors not None,
        cnp.ndarray counts not None, cnp.ndarray totals not None, int n_threads,
    ):
        """For each class, about `wanted` rows drawn by importance, v from `variances` times an
        emphasis.

        Row i is kept with probability q = min(1, c e_i v_i), c such that these sum to `wanted`, and
        gets the factor sqrt(v_i / q): the sum over the rows kept of factor^2 x xᵀ is that of v x xᵀ on
        average. The emphasis is of whole tiles, or None; the rows that the last tile lacks must have a
        v of 0. rows (k, most) int32 and factors (k, most) hold the counts (k,) of each class, int64, in
        the order of the rows; totals (k,), float64, the sums of v. What is drawn depends on seed, class
        and row.
        """
        cdef const real *v = self.reals(variances, "variances")
        cdef const real *e = self.reals(emphasis, "emphasis")
        cdef Py_ssize_t k = variances.shape[1], most = rows.shape[1]
        cdef int *to_rows = ints(rows, "rows")
        cdef real *to_factors = self.reals(factors, "factors")
        cdef Py_ssize_t *to_counts = intps(counts, "counts")
        cdef double *to_totals = doubles(totals, "totals")
        with nogil:
            self.kernels.sample_rows(
                v, e, k, n, wanted, seed, most, to_rows, to_factors, to_counts, to_totals, n_threads)
