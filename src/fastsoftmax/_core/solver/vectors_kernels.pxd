"""Dot products and sums of long vectors: the table."""

from fastsoftmax._core.simd.simd cimport real

cdef enum:
    BLOCK = 4096  # elements, for which there is one partial sum


cdef inline Py_ssize_t blocks_of(Py_ssize_t n) noexcept nogil:
    return (n + BLOCK - 1) // BLOCK


cdef struct Table:
    double (*dot)(
        const real *x, const real *y, Py_ssize_t n, double *parts, int n_threads
    ) noexcept nogil
    void (*dots)(
        const real *x, const Py_ssize_t *which, Py_ssize_t m, const real *y, Py_ssize_t n, double *to,
        double *parts, int n_threads,
    ) noexcept nogil
    void (*combine)(
        double by, const real *y, Py_ssize_t n, const double *factor, const real *x,
        const Py_ssize_t *which, Py_ssize_t m, real *to, int n_threads,
    ) noexcept nogil
    void (*add_wide)(
        double *x, double t, const real *y, Py_ssize_t n, int n_threads
    ) noexcept nogil
    void (*pair)(
        bint wide, const void *d, double t, const void *x, const void *z, real *to_s, real *to_y,
        Py_ssize_t n, int n_threads,
    ) noexcept nogil
    void (*products)(
        const double *x, const real *y, Py_ssize_t n, double *to, double *parts, int n_threads
    ) noexcept nogil
    double (*largest)(
        const real *x, Py_ssize_t n, double *parts, int n_threads
    ) noexcept nogil
    void (*add)(real *x, double t, const real *y, Py_ssize_t n, int n_threads) noexcept nogil
