"""Block coordinate descent for norms of groups: the table."""

from libc.stdint cimport int64_t

from fastsoftmax._core.simd.simd cimport real


cdef struct Blocks:
    const int64_t *places  # (m,), group by group
    const int64_t *starts  # (n + 1,) in these
    Py_ssize_t n  # groups
    Py_ssize_t k
    Py_ssize_t m
    const real *gradient  # (k, m), as all that follow
    const real *values
    const real *thresholds
    const double *bounds  # of the curvature
    real *change
    double *step  # (m, k): scratch
    int cycles
    double tolerance


cdef struct Entries:
    const real *x
    const int *rows
    const int64_t *starts
    const int64_t *columns  # (m,)
    const real *weights  # (n, k)
    Py_ssize_t n
    const double *means  # (k, m), as what follows
    const double *diagonals
    const double *ridges
    bint intercept
    real *residual  # (n, k): scratch
    real *slopes  # (k, m): scratch
    double *totals  # (k,): scratch


cdef struct Table:
    void (*by_grams)(const Blocks *b, const real *h, real *slopes) noexcept nogil
    void (*by_columns)(const Blocks *b, const Entries *e) noexcept nogil
