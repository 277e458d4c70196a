"""A sparse matrix and the sums that its kernels share: of a row's non-zeros and of a column's."""

from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, VL_MOST, real, set1, store, transpose, vreal,
)
from fastsoftmax._core.simd.squares cimport load_square, load_upto, store_upto
from fastsoftmax._core.sizes cimport part_start, parts_of, rounded_up
from fastsoftmax._core.sparse.gather cimport AHEAD, FEW, gather, gather_few

cdef enum:
    SEGMENT = 512  # non-zeros of a column summed before the sum goes to float64
    ROW_BLOCK_BYTES = 64 * 1024 * 1024  # of A - Y, or of another table with a row for each of X


cdef inline Py_ssize_t start_of(const Sparse *x, Py_ssize_t i) noexcept nogil:
    return (<const int64_t *>x.starts)[i] if x.wide else (<const int *>x.starts)[i]


cdef inline Py_ssize_t index_at(const Sparse *x, Py_ssize_t i) noexcept nogil:
    return (<const int64_t *>x.at)[i] if x.wide else (<const int *>x.at)[i]


cdef inline Py_ssize_t row_width(Py_ssize_t k) noexcept nogil:
    """Numbers of a row of k logits: a power of two for a few, else whole vectors."""
    cdef Py_ssize_t width = 1
    if k > FEW:
        return rounded_up(k, VL)
    while width < k:
        width *= 2
    return width


