"""Coordinate descent for an L1 penalty: the table."""

from libc.stdint cimport int64_t

from fastsoftmax._core.simd.simd cimport real


cdef struct Columns:
    const real *x
    const int *rows
    const int64_t *starts
    Py_ssize_t n
    const real *weights  # (k, n)
    const int64_t *columns  # (k, m): of each class the first of
    const int64_t *counts  # (k,)


cdef struct Table:
    void (*by_grams)(
        const real *h, const int64_t *count, Py_ssize_t k, Py_ssize_t m, const real *g, const real *v,
        const real *t, real *d, real *s, int cycles, double tolerance, int n_threads,
    ) noexcept nogil
    void (*by_columns)(
        const Columns *c, Py_ssize_t k, Py_ssize_t m, const double *mean, const double *h, const real *g,
        const real *v, const real *t, bint intercept, const double *ridge, real *d, real *r, int cycles,
        double tolerance, int n_threads,
    ) noexcept nogil
    void (*moments)(
        const Columns *c, Py_ssize_t k, Py_ssize_t m, bint intercept, double *mean, double *h,
        int n_threads,
    ) noexcept nogil
    void (*grams)(
        const Columns *c, Py_ssize_t k, Py_ssize_t m, bint intercept, real *to, int64_t *begin,
        int *place, real *entry, Py_ssize_t most, int n_threads,
    ) noexcept nogil
    double (*subgradient)(
        const double *g, const double *v, const double *t, Py_ssize_t width, Py_ssize_t run,
        Py_ssize_t runs, double *to, int n_threads,
    ) noexcept nogil
