"""Many classes: threads share one gradient and take turns at its parts.

The totals of K classes no longer fit each thread's cache, and logits by `dots` would sum as many
partial sums as they add products. So a *block* of rows goes through phases, each a parallel loop:

1. pack    X twice: transposed tiles (features by ROWS rows) and panels (rows by 2*VL features);
2. logits  Z = W Xᵀ + b, a `product` of packed weights and transposed tiles;
3. softmax each tile of Z into weight * (A - Y), and its loss;
4. inputs  grad_X = scale * Zᵀ W, where it is wanted;
5. weights grad_W += Z X, a `product` of Z and the panels, sums carried to float64.

Every sum runs over rows, classes or features in an order that the shape alone decides, so the result
is the same to the bit for any number of threads. Weights are packed for some classes: all at
once where they are small, else anew for each block of rows.
"""

from cython.parallel cimport prange, threadid

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS, product, product_across
from fastsoftmax._core.gemm.transposed_rows cimport pack_rows, pack_weights, transposed_logits
from fastsoftmax._core.linear.linear_problem cimport (
    ALIGNMENT, aligned, part_start, rounded_up, take_stored, tile_loss, tile_sums,
)
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, VL_MOST, add_to_doubles, load, load_first, prefetch, real, set1, store, store_first,
    sum_lanes, vreal,
)

cdef enum:
    LOGITS_BYTES = 32 * 1024 * 1024  # of a block of rows
    ROWS_BYTES = 4 * 1024 * 1024  # of the X of a block, which is packed twice
    PACK_BYTES = 8 * 1024 * 1024  # of packed W
    SEGMENT = 512  # rows whose products are summed before the sum goes to the totals
    GROUP = 8  # class blocks whose part of Z a thread keeps in L2 while the features pass
    INPUT_CLASSES = 128  # whose weights a thread keeps in L2 while it works on grad_X


cdef struct Panels:
    Py_ssize_t rows  # of a block of rows, a multiple of ROWS
    Py_ssize_t padded  # features rounded up to whole pairs of vectors
    Py_ssize_t packed_classes, n_packs  # classes of a pack at most, and packs
    # carved out of the workspace
    real *z  # (rows/ROWS, k, ROWS)
    real *tiles  # of X: (rows/ROWS, d, ROWS)
    real *panels  # of X: (padded/2VL, rows, 2VL)
    real *w  # a pack: (d/ROWS, classes, ROWS)
    real *w_tail  # (k, 2VL): the last features of W, where they do not fill two vectors
    double *losses  # a tile of the block of rows each, in VL parts
    real *targets  # (k, ROWS) a thread


