"""Rows drawn by importance, for each class: the table."""

from libc.stdint cimport uint64_t

from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    void (*sample_rows)(
        const real *v, const real *e, Py_ssize_t k, Py_ssize_t n, Py_ssize_t wanted, uint64_t seed,
        Py_ssize_t most, int *to_rows, real *to_factors, Py_ssize_t *to_counts, double *to_totals,
        int n_threads,
    ) noexcept nogil
