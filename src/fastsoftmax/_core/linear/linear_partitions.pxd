"""W that stays in cache: every thread runs both products over rows of its own.

X is cut into *blocks* of rows that fit L2. A block is read twice, first from memory, then from cache:
forward to logits, which the softmax turns, tile of ROWS rows by tile, into weight * (A - Y) in place;
backward, `product` runs down the rows and adds to sums that go to float64 every SUM_ROWS rows. Forward,
few classes are `dots` along the features; with more, weights or rows of a tile are transposed.

With labels and few classes, one frequent class is *eliminated*: the weights of the others less its
weights give their logits less its logit, and its gradient is minus the sum of theirs.

A *partition* is a run of blocks with totals of its own. Their number depends on the shape only and they
are added in order: the result is the same to the bit for any number of threads. Measurements:
docs/experiments/0005-row-partitioned-scheme.md.
"""

from cython.parallel cimport prange, threadid

from fastsoftmax._core.arguments cimport Cells, Problem
from fastsoftmax._core.gemm.convert cimport REAL, read_rows
from fastsoftmax._core.gemm.stored_tiles cimport stored_product
from fastsoftmax._core.gemm.tiles cimport ROWS, Ahead, nothing
from fastsoftmax._core.linear.linear_problem cimport class_at, take_stored, tile_loss, tile_sums
from fastsoftmax._core.linear.partitions_logits cimport (
    block_rows, pack_partitions, store_block, tile_logits,
)
from fastsoftmax._core.linear.linear_plan cimport SUM_ROWS, Partitions, columns, partition_start
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, add_to_doubles, load, load_first, real, set1, store, vreal,
)
from fastsoftmax._core.sizes cimport LINE, aligned, part_start, parts_of

cdef enum:
    LONG = 512  # bytes of a row
    AT_ONCE = 256  # rows whose logits a thread stores, each tile fetching what lies behind it


cdef inline bint readable(
    const Problem *p, const Cells *x, Py_ssize_t n, Py_ssize_t width
) noexcept nogil:
    """Whether so wide a block of n rows of d features can be read: nothing lies behind the last."""
    cdef const char *last = x.x + max((n - 1) * x.row_step, 0)
    return (width - p.d) * x.size <= p.cells.x + max((p.n - 1) * x.row_step, 0) - last


cdef inline Ahead block_after(
    const Problem *p, const Partitions *s, Py_ssize_t start, Py_ssize_t n, Py_ssize_t j
) noexcept nogil:
    """What follows the n rows from `start` on: its share that goes with the columns from feature j on.

    Rows that are long and side by side are one run of bytes, fetched in its order; of others these
    features, each line of them once, or two lines per row.
    """
    cdef Ahead next = nothing()
    cdef Py_ssize_t size = p.cells.size, panel = columns(s, j) * size, row = p.cells.row_step
    if p.cells.column_step != size:
        return next
    next.gap = panel // 2 if panel > LINE else 0
    if row >= LONG and row == p.d * size:
        next.at = p.cells.x + (start + n) * row + n * j * size
        next.step = panel
    elif panel >= LINE or j * size % LINE == 0:
        next.at = p.cells.x + (start + n) * row + j * size
        next.step = row
    return next


cdef inline void copy_columns(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, Py_ssize_t j, real *out
) noexcept nogil:
    """Features j .. j + 2*VL of n rows side by side, zeros behind the last feature."""
    cdef Py_ssize_t i
    cdef const real *x = p.x + start * p.row_step + j
    if p.x == NULL or j + 2 * VL > p.d:
        read_rows(&p.cells, start, n, j, min(2 * VL, p.d - j), out, 2 * VL)
        return
    for i in range(n):
        store(out + i * 2 * VL, load(x + i * p.row_step))
        store(out + i * 2 * VL + VL, load(x + i * p.row_step + VL))


cdef inline void add_gradient(
    const Problem *p, const Partitions *s, Py_ssize_t start, const Cells *x, Py_ssize_t n, const real *z,
    real *tail, bint more, real *sums,
) noexcept nogil:
    """ZᵀX over the n rows of a block into sums or, with `more`, onto them.

    Columns past the last feature hold whatever follows a row in memory; nobody reads their sums.
    """
    cdef Py_ssize_t j, c, k, width, whole = 0 if s.copied else s.padded
    cdef Ahead next  # handed on where it lies: copied, it waits for its own parts to be stored
    cdef int nk
    cdef bint there
    if p.in_place and whole and not readable(p, x, n, s.padded):
        whole = p.d - p.d % (2 * VL)
    for j from 0 <= j < p.d by 2 * VL:
        there = j < whole
        if not there:
            copy_columns(p, start, n, j, tail)
        width = columns(s, j)
        next = block_after(p, s, start, n, j)
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
    const Problem *p, const Partitions *s, const real *x, Py_ssize_t stride, Py_ssize_t n,
    const real *z, double *totals
) noexcept nogil:
    """totals += weight (x - b)^2 over n rows, feature by feature."""
    cdef real *short_totals = <real *>totals
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
        if s.is_short:
            store(short_totals + j, load(short_totals + j) + sums)
        else:
            add_to_doubles(totals + j, sums)


