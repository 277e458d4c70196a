"""W that stays in cache: every thread runs both products over rows of its own.

X is cut into *blocks* of rows that fit L2. A block is read twice, first from memory, then from
cache: forward to logits, which the softmax turns, tile of ROWS rows by tile, into weight * (A - Y) in
place; backward, `product` runs down the rows of the block, 2*VL features at a time, and adds to sums
that go to float64 totals every SUM_ROWS rows. Forward with few classes, a register tile of 2 or 4 rows
by up to CLASS_BLOCK classes runs along the features (`dots`), and FOLD rows of partial sums are folded
into logits; with more, the rows of a tile are *turned* (`turned.pxd`).

With labels and few classes, one class is *spared*: weights less its weights give logits less its
logit, which is then its intercept, and its gradient is minus the sum of the others'. It is one with many
rows, so that this sum has no smaller result than terms, whose errors it gets. Of 10 classes 9 are
multiplied: 60000 x 784 in float64 takes 0.93 times as long, in float32, which waits for memory, 0.96;
100000 x 64, K = 5, 0.89. At stored logits, where memory is all, it gained nothing, nor did tiles of 3
rows by 9 classes.

A *stripe* is a run of blocks with totals of its own. Their number depends on the shape of the
problem only and they are added in order, so the result is the same to the bit for any number of
threads.

Tried: features copied side by side before several blocks of classes read them, since lines as far apart
as rows are share few places of an L1: 1.0 to 1.3 times (two threads, K = 20 to 500); half as many
stripes for few rows: 0.8 for 500 x 100, K = 300, 1.2 for 1000 x 784, K = 10.
"""

from cython.parallel cimport prange, threadid

from fastsoftmax._core.convert cimport REAL, Cells, read_rows
from fastsoftmax._core.linear_problem cimport (
    ALIGNMENT, Problem, aligned, class_at, part_start, rounded_up, take_stored, tile_loss, tile_sums,
)
from fastsoftmax._core.simd cimport (
    CLASS_BLOCK, VL, add_to_doubles, load, load_first, real, set1, store, sum_each, vreal,
)
from fastsoftmax._core.stored_tiles cimport stored_dots, stored_product
from fastsoftmax._core.tiles cimport FOLD, ROWS, Ahead, dot_rows, nothing
from fastsoftmax._core.turned cimport pack_rows, pack_weights, tile_after, turned_logits

cdef enum:
    FEW = 4  # classes whose partial sums are folded however few the features, and one more for 8 each,
    FOLDS = 352  # up to this over the lanes: float32, 30000 x 784, K = 60 16.8 ms folded, 13.7 turned
    BLOCK_BYTES = 256 * 1024  # of X: two blocks, the next being fetched, sums and totals fit 1 MiB of L2
    SUM_ROWS = 512  # whose products are summed before the sum goes to the totals; of a block, at most
    WEIGHTS_BYTES = 32 * 1024  # of W: at most the whole of an L1, since X only passes
    LINE = 64
    NEAR = 8 * 1024  # bytes ahead that `dots` fetches into L1, or the rows it takes next
    LONG = 512  # bytes of a row
    LOT_BYTES = 8 * 1024  # of rows converted at a time: they stay in L1 beside the weights
    MOST_STRIPES = 16  # costs 2 % against one stripe a thread (60000 x 784, K = 10), 32 4 %
    TOTALS_BYTES = 48 * 1024 * 1024  # of all stripes


cdef struct Stripes:
    Py_ssize_t k  # classes that are multiplied with X: all, or all but the one that is spared
    Py_ssize_t padded  # features rounded up to whole vectors
    bint turned  # whether rows are turned for their logits, rather than partial sums folded
    Py_ssize_t class_blocks
    Py_ssize_t block  # rows, a multiple of ROWS
    Py_ssize_t lot  # rows converted at a time, a divisor of FOLD
    Py_ssize_t width  # features whose packed weights stay in L1 while VL rows pass; times VL
    Py_ssize_t n_stripes
    Py_ssize_t totals  # doubles of a stripe: gradient of W by `columns`, of b (k, VL), loss (VL)
    Py_ssize_t packed  # numbers of packed W
    Py_ssize_t room  # bytes of a turned tile, or of partial sums
    Py_ssize_t scratch  # bytes a thread
    # carved out of the workspace
    real *w
    double *stripes
    char *scratches


