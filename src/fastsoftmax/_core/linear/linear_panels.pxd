"""Many classes: threads share one gradient and take turns at its parts.

The totals of K classes no longer fit each thread's cache, and logits by `dots` would sum as many
partial sums as they add products. So a *block* of rows goes through phases, each a parallel loop:

1. weights W, packed by class blocks, if it is not yet;
2. logits  Z = W Xᵀ + b, a `product` of packed weights and some transposed tiles of X at a time (X is
           packed as panels, too, of rows by 2*VL features); and in the same task the softmax of these
           tiles into weight * (A - Y), and their loss;
3. inputs  grad_X = scale * Zᵀ W, where it is wanted;
4. grad_W += Z X, a `product` of Z and the panels, sums carried to float64.

Every sum runs over rows, classes or features in an order that the shape alone decides, so the result is
the same to the bit for any number of threads and for any caches. `linear_plan` has all sizes.
"""

from cython.parallel cimport prange, threadid

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS, Ahead, product, product_across
from fastsoftmax._core.gemm.transposed_rows cimport (
    fetch_part, pack_rows, pack_weights, transposed_logits,
)
from fastsoftmax._core.linear.linear_plan cimport INPUT_CLASSES, Panels
from fastsoftmax._core.linear.linear_problem cimport take_stored, tile_loss, tile_sums
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, VL_MOST, add_to_doubles, load, load_first, prefetch_l2, real, set1, store,
    store_first, sum_lanes, vreal,
)
from fastsoftmax._core.simd.squares cimport load_upto
from fastsoftmax._core.sizes cimport aligned, part_start, parts_of, rounded_up


cdef inline void add_to(
    double *wide, real *narrow, Py_ssize_t at, vreal x, Py_ssize_t columns
) noexcept nogil:
    """Add the first `columns` lanes of x to the float64 totals, else to those of X's precision."""
    cdef real element[VL_MOST]
    cdef Py_ssize_t c
    if columns <= 0:
        return
    if wide:
        if columns >= VL:
            add_to_doubles(wide + at, x)
        else:
            store(element, x)
            for c in range(columns):
                wide[at + c] += element[c]
    elif columns >= VL:
        store(narrow + at, load(narrow + at) + x)
    else:
        x = x + load_first(narrow + at, <int>columns)
        store_first(narrow + at, x, <int>columns)


cdef inline void fetch_totals(
    const Problem *p, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t j, const double *wide, const real *narrow
) noexcept nogil:
    """Of 2*VL columns: far apart, and each needed once."""
    cdef Py_ssize_t k, t
    for k in range(k0, k1):
        if wide:
            for t from 0 <= t < 2 * VL by 8:
                prefetch_l2(<const real *>(wide + k * p.d + j + t))
        else:
            prefetch_l2(narrow + k * p.d + j)
            prefetch_l2(narrow + k * p.d + j + VL)


