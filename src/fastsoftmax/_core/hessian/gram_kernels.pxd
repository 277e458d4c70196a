"""Weighted Gram matrices of some rows of X: the table."""

from fastsoftmax._core.arguments cimport Cells
from fastsoftmax._core.simd.simd cimport real


cdef struct Samples:  # m of them, of rows of X
    Cells x
    Py_ssize_t d, m
    const int *rows
    const real *factors
    const Py_ssize_t *starts  # (m,): of each, its first row above
    const Py_ssize_t *counts  # (m,)


cdef struct Table:
    Py_ssize_t (*gram_bytes)(Py_ssize_t size, Py_ssize_t m, int n_threads) noexcept nogil
    void (*gram)(
        const Samples *samples, const real *centre, const real *scales, Py_ssize_t size, double scale,
        const real *shared, const double *share, const double *ridge, real *to, char *memory,
        int n_threads,
    ) noexcept nogil
    void (*sums)(const Samples *s, real *to, int n_threads) noexcept nogil
