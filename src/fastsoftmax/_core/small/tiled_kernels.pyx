"""Products with X in tiles of rows, for problems small enough to be copied so.

X is (tiles, width, ROWS): the rows of a tile side by side, feature by feature, zeros behind the last.
No lane is lost to a width that is no multiple of a vector, and no product sums across lanes but once for
PART tiles:

    logits    W Xᵀ by `product_along`, rows side by side
    pull      ZᵀX, and the loss of which Z is the gradient by the logits
    gram      Xᵀ diag(w) X, the lower triangle: the same product, with weighted features for Z

The last two keep ROW_BLOCK times ACROSS sums in registers while they run down the rows: per vector of
rows 24 multiply-adds for 10 loads (AVX-512). Parts of X have totals of their own in float64, which are
added in order: equal to the bit for any number of threads. Measurements:
docs/experiments/0054-small-fits.md. One thread opens no parallel region, which would take as long as a
loop over a few tiles (0084-small-fits-without-regions.md).
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from fastsoftmax._core.arguments cimport Cells, Problem
from fastsoftmax._core.gemm.convert cimport REAL
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS, product_along
from fastsoftmax._core.gemm.transposed_rows cimport pack_rows
from fastsoftmax._core.linear.linear_problem cimport tile_loss
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, ROW_BLOCK, VL, VL_MOST, in_register, inlined, load, multiply_add, outlined, real, set1,
    store, sum_each, sum_lanes, vreal,
)
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of
from fastsoftmax._core.small.tiled_kernels cimport Table, Tiled

cdef enum:
    ACROSS = CLASS_BLOCK // 2  # columns of a register tile that is ROW_BLOCK high
    PART = 16  # tiles, whose products are summed in `real`
    MOST_PARTS = 16  # with totals of their own
    MOST_SUMS = 4 * 6 + VL_MOST  # of a register tile, and what fills the last vector of them


cdef Py_ssize_t numbers(Py_ssize_t tiles, Py_ssize_t width) noexcept nogil:
    return (tiles * width + ACROSS) * ROWS


cdef void pack(
    const Cells *x, Py_ssize_t n, Py_ssize_t d, Py_ssize_t width, real *to
) noexcept nogil:
    """The rows of X, and ones behind their features if width > d."""
    cdef Problem p
    cdef Py_ssize_t size = sizeof(real), tiles = parts_of(n, ROWS), t, i, left
    cdef real *ones
    p.cells, p.n, p.d = x[0], n, d
    p.x = <const real *>x.x if x.type == REAL else NULL
    p.row_step, p.column_step = x.row_step // size, x.column_step // size
    for t in range(tiles):
        left = min(n - t * ROWS, ROWS)
        pack_rows(&p, t * ROWS, left, 0, d, to + t * width * ROWS, NULL, 0)
        ones = to + (t * width + d) * ROWS
        for i in range(ROWS if width > d else 0):
            ones[i] = i < left
    memset(to + tiles * width * ROWS, 0, ACROSS * ROWS * sizeof(real))


cdef void copy(const double *x, Py_ssize_t count, real *to) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        to[i] = <real>x[i]


cdef Py_ssize_t centre_bytes(Py_ssize_t d) noexcept nogil:
    return ALIGNMENT + d * VL * <Py_ssize_t>sizeof(real)


cdef void centre(
    real *x, Py_ssize_t tiles, Py_ssize_t width, Py_ssize_t d, const real *weights, double scale,
    bint subtract, double *means, double *squares, char *memory,
) noexcept nogil:
    """Weighted means of d features and of their squares relative to them; and those taken from X, if
    that is wanted. Rows of weight 0 have to be finite."""
    cdef real *sums = <real *>aligned_start(memory)
    cdef real *at
    cdef vreal total, mean, v
    cdef Py_ssize_t t, i, j
    memset(sums, 0, d * VL * sizeof(real))
    for t in range(tiles):
        for j in range(d):
            at = x + (t * width + j) * ROWS
            total = load(sums + j * VL)
            for i from 0 <= i < ROWS by VL:
                total = multiply_add(load(weights + t * ROWS + i), load(at + i), total)
            store(sums + j * VL, total)
    for j in range(d):
        means[j] = scale * sum_lanes(load(sums + j * VL))
    memset(sums, 0, d * VL * sizeof(real))
    for t in range(tiles):
        for j in range(d):
            at = x + (t * width + j) * ROWS
            total, mean = load(sums + j * VL), set1(means[j])
            for i from 0 <= i < ROWS by VL:
                v = load(at + i) - mean
                total = multiply_add(load(weights + t * ROWS + i) * v, v, total)
                if subtract:
                    store(at + i, v)
            store(sums + j * VL, total)
    for j in range(d):
        squares[j] = scale * sum_lanes(load(sums + j * VL))


cdef void logits(const Tiled *x, const real *w, Py_ssize_t k, real *z, int n_threads) noexcept nogil:
    cdef Py_ssize_t t
    if n_threads == 1:
        for t in range(x.tiles):
            tile_logits(x, w, k, t, z + t * k * ROWS)
        return
    for t in prange(x.tiles, schedule="static", num_threads=n_threads):
        tile_logits(x, w, k, t, z + t * k * ROWS)


cdef void tile_logits(
    const Tiled *x, const real *w, Py_ssize_t k, Py_ssize_t t, real *z
) noexcept nogil:
    cdef vreal sums[2 * MOST]
    cdef Py_ssize_t blocks = parts_of(k, CLASS_BLOCK), c, k0, nk, i, j
    for c in range(blocks):
        k0 = part_start(k, blocks, c)
        nk = part_start(k, blocks, c + 1) - k0
        for i from 0 <= i < ROWS by 2 * VL:
            product_along(
                <int>nk, w + k0 * x.width, x.width, x.x + t * x.width * ROWS + i, ROWS, x.width, NULL,
                sums)
            for j in range(nk):
                store(z + (k0 + j) * ROWS + i, sums[2 * j])
                store(z + (k0 + j) * ROWS + i + VL, sums[2 * j + 1])


cdef inline inlined products_of(
    const int height, const real *a, Py_ssize_t a_step, const real *b, Py_ssize_t b_step,
    Py_ssize_t tiles, vreal *out,
) noexcept nogil:
    cdef vreal sums[ROW_BLOCK][ACROSS]
    cdef vreal v[ACROSS]
    cdef vreal u
    cdef Py_ssize_t r, _
    cdef int i, j
    for i in range(height):
        for j in range(ACROSS):
            sums[i][j] = set1(0.)
    for _ in range(tiles):
        for r from 0 <= r < ROWS by VL:
            for j in range(ACROSS):
                v[j] = in_register(load(b + j * ROWS + r))
            for i in range(height):
                u = in_register(load(a + i * ROWS + r))
                for j in range(ACROSS):
                    sums[i][j] = multiply_add(u, v[j], sums[i][j])
        a = a + a_step
        b = b + b_step
    for i in range(height):
        for j in range(ACROSS):
            out[i * ACROSS + j] = sums[i][j]
    return 0


cdef inline outlined products(
    int height, const real *a, Py_ssize_t a_step, const real *b, Py_ssize_t b_step, Py_ssize_t tiles,
    vreal *out,
) noexcept nogil:
    """out[i * ACROSS + j]: a_i·b_j as VL partial sums, for `height` columns a and ACROSS columns b of
    tiles that are so many numbers apart."""
    if height == 1:
        products_of(1, a, a_step, b, b_step, tiles, out)
    elif height == 2:
        products_of(2, a, a_step, b, b_step, tiles, out)
    elif ROW_BLOCK > 2:
        if height == 3:
            products_of(3, a, a_step, b, b_step, tiles, out)
        elif height == 4:
            products_of(4, a, a_step, b, b_step, tiles, out)
    return 0


cdef inline void add_products(
    Py_ssize_t height, const real *a, Py_ssize_t a_step, Py_ssize_t across, const real *b,
    Py_ssize_t b_step, Py_ssize_t tiles, double *to, Py_ssize_t to_step,
) noexcept nogil:
    """The products of height columns with `across` ones, added to rows of `to`."""
    cdef vreal sums[MOST_SUMS]
    cdef real lanes[MOST_SUMS]
    cdef Py_ssize_t count = height * ACROSS, i, j
    products(<int>height, a, a_step, b, b_step, tiles, sums)
    for i in range(count, count + VL - 1):
        sums[i] = set1(0.)
    for i from 0 <= i < count by VL:
        store(lanes + i, sum_each(sums + i))
    for i in range(height):
        for j in range(across):
            to[i * to_step + j] += lanes[i * ACROSS + j]


cdef inline Py_ssize_t parts_of_tiles(Py_ssize_t tiles) noexcept nogil:
    return min(parts_of(tiles, PART), MOST_PARTS)


cdef inline Py_ssize_t pull_scratch(Py_ssize_t k) noexcept nogil:
    """Numbers of a thread: of PART tiles, and of targets."""
    return (PART + 1) * k * ROWS


cdef Py_ssize_t pull_bytes(const Tiled *x, Py_ssize_t k, int n_threads) noexcept nogil:
    return (
        ALIGNMENT + parts_of_tiles(x.tiles) * aligned((k * x.width + VL) * sizeof(double))
        + n_threads * aligned(pull_scratch(k) * sizeof(real)))


cdef double pull(
    const Tiled *x, const Problem *losses, double *to, char *memory, int n_threads
) noexcept nogil:
    """The loss at the stored logits, and its gradient by W into `to` (k, width); of a problem without
    targets that of what is stored in the place of the gradient by the logits. Both times scale."""
    cdef Py_ssize_t parts = parts_of_tiles(x.tiles), size = losses.k * x.width, i, j
    cdef Py_ssize_t each = aligned((size + VL) * sizeof(double))
    cdef Py_ssize_t scratch = aligned(pull_scratch(losses.k) * sizeof(real))
    cdef const double *totals
    cdef char *of_threads
    cdef double loss = 0.
    memory = aligned_start(memory)
    of_threads = memory + parts * each
    if n_threads == 1:
        for i in range(parts):
            pull_part(x, losses, parts, i, <double *>(memory + i * each), <real *>of_threads)
    else:
        for i in prange(parts, schedule="static", num_threads=n_threads):
            pull_part(
                x, losses, parts, i, <double *>(memory + i * each),
                <real *>(of_threads + threadid() * scratch))
    for j in range(size):
        to[j] = 0.
    for i in range(parts):
        totals = <const double *>(memory + i * each)
        for j in range(size):
            to[j] += totals[j]
        for j in range(VL):
            loss += totals[size + j]
    for j in range(size):
        to[j] *= losses.scale
    return losses.scale * loss


cdef void pull_part(
    const Tiled *x, const Problem *p, Py_ssize_t parts, Py_ssize_t part, double *totals, real *z
) noexcept nogil:
    cdef Py_ssize_t first = part_start(x.tiles, parts, part)
    cdef Py_ssize_t end = part_start(x.tiles, parts, part + 1)
    cdef Py_ssize_t tile = p.k * ROWS, b_step = x.width * ROWS, start, tiles, blocks, i, j, t
    memset(totals, 0, (p.k * x.width + VL) * sizeof(double))
    blocks = parts_of(p.k, ROW_BLOCK)
    for start from first <= start < end by PART:
        tiles = min(PART, end - start)
        memcpy(z, p.stored + start * tile, tiles * tile * sizeof(real))
        for t in range(start, start + tiles):
            tile_loss(
                p, t * ROWS, min(ROWS, p.n - t * ROWS), z + (t - start) * tile, z + PART * tile,
                totals + p.k * x.width)
        for j from 0 <= j < x.width by ACROSS:
            for i in range(blocks):
                t = part_start(p.k, blocks, i)
                add_products(
                    part_start(p.k, blocks, i + 1) - t, z + t * ROWS, tile, min(ACROSS, x.width - j),
                    x.x + start * b_step + j * ROWS, b_step, tiles, totals + t * x.width + j, x.width)


cdef Py_ssize_t gram_bytes(const Tiled *x, Py_ssize_t m, int n_threads) noexcept nogil:
    cdef Py_ssize_t square = x.width * x.width
    return (
        ALIGNMENT + m * parts_of_tiles(x.tiles) * aligned(square * sizeof(double))
        + n_threads * aligned(PART * x.width * ROWS * sizeof(real)))


cdef void gram(
    const Tiled *x, const real *weights, Py_ssize_t m, double scale, double *to, char *memory,
    int n_threads,
) noexcept nogil:
    """scale * Xᵀ diag(w) X for m weights (m, tiles, ROWS) into the lower triangles of `to`
    (m, width, width)."""
    cdef Py_ssize_t parts = parts_of_tiles(x.tiles), square = x.width * x.width, i, j, r, c
    cdef Py_ssize_t each = aligned(square * sizeof(double))
    cdef Py_ssize_t scratch = aligned(PART * x.width * ROWS * sizeof(real))
    cdef const double *totals
    cdef char *of_threads
    memory = aligned_start(memory)
    of_threads = memory + m * parts * each
    if n_threads == 1:
        for i in range(m * parts):
            gram_part(x, weights, parts, i, <double *>(memory + i * each), <real *>of_threads)
    else:
        for i in prange(m * parts, schedule="dynamic", chunksize=1, num_threads=n_threads):
            gram_part(
                x, weights, parts, i, <double *>(memory + i * each),
                <real *>(of_threads + threadid() * scratch))
    for i in range(m):
        for j in range(parts):
            totals = <const double *>(memory + (i * parts + j) * each)
            for r in range(x.width):
                for c in range(r + 1):
                    if j == 0:
                        to[i * square + r * x.width + c] = scale * totals[r * x.width + c]
                    else:
                        to[i * square + r * x.width + c] += scale * totals[r * x.width + c]


cdef void gram_part(
    const Tiled *x, const real *weights, Py_ssize_t parts, Py_ssize_t part, double *totals, real *scaled
) noexcept nogil:
    """Part part % parts of the rows, by the weights part // parts."""
    cdef Py_ssize_t first = part_start(x.tiles, parts, part % parts)
    cdef Py_ssize_t end = part_start(x.tiles, parts, part % parts + 1)
    cdef Py_ssize_t step = x.width * ROWS, start, tiles, t, i, j, r, height
    cdef const real *from_x
    weights = weights + part // parts * x.tiles * ROWS
    memset(totals, 0, x.width * x.width * sizeof(double))
    for start from first <= start < end by PART:
        tiles = min(PART, end - start)
        for t in range(tiles):
            from_x = x.x + (start + t) * step
            for j in range(x.width):
                for r from 0 <= r < ROWS by VL:
                    store(
                        scaled + t * step + j * ROWS + r,
                        load(from_x + j * ROWS + r) * load(weights + (start + t) * ROWS + r))
        from_x = x.x + start * step
        for i from 0 <= i < x.width by ROW_BLOCK:
            height = min(ROW_BLOCK, x.width - i)
            for j from 0 <= j < i + height by ACROSS:
                add_products(
                    height, scaled + i * ROWS, step, min(ACROSS, i + height - j), from_x + j * ROWS,
                    step, tiles, totals + i * x.width + j, x.width)