cdef inline Panels plan_panels(const Problem *p) noexcept nogil:
    cdef Panels s
    cdef Py_ssize_t size = sizeof(real)
    s.padded = rounded_up(p.d, 2 * VL)
    s.rows = min(LOGITS_BYTES // (p.k * size), ROWS_BYTES // (s.padded * size))
    s.rows = min(max(s.rows // ROWS, 1) * ROWS, rounded_up(p.n, ROWS))
    s.packed_classes = PACK_BYTES // (rounded_up(p.d, ROWS) * size) // CLASS_BLOCK * CLASS_BLOCK
    s.packed_classes = min(max(s.packed_classes, CLASS_BLOCK), p.k)
    s.n_packs = (p.k + s.packed_classes - 1) // s.packed_classes
    return s


cdef inline Py_ssize_t panels_bytes(const Problem *p, const Panels *s, int n_threads) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real)
    return (
        ALIGNMENT
        + aligned(p.k * s.rows * size)
        + aligned(p.d * s.rows * size)
        + aligned(s.padded * s.rows * size)
        + aligned(s.packed_classes * rounded_up(p.d, ROWS) * size)
        + aligned(p.k * 2 * VL * size)
        + aligned(s.rows // ROWS * VL * <Py_ssize_t>sizeof(double))
        + (0 if p.labels else n_threads * p.k * ROWS * size))


cdef inline void carve_panels(const Problem *p, Panels *s, char *memory) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real)
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    s.z = <real *>memory
    memory += aligned(p.k * s.rows * size)
    s.tiles = <real *>memory
    memory += aligned(p.d * s.rows * size)
    s.panels = <real *>memory
    memory += aligned(s.padded * s.rows * size)
    s.w = <real *>memory
    memory += aligned(s.packed_classes * rounded_up(p.d, ROWS) * size)
    s.w_tail = <real *>memory
    memory += aligned(p.k * 2 * VL * size)
    s.losses = <double *>memory
    memory += aligned(s.rows // ROWS * VL * <Py_ssize_t>sizeof(double))
    s.targets = <real *>memory


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


cdef inline void block_gradient(
    const Problem *p, const Panels *s, Py_ssize_t n, Py_ssize_t j, Py_ssize_t k0, Py_ssize_t k1,
    double *wide, real *narrow, double *grad_b,
) noexcept nogil:
    """Add ZᵀX of features j .. j + 2*VL and classes k0 .. k1, and with the first of b."""
    cdef vreal sums[2 * MOST]
    cdef vreal scale = set1(p.scale)
    cdef const real *panel = s.panels + j * s.rows
    cdef Py_ssize_t first, k, t, at
    for k in range(k0, k1):  # the totals: far apart, and each needed once
        if wide:
            for t from 0 <= t < 2 * VL by 8:
                prefetch(<const real *>(wide + k * p.d + j + t))
        else:
            prefetch(narrow + k * p.d + j)
            prefetch(narrow + k * p.d + j + VL)
    for first from 0 <= first < n by SEGMENT:
        product(
            <int>(k1 - k0), s.z + first * p.k + k0 * ROWS, p.k * ROWS,
            panel + first * 2 * VL, 2 * VL, min(SEGMENT, n - first), NULL, False, sums)
        for k in range(k1 - k0):
            at = (k0 + k) * p.d + j
            add_to(wide, narrow, at, scale * sums[2 * k], p.d - j)
            add_to(wide, narrow, at + VL, scale * sums[2 * k + 1], p.d - j - VL)
    for k in range(k0, k1 if j == 0 else k0):
        for t from 0 <= t < n by ROWS:
            grad_b[k] += p.scale * sum_lanes(tile_sums(s.z + t * p.k + k * ROWS))


cdef inline void ith_gradient(
    const Problem *p, const Panels *s, Py_ssize_t n, Py_ssize_t i, Py_ssize_t pairs,
    Py_ssize_t blocks, double *wide, real *narrow, double *grad_b,
) noexcept nogil:
    """Block i of the gradient, in an order that keeps the Z of GROUP class blocks in L2.

    For each group of class blocks all features, for each pair of vectors of those the group.
    """
    cdef Py_ssize_t group = i // (pairs * GROUP) * GROUP
    cdef Py_ssize_t size = min(GROUP, blocks - group)
    cdef Py_ssize_t c = group + (i - group * pairs) % size
    cdef Py_ssize_t j = (i - group * pairs) // size * 2 * VL
    block_gradient(
        p, s, n, j, part_start(p.k, blocks, c), part_start(p.k, blocks, c + 1), wide, narrow,
        grad_b)


cdef inline void input_gradient(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t tile,
    Py_ssize_t j, Py_ssize_t k0, Py_ssize_t k1, real *grad_x,
) noexcept nogil:
    """Add Zᵀ W of classes k0 .. k1 (k0 a multiple of ROWS) to features j .. j + 2*VL of a tile."""
    cdef bint whole = j + 2 * VL <= p.d
    cdef const real *w = p.w + k0 * p.d + j if whole else s.w_tail + k0 * 2 * VL
    cdef const real *z = s.z + tile * p.k * ROWS + k0 * ROWS
    cdef vreal sums[2 * MOST]
    cdef vreal scale = set1(p.scale)
    cdef Py_ssize_t rows = min(ROWS, n - tile * ROWS), parts, part, i0, i1, i, at
    parts = (rows + CLASS_BLOCK - 1) // CLASS_BLOCK
    for part in range(parts):
        i0 = part_start(rows, parts, part)
        i1 = part_start(rows, parts, part + 1)
        product_across(
            <int>(i1 - i0), z + i0, w, p.d if whole else 2 * VL, k1 - k0, sums)
        for i in range(i1 - i0):
            at = (start + tile * ROWS + i0 + i) * p.d + j
            add_to(NULL, grad_x, at, scale * sums[2 * i], p.d - j)
            add_to(NULL, grad_x, at + VL, scale * sums[2 * i + 1], p.d - j - VL)


cdef inline void pack_block(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, bint forward, bint backward,
    int n_threads
) noexcept nogil:
    """Phase 1: tiles for the way forward, panels for the way back."""
    cdef Py_ssize_t i
    for i in prange(rounded_up(n, ROWS) // VL, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        pack_rows(
            p, start + i * VL, n - i * VL,
            s.tiles + i * VL // ROWS * ROWS * p.d + i * VL % ROWS if forward else NULL,
            s.panels + i * VL * 2 * VL if backward else NULL, 2 * VL * s.rows)


cdef inline void block_logits(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, bint backward, int n_threads
) noexcept nogil:
    """Phases 1 and 2: the logits of a block of n rows into s.z."""
    cdef Py_ssize_t tiles = (n + ROWS - 1) // ROWS, c, i, k, first, classes, blocks
    pack_block(p, s, start, n, True, backward, n_threads)
    for c in range(s.n_packs):
        first = c * s.packed_classes
        classes = min(s.packed_classes, p.k - first)
        blocks = (classes + CLASS_BLOCK - 1) // CLASS_BLOCK
        if start == 0 or s.n_packs > 1:
            for k in prange(classes, schedule="static", num_threads=n_threads,
                            use_threads_if=n_threads > 1):
                pack_weights(p, first, classes, k, s.w)
        for i in prange(tiles * blocks, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            transposed_logits(
                p, s.w, classes, s.tiles + i // blocks * p.d * ROWS, first,
                part_start(classes, blocks, i % blocks), part_start(classes, blocks, i % blocks + 1),
                s.z + i // blocks * p.k * ROWS, NULL)


cdef inline void block_from_stored(
    const Problem *p, const Panels *s, Py_ssize_t start, Py_ssize_t n, int n_threads
) noexcept nogil:
    """What phases 1 and 2 leave, from logits that are stored."""
    cdef Py_ssize_t tiles = (n + ROWS - 1) // ROWS, i
    pack_block(p, s, start, n, False, True, n_threads)
    for i in prange(tiles, schedule="static", num_threads=n_threads, use_threads_if=n_threads > 1):
        take_stored(p, start + i * ROWS, s.z + i * p.k * ROWS)


cdef inline double run_block(
    const Problem *p, const Panels *s, Py_ssize_t start, double *wide, real *narrow,
    double *grad_b, real *grad_x, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t n = min(s.rows, p.n - start), tiles = (n + ROWS - 1) // ROWS
    cdef Py_ssize_t pairs = s.padded // (2 * VL), i, k, first, blocks
    cdef double loss = 0.
    if p.stored:
        block_from_stored(p, s, start, n, n_threads)
    else:
        block_logits(p, s, start, n, True, n_threads)
    for i in prange(tiles, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        for k in range(VL):
            s.losses[i * VL + k] = 0.
        tile_loss(
            p, start + i * ROWS, min(ROWS, n - i * ROWS), s.z + i * p.k * ROWS,
            s.targets + threadid() * p.k * ROWS, s.losses + i * VL)
    for i in range(tiles * VL):
        loss += s.losses[i]
    blocks = (p.k + CLASS_BLOCK - 1) // CLASS_BLOCK
    if grad_x:
        for first from 0 <= first < p.k by INPUT_CLASSES:
            for i in prange(tiles * pairs, schedule="static", num_threads=n_threads,
                            use_threads_if=n_threads > 1):
                input_gradient(
                    p, s, start, n, i // pairs, i % pairs * 2 * VL, first,
                    min(first + INPUT_CLASSES, p.k), grad_x)
    for i in prange(pairs * blocks if wide or narrow else 0, schedule="static",
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        ith_gradient(p, s, n, i, pairs, blocks, wide, narrow, grad_b)
    return loss


cdef inline double run_panels(
    const Problem *p, const Panels *s, double *wide, real *narrow, double *grad_b, real *grad_x,
    int n_threads,
) noexcept nogil:
    """Loss; gradients added to grad_W (k, d), wide or narrow, grad_b (k,) and grad_X (n, d)."""
    cdef Py_ssize_t start, k, j, tail = p.d % (2 * VL)
    cdef double loss = 0.
    for k in range(p.k if tail and grad_x else 0):
        for j in range(2 * VL):
            s.w_tail[k * 2 * VL + j] = p.w[(k + 1) * p.d - tail + j] if j < tail else 0.
    for start from 0 <= start < p.n by s.rows:
        loss += run_block(p, s, start, wide, narrow, grad_b, grad_x, n_threads)
    return p.scale * loss


cdef inline void store_panels(const Problem *p, Panels *s, int n_threads) noexcept nogil:
    """All logits into p.stored, block by block."""
    cdef Py_ssize_t start
    for start from 0 <= start < p.n by s.rows:
        s.z = p.stored + start * p.k
        block_logits(p, s, start, min(s.rows, p.n - start), False, n_threads)
