"""Forward, for `linear_partitions`: logits of a tile of rows, by the scheme of the plan."""

from fastsoftmax._core.arguments cimport Cells, Problem
from fastsoftmax._core.gemm.convert cimport REAL, read_rows
from fastsoftmax._core.gemm.stored_tiles cimport stored_dots
from fastsoftmax._core.gemm.tiles cimport SUMMED_ROWS, ROWS, Ahead, dot_rows, nothing
from fastsoftmax._core.gemm.transposed_rows cimport (
    pack_rows, pack_weights, tile_after, transposed_logits,
)
from fastsoftmax._core.gemm.transposed_weights cimport logits_in_rows, logits_in_tile, transpose_weights
from fastsoftmax._core.linear.linear_problem cimport class_at
from fastsoftmax._core.linear.linear_plan cimport (
    DOTS, ROWS_TRANSPOSED, WEIGHTS_TRANSPOSED, Partitions,
)
from fastsoftmax._core.simd.simd cimport VL, VL_MOST, real, set1, store, sum_each, vreal
from fastsoftmax._core.simd.squares cimport load_square, store_square
from fastsoftmax._core.sizes cimport aligned, part_start, rounded_up

cdef enum:
    NEAR = 8 * 1024  # bytes ahead that `dots` fetches into L1, or the rows it takes next


cdef inline void pack_partitions(const Problem *p, const Partitions *s) noexcept nogil:
    """Weights in the order the scheme reads them in: `dots` VL features of each class of a block."""
    cdef Py_ssize_t c, k, j, v
    cdef const real *w
    cdef real *to = s.w
    if s.scheme == WEIGHTS_TRANSPOSED:
        transpose_weights(p, s.w)
        return
    if s.scheme == ROWS_TRANSPOSED:
        for c in range(s.class_blocks):
            pack_weights(
                p, s.depth, 0, s.k, part_start(s.k, s.class_blocks, c),
                part_start(s.k, s.class_blocks, c + 1), s.w)
        return
    for c in range(s.class_blocks):
        for j from 0 <= j < p.d by VL:
            for k in range(part_start(s.k, s.class_blocks, c),
                           part_start(s.k, s.class_blocks, c + 1)):
                w = p.w + class_at(p, <int>k) * p.d + j
                for v in range(VL):
                    to[v] = w[v] if j + v < p.d else 0.
                    if p.eliminated >= 0 and j + v < p.d:
                        to[v] -= p.w[p.eliminated * p.d + j + v]
                to += VL


cdef inline bint converted_late(const Problem *p, const Partitions *s) noexcept nogil:
    """Whether `logits_by_dots` converts: not where features lie apart, which takes many at a time."""
    return s.scheme == DOTS and not p.in_place and p.cells.column_step == p.cells.size and p.w != NULL


cdef inline Cells block_rows(
    const Problem *p, const Partitions *s, Py_ssize_t start, Py_ssize_t n, real *buffer
) noexcept nogil:
    """Rows of X with their features side by side: in place where they can be, else in the buffer.

    There `logits_by_dots` puts them, if it is called; which leaves them in L1 for its own use.
    """
    cdef Cells rows = p.cells
    if p.in_place:
        rows.x += start * rows.row_step
        return rows
    if not converted_late(p, s):
        read_rows(&p.cells, start, n, 0, p.d, buffer, s.stride)
    rows.x = <const char *>buffer
    rows.type = REAL
    rows.size = rows.column_step = sizeof(real)
    rows.row_step = s.stride * sizeof(real)
    return rows