cdef void weigh(
    const double *p, const double *variances, const double *weights, Py_ssize_t tiles, Py_ssize_t k,
    Py_ssize_t a, Py_ssize_t b, Py_ssize_t reference, real *to
) noexcept nogil:
    """The curvature of each row's loss by a change of logit a and one of b, weighted: p and p (1 - p),
    the weights in it, are in tiles (tiles, k, ROWS).

    With a reference class, whose logit changes by minus the others': no term is the difference of nearly
    equal ones that the other terms do not exceed.
    """
    cdef const double *own
    cdef const double *other
    cdef const double *last
    cdef Py_ssize_t t, i
    cdef double product
    for t in range(tiles):
        own, other = variances + (t * k + a) * ROWS, variances + (t * k + reference) * ROWS
        if reference < 0:
            for i in range(ROWS):
                to[i] = <real>own[i]
        else:
            for i in range(ROWS):
                to[i] = <real>(other[i] + (own[i] if a == b else 0.))
            own, other = p + (t * k + a) * ROWS, p + (t * k + b) * ROWS
            last = p + (t * k + reference) * ROWS
            for i in range(ROWS):
                product = 0. if a == b else own[i] * other[i]
                to[i] += <real>(weights[i] * (last[i] * (own[i] + other[i]) - product))
        weights = weights + ROWS
        to = to + ROWS


cdef Table table = Table(
    numbers=&numbers, pack=&pack, copy=&copy, centre_bytes=&centre_bytes, centre=&centre, logits=&logits,
    pull_bytes=&pull_bytes, pull=&pull, gram_bytes=&gram_bytes, gram=&gram, weigh=&weigh)
capsule = PyCapsule_New(&table, "tiled", NULL)