cdef inline Stripes plan_stripes(const Problem *p) noexcept nogil:
    """What follows from the shape: never from the number of threads."""
    cdef Stripes s
    cdef Py_ssize_t size = sizeof(real), wide = sizeof(double)
    s.padded = rounded_up(p.d, VL)
    s.turned = p.w != NULL and p.k > min(FEW + p.d // 8, FOLDS // VL)
    s.k = p.k - 1 if p.spared >= 0 else p.k
    s.packed = s.k * rounded_up(p.d, ROWS if s.turned else 2 * VL)
    s.room = p.d * ROWS * size if s.turned else s.k * FOLD * <Py_ssize_t>sizeof(vreal)
    s.class_blocks = (s.k + CLASS_BLOCK - 1) // CLASS_BLOCK
    s.block = max(s.padded, p.k) * size
    s.block = min(max(BLOCK_BYTES // s.block // ROWS, 1) * ROWS, SUM_ROWS)
    s.lot = FOLD
    while s.lot * s.padded * size > LOT_BYTES and (
            s.lot > dot_rows(<int>part_start(s.k, s.class_blocks, 1))):  # those of the first block
        s.lot //= 2
    s.width = max(WEIGHTS_BYTES // (min(s.k, CLASS_BLOCK) * size), VL)
    s.width = rounded_up(p.d // ((p.d + s.width - 1) // s.width), VL)
    s.totals = aligned((s.padded * s.k + (p.k + 1) * VL) * wide) // wide
    s.n_stripes = min(MOST_STRIPES, (p.n + s.block - 1) // s.block, TOTALS_BYTES // wide // s.totals)
    s.n_stripes = max(s.n_stripes, 1)
    s.scratch = (
        aligned((s.block + (0 if p.labels else ROWS)) * p.k * size)
        + aligned(s.room)
        + s.padded * s.k * size
        + s.block * (2 * VL if p.in_place else s.padded) * size)
    return s


cdef inline Py_ssize_t stripes_bytes(const Problem *p, const Stripes *s, int n_threads) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real), wide = sizeof(double)
    return (
        ALIGNMENT + aligned(s.packed * size) + s.n_stripes * s.totals * wide
        + n_threads * s.scratch)


cdef inline void carve_stripes(const Problem *p, Stripes *s, char *memory) noexcept nogil:
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    s.w = <real *>memory
    memory += aligned(s.packed * sizeof(real))
    s.stripes = <double *>memory
    memory += s.n_stripes * s.totals * sizeof(double)
    s.scratches = memory


cdef inline void pack_stripes(const Problem *p, const Stripes *s) noexcept nogil:
    """Weights in the order in which `dots` reads them: VL features of each class of a block.

    Or as `turned_logits` does.
    """
    cdef Py_ssize_t c, k, j, v
    cdef const real *w
    cdef real *to = s.w
    if s.turned:
        for k in range(p.k):
            pack_weights(p, 0, p.k, k, s.w)
        return
    for c in range(s.class_blocks):
        for j from 0 <= j < p.d by VL:
            for k in range(part_start(s.k, s.class_blocks, c),
                           part_start(s.k, s.class_blocks, c + 1)):
                w = p.w + class_at(p, <int>k) * p.d + j
                for v in range(VL):
                    to[v] = w[v] if j + v < p.d else 0.
                    if p.spared >= 0 and j + v < p.d:
                        to[v] -= p.w[p.spared * p.d + j + v]
                to += VL


cdef inline bint converted_late(const Problem *p, const Stripes *s) noexcept nogil:
    """Whether `folded_logits` converts: not where features lie apart, which takes many at a time."""
    return not s.turned and not p.in_place and p.cells.column_step == p.cells.size and p.w != NULL


cdef inline Cells block_rows(
    const Problem *p, const Stripes *s, Py_ssize_t start, Py_ssize_t n, real *buffer
) noexcept nogil:
    """Rows of X with their features side by side: in place where they can be, else in the buffer.

    There `folded_logits` puts them, if it is called; which leaves them in L1 for its own use.
    """
    cdef Cells rows = p.cells
    if p.in_place:
        rows.x += start * rows.row_step
        return rows
    if not converted_late(p, s):
        read_rows(&p.cells, start, n, 0, p.d, buffer, s.padded)
    rows.x = <const char *>buffer
    rows.type = REAL
    rows.size = rows.column_step = sizeof(real)
    rows.row_step = s.padded * sizeof(real)
    return rows


cdef inline void tile_logits(
    const Problem *p, const Stripes *s, Py_ssize_t start, const Cells *block, Py_ssize_t t,
    Py_ssize_t n, char *room, real *z,
) noexcept nogil:
    """z[k*ROWS + i] = x_i·w_k + b_k for n <= ROWS rows from row t on of the block at `start`, which
    holds or gets them; b_k for the rows that the tile lacks."""
    cdef real *tile = <real *>room
    cdef Ahead next
    cdef Py_ssize_t i
    if not s.turned:
        folded_logits(p, s, start, block, t, n, <vreal *>room, z)
        return
    for i from 0 <= i < ROWS by VL:
        pack_rows(p, start + t + i, n - i, tile + i, NULL, 0)
    next = tile_after(p, start + t) if s.n_stripes == 0 else nothing()
    for i in range(s.class_blocks):
        turned_logits(
            p, s.w, p.k, tile, 0, part_start(s.k, s.class_blocks, i),
            part_start(s.k, s.class_blocks, i + 1), z,
            &next if i == 0 else NULL)


cdef inline void folded_logits(
    const Problem *p, const Stripes *s, Py_ssize_t start, const Cells *block, Py_ssize_t t,
    Py_ssize_t n, vreal *partial, real *z,
) noexcept nogil:
    cdef bint late = converted_late(p, s)
    cdef const char *x = block.x + t * block.row_step
    cdef Py_ssize_t stride = block.row_step // block.size, first, i, c, k, j, k0, nk, end
    cdef Py_ssize_t ahead = NEAR // (min(s.width, p.d) * block.size)
    cdef int rows, most
    cdef vreal v
    for first from 0 <= first < ROWS by FOLD:
        if first + FOLD > n:
            for i in range(s.k * FOLD):
                partial[i] = set1(0.)
        end = min(first + FOLD, n)
        for c in range(s.class_blocks):
            k0 = part_start(s.k, s.class_blocks, c)
            nk = part_start(s.k, s.class_blocks, c + 1) - k0
            most = dot_rows(<int>nk)
            for j from 0 <= j < p.d by s.width:
                i = first
                while i < end:
                    rows = most if i + most <= end else 1
                    if late and c == 0 and j == 0 and i % s.lot == 0:
                        read_rows(
                            &p.cells, start + t + i, min(s.lot, end - i), 0, p.d,
                            <real *>(x + i * block.row_step), stride)
                    stored_dots(
                        block.type, rows, <int>nk, x + i * block.row_step + j * block.size, stride,
                        max(ahead, most) * stride, min(s.width, p.d - j),
                        s.w + k0 * rounded_up(p.d, VL) + nk * j, j > 0,
                        partial + k0 * FOLD + i - first)
                    i += rows
        for k in range(p.k):
            for i from 0 <= i < FOLD by VL:
                v = set1(p.b[class_at(p, <int>k)] if p.b else 0.)
                if k < s.k:
                    v = v + sum_each(partial + k * FOLD + i)
                store(z + k * ROWS + first + i, v)


cdef inline bint readable(
    const Problem *p, const Cells *x, Py_ssize_t n, Py_ssize_t columns
) noexcept nogil:
    """Whether so many columns of n rows can be read, though they have only d: not past the last row."""
    cdef const char *last = x.x + max((n - 1) * x.row_step, 0)
    return (columns - p.d) * x.size <= p.cells.x + max((p.n - 1) * x.row_step, 0) - last


cdef inline Py_ssize_t columns(const Stripes *s, Py_ssize_t j) noexcept nogil:
    """Features that are multiplied together from j on: sums and totals are (k, columns), for one j
    after another. Two vectors, where there are."""
    return min(2 * VL, s.padded - j)


cdef inline Ahead block_after(
    const Problem *p, const Stripes *s, Py_ssize_t start, Py_ssize_t j
) noexcept nogil:
    """What follows the block at `start`: its share that goes with the columns from feature j on.

    Rows that are long and side by side are one run of bytes, fetched in its order; of others these
    features, each line of them once, or two lines a row.
    """
    cdef Ahead next = nothing()
    cdef Py_ssize_t size = p.cells.size, panel = columns(s, j) * size, row = p.cells.row_step
    if p.cells.column_step != size:
        return next
    next.gap = panel // 2 if panel > LINE else 0
    if row >= LONG and row == p.d * size:
        next.at = p.cells.x + (start + s.block) * row + s.block * j * size
        next.step = panel
    elif panel >= LINE or j * size % LINE == 0:
        next.at = p.cells.x + (start + s.block) * row + j * size
        next.step = row
    return next


cdef inline void add_gradient(
    const Problem *p, const Stripes *s, Py_ssize_t start, const Cells *x, Py_ssize_t n, const real *z,
    real *tail, bint more, real *sums,
) noexcept nogil:
    """ZᵀX over the n rows of a block into sums or, with `more`, onto them.

    Columns past the last feature hold whatever follows a row in memory; nobody reads their sums.
    """
    cdef Py_ssize_t j, c, k, width, whole = s.padded
    cdef Ahead next  # handed on where it lies: copied, it waits for its own parts to be stored
    cdef int nk
    cdef bint there
    if p.in_place and not readable(p, x, n, s.padded):
        whole = p.d - p.d % (2 * VL)
        read_rows(&p.cells, start, n, whole, p.d - whole, tail, 2 * VL)
    for j from 0 <= j < p.d by 2 * VL:
        there = j < whole
        width = columns(s, j)
        next = block_after(p, s, start, j)
        for c in range(s.class_blocks):
            k = part_start(s.k, s.class_blocks, c)
            nk = <int>(part_start(s.k, s.class_blocks, c + 1) - k)
            stored_product(
                nk, width == VL, z + k * ROWS, p.k * ROWS, x.type if there else REAL,
                x.x + j * x.size if there else <const char *>tail,
                x.row_step // x.size if there else 2 * VL, n,
                &next if c == 0 else NULL, more,
                <vreal *>(sums + j * s.k + k * width))


cdef inline void add_squares(
    const Problem *p, const real *x, Py_ssize_t stride, Py_ssize_t n, const real *z, double *totals
) noexcept nogil:
    """totals += weight (x - b)^2 over the n rows of a block, feature by feature."""
    cdef Py_ssize_t i, j
    cdef int count
    cdef vreal centre, t, sums
    for j from 0 <= j < p.d by VL:
        count = <int>min(p.d - j, VL)
        centre = load_first(p.b + j, count) if count < VL else load(p.b + j)
        sums = set1(0.)
        for i in range(n):
            t = load_first(x + i * stride + j, count) if count < VL else load(x + i * stride + j)
            t = t - centre
            sums = sums + set1(z[i]) * t * t
        add_to_doubles(totals + j, sums)


cdef inline void run_stripe(
    const Problem *p, const Stripes *s, Py_ssize_t stripe, bint wants_w, char *scratch
) noexcept nogil:
    cdef Py_ssize_t blocks = (p.n + s.block - 1) // s.block
    cdef Py_ssize_t first = part_start(blocks, s.n_stripes, stripe) * s.block
    cdef Py_ssize_t last = min(part_start(blocks, s.n_stripes, stripe + 1) * s.block, p.n)
    cdef Py_ssize_t start, n, t, i, k, summed = 0
    cdef double *totals = s.stripes + stripe * s.totals
    cdef double *bias = totals + s.padded * s.k
    cdef real *z = <real *>scratch
    cdef real *targets = z + s.block * p.k
    cdef char *room = scratch + aligned((s.block + (0 if p.labels else ROWS)) * p.k * sizeof(real))
    cdef real *sums = <real *>(room + aligned(s.room))
    cdef real *buffer = sums + s.padded * s.k
    cdef Cells x
    cdef bint losses = p.w != NULL or p.stored != NULL
    for i in range(s.totals):
        totals[i] = 0.
    for start from first <= start < last by s.block:
        n = min(s.block, last - start)
        x = block_rows(p, s, start, n, buffer)
        if not losses:  # moments: one class whose A - Y is the weight
            for i in range(n):
                z[i] = p.weights[start + i] if p.weights else 1.
            if p.b:
                add_squares(p, <const real *>x.x, x.row_step // x.size, n, z, totals)
                continue
        for t from 0 <= t < (n if losses else 0) by ROWS:
            i = min(ROWS, n - t)
            if p.stored:
                take_stored(p, start + t, z + t * p.k)
            else:
                tile_logits(p, s, start, &x, t, i, room, z + t * p.k)
            tile_loss(p, start + t, i, z + t * p.k, targets, bias + p.k * VL)
            for k in range(p.k):
                add_to_doubles(bias + k * VL, tile_sums(z + t * p.k + k * ROWS))
        if wants_w:
            add_gradient(p, s, start, &x, n, z, buffer, summed > 0, sums)
            summed += n
            if summed + s.block > SUM_ROWS or start + n == last:
                for i from 0 <= i < s.padded * s.k by VL:
                    add_to_doubles(totals + i, load(sums + i))
                summed = 0


cdef inline void store_block(
    const Problem *p, const Stripes *s, Py_ssize_t start, char *scratch
) noexcept nogil:
    """Logits of a block of rows into p.stored."""
    cdef Py_ssize_t n = min(s.block, p.n - start), t
    cdef Cells x = p.cells
    if not s.turned:
        x = block_rows(p, s, start, n, <real *>(scratch + aligned(s.room)))
    for t from 0 <= t < n by ROWS:
        tile_logits(
            p, s, start, &x, t, min(ROWS, n - t), scratch, p.stored + (start + t) * p.k)


cdef inline void reduce_features(
    const Problem *p, const Stripes *s, Py_ssize_t j, double *gradient
) noexcept nogil:
    """The columns of the gradient from j on = scale * the sum of the stripes, in their order; they
    were 0."""
    cdef Py_ssize_t i, k, v, width = columns(s, j)
    cdef double *first = s.stripes + j * s.k
    cdef double *other
    cdef double *to
    for i in range(1, s.n_stripes):
        other = first + i * s.totals
        for v in range(s.k * width):
            first[v] += other[v]
    for k in range(s.k):
        to = gradient + class_at(p, <int>k) * p.d + j
        for v in range(min(width, p.d - j)):
            to[v] = p.scale * first[k * width + v]
            if p.spared >= 0:  # the classes of a row's A - Y add up to 0
                gradient[p.spared * p.d + j + v] -= to[v]


cdef inline void store_stripes(const Problem *p, const Stripes *s, int n_threads) noexcept nogil:
    cdef Py_ssize_t i
    pack_stripes(p, s)
    for i in prange((p.n + s.block - 1) // s.block, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        store_block(p, s, i * s.block, s.scratches + threadid() * s.scratch)


cdef inline double run_stripes(
    const Problem *p, const Stripes *s, double *grad_w, double *grad_b, int n_threads
) noexcept nogil:
    """Loss; the gradients into grad_w (k, d), or NULL, and grad_b (k,)."""
    cdef Py_ssize_t i, j, k
    cdef double loss = 0.
    cdef const double *bias
    if p.w:
        pack_stripes(p, s)
    for i in prange(s.n_stripes, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        run_stripe(p, s, i, grad_w != NULL, s.scratches + threadid() * s.scratch)
    for j in prange((s.padded + 2 * VL - 1) // (2 * VL) if grad_w else 0, schedule="static",
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        reduce_features(p, s, j * 2 * VL, grad_w)
    for k in range(p.k):
        grad_b[k] = 0.
    for i in range(s.n_stripes):
        bias = s.stripes + i * s.totals + s.padded * s.k
        for k in range(p.k):
            for j in range(VL):
                grad_b[class_at(p, <int>k)] += bias[k * VL + j]
        for j in range(VL):
            loss += bias[p.k * VL + j]
    for k in range(p.k):
        grad_b[k] *= p.scale
    return p.scale * loss