cdef inline void logits_by_dots(
    const Problem *p, const Partitions *s, Py_ssize_t start, const Cells *block, Py_ssize_t t,
    Py_ssize_t n, vreal *partial, real *z,
) noexcept nogil:
    cdef bint late = converted_late(p, s)
    cdef const char *x = block.x + t * block.row_step
    cdef Py_ssize_t stride = block.row_step // block.size, first, i, c, k, j, k0, nk, end
    cdef Py_ssize_t ahead = NEAR // (min(s.width, p.d) * block.size)
    cdef int rows, most
    cdef vreal v
    for first from 0 <= first < ROWS by SUMMED_ROWS:
        if first + SUMMED_ROWS > n:
            for i in range(s.k * SUMMED_ROWS):
                partial[i] = set1(0.)
        end = min(first + SUMMED_ROWS, n)
        for c in range(s.class_blocks):
            k0 = part_start(s.k, s.class_blocks, c)
            nk = part_start(s.k, s.class_blocks, c + 1) - k0
            most = dot_rows(<int>nk)
            for j from 0 <= j < p.d by s.width:
                i = first
                while i < end:
                    rows = most if i + most <= end else 1
                    if late and c == 0 and j == 0 and i % s.converted == 0:
                        read_rows(
                            &p.cells, start + t + i, min(s.converted, end - i), 0, p.d,
                            <real *>(x + i * block.row_step), stride)
                    stored_dots(
                        block.type, rows, <int>nk, x + i * block.row_step + j * block.size, stride,
                        max(ahead, most) * stride, min(s.width, p.d - j),
                        s.w + k0 * rounded_up(p.d, VL) + nk * j, j > 0,
                        partial + k0 * SUMMED_ROWS + i - first)
                    i += rows
        for k in range(p.k):
            for i from 0 <= i < SUMMED_ROWS by VL:
                v = set1(p.b[class_at(p, <int>k)] if p.b else 0.)
                if k < s.k:
                    v = v + sum_each(partial + k * SUMMED_ROWS + i)
                store(z + k * ROWS + first + i, v)


cdef inline void tile_logits(
    const Problem *p, const Partitions *s, Py_ssize_t start, const Cells *block, Py_ssize_t t,
    Py_ssize_t n, char *tile_scratch, real *z,
) noexcept nogil:
    """z[k*ROWS + i] = x_i·w_k + b_k for n <= ROWS rows from row t on of the block at `start`, which
    holds or gets them; b_k for the rows that the tile lacks."""
    cdef real *tile = <real *>tile_scratch
    cdef Ahead next
    cdef Py_ssize_t i, j, m
    if s.scheme == DOTS:
        logits_by_dots(p, s, start, block, t, n, <vreal *>tile_scratch, z)
        return
    next = tile_after(p, start + t) if s.n_partitions == 0 else nothing()
    if s.scheme == WEIGHTS_TRANSPOSED:
        logits_in_tile(p, s.w, start + t, n, tile, &next, z)
        return
    for j from 0 <= j < p.d by s.depth:
        m = min(s.depth, p.d - j)
        pack_rows(p, start + t, n, j, m, tile, NULL, 0)
        for i in range(s.class_blocks):
            transposed_logits(
                p, s.w, tile, j, m, 0, s.k, part_start(s.k, s.class_blocks, i),
                part_start(s.k, s.class_blocks, i + 1), z, &next if i == 0 else NULL)


cdef inline void store_block(
    const Problem *p, const Partitions *s, Py_ssize_t start, char *scratch
) noexcept nogil:
    """Logits of a block of rows into p.stored."""
    cdef Py_ssize_t n = min(s.block, p.n - start), t
    cdef Cells x = p.cells
    if s.scheme == DOTS:
        x = block_rows(p, s, start, n, <real *>(scratch + aligned(s.tile_bytes)))
    for t from 0 <= t < n by ROWS:
        tile_logits(
            p, s, start, &x, t, min(ROWS, n - t), scratch, p.stored + (start + t) * p.k)


cdef inline void rows_logits(
    const Problem *p, const Partitions *s, Py_ssize_t start, char *scratch, real *to
) noexcept nogil:
    """Logits of up to ROWS rows from `start` on into their rows of `to` (n, k)."""
    cdef Py_ssize_t n = min(ROWS, p.n - start), i, k
    cdef real *z = <real *>scratch
    cdef char *tile_scratch = scratch + aligned(ROWS * p.k * sizeof(real))
    cdef vreal square[VL_MOST]
    cdef Ahead next
    cdef Cells x
    to += start * p.k
    if s.scheme == WEIGHTS_TRANSPOSED:
        next = tile_after(p, start)
        logits_in_rows(p, s.w, start, n, <real *>tile_scratch, &next, to)
        return
    x = block_rows(p, s, start, n, <real *>(tile_scratch + aligned(s.tile_bytes)))
    tile_logits(p, s, start, &x, 0, n, tile_scratch, z)
    for i from 0 <= i < n by VL:
        for k from 0 <= k < p.k by VL:
            load_square(z + k * ROWS + i, ROWS, 1, p.k - k, n - i, square)
            store_square(to + i * p.k + k, 1, p.k, p.k - k, n - i, square)
