"""Uᵀ U x = z by forward and backward substitution, U upper triangular, for a few z at once.

VL rows of U at a time, so that it is read along its rows both times: their triangle in registers, where
each unknown waits for the one before, a shuffle, a product and a multiply-add, some 13 cycles; the rest
as products of whole vectors, which wait for nothing. Bound by reading U where it is large.

Measurements: docs/experiments/0011-cholesky-factors.md.
"""

from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, divide, inlined, lane_index, load, pick, prefetch, real, select_eq, set1, set1_lane,
    sum_each, transpose, vreal, vreal_inlined,
)
from fastsoftmax._core.simd.squares cimport load_upto, store_upto

cdef enum:
    RIGHT = 4  # right-hand sides at most


cdef inline vreal_inlined lane(vreal x, Py_ssize_t i) noexcept nogil:
    """x[i] in all lanes."""
    return pick(x, x, set1_lane(i))


cdef inline vreal_inlined pivots(const real *u, Py_ssize_t size, Py_ssize_t rows) noexcept nogil:
    """1 / the diagonal of some rows of U."""
    cdef real element[VL_MOST]
    cdef Py_ssize_t i
    for i in range(VL):
        element[i] = u[i * (size + 1)] if i < rows else 1.
    return divide(set1(1.), load(element))


cdef inline inlined forward_rows(
    const int m, const real *u, Py_ssize_t size, Py_ssize_t left, real *z, Py_ssize_t step
) noexcept nogil:
    """x of VL rows, u being at their triangle and `left` what there is of columns, in place of z.

    What lies below the diagonal only reaches lanes that are found already.
    """
    cdef vreal by[RIGHT][VL_MOST]
    cdef vreal b[RIGHT]
    cdef vreal x[RIGHT]
    cdef vreal v, inverse = pivots(u, size, left)
    cdef Py_ssize_t i, j
    cdef int r
    for r in range(m):
        b[r] = load_upto(z + r * step, left)
        x[r] = set1(0.)
    for i in range(min(VL, left)):
        v = load_upto(u + i * size, left)
        for r in range(m):
            by[r][i] = lane(b[r], i) * lane(inverse, i)
            x[r] = select_eq(lane_index(), set1_lane(i), by[r][i], x[r])
            b[r] = b[r] - by[r][i] * v
    for r in range(m):
        store_upto(z + r * step, x[r], left)
    for j from VL <= j < left by VL:
        for r in range(m):
            b[r] = load_upto(z + r * step + j, left - j)
        for i in range(VL):
            prefetch(u + (VL + i) * size + j)
            v = load_upto(u + i * size + j, left - j)
            for r in range(m):
                b[r] = b[r] - by[r][i] * v
        for r in range(m):
            store_upto(z + r * step + j, b[r], left - j)
    return 0


cdef inline inlined backward_rows(
    const int m, const real *u, Py_ssize_t size, Py_ssize_t left, real *z, Py_ssize_t step
) noexcept nogil:
    """The same of U x = z, where all that follows is found."""
    cdef vreal sums[VL_MOST]
    cdef vreal triangle[VL_MOST]
    cdef vreal b[RIGHT]
    cdef vreal x[RIGHT]
    cdef vreal v, inverse = pivots(u, size, left)
    cdef Py_ssize_t i, j, rows = min(VL, left)
    cdef int r
    for r in range(m):
        b[r] = load_upto(z + r * step, left)
        x[r] = set1(0.)
        if left > VL:
            for i in range(VL):
                sums[i] = set1(0.)
            for j from VL <= j < left by VL:
                v = load_upto(z + r * step + j, left - j)
                for i in range(VL):
                    sums[i] = sums[i] + v * load_upto(u + i * size + j, left - j)
            b[r] = b[r] - sum_each(sums)
    for i in range(VL):
        triangle[i] = load_upto(u + i * size, left) if i < rows else set1(0.)
    transpose(triangle)
    for i in range(rows - 1, -1, -1):
        for r in range(m):
            v = lane(b[r], i) * lane(inverse, i)
            x[r] = select_eq(lane_index(), set1_lane(i), v, x[r])
            b[r] = b[r] - v * triangle[i]
    for r in range(m):
        store_upto(z + r * step, x[r], left)
    return 0


cdef inline inlined substitute_for(
    const int m, const real *u, Py_ssize_t size, real *z, Py_ssize_t step
) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < size by VL:
        forward_rows(m, u + i * (size + 1), size, size - i, z + i, step)
    for i from (size - 1) // VL * VL >= i > -1 by VL:
        backward_rows(m, u + i * (size + 1), size, size - i, z + i, step)
    return 0


cdef inline void substitute(
    const real *u, Py_ssize_t size, real *z, Py_ssize_t step, int m
) noexcept nogil:
    """x in place of each of m <= RIGHT vectors z, `step` apart; U (size, size), of which no element
    below the diagonal counts, but finite they are."""
    if m == 1:
        substitute_for(1, u, size, z, step)
    elif m == 2:
        substitute_for(2, u, size, z, step)
    elif m == 3:
        substitute_for(3, u, size, z, step)
    elif m == 4:
        substitute_for(4, u, size, z, step)
