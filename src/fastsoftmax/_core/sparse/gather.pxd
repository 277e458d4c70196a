"""Sums of rows of a table, picked and weighted by a sparse vector: both products with a sparse X.

Logits are such sums of rows of W, one for each of a row's non-zeros; a feature's gradient is one of
rows of A - Y, one for each of its column's. Rows are `step` numbers apart with the K classes side by
side, so a non-zero is K/VL multiply-adds of whole vectors, whose sums stay in registers.

Bytes: a row of the table for each non-zero, K numbers, from whichever cache holds it: with 130107
features, K = 20 and float64 W takes 20 MB. The rows to come are known: they are fetched AHEAD
non-zeros before their turn.
"""

from libc.stdint cimport int64_t

from fastsoftmax._core.gemm.tiles cimport MOST
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, inlined, load, load_first, outlined, prefetch, real, set1, vreal,
)

cdef enum:
    AHEAD = 8  # non-zeros


ctypedef fused index:
    int
    int64_t


cdef inline inlined gather_of(
    const int nv, const real *values, const index *at, Py_ssize_t n, Py_ssize_t ahead,
    bint squared, const real *table, Py_ssize_t step, int last, vreal *sums,
) noexcept nogil:
    cdef vreal total[MOST]
    cdef vreal x
    cdef const real *row
    cdef Py_ssize_t i
    cdef int v
    for v in range(nv):
        total[v] = sums[v]
    for i in range(n):
        row = table + at[i + ahead] * step
        for v in range(nv):
            prefetch(row + v * VL)
        row = table + at[i] * step
        x = set1(values[i] * values[i] if squared else values[i])
        for v in range(nv - 1):
            total[v] = total[v] + x * load(row + v * VL)
        total[nv - 1] = total[nv - 1] + x * load_first(row + (nv - 1) * VL, last)
    for v in range(nv):
        sums[v] = total[v]
    return 0


cdef inline outlined gather(
    int nv, const real *values, const index *at, Py_ssize_t n, Py_ssize_t ahead, bint squared,
    const real *table, Py_ssize_t step, int last, vreal *sums,
) noexcept nogil:
    """sums[v] += sum over i < n of x_i * (vector v of row at[i] of the table), v < nv <= CLASS_BLOCK.

    x is `values`, or their squares. The last vector has `last` numbers, and so many are read. `ahead`
    non-zeros further on there must be indices too.
    """
    if nv == 1:
        gather_of(1, values, at, n, ahead, squared, table, step, last, sums)
    elif nv == 2:
        gather_of(2, values, at, n, ahead, squared, table, step, last, sums)
    elif nv == 3:
        gather_of(3, values, at, n, ahead, squared, table, step, last, sums)
    elif nv == 4:
        gather_of(4, values, at, n, ahead, squared, table, step, last, sums)
    elif nv == 5:
        gather_of(5, values, at, n, ahead, squared, table, step, last, sums)
    elif nv == 6:
        gather_of(6, values, at, n, ahead, squared, table, step, last, sums)
    elif CLASS_BLOCK > 6:
        if nv == 7:
            gather_of(7, values, at, n, ahead, squared, table, step, last, sums)
        elif nv == 8:
            gather_of(8, values, at, n, ahead, squared, table, step, last, sums)
        elif nv == 9:
            gather_of(9, values, at, n, ahead, squared, table, step, last, sums)
        elif nv == 10:
            gather_of(10, values, at, n, ahead, squared, table, step, last, sums)
        elif nv == 11:
            gather_of(11, values, at, n, ahead, squared, table, step, last, sums)
        elif nv == 12:
            gather_of(12, values, at, n, ahead, squared, table, step, last, sums)
    return 0
