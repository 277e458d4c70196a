"""Rows of an array (outer, K, inner) of any strides, brought to where `softmax_tile` wants them.

*Across*: ROWS rows at a time as a tile, for few classes, or where the rows lie side by side in memory
(the softmax over a leading axis): then no number changes its lane.
*Along*: a row at a time as one run of vectors, -infinity past its end.

Every number passes through a buffer that stays in cache, once in and once out: which costs little
(the loads from memory are the same) and is where strides are undone and the temperature divides, and
what lets `out` be the input. Numbers of float16 become `real` on their way in, and float16 on their way
out.
"""

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, float16, lane_index, load, load_first, load_stored, load_stored_first, maximum, real,
    select_gt, set1, store, store_first, store_rounded, stream, to_real, transpose, vreal,
    vreal_inlined,
)
from fastsoftmax._core.simd.squares cimport load_square, store_square
from fastsoftmax._core.sizes cimport LINE, parts_of, rounded_up

cdef enum:
    FEW = 96  # classes up to which lanes are rows
    TILE_BYTES = 4 * 1024 * 1024  # of a tile of more classes than that, where rows lie side by side
    FLOAT16_TILE_BYTES = 384 * 1024  # the same of float16, whose callers expect to save memory


cdef inline bint go_along(const Rows *r) noexcept nogil:
    cdef Py_ssize_t most = FLOAT16_TILE_BYTES if r.are_float16 else TILE_BYTES
    if r.row_step == 1 and r.class_step != 1 and r.k * ROWS * <Py_ssize_t>sizeof(real) <= most:
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


cdef inline Py_ssize_t row_at(const Rows *r, Py_ssize_t i) noexcept nogil:
    """Where a row begins, in elements."""
    return i // r.rows * r.plane_step + i % r.rows * r.row_step


cdef inline Py_ssize_t tile_at(const Rows *r, Py_ssize_t unit, Py_ssize_t *first) noexcept nogil:
    """Where a tile begins, in elements; the number of its first row."""
    cdef Py_ssize_t tiles = parts_of(r.rows, ROWS)
    cdef Py_ssize_t plane = unit // tiles, row = unit % tiles * ROWS
    first[0] = plane * r.rows + row
    return plane * r.plane_step + row * r.row_step


cdef inline Py_ssize_t rows_of_tile(const Rows *r, Py_ssize_t unit) noexcept nogil:
    return min(ROWS, r.rows - unit % parts_of(r.rows, ROWS) * ROWS)


cdef inline const real *run_at(const Rows *r, Py_ssize_t at) noexcept nogil:
    """The `real` numbers of a row from there on, if they lie side by side; NULL otherwise."""
    return <real *>r.data + at if r.class_step == 1 and not r.are_float16 else NULL


cdef inline vreal_inlined load_float16(
    const float16 *x, Py_ssize_t step, Py_ssize_t n
) noexcept nogil:
    """The first n numbers, or VL of them, zeros behind them."""
    cdef float16 element[VL_MOST]
    cdef Py_ssize_t i
    if step == 1 and n >= VL:
        return load_stored(x)
    n = min(n, VL)
    if step == 1:
        return load_stored_first(x, <int>n)
    for i in range(n):
        element[i] = x[i * step]
    return load_stored_first(<const float16 *>element, <int>n)


cdef inline void store_as_float16(
    float16 *x, Py_ssize_t step, Py_ssize_t n, vreal v
) noexcept nogil:
    """The first n numbers, or all VL of them."""
    cdef float16 element[VL_MOST]
    cdef Py_ssize_t i
    if step == 1 and n >= VL:
        store_rounded(x, v)
        return
    store_rounded(element, v)
    for i in range(min(n, VL)):
        x[i * step] = element[i]


