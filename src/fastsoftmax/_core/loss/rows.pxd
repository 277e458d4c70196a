"""Rows of an array (outer, K, inner) of any strides, brought to where `softmax_tile` wants them.

*Across*: ROWS rows at a time as a tile, for few classes, or where the rows lie side by side in memory
(the softmax over a leading axis): then no number changes its lane.
*Along*: a row at a time as one run of vectors, -infinity past its end.

Every number passes through a buffer that stays in cache, once in and once out: which costs little
(the loads from memory are the same) and is where strides are undone and the temperature divides, and
what lets `out` be the input.
"""

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, lane_index, load, load_first, maximum, real, select_gt, set1, store, store_first,
    stream, to_real, vreal, vreal_inlined,
)
from fastsoftmax._core.simd.squares cimport load_square, store_square
from fastsoftmax._core.sizes cimport LINE, parts_of, rounded_up

cdef enum:
    FEW = 96  # classes up to which lanes are rows
    TILE_BYTES = 4 * 1024 * 1024  # of a tile of more classes than that, where rows lie side by side


cdef inline bint go_along(const Rows *r) noexcept nogil:
    if r.row_step == 1 and r.class_step != 1 and r.k * ROWS * sizeof(real) <= TILE_BYTES:
        return False
    return r.k > FEW


cdef inline Py_ssize_t padded(Py_ssize_t k) noexcept nogil:
    return rounded_up(k, VL)


cdef inline Py_ssize_t buffer_size(const Rows *r) noexcept nogil:
    """Elements of a buffer for one tile or one row, in whole cache lines."""
    return rounded_up(r.k, LINE // sizeof(real)) if go_along(r) else r.k * ROWS


cdef inline Py_ssize_t n_units(const Rows *r) noexcept nogil:
    """Tiles or rows: what a thread takes at a time."""
    return r.planes * (r.rows if go_along(r) else parts_of(r.rows, ROWS))


cdef inline real *row_at(const Rows *r, Py_ssize_t i) noexcept nogil:
    return r.data + i // r.rows * r.plane_step + i % r.rows * r.row_step


cdef inline Py_ssize_t tile_at(
    const Rows *r, Py_ssize_t unit, real **at, Py_ssize_t *first
) noexcept nogil:
    """Where a tile begins, the number of its first row, and how many rows it has."""
    cdef Py_ssize_t tiles = parts_of(r.rows, ROWS)
    cdef Py_ssize_t plane = unit // tiles, row = unit % tiles * ROWS
    at[0] = r.data + plane * r.plane_step + row * r.row_step
    first[0] = plane * r.rows + row
    return min(ROWS, r.rows - row)


cdef inline void read_tile(
    const Rows *r, const real *at, Py_ssize_t n, double factor, real *z
) noexcept nogil:
    """z[k*ROWS + i] = factor * row i, zeros for the rows that are missing from the last vector."""
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t i, k, c
    for i from 0 <= i < n by VL:
        for k from 0 <= k < r.k by VL:
            load_square(
                at + i * r.row_step + k * r.class_step, r.class_step, r.row_step, r.k - k, n - i, v)
            for c in range(min(VL, r.k - k)):
                store(z + (k + c) * ROWS + i, v[c] * set1(factor))


cdef inline void write_tile(
    const Rows *r, real *at, Py_ssize_t n, const real *z
) noexcept nogil:
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t i, k, c
    for i from 0 <= i < n by VL:
        for k from 0 <= k < r.k by VL:
            for c in range(VL):
                v[c] = load(z + min(k + c, r.k - 1) * ROWS + i)
            store_square(
                at + i * r.row_step + k * r.class_step, r.class_step, r.row_step, r.k - k, n - i, v)


cdef inline vreal_inlined read_row(
    const real *x, Py_ssize_t step, Py_ssize_t n, double factor, double fill, real *z
) noexcept nogil:
    """z = factor * n elements of x, `fill` up to a whole vector; the maximum, lane by lane."""
    cdef vreal v, top
    cdef Py_ssize_t j, rest = n % VL
    if step != 1:
        for j in range(n):
            z[j] = x[j * step]
        x = z
    top = set1(fill)
    for j from 0 <= j <= n - VL by VL:
        v = load(x + j) * set1(factor)
        store(z + j, v)
        top = maximum(top, v)
    if rest:
        v = load_first(x + n - rest, <int>rest) * set1(factor)
        v = select_gt(set1(rest), to_real(lane_index()), v, set1(fill))
        store(z + n - rest, v)
        top = maximum(top, v)
    return top


cdef inline void write_row(
    real *x, Py_ssize_t step, Py_ssize_t n, const real *z, vreal less, vreal factor, vreal then_less,
    bint past_cache,
) noexcept nogil:
    """x = (z - less) * factor - then_less, n elements."""
    cdef Py_ssize_t j = 0, lead
    cdef real element[VL_MOST]
    if step != 1:
        for j in range(n):
            if j % VL == 0:
                store(element, (load(z + j) - less) * factor - then_less)
            x[j * step] = element[j % VL]
        return
    if past_cache:
        lead = (-(<Py_ssize_t>x // <Py_ssize_t>sizeof(real))) & (VL - 1)
        lead = min(lead, n)
        if lead:
            store_first(x, (load(z) - less) * factor - then_less, <int>lead)
        for j from lead <= j <= n - VL by VL:
            stream(x + j, (load(z + j) - less) * factor - then_less)
        j = lead + (n - lead) // VL * VL
    else:
        for j from 0 <= j <= n - VL by VL:
            store(x + j, (load(z + j) - less) * factor - then_less)
        j = n // VL * VL
    if j < n:
        store_first(x + j, (load(z + j) - less) * factor - then_less, <int>(n - j))
