"""Sparse rows times rows of A - Y, added into a table with a row for each feature.

Each non-zero reads, changes and writes one row of the table. X is not needed by columns, which take a
pass to build and, where short, cost a mispredicted branch each. No two threads may add into the same
rows of a table.

Rows of a few logits are 1, 2, 4 or 8 numbers. Others are whole vectors, fetched AHEAD non-zeros early.
"""

from fastsoftmax._core.simd.simd cimport (
    VL, add_times, add_to_doubles, double1, double2, double4, double8, inlined, load, multiply_add,
    outlined, prefetch, real, real1, real2, real4, real8, set1, store, vreal,
)
from fastsoftmax._core.sparse.gather cimport FEW, index

cdef enum:
    UNROLLED = 4  # non-zeros


ctypedef fused row:
    real1
    real2
    real4
    real8
    double1
    double2
    double4
    double8


cdef inline inlined scatter_of(
    const Py_ssize_t vectors, const real *values, const index *at, Py_ssize_t n, const row *factors,
    row *table,
) noexcept nogil:
    cdef row factor[FEW]
    cdef int unrolled = UNROLLED, u, v
    cdef Py_ssize_t i
    for v in range(vectors):
        factor[v] = factors[v]
    for i from 0 <= i <= n - UNROLLED by UNROLLED:
        for u in range(unrolled):
            for v in range(vectors):
                add_times(table + at[i + u] * vectors + v, values[i + u], &factor[v])
    for i in range(n - n % UNROLLED, n):
        for v in range(vectors):
            add_times(table + at[i] * vectors + v, values[i], &factor[v])
    return 0


cdef inline outlined scatter_few(
    int width, const real *values, const index *at, Py_ssize_t n, const real *factors, real *table
) noexcept nogil:
    """table[at[i] * width + c] += values[i] * factors[c], c < width: 1, 2, 4 or 8."""
    if width == 1:
        return scatter_of(1, values, at, n, <const real1 *>factors, <real1 *>table)
    if width == 2:
        return scatter_of(1, values, at, n, <const real2 *>factors, <real2 *>table)
    if width == 4:
        return scatter_of(
            4 * sizeof(real) // sizeof(real4), values, at, n, <const real4 *>factors, <real4 *>table)
    return scatter_of(
        8 * sizeof(real) // sizeof(real8), values, at, n, <const real8 *>factors, <real8 *>table)


cdef inline outlined scatter_few_doubles(
    int width, const real *values, const index *at, Py_ssize_t n, const double *factors,
    double *table,
) noexcept nogil:
    """The same with a table in float64."""
    if width == 1:
        return scatter_of(1, values, at, n, <const double1 *>factors, <double1 *>table)
    if width == 2:
        return scatter_of(1, values, at, n, <const double2 *>factors, <double2 *>table)
    if width == 4:
        return scatter_of(
            4 * sizeof(double) // sizeof(double4), values, at, n, <const double4 *>factors,
            <double4 *>table)
    return scatter_of(
        8 * sizeof(double) // sizeof(double8), values, at, n, <const double8 *>factors,
        <double8 *>table)


cdef inline outlined scatter(
    Py_ssize_t width, const real *values, const index *at, Py_ssize_t n, Py_ssize_t ahead,
    const real *factors, bint in_doubles, void *table,
) noexcept nogil:
    """The same of whole vectors, and a table in float64 or of `real`; `ahead` non-zeros further on there
    must be indices too."""
    cdef real *reals
    cdef double *doubles
    cdef vreal x
    cdef Py_ssize_t i, v
    for i in range(n):
        x = set1(values[i])
        if in_doubles:
            doubles = <double *>table + at[i + ahead] * width
            for v from 0 <= v < width by VL // 2:
                prefetch(doubles + v)
            doubles = <double *>table + at[i] * width
            for v from 0 <= v < width by VL:
                add_to_doubles(doubles + v, x * load(factors + v))
        else:
            reals = <real *>table + at[i + ahead] * width
            for v from 0 <= v < width by VL:
                prefetch(reals + v)
            reals = <real *>table + at[i] * width
            for v from 0 <= v < width by VL:
                store(reals + v, multiply_add(x, load(factors + v), load(reals + v)))
    return 0
