"""Sums of rows of a table, picked and weighted by a sparse vector: both products with a sparse X.

Logits are such sums of rows of W, one for each of a row's non-zeros; a feature's gradient is one of
rows of A - Y, one for each of its column's. The K classes lie side by side in a row of the table.

With many classes a non-zero is K/VL multiply-adds of whole vectors, whose sums stay in registers.
Bytes: a row of the table for each non-zero, K numbers, from whichever cache holds it: with 130107
features, K = 20 and float64 W takes 20 MB. The rows to come are known: they are fetched AHEAD
non-zeros before their turn.

With few classes a row has 1, 2, 4 or 8 numbers and is read as such. One chain of multiply-adds would
take their latency for each non-zero; of CHAINS side by side the processor has the rows to come fetched.
"""

from libc.stdint cimport int64_t

from fastsoftmax._core.gemm.tiles cimport MOST
from fastsoftmax._core.simd.simd cimport (
    PICKED, VL, add_picked, add_times, inlined, load, load_first, outlined, prefetch, real,
    real2, real4, real8, set1, vreal, with_constant,
)

cdef enum:
    AHEAD = 8  # non-zeros, whose rows of the table are fetched early
    CHAINS = 4
    FEW = 8  # numbers of a row


ctypedef fused index:
    int
    int64_t


ctypedef fused few:
    real2
    real4
    real8


cdef inline inlined gather_few_of(
    const int width, const real *values, const index *at, Py_ssize_t n, const few *table, real *sums
) noexcept nogil:
    """`gather_few` of rows of `width` numbers, which are one or more of the type."""
    cdef Py_ssize_t vectors = width * sizeof(real) // sizeof(few)
    cdef int chains = CHAINS, u, v
    cdef few total[CHAINS][FEW]
    cdef real nothing[FEW]
    cdef real one = 1
    cdef Py_ssize_t i
    for v in range(width):
        nothing[v] = 0
    for u in range(chains):
        for v in range(vectors):
            total[u][v] = (<const few *>nothing)[v]
    for i from 0 <= i <= n - CHAINS by CHAINS:
        for u in range(chains):
            for v in range(vectors):
                add_times(&total[u][v], values[i + u], table + at[i + u] * vectors + v)
    for i in range(n - n % CHAINS, n):
        for v in range(vectors):
            add_times(&total[0][v], values[i], table + at[i] * vectors + v)
    for u in range(chains):
        for v in range(vectors):
            add_times(<few *>sums + v, one, &total[u][v])
    return 0


cdef inline inlined gather_ones(
    const real *values, const index *at, Py_ssize_t n, const real *table, real *sums
) noexcept nogil:
    """`gather_few` of rows of one number."""
    cdef int chains = 2, u
    cdef int step = chains * PICKED
    cdef real4 total[2]
    cdef real lanes[2 * PICKED]
    cdef Py_ssize_t i
    for u in range(step):
        lanes[u] = 0
    for u in range(chains):
        total[u] = (<real4 *>lanes)[u]
    for i from 0 <= i <= n - step by step:
        for u in range(chains):
            add_picked(&total[u], values + i + u * PICKED, table, at + i + u * PICKED)
    for u in range(chains):
        (<real4 *>lanes)[u] = total[u]
    for i in range(n - n % step, n):
        sums[0] += values[i] * table[at[i]]
    for u in range(step):
        sums[0] += lanes[u]
    return 0


cdef inline outlined gather_few(
    int width, const real *values, const index *at, Py_ssize_t n, const real *table, real *sums
) noexcept nogil:
    """sums[c] += sum over i < n of values[i] * table[at[i] * width + c], c < width: 1, 2, 4 or 8."""
    if width == 1:
        return gather_ones(values, at, n, table, sums)
    if width == 2:
        return gather_few_of(2, values, at, n, <const real2 *>table, sums)
    if width == 4:
        return gather_few_of(4, values, at, n, <const real4 *>table, sums)
    return gather_few_of(8, values, at, n, <const real8 *>table, sums)


cdef inline inlined gather_of(
    const int nv, const real *values, const index *at, Py_ssize_t n, Py_ssize_t ahead,
    const real *table, Py_ssize_t step, int last, vreal *sums,
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
        x = set1(values[i])
        for v in range(nv - 1):
            total[v] = total[v] + x * load(row + v * VL)
        total[nv - 1] = total[nv - 1] + x * load_first(row + (nv - 1) * VL, last)
    for v in range(nv):
        sums[v] = total[v]
    return 0


cdef inline outlined gather(
    int nv, const real *values, const index *at, Py_ssize_t n, Py_ssize_t ahead, const real *table,
    Py_ssize_t step, int last, vreal *sums,
) noexcept nogil:
    """sums[v] += sum over i < n of values[i] * (vector v of row at[i] of the table).

    v < nv <= CLASS_BLOCK. The last vector has `last` numbers, and so many are read. `ahead`
    non-zeros further on there must be indices too.
    """
    with_constant(nv, gather_of[index], values, at, n, ahead, table, step, last, sums)
    return 0
