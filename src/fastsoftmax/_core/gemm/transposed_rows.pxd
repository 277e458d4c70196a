"""W Xᵀ by `product`: rows of X are transposed, so that they lie side by side as the logits of a tile do.

Costs in proportion to the number of features, where summing the lanes of `dots` costs in proportion to
that of classes. The rows behind a tile are prefetched meanwhile, where nothing else does. Measurements:
docs/experiments/0006-transposed-weights-or-rows.md.
"""

from libc.string cimport memcpy

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.convert cimport fetch_rows, read_rows
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS, Ahead, nothing, product
from fastsoftmax._core.simd.simd cimport VL, VL_MOST, real, set1, store, transpose, vreal
from fastsoftmax._core.simd.squares cimport load_square

cdef enum:
    RUN = 128  # features converted at a time: VL rows of them stay in L1


cdef inline void pack_rows(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, real *tile, real *panel, Py_ssize_t panel_size,
) noexcept nogil:
    """VL rows of X from `start` on, zeros from the n-th on, into either or both of

    tile: (d, ROWS), transposed;
    panel: rows of 2*VL features, the next features `panel_size` behind.
    """
    cdef vreal v[VL_MOST]
    cdef real converted[VL_MOST * RUN]
    cdef const real *x = converted
    cdef Py_ssize_t j, r, row_step = RUN, column_step = 1
    if p.x:
        x = p.x + start * p.row_step
        row_step, column_step = p.row_step, p.column_step
    for j from 0 <= j < p.d by VL:
        if p.x == NULL and j % RUN == 0:
            if j + RUN < p.d:
                fetch_rows(&p.cells, start, min(VL, n), j + RUN, RUN)
            read_rows(&p.cells, start, max(min(VL, n), 0), j, min(RUN, p.d - j), converted, RUN)
        load_square(
            x + (j if p.x else j % RUN) * column_step, row_step, column_step, n, p.d - j, v)
        if panel:
            for r in range(VL):
                store(panel + j // (2 * VL) * panel_size + j % (2 * VL) + r * 2 * VL, v[r])
        if tile:
            transpose(v)
            for r in range(min(VL, p.d - j)):
                store(tile + (j + r) * ROWS, v[r])
    # of a pair of vectors the features do not reach, the other one
    if panel and (p.d + VL - 1) // VL % 2:
        for r in range(VL):
            store(panel + p.d // (2 * VL) * panel_size + VL + r * 2 * VL, set1(0.))


cdef inline Ahead tile_after(const Problem *p, Py_ssize_t start) noexcept nogil:
    """The rows behind the tile at `start`, for as many steps as transposing it took: where they are one
    run of bytes."""
    cdef Ahead next = nothing()
    cdef Py_ssize_t size = p.cells.size, row = p.cells.row_step
    if p.cells.column_step == size and row == p.d * size and start + 2 * ROWS <= p.n:
        next.at = p.cells.x + (start + ROWS) * row
        next.step = 2 * VL * size
        next.gap = VL * size
    return next


cdef inline void pack_weights(
    const Problem *p, Py_ssize_t first, Py_ssize_t classes, Py_ssize_t k, real *w
) noexcept nogil:
    """Row first + k of W into (d/ROWS, classes, ROWS) of so many classes."""
    cdef Py_ssize_t j
    for j from 0 <= j < p.d by ROWS:
        memcpy(
            w + j * classes + k * ROWS, p.w + (first + k) * p.d + j,
            min(ROWS, p.d - j) * sizeof(real))


cdef inline void transposed_logits(
    const Problem *p, const real *w, Py_ssize_t classes, const real *tile, Py_ssize_t first,
    Py_ssize_t k0, Py_ssize_t k1, real *z, Ahead *next,
) noexcept nogil:
    """Logits of classes first + k0 .. first + k1 for a transposed tile, into its logits z.

    w holds so many classes from `first` on. What is needed `next` is fetched as by `product`.
    """
    cdef vreal sums[2 * MOST]
    cdef double b
    cdef Py_ssize_t i, k, at
    for i from 0 <= i < ROWS by 2 * VL:
        product(
            <int>(k1 - k0), w + k0 * ROWS, classes * ROWS, tile + i, ROWS, p.d, next, False, sums)
        if next and next.at:
            next.at += p.d * next.step
        for k in range(k1 - k0):
            at = first + k0 + k
            b = p.b[at] if p.b else 0.
            store(z + at * ROWS + i, sums[2 * k] + set1(b))
            store(z + at * ROWS + i + VL, sums[2 * k + 1] + set1(b))
