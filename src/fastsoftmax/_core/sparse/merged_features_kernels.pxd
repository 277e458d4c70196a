"""Features of a sparse X that occur in one row only, merged: the table."""

from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    void (*count)(
        const Sparse *x, Py_ssize_t n, Py_ssize_t d, int *to, int64_t *counts, int n_threads
    ) noexcept nogil
    void (*measure)(
        const Sparse *x, Py_ssize_t n, const int *counts, int64_t *length, char *lone, int n_threads
    ) noexcept nogil
    void (*merge)(
        const Sparse *x, Py_ssize_t n, const int *counts, const int *own, int *owner, double *share,
        double *peak, real *value, int *index, const int64_t *to, int n_threads,
    ) noexcept nogil
    void (*split)(
        const double *merged, const int *owner, const double *share, double *to, Py_ssize_t d,
        Py_ssize_t k, int n_threads,
    ) noexcept nogil
