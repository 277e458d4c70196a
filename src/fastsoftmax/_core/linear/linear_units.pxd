"""Many classes by the matrix units: the shared gradient of `linear_panels`, from terms of bfloat16.

A *block* of rows goes through phases, each a parallel loop:

1. features   X, scaled by features and split into terms, in squares of tiles: along the features for
              logits, along the rows for the gradient;
2. weights    W over the scales of features, scaled by classes and split;
3. logits     Z = W Xᵀ + b, of some tiles of rows at a time; then their softmax and loss;
4. residuals  weight * (A - Y), scaled by classes and split;
5. gradient   grad_W += Zᵀ X, sums carried to float64.

A tile of logits, `ROWS` rows, is one square wide. Scales are powers of two, of the numbers of a block.
All sums run in an order that the shape alone decides: neither threads nor caches enter, nor X's type.
"""

from cython.parallel cimport prange, threadid
from libc.string cimport memset

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.convert cimport read_rows
from fastsoftmax._core.gemm.split_terms cimport (
    Ahead, DEPTH, HALF, SIDE, SQUARE, TERMS, UNIT, ahead_of, exponents, leave_units, multiply_terms,
    row_of, split, split_pairs, take_units, terms_of,
)
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.linear.linear_panels cimport add_to, fetch_totals
from fastsoftmax._core.linear.linear_plan cimport (
    PACK_BYTES, SCRATCH_BYTES, even,
)
from fastsoftmax._core.linear.linear_problem cimport take_stored, tile_loss, tile_sums
from fastsoftmax._core.simd.simd cimport (
    VL, bfloat16, load, max_all, maximum, real, scale_by_power_of_two, set1, store, sum_lanes, transpose,
    vreal,
)
from fastsoftmax._core.simd.squares cimport load_upto, store_square
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, parts_of, rounded_up

cdef enum:  # of the level
    BLOCK_BYTES = 40 * 1024 * 1024  # of a block of rows: its logits, their terms, and those of X
    BLOCK_ROWS = 1280  # at most, whose products are one sum: of the units' chains, as long as 56 rows
    FEATURES = 8  # squares that a thread takes one after another


cdef struct Units:
    # of the level
    int terms  # of X
    Py_ssize_t rows, tiles  # of a block
    Py_ssize_t features, classes  # squares
    # of the caches
    Py_ssize_t near  # tiles that pass W together, and stay in L2
    Py_ssize_t packed  # squares of classes of W that are split at a time
    Py_ssize_t group  # of Z, that stay in L2 while the features pass
    # sizes
    Py_ssize_t along, down  # from one term of squares to the next: of all features, of all tiles
    Py_ssize_t z_tile  # numbers from one tile of Z to the next
    Py_ssize_t scratch  # bytes per thread
    # carved out of the workspace
    real *z  # (tiles, k, ROWS)
    bfloat16 *z_terms  # (classes, TERMS, tiles, SQUARE)
    bfloat16 *x_for_logits  # (tiles, terms, features, SQUARE)
    bfloat16 *x_for_gradient  # (features, terms, tiles, SQUARE)
    bfloat16 *w  # (packed, TERMS, features, SQUARE)
    real *x_scales  # exponents of two: (features, SIDE)
    real *w_scales  # (packed, SIDE)
    real *z_scales  # (classes, SIDE)
    double *losses  # a tile each, in VL parts
    char *scratches


cdef inline char *take(char **memory, Py_ssize_t size) noexcept nogil:
    """The next bytes of the workspace; or, from NULL on, how many there are before them."""
    cdef char *first = memory[0]
    memory[0] = first + aligned(size)
    return first