cdef inline void columns_gradient(
    const Problem *p, const Panels *s, Py_ssize_t n, Py_ssize_t j, Py_ssize_t c0, Py_ssize_t c1,
    vreal *sums, double *wide, real *narrow, double *grad_b,
) noexcept nogil:
    """Add ZᵀX over a block of n rows, of features j .. j + 2*VL and class blocks c0 .. c1; with the
    first features the gradient of b too."""
    cdef const real *panel = s.panels + j * s.rows
    cdef vreal *at
    cdef vreal scale = set1(p.scale)
    cdef Ahead next  # rows of the panel, then of the one behind it
    cdef Py_ssize_t blocks = parts_of(p.k, CLASS_BLOCK), first, begin, end, rows, c, k, k0, nk, t
    next.step, next.gap = 2 * VL * sizeof(real), VL * sizeof(real)
    for first from 0 <= first < n by s.summed:
        end = min(first + s.summed, n)
        for begin from first <= begin < end by s.run:
            rows = min(s.run, end - begin)
            next.at = <const char *>(panel + (begin + rows) * 2 * VL)
            for c in range(c0, c1):
                k0 = part_start(p.k, blocks, c)
                nk = part_start(p.k, blocks, c + 1) - k0
                if begin + rows == end:
                    fetch_totals(p, k0, k0 + nk, j, wide, narrow)
                product(
                    <int>nk, s.z + begin // ROWS * s.z_tile + k0 * ROWS, s.z_tile,
                    panel + begin * 2 * VL, 2 * VL, rows, &next if c == c0 else NULL, begin > first,
                    sums + (c - c0) * 2 * CLASS_BLOCK)
        for c in range(c0, c1):
            k0 = part_start(p.k, blocks, c)
            nk = part_start(p.k, blocks, c + 1) - k0
            at = sums + (c - c0) * 2 * CLASS_BLOCK
            for k in range(nk):
                add_to(wide, narrow, (k0 + k) * p.d + j, scale * at[2 * k], p.d - j)
                add_to(
                    wide, narrow, (k0 + k) * p.d + j + VL, scale * at[2 * k + 1], p.d - j - VL)
    for k in range(part_start(p.k, blocks, c0), part_start(p.k, blocks, c1) if j == 0 else 0):
        for t from 0 <= t < n by ROWS:
            grad_b[k] += p.scale * sum_lanes(tile_sums(s.z + t // ROWS * s.z_tile + k * ROWS))


cdef inline void input_gradient(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t j,
    Py_ssize_t first_tile, Py_ssize_t last_tile, real *panel, real *grad_x,
) noexcept nogil:
    """Add Zᵀ W to features j .. j + 2*VL of some tiles, INPUT_CLASSES classes at a time."""
    cdef vreal sums[2 * MOST]
    cdef vreal scale = set1(p.scale)
    cdef Py_ssize_t first, classes, k, t, rows, parts, part, i0, i1, i, at
    for first from 0 <= first < p.k by INPUT_CLASSES:
        classes = min(INPUT_CLASSES, p.k - first)
        for k in range(classes):
            for i from 0 <= i < 2 * VL by VL:
                store(
                    panel + k * 2 * VL + i,
                    load_upto(p.w + (first + k) * p.d + j + i, max(p.d - j - i, 0)))
        for t in range(first_tile, last_tile):
            rows = min(ROWS, n - t * ROWS)
            parts = parts_of(rows, CLASS_BLOCK)
            for part in range(parts):
                i0 = part_start(rows, parts, part)
                i1 = part_start(rows, parts, part + 1)
                product_across(
                    <int>(i1 - i0), s.z + t * s.z_tile + first * ROWS + i0, panel, 2 * VL, classes, sums)
                for i in range(i1 - i0):
                    at = (start + t * ROWS + i0 + i) * p.d + j
                    add_to(NULL, grad_x, at, scale * sums[2 * i], p.d - j)
                    add_to(NULL, grad_x, at + VL, scale * sums[2 * i + 1], p.d - j - VL)


cdef inline void some_logits(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t first,
    Py_ssize_t classes, Py_ssize_t b0, Py_ssize_t b1, real *tiles, real *panel, real *z,
) noexcept nogil:
    """Z of the class blocks b0 .. b1 of a pack, whose classes begin at `first`, for n rows, at most
    s.tiles tiles; the panels too, if wanted."""
    cdef Py_ssize_t blocks = parts_of(classes, CLASS_BLOCK), j, m, t, c0, c, k0, k1
    cdef Ahead next  # weights, when the first tile passes them: the others find them in L2
    next.gap = 0
    for j from 0 <= j < p.d by s.depth:
        m = min(s.depth, p.d - j)
        for t from 0 <= t < n by ROWS:
            pack_rows(
                p, start + t, n - t, j, m, tiles + t * s.depth,
                panel + j * s.rows + t * 2 * VL if panel else NULL, 2 * VL * s.rows)
        for c0 from b0 <= c0 < b1 by s.chunk:
            for t from 0 <= t < n by ROWS:
                for c in range(c0, min(c0 + s.chunk, b1)):
                    fetch_part(p, start + t, n - t, j + m, s.depth, blocks, c)
                    k0 = part_start(classes, blocks, c)
                    k1 = part_start(classes, blocks, c + 1)
                    next.at = <const char *>(s.w + j * classes + k1 * rounded_up(m, ROWS))
                    next.step = (k1 - k0) * 2 * VL * <Py_ssize_t>sizeof(real) // ROWS
                    transposed_logits(
                        p, s.w, tiles + t * s.depth, j, m, first, classes, k0, k1,
                        z + t // ROWS * s.z_tile, &next if t == 0 else NULL)


cdef inline void some_losses(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t tile, char *scratch
) noexcept nogil:
    """Z of the tiles of n rows, turned into weight * (A - Y); `tile` is the first in the block."""
    cdef real *targets = <real *>(
        scratch + s.scratch - (0 if p.labels else aligned(p.k * ROWS * sizeof(real))))
    cdef Py_ssize_t t, v, i
    for t from 0 <= t < n by ROWS:
        i = tile + t // ROWS
        if p.stored:
            pack_rows(
                p, start + t, n - t, 0, p.d, NULL, s.panels + i * ROWS * 2 * VL, 2 * VL * s.rows)
            take_stored(p, start + t, s.z + i * s.z_tile)
        for v in range(VL):
            s.losses[i * VL + v] = 0.
        tile_loss(
            p, start + t, min(ROWS, n - t), s.z + i * s.z_tile, targets, s.losses + i * VL)


cdef inline void block_logits(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, bint losses, int n_threads
) noexcept nogil:
    """The logits of a block of n rows into s.z, and if wanted their losses.

    A task is of s.tiles tiles. Of those that are left when each thread has had as many, the logits
    are shared class by class, and their losses come after that.
    """
    cdef Py_ssize_t rows = s.tiles * ROWS, tasks = parts_of(n, rows), pack, i, first, classes, blocks
    cdef Py_ssize_t left = tasks % n_threads if p.w else 0, whole = tasks - left
    cdef Py_ssize_t parts, task, part
    cdef bint last
    cdef char *scratch
    for pack in range(1 if p.stored and losses else s.n_packs):
        first = pack * s.packed_classes
        last = losses and (pack == s.n_packs - 1 or p.stored)
        classes = min(s.packed_classes, p.k - first)
        blocks = parts_of(classes, CLASS_BLOCK)
        parts = min(n_threads // max(left, 1), blocks)
        for i in prange(blocks if p.w and (start == 0 or s.n_packs > 1) else 0, schedule="static",
                        num_threads=n_threads, use_threads_if=n_threads > 1):
            pack_weights(
                p, s.depth, first, classes, part_start(classes, blocks, i),
                part_start(classes, blocks, i + 1), s.w)
        for i in prange(whole + left * parts, schedule="dynamic", chunksize=1, num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            scratch = s.scratches + threadid() * s.scratch
            task = i if i < whole else whole + (i - whole) // parts
            part = 0 if i < whole else (i - whole) % parts
            if p.w:
                some_logits(
                    p, s, start + task * rows, min(rows, n - task * rows), first, classes,
                    part_start(blocks, parts, part) if i >= whole else 0,
                    part_start(blocks, parts, part + 1) if i >= whole else blocks, <real *>scratch,
                    s.panels + task * rows * 2 * VL if losses and first == 0 and part == 0 else NULL,
                    s.z + task * s.tiles * s.z_tile)
            if last and i < whole:
                some_losses(p, s, start + i * rows, min(rows, n - i * rows), i * s.tiles, scratch)
        for i in prange(whole, tasks if last else whole, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            some_losses(
                p, s, start + i * rows, min(rows, n - i * rows), i * s.tiles,
                s.scratches + threadid() * s.scratch)


cdef inline double run_block(
    const Problem *p, const Panels *s, Py_ssize_t start, double *wide, real *narrow,
    double *grad_b, real *grad_x, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t n = min(s.rows, p.n - start), tiles = parts_of(n, ROWS)
    cdef Py_ssize_t pairs = parts_of(p.d, 2 * VL), blocks = parts_of(p.k, CLASS_BLOCK)
    cdef Py_ssize_t parts, i
    cdef double loss = 0.
    block_logits(p, s, start, n, True, n_threads)
    for i in range(tiles * VL):
        loss += s.losses[i]
    if grad_x:
        parts = min(parts_of(4 * n_threads, pairs), tiles)
        for i in prange(pairs * parts, schedule="dynamic", chunksize=1, num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            input_gradient(
                p, s, start, n, i // parts * 2 * VL, part_start(tiles, parts, i % parts),
                part_start(tiles, parts, i % parts + 1),
                <real *>(s.scratches + threadid() * s.scratch), grad_x)
    for i in prange(pairs * parts_of(blocks, s.group) if wide or narrow else 0, schedule="dynamic",
                    chunksize=1, num_threads=n_threads, use_threads_if=n_threads > 1):
        columns_gradient(
            p, s, n, i % pairs * 2 * VL, i // pairs * s.group, min((i // pairs + 1) * s.group, blocks),
            <vreal *>(s.scratches + threadid() * s.scratch), wide, narrow, grad_b)
    return loss


cdef inline double run_panels(
    const Problem *p, const Panels *s, double *wide, real *narrow, double *grad_b, real *grad_x,
    int n_threads,
) noexcept nogil:
    """Loss; gradients added to grad_W (k, d), wide or narrow, grad_b (k,) and grad_X (n, d)."""
    cdef Py_ssize_t start
    cdef double loss = 0.
    for start from 0 <= start < p.n by s.rows:
        loss += run_block(p, s, start, wide, narrow, grad_b, grad_x, n_threads)
    return p.scale * loss


cdef inline void store_panels(const Problem *p, Panels *s, int n_threads) noexcept nogil:
    """All logits into p.stored, block by block."""
    cdef Py_ssize_t start
    s.z_tile = p.k * ROWS
    for start from 0 <= start < p.n by s.rows:
        s.z = p.stored + start * p.k
        block_logits(p, s, start, min(s.rows, p.n - start), False, n_threads)
