"""Dual coordinate ascent: the table."""

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    void (*squares)(
        const Sparse *x, const int *order, Py_ssize_t count, real *rows
    ) noexcept nogil
    double (*epoch)(
        const Sparse *x, const int *order, Py_ssize_t count, real *rows, real *w, real *b,
        double constant,
    ) noexcept nogil