cdef inline void run_partition(
    const Problem *p, const Partitions *s, Py_ssize_t partition, bint wants_w, char *scratch
) noexcept nogil:
    cdef Py_ssize_t first = partition_start(p, s, partition)
    cdef Py_ssize_t last = partition_start(p, s, partition + 1)
    cdef Py_ssize_t start = first, n, t, i, k, summed
    cdef double *totals = s.partitions + partition * s.totals
    cdef double *bias = totals + s.bias
    cdef real *z = <real *>scratch
    cdef real *targets = z + s.block * p.k
    cdef char *tile_scratch = (
        scratch + aligned((s.block + (0 if p.labels else ROWS)) * p.k * sizeof(real)))
    cdef real *sums = <real *>(tile_scratch + aligned(s.tile_bytes))
    cdef real *buffer = sums + s.padded * s.k
    cdef Cells x
    cdef bint losses = p.w != NULL or p.stored != NULL
    for i in range((p.k + 1) * VL):
        bias[i] = 0.
    if s.is_short:
        sums = <real *>totals
    for i in range(0 if losses and first < last else s.bias):  # squares are added
        totals[i] = 0.
    while start < last:
        summed = (start - first) % SUM_ROWS
        n = min(s.block, SUM_ROWS - summed, last - start)
        x = block_rows(p, s, start, n, buffer)
        if not losses:  # moments: one class whose A - Y is the weight
            for i in range(n):
                z[i] = p.weights[start + i] if p.weights else 1.
            if p.b:
                for t from 0 <= t < n by ROWS:
                    add_squares(
                        p, s, <const real *>x.x + t * (x.row_step // x.size), x.row_step // x.size,
                        min(ROWS, n - t), z + t, totals)
        for t from 0 <= t < (n if losses else 0) by ROWS:
            i = min(ROWS, n - t)
            if p.stored:
                take_stored(p, start + t, z + t * p.k)
            else:
                tile_logits(p, s, start, &x, t, i, tile_scratch, z + t * p.k)
            tile_loss(p, start + t, i, z + t * p.k, targets, bias + p.k * VL)
            for k in range(p.k):
                add_to_doubles(bias + k * VL, tile_sums(z + t * p.k + k * ROWS))
        start += n
        if wants_w and (losses or p.b == NULL):
            add_gradient(p, s, start - n, &x, n, z, buffer, summed > 0, sums)
            if not s.is_short and (summed + n == SUM_ROWS or start == last):
                for i in range(s.padded * s.k if start - first <= SUM_ROWS else 0):
                    totals[i] = sums[i]
                for i from 0 <= i < (0 if start - first <= SUM_ROWS else s.padded * s.k) by VL:
                    add_to_doubles(totals + i, load(sums + i))


cdef inline void reduce_features(
    const Problem *p, const Partitions *s, Py_ssize_t j, double *gradient
) noexcept nogil:
    """The columns of the gradient from j on = scale * the sum of the partitions, in their order; they
    were 0."""
    cdef double sums[2 * VL_MOST]
    cdef Py_ssize_t i, k, v, width = columns(s, j)
    cdef const double *partition
    cdef const real *short_totals
    cdef double *to
    for k in range(s.k):
        for v in range(width):
            sums[v] = 0.
        for i in range(s.n_partitions):
            partition = s.partitions + i * s.totals
            short_totals = <const real *>partition + j * s.k + k * width
            partition = partition + j * s.k + k * width
            for v from 0 <= v < (width if s.is_short else 0) by VL:
                add_to_doubles(sums + v, load(short_totals + v))
            for v in range(0 if s.is_short else width):
                sums[v] += partition[v]
        to = gradient + class_at(p, <int>k) * p.d + j
        for v in range(min(width, p.d - j)):
            to[v] = p.scale * sums[v]
            if p.eliminated >= 0:  # the classes of a row's A - Y add up to 0
                gradient[p.eliminated * p.d + j + v] -= to[v]


cdef inline void store_partitions(const Problem *p, const Partitions *s, int n_threads) noexcept nogil:
    cdef Py_ssize_t i
    pack_partitions(p, s)
    for i in prange((p.n + s.block - 1) // s.block, schedule="dynamic",
                    chunksize=max(AT_ONCE // s.block, 1), num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        store_block(p, s, i * s.block, s.scratches + threadid() * s.scratch)


cdef inline double run_partitions(
    const Problem *p, const Partitions *s, double *grad_w, double *grad_b, int n_threads
) noexcept nogil:
    """Loss; the gradients into grad_w (k, d), or NULL, and grad_b (k,)."""
    cdef Py_ssize_t i, j, k
    cdef double loss = 0.
    cdef const double *bias
    if p.w:
        pack_partitions(p, s)
    for i in prange(s.n_partitions, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        run_partition(p, s, i, grad_w != NULL, s.scratches + threadid() * s.scratch)
    for j in prange(parts_of(s.padded, 2 * VL) if grad_w else 0, schedule="static",
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        reduce_features(p, s, j * 2 * VL, grad_w)
    for k in range(p.k):
        grad_b[k] = 0.
    for i in range(s.n_partitions):
        bias = s.partitions + i * s.totals + s.bias
        for k in range(p.k):
            for j in range(VL):
                grad_b[class_at(p, <int>k)] += bias[k * VL + j]
        for j in range(VL):
            loss += bias[p.k * VL + j]
    for k in range(p.k):
        grad_b[k] *= p.scale
    return p.scale * loss