cdef inline Py_ssize_t rows_of_block(Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """A multiple of those of a tile."""
    return min(
        max(ROW_BLOCK_BYTES // <Py_ssize_t>sizeof(real) // row_width(k) // ROWS, 1) * ROWS,
        rounded_up(n, ROWS))


cdef inline int vectors_of(
    Py_ssize_t k, Py_ssize_t blocks, Py_ssize_t c, Py_ssize_t *first
) noexcept nogil:
    """Block c of the vectors of k classes: how many, and the first."""
    cdef Py_ssize_t count = parts_of(k, VL)
    first[0] = part_start(count, blocks, c)
    return <int>(part_start(count, blocks, c + 1) - first[0])


cdef inline Py_ssize_t blocks_of(Py_ssize_t k) noexcept nogil:
    return parts_of(parts_of(k, VL), CLASS_BLOCK)


cdef inline void row_logits(
    const Sparse *x, Py_ssize_t n, Py_ssize_t i, const real *w, const real *b, Py_ssize_t k, real *to
) noexcept nogil:
    """w x + b of row i of n, `row_width` numbers; of a few logits w has as many columns."""
    cdef vreal sums[MOST]
    cdef Py_ssize_t start = start_of(x, i), count = start_of(x, i + 1) - start, first, c, v
    cdef Py_ssize_t ahead = AHEAD if start + count + AHEAD <= start_of(x, n) else 0
    cdef Py_ssize_t blocks = blocks_of(k)
    cdef const real *values = x.values + start
    cdef const int64_t *wide = <const int64_t *>x.at + start
    cdef const int *narrow = <const int *>x.at + start
    cdef int nv, last
    if k <= FEW:
        for c in range(row_width(k)):
            to[c] = b[c] if b and c < k else 0.
        if x.wide:
            gather_few(<int>row_width(k), values, wide, count, w, to)
        else:
            gather_few(<int>row_width(k), values, narrow, count, w, to)
        return
    for c in range(blocks):
        nv = vectors_of(k, blocks, c, &first)
        last = <int>min(k - (first + nv - 1) * VL, VL)
        for v in range(nv):
            sums[v] = load_upto(b + (first + v) * VL, k - (first + v) * VL) if b else set1(0.)
        if x.wide:
            gather(nv, values, wide, count, ahead, w + first * VL, k, last, sums)
        else:
            gather(nv, values, narrow, count, ahead, w + first * VL, k, last, sums)
        for v in range(nv):
            store(to + (first + v) * VL, sums[v])


cdef inline void transpose_block(
    const real *x, Py_ssize_t row_step, Py_ssize_t rows, Py_ssize_t columns, real *to, Py_ssize_t to_step
) noexcept nogil:
    """to[c * to_step + r] = x[r * row_step + c], in whole vectors of `to`."""
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t r, c, i
    for r from 0 <= r < rows by VL:
        for c from 0 <= c < columns by VL:
            load_square(x + r * row_step + c, row_step, 1, rows - r, columns - c, v)
            transpose(v)
            for i in range(min(VL, columns - c)):
                store(to + (c + i) * to_step + r, v[i])


cdef inline void tile_of_logits(
    const Sparse *x, Py_ssize_t n, Py_ssize_t start, const real *w, const real *b, Py_ssize_t k,
    real *rows, real *tile
) noexcept nogil:
    """Logits of ROWS rows, or as many as there are and zeros, class by class."""
    cdef Py_ssize_t padded = row_width(k), count = min(ROWS, n - start), i, c
    for i in range(count):
        row_logits(x, n, start + i, w, b, k, rows + i * padded)
    transpose_block(rows, padded, count, k, tile, ROWS)
    for i from rounded_up(count, VL) <= i < ROWS by VL:
        for c in range(k):
            store(tile + c * ROWS + i, set1(0.))


cdef inline void to_rows(
    const real *tile, Py_ssize_t k, Py_ssize_t count, real *z, Py_ssize_t padded
) noexcept nogil:
    """A tile's rows, `padded` numbers each, zeros behind the last class."""
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t r, c, i
    for c from 0 <= c < k by VL:
        for r from 0 <= r < count by VL:
            load_square(tile + c * ROWS + r, ROWS, 1, k - c, VL, v)
            transpose(v)
            for i in range(min(VL, count - r)):
                store_upto(z + (r + i) * padded + c, v[i], padded - c)


cdef inline void column_sums(
    const Sparse *columns, Py_ssize_t j, Py_ssize_t end_of_all, bint squared, const real *z,
    Py_ssize_t k, double scale, double *to,
) noexcept nogil:
    """to (k,) += scale * sum over the rows i of column j of x_ij, or its square, times z_i."""
    cdef Py_ssize_t start = (<const int64_t *>columns.starts)[j]
    cdef Py_ssize_t end = (<const int64_t *>columns.starts)[j + 1], at, count, ahead, i
    cdef real squares[SEGMENT]
    cdef const real *values
    for at from start <= at < end by SEGMENT:
        count = min(SEGMENT, end - at)
        ahead = AHEAD if at + count + AHEAD <= end_of_all else 0
        values = columns.values + at
        if squared:
            for i in range(count):
                squares[i] = values[i] * values[i]
            values = squares
        segment_sums(
            values, <const int *>columns.at + at, count, ahead, z, k, scale, to)


cdef inline void segment_sums(
    const real *values, const int *rows, Py_ssize_t count, Py_ssize_t ahead, const real *z,
    Py_ssize_t k, double scale, double *to,
) noexcept nogil:
    """to (k,) += scale * sum over some rows of values[i] * z[rows[i]]."""
    cdef vreal sums[MOST]
    cdef real element[VL_MOST]
    cdef Py_ssize_t padded = row_width(k), blocks = blocks_of(k), first, c, v, i
    cdef int nv
    if k <= FEW:
        for c in range(padded):
            element[c] = 0.
        gather_few(<int>padded, values, rows, count, z, element)
        for c in range(k):
            to[c] += scale * element[c]
        return
    for c in range(blocks):
        nv = vectors_of(k, blocks, c, &first)
        for v in range(nv):
            sums[v] = set1(0.)
        gather(nv, values, rows, count, ahead, z + first * VL, padded, VL, sums)
        for v in range(nv):
            store(element, sums[v])
            for i in range(min(VL, k - (first + v) * VL)):
                to[(first + v) * VL + i] += scale * element[i]