cdef inline Py_ssize_t carve_units(Units *s, int n_threads, char *memory) noexcept nogil:
    """Lay the arrays out in the workspace; its bytes."""
    cdef Py_ssize_t size = sizeof(real), half = sizeof(bfloat16)
    cdef char *at = aligned_start(memory)
    s.z = <real *>take(&at, s.tiles * s.z_tile * size)
    s.z_terms = <bfloat16 *>take(&at, s.classes * TERMS * s.down * half)
    s.x_for_logits = <bfloat16 *>take(&at, s.tiles * s.terms * s.along * half)
    s.x_for_gradient = <bfloat16 *>take(&at, s.features * s.terms * s.down * half)
    s.w = <bfloat16 *>take(&at, s.packed * TERMS * s.along * half)
    s.x_scales = <real *>take(&at, s.features * SIDE * size)
    s.w_scales = <real *>take(&at, s.packed * SIDE * size)
    s.z_scales = <real *>take(&at, s.classes * SIDE * size)
    s.losses = <double *>take(&at, s.tiles * VL * sizeof(double))
    s.scratches = take(&at, n_threads * s.scratch)
    return at - memory + ALIGNMENT


cdef inline Units plan_units(const Problem *p, int *n_threads) noexcept nogil:
    """The rows of a block and of a sum follow from the shape alone; fewer threads where their scratch
    would be too large."""
    cdef Units s
    cdef Py_ssize_t size = sizeof(real), half = sizeof(bfloat16), near
    s.terms = terms_of(p.cells.type)
    s.features, s.classes = parts_of(p.d, SIDE), parts_of(p.k, SIDE)
    s.rows = BLOCK_BYTES // (SIDE * (s.classes * (size + TERMS * half) + s.features * 2 * TERMS * half))
    s.rows = even(max(p.n, 1), max(min(s.rows, BLOCK_ROWS) // ROWS, 1) * ROWS)
    s.tiles = s.rows // ROWS
    s.along, s.down = s.features * SQUARE, s.tiles * SQUARE
    near = 9 * p.caches.l2 // 16 // half  # of which what is fetched takes as much as what it follows
    s.near = min(s.tiles // (2 * n_threads[0]), (near // s.along - 2 * TERMS) // s.terms)
    s.near = max(s.near, 1)
    s.group = max((near // s.down - 2 * s.terms) // TERMS, 1)
    s.packed = min(PACK_BYTES, p.caches.l3 // 2) // (TERMS * s.features * SQUARE * half)
    s.packed = min(max(s.packed, 1), s.classes)
    s.z_tile = p.k * ROWS
    s.scratch = aligned(max(s.rows * SIDE, p.k * ROWS if p.targets or p.indicators else 0) * size)
    while n_threads[0] > 1 and carve_units(&s, n_threads[0], NULL) > SCRATCH_BYTES:
        n_threads[0] -= 1
    return s


cdef inline void split_features(
    const Problem *p, const Units *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t f, bint for_logits,
    bint for_gradient, real *x,
) noexcept nogil:
    """Terms of one square of features, of a block of n rows from `start` on; x: room for them."""
    cdef vreal v[UNIT]
    cdef vreal scale
    cdef Py_ssize_t rows = rounded_up(n, SIDE), tile, half, c, i
    cdef bfloat16 *to
    read_rows(&p.cells, start, n, f * SIDE, min(SIDE, p.d - f * SIDE), x, SIDE)
    memset(x + n * SIDE, 0, (rows - n) * SIDE * sizeof(real))
    for c from 0 <= c < SIDE by UNIT:
        scale = exponents(set1(0.))
        for i in range(n):
            scale = maximum(scale, exponents(load(x + i * SIDE + c)))
        store(s.x_scales + f * SIDE + c, scale)
        for i in range(n):
            store(x + i * SIDE + c, scale_by_power_of_two(load(x + i * SIDE + c), set1(0.) - scale))
    for tile in range(rows // SIDE):
        to = s.x_for_logits + tile * s.terms * s.along + f * SQUARE
        for half in range(2 if for_logits else 0):  # of the rows
            for c from 0 <= c < SIDE by UNIT:
                for i in range(UNIT):
                    v[i] = load(x + (half * UNIT + i) * SIDE + c)
                transpose(v)
                for i from 0 <= i < UNIT by 2:
                    split_pairs(
                        v[i], v[i + 1], s.terms, to + half * HALF + (c + i) // 2 * DEPTH, s.along)
        to = s.x_for_gradient + f * s.terms * s.down + tile * SQUARE
        for half in range(2 if for_gradient else 0):  # of the features
            for i from 0 <= i < SIDE by 2:
                split_pairs(
                    load(x + i * SIDE + half * UNIT), load(x + (i + 1) * SIDE + half * UNIT), s.terms,
                    to + half * HALF + i // 2 * DEPTH, s.down)
        x = x + SIDE * SIDE


cdef inline real shared_scale(vreal scales) noexcept nogil:
    """The largest of them."""
    cdef real lanes[UNIT]
    store(lanes, max_all(scales))
    return lanes[0]


cdef inline void split_weights(
    const Problem *p, const Units *s, Py_ssize_t first, Py_ssize_t c
) noexcept nogil:
    """Terms of square c of the classes of a pack, which begins with square `first`."""
    cdef Py_ssize_t k, j, classes = min(SIDE, p.k - (first + c) * SIDE)
    cdef vreal scales, scale
    cdef const real *w = p.w + (first + c) * SIDE * p.d
    cdef bfloat16 *to = s.w + c * TERMS * s.along
    for k in range(SIDE):
        scales = exponents(set1(0.))
        for j from 0 <= j < (p.d if k < classes else 0) by VL:
            scales = maximum(scales, exponents(load_upto(w + j, p.d - j)) + load(s.x_scales + j))
        s.w_scales[c * SIDE + k] = shared_scale(scales)
        scale = set1(s.w_scales[c * SIDE + k])
        for j from 0 <= j < s.features * SIDE by VL:
            split(
                scale_by_power_of_two(
                    load_upto(w + j, max(p.d - j, 0)) if k < classes else set1(0.),
                    load(s.x_scales + j) - scale),
                TERMS, to + j // SIDE * SQUARE + k * DEPTH + j % SIDE, s.along)
        w = w + p.d


cdef inline void square_logits(
    const Problem *p, const Units *s, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t c, Ahead *ahead
) noexcept nogil:
    """Logits of a tile of rows, of square c of the classes of a pack."""
    cdef real product[SIDE * SIDE]
    cdef Py_ssize_t k, half, k0 = (first + c) * SIDE
    cdef vreal scale, b = set1(0.)
    multiply_terms(
        s.w + c * TERMS * s.along, s.along, s.x_for_logits + tile * s.terms * s.along, s.along, s.terms,
        s.features, product, ahead)
    for k in range(min(SIDE, p.k - k0)):
        scale = set1(s.w_scales[c * SIDE + k])
        if p.b:
            b = set1(p.b[k0 + k])
        for half in range(2):
            store(
                s.z + tile * s.z_tile + (k0 + k) * ROWS + half * UNIT,
                scale_by_power_of_two(load(row_of(product, k, half)), scale) + b)


cdef inline void some_logits(
    const Problem *p, const Units *s, Py_ssize_t tile, Py_ssize_t end, Py_ssize_t first,
    Py_ssize_t last,
) noexcept nogil:
    """Of some tiles of rows and the squares of classes of a pack; the next square comes meanwhile."""
    cdef Py_ssize_t c, t
    cdef Ahead ahead
    take_units()
    for c in range(last - first):
        ahead = ahead_of(
            s.w + (c + 1) % (last - first) * TERMS * s.along, TERMS * s.features,
            (end - tile) * s.features * (s.terms + 1))
        for t in range(tile, end):
            square_logits(p, s, t, first, c, &ahead)
    leave_units()


cdef inline void tiles_losses(
    const Problem *p, const Units *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last,
    real *targets,
) noexcept nogil:
    """Z of some tiles of a block of n rows, turned into weight * (A - Y)."""
    cdef Py_ssize_t tile, v
    for tile in range(first, last):
        if p.stored:
            take_stored(p, start + tile * ROWS, s.z + tile * s.z_tile)
        for v in range(VL):
            s.losses[tile * VL + v] = 0.
        tile_loss(
            p, start + tile * ROWS, min(ROWS, n - tile * ROWS), s.z + tile * s.z_tile, targets,
            s.losses + tile * VL)


cdef inline void split_residuals(
    const Problem *p, const Units *s, Py_ssize_t n, Py_ssize_t c, double *grad_b
) noexcept nogil:
    """Terms of square c of the classes of Z, over a block of n rows; and the gradient of b."""
    cdef Py_ssize_t k, i, t, classes = min(SIDE, p.k - c * SIDE)
    cdef const real *z
    cdef vreal highest[SIDE]
    cdef vreal scale
    for k in range(SIDE):
        highest[k] = exponents(set1(0.))
    for i from 0 <= i < n by ROWS:
        z = s.z + i // ROWS * s.z_tile + c * SIDE * ROWS
        for k in range(classes):
            for t from 0 <= t < min(ROWS, n - i) by UNIT:
                highest[k] = maximum(highest[k], exponents(load_upto(z + k * ROWS + t, n - i - t)))
            grad_b[c * SIDE + k] += p.scale * sum_lanes(tile_sums(z + k * ROWS))
    for k in range(SIDE):
        s.z_scales[c * SIDE + k] = shared_scale(highest[k])
    for i from 0 <= i < n by ROWS:
        z = s.z + i // ROWS * s.z_tile + c * SIDE * ROWS
        for k in range(SIDE):
            scale = set1(0. - s.z_scales[c * SIDE + k])
            for t from 0 <= t < ROWS by UNIT:
                split(
                    scale_by_power_of_two(
                        load_upto(z + k * ROWS + t, max(n - i - t, 0)) if k < classes else set1(0.),
                        scale),
                    TERMS, s.z_terms + c * TERMS * s.down + i // ROWS * SQUARE + k * DEPTH + t, s.down)


cdef inline void square_gradient(
    const Problem *p, const Units *s, Py_ssize_t n, Py_ssize_t f, Py_ssize_t c, double *wide,
    real *narrow, Ahead *ahead,
) noexcept nogil:
    """Add ZᵀX over a block of n rows, of a square of features and one of classes."""
    cdef real product[SIDE * SIDE]
    cdef Py_ssize_t k, half, j
    cdef vreal scale
    fetch_totals(p, c * SIDE, min((c + 1) * SIDE, p.k), f * SIDE, wide, narrow)
    multiply_terms(
        s.z_terms + c * TERMS * s.down, s.down, s.x_for_gradient + f * s.terms * s.down, s.down, s.terms,
        parts_of(n, ROWS), product, ahead)
    for k in range(min(SIDE, p.k - c * SIDE)):
        for half in range(2):
            j = f * SIDE + half * UNIT
            scale = load(s.x_scales + j) + set1(s.z_scales[c * SIDE + k])
            add_to(
                wide, narrow, (c * SIDE + k) * p.d + j,
                set1(p.scale) * scale_by_power_of_two(load(row_of(product, k, half)), scale), p.d - j)


cdef inline void some_gradients(
    const Problem *p, const Units *s, Py_ssize_t n, Py_ssize_t feature, Py_ssize_t first,
    Py_ssize_t last, double *wide, real *narrow,
) noexcept nogil:
    """Those of some squares of features and of classes; the next features come meanwhile."""
    cdef Py_ssize_t f, c
    cdef Ahead ahead
    take_units()
    for f in range(feature, min(feature + FEATURES, s.features)):
        ahead = ahead_of(
            s.x_for_gradient + (f + 1) % s.features * s.terms * s.down, s.terms * s.tiles,
            (last - first) * s.tiles * (s.terms + 1))
        for c in range(first, last):
            square_gradient(p, s, n, f, c, wide, narrow, &ahead)
    leave_units()


cdef inline void block_logits(
    const Problem *p, const Units *s, Py_ssize_t start, Py_ssize_t n, bint losses, int n_threads
) noexcept nogil:
    """The logits of a block of n rows into s.z, and if wanted their losses; terms of X before."""
    cdef Py_ssize_t i, first, last, pack, tiles = parts_of(n, ROWS)
    cdef Py_ssize_t packs = parts_of(s.classes, s.packed) if p.w else 1
    for i in prange(s.features, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        split_features(
            p, s, start, n, i, p.w != NULL, losses, <real *>(s.scratches + threadid() * s.scratch))
    for pack in range(packs):
        first = pack * s.packed
        last = min(first + s.packed, s.classes) if p.w else first
        for i in prange(last - first, schedule="dynamic", chunksize=1, num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            split_weights(p, s, first, i)
        for i in prange(parts_of(tiles, s.near), schedule="dynamic", chunksize=1,
                        num_threads=n_threads, use_threads_if=n_threads > 1):
            some_logits(p, s, i * s.near, min((i + 1) * s.near, tiles), first, last)
            if losses and (last == s.classes or p.w == NULL):
                tiles_losses(
                    p, s, start, n, i * s.near, min((i + 1) * s.near, tiles),
                    <real *>(s.scratches + threadid() * s.scratch))


cdef inline double run_units(
    const Problem *p, const Units *s, double *wide, real *narrow, double *grad_b, int n_threads
) noexcept nogil:
    """Loss; gradients added to grad_W (k, d), wide or narrow, and grad_b (k,)."""
    cdef Py_ssize_t start, n, i, group, groups = parts_of(s.classes, s.group)
    cdef double loss = 0.
    cdef bint wanted = wide != NULL or narrow != NULL
    for start from 0 <= start < p.n by s.rows:
        n = min(s.rows, p.n - start)
        block_logits(p, s, start, n, True, n_threads)
        for i in range(parts_of(n, ROWS) * VL):
            loss += s.losses[i]
        for i in prange(s.classes if wanted else 0, schedule="dynamic", chunksize=1,
                        num_threads=n_threads, use_threads_if=n_threads > 1):
            split_residuals(p, s, n, i, grad_b)
        for i in prange(groups * parts_of(s.features, FEATURES) if wanted else 0, schedule="dynamic",
                        chunksize=1, num_threads=n_threads, use_threads_if=n_threads > 1):
            group = i // parts_of(s.features, FEATURES) * s.group
            some_gradients(
                p, s, n, i % parts_of(s.features, FEATURES) * FEATURES, group,
                min(group + s.group, s.classes), wide, narrow)
    return p.scale * loss


cdef inline void store_units(const Problem *p, Units *s, int n_threads) noexcept nogil:
    """All logits into p.stored, block by block."""
    cdef Py_ssize_t start
    for start from 0 <= start < p.n by s.rows:
        s.z = p.stored + start * p.k
        block_logits(p, s, start, min(s.rows, p.n - start), False, n_threads)


cdef inline void copy_rows(
    const Problem *p, const Units *s, Py_ssize_t n, Py_ssize_t tile, real *to
) noexcept nogil:
    """The logits of a tile of a block of n rows, into those rows."""
    cdef vreal v[UNIT]
    cdef Py_ssize_t i, k, r
    for k from 0 <= k < p.k by UNIT:
        for i from tile * ROWS <= i < min((tile + 1) * ROWS, n) by UNIT:
            for r in range(UNIT):
                v[r] = load(s.z + tile * s.z_tile + min(k + r, p.k - 1) * ROWS + i % ROWS)
            transpose(v)
            store_square(to + i * p.k + k, p.k, 1, n - i, p.k - k, v)


cdef inline void rows_units(const Problem *p, const Units *s, real *to, int n_threads) noexcept nogil:
    """All logits into an array (n, k)."""
    cdef Py_ssize_t start, n, i
    for start from 0 <= start < p.n by s.rows:
        n = min(s.rows, p.n - start)
        block_logits(p, s, start, n, False, n_threads)
        for i in prange(parts_of(n, ROWS), schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            copy_rows(p, s, n, i, to + start * p.k)
