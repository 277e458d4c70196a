"""Cholesky factors of a few matrices, and solves with them: the table."""

from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    void (*factor)(
        real *a, Py_ssize_t m, Py_ssize_t size, const real *scale, const double *jitter, int *failed,
        int n_threads,
    ) noexcept nogil
    void (*solve)(
        const real *upper, Py_ssize_t step, const double *scale, Py_ssize_t scale_step,
        const double *given, double *to, Py_ssize_t m, Py_ssize_t k, Py_ssize_t size, real *z,
        int n_threads,
    ) noexcept nogil
