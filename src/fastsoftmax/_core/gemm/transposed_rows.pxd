"""W Xᵀ by `product`: rows of X are transposed, so that they lie side by side as the logits of a tile do.

Costs in proportion to the number of features, where summing the lanes of `dots` costs in proportion to
that of classes. The rows behind a tile are prefetched meanwhile, where nothing else does. Measurements:
docs/experiments/0006-transposed-weights-or-rows.md.
"""

from libc.string cimport memcpy

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.convert cimport fetch_rows, read_rows
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS, Ahead, nothing, product
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, load, prefetch_l2, real, set1, store, transpose, vreal,
)
from fastsoftmax._core.simd.squares cimport load_square
from fastsoftmax._core.sizes cimport LINE, part_start, parts_of, rounded_up

cdef enum:
    RUN = 128  # features converted at a time: VL rows of them stay in L1


cdef inline void pack_rows(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, Py_ssize_t j0, Py_ssize_t m, real *tile,
    real *panel, Py_ssize_t panel_size,
) noexcept nogil:
    """Features j0 .. j0 + m of ROWS rows of X from `start` on, zeros from the n-th on, into either or
    both of

    tile: (m, ROWS), transposed;
    panel: rows of 2*VL features, the next features `panel_size` behind; zeros behind the last of X.
    """
    cdef vreal v[VL_MOST]
    cdef real converted[VL_MOST * RUN]
    cdef const real *x = converted
    cdef Py_ssize_t i, j, r, row_step = RUN, column_step = 1
    for i from 0 <= i < ROWS by VL:
        if p.x:
            x = p.x + (start + i) * p.row_step + j0 * p.column_step
            row_step, column_step = p.row_step, p.column_step
        for j from 0 <= j < m by VL:
            if p.x == NULL and j % RUN == 0:
                if j + RUN < m:
                    fetch_rows(&p.cells, start + i, min(VL, n - i), j0 + j + RUN, RUN)
                read_rows(
                    &p.cells, start + i, max(min(VL, n - i), 0), j0 + j, min(RUN, m - j), converted, RUN)
            load_square(
                x + (j if p.x else j % RUN) * column_step, row_step, column_step, n - i, m - j, v)
            if panel:
                for r in range(VL):
                    store(panel + j // (2 * VL) * panel_size + (i + r) * 2 * VL + j % (2 * VL), v[r])
            if tile:
                transpose(v)
                for r in range(min(VL, m - j)):
                    store(tile + (j + r) * ROWS + i, v[r])
    # of a pair of vectors that X does not reach, the other one
    if panel and parts_of(m, VL) % 2:
        for r in range(ROWS):
            store(panel + m // (2 * VL) * panel_size + r * 2 * VL + VL, set1(0.))


cdef inline void fetch_part(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, Py_ssize_t j, Py_ssize_t m, Py_ssize_t parts,
    Py_ssize_t part
) noexcept nogil:
    """Fetch one of some parts of what `pack_rows` reads next: memory works while products are made."""
    cdef Py_ssize_t rows = min(n, ROWS), i, c
    cdef const char *at
    if p.cells.column_step != p.cells.size or j >= p.d:
        return
    for i in range(part_start(rows, parts, part), part_start(rows, parts, part + 1)):
        at = p.cells.x + (start + i) * p.cells.row_step + j * p.cells.size
        for c from 0 <= c < min(m, p.d - j) * p.cells.size by LINE:
            prefetch_l2(at + c)


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
    const Problem *p, Py_ssize_t depth, Py_ssize_t first, Py_ssize_t classes, Py_ssize_t k0,
    Py_ssize_t k1, real *w
) noexcept nogil:
    """Rows first + k0 .. first + k1 of W, of so many classes that w holds.

    In the order they are read in: for `depth` features after another, for each such block of classes,
    (depth/ROWS, k1 - k0, ROWS).
    """
    cdef Py_ssize_t j0, j, k
    cdef real *to
    for j0 from 0 <= j0 < p.d by depth:
        to = w + j0 * classes + k0 * rounded_up(min(depth, p.d - j0), ROWS)
        for j from j0 <= j < min(j0 + depth, p.d) by ROWS:
            for k in range(k0, k1):
                memcpy(to, p.w + (first + k) * p.d + j, min(ROWS, p.d - j) * sizeof(real))
                to = to + ROWS


cdef inline void transposed_logits(
    const Problem *p, const real *w, const real *tile, Py_ssize_t j0, Py_ssize_t m, Py_ssize_t first,
    Py_ssize_t classes, Py_ssize_t k0, Py_ssize_t k1, real *z, Ahead *next,
) noexcept nogil:
    """Logits of classes first + k0 .. first + k1 for a tile, as far as features j0 .. j0 + m, added to
    those before, into its logits z.

    w holds so many classes from `first` on, as `pack_weights` lays them out, m features at a time.
    What is needed `next` is fetched as by `product`.
    """
    cdef vreal sums[2 * MOST]
    cdef vreal b = set1(0.)
    cdef bint ends = p.b and j0 + m == p.d
    cdef Py_ssize_t i, k
    w = w + j0 * classes + k0 * rounded_up(m, ROWS)
    z = z + (first + k0) * ROWS
    for i from 0 <= i < ROWS by 2 * VL:
        for k in range(k1 - k0 if j0 else 0):
            sums[2 * k] = load(z + k * ROWS + i)
            sums[2 * k + 1] = load(z + k * ROWS + i + VL)
        product(<int>(k1 - k0), w, (k1 - k0) * ROWS, tile + i, ROWS, m, next, j0 > 0, sums)
        if next and next.at:
            next.at += m * next.step
        for k in range(k1 - k0):
            if ends:
                b = set1(p.b[first + k0 + k])
            store(z + k * ROWS + i, sums[2 * k] + b)
            store(z + k * ROWS + i + VL, sums[2 * k + 1] + b)