cdef inline const real *square_of_float16(
    const Rows *r, Py_ssize_t at, Py_ssize_t classes, Py_ssize_t n, real *square, Py_ssize_t *class_step
) noexcept nogil:
    """VL classes of VL rows, along the axis on which they lie side by side."""
    cdef const float16 *x = <const float16 *>r.data + at
    cdef bint across = r.row_step == 1
    cdef Py_ssize_t i, steps = r.class_step if across else r.row_step
    for i in range(min(classes if across else n, VL)):
        if across:
            store(square + i * VL, load_float16(x + i * steps, r.row_step, n))
        else:
            store(square + i * VL, load_float16(x + i * steps, r.class_step, classes))
    class_step[0] = VL if across else 1
    return square


cdef inline void read_tile(
    const Rows *r, Py_ssize_t at, Py_ssize_t n, double factor, real *z
) noexcept nogil:
    """z[k*ROWS + i] = factor * row i, zeros for the rows that are missing from the last vector."""
    cdef vreal v[VL_MOST]
    cdef real square[VL_MOST * VL_MOST]
    cdef const real *x
    cdef Py_ssize_t i, k, c, place, row_step = r.row_step, class_step = r.class_step
    for i from 0 <= i < n by VL:
        for k from 0 <= k < r.k by VL:
            place = at + i * r.row_step + k * r.class_step
            if r.are_float16:
                x = square_of_float16(r, place, r.k - k, n - i, square, &class_step)
                row_step = VL + 1 - class_step
            else:
                x = <real *>r.data + place
            load_square(x, class_step, row_step, r.k - k, n - i, v)
            for c in range(min(VL, r.k - k)):
                store(z + (k + c) * ROWS + i, v[c] * set1(factor))


cdef inline void write_square_as_float16(
    const Rows *r, Py_ssize_t at, Py_ssize_t classes, Py_ssize_t n, vreal *v
) noexcept nogil:
    """VL classes of VL rows; v is overwritten."""
    cdef float16 *x = <float16 *>r.data + at
    cdef Py_ssize_t i
    if r.row_step == 1:
        for i in range(min(classes, VL)):
            store_as_float16(x + i * r.class_step, 1, n, v[i])
        return
    transpose(v)
    for i in range(min(n, VL)):
        store_as_float16(x + i * r.row_step, r.class_step, classes, v[i])


cdef inline void write_tile(
    const Rows *r, Py_ssize_t at, Py_ssize_t n, const real *z
) noexcept nogil:
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t i, k, c, place
    for i from 0 <= i < n by VL:
        for k from 0 <= k < r.k by VL:
            for c in range(VL):
                v[c] = load(z + min(k + c, r.k - 1) * ROWS + i)
            place = at + i * r.row_step + k * r.class_step
            if r.are_float16:
                write_square_as_float16(r, place, r.k - k, n - i, v)
            else:
                store_square(
                    <real *>r.data + place, r.class_step, r.row_step, r.k - k, n - i, v)


cdef inline vreal_inlined read_row(
    const Rows *r, Py_ssize_t at, Py_ssize_t n, double factor, double fill, real *z
) noexcept nogil:
    """z = factor * n elements from there on, `fill` up to a whole vector; the maximum, lane by lane."""
    cdef vreal v, top
    cdef const real *x = run_at(r, at)
    cdef Py_ssize_t j, rest = n % VL
    if r.are_float16:
        for j from 0 <= j < n by VL:
            store(z + j, load_float16(
                <const float16 *>r.data + at + j * r.class_step, r.class_step, n - j))
    elif x == NULL:
        for j in range(n):
            z[j] = (<real *>r.data)[at + j * r.class_step]
    if x == NULL:
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
    const Rows *r, Py_ssize_t at, Py_ssize_t n, const real *z, vreal less, vreal factor,
    vreal then_less, bint past_cache,
) noexcept nogil:
    """n elements from there on = (z - less) * factor - then_less."""
    cdef real *x = <real *>r.data + at
    cdef float16 *halves = <float16 *>r.data + at
    cdef Py_ssize_t j = 0, lead, step = r.class_step
    cdef real element[VL_MOST]
    if r.are_float16:
        for j from 0 <= j < n by VL:
            store_as_float16(
                halves + j * step, step, n - j, (load(z + j) - less) * factor - then_less)
        return
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
