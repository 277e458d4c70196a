"""Loss, gradient and logits of softmax regression, sparse X: work in proportion to its non-zeros.

Forward, the logits of a row are a sum of rows of W (d, k), picked by its non-zeros (`gather.pxd`).
Backward, the same sum over a feature's column picks rows of A - Y: so X is held by columns too, built
once a fit (`columns`), and each feature's gradient is written once, by one thread, without races. Both
are the same to the bit for any number of threads.

A - Y, row by row, is held for a *block* of rows at a time, up to ROW_BLOCK_BYTES. One block is the rule;
more of them cost a pass over the gradient each.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Problem, Sparse
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.linear.linear_problem cimport (
    ALIGNMENT, aligned, part_start, rounded_up, tile_loss, tile_sums,
)
from fastsoftmax._core.simd.simd cimport VL, load, real, store, sum_lanes
from fastsoftmax._core.simd.squares cimport store_upto
from fastsoftmax._core.sparse.sparse_kernels cimport Pass, Table
from fastsoftmax._core.sparse.sparse_rows cimport (
    column_sums, index_at, row_logits, rows_of_block, start_of, tile_of_logits, to_rows,
)

cdef enum:
    PARTS = 64  # of the rows, each with sums of its own, added in order
    FEATURES = 128  # whose columns a thread takes at a time


cdef Py_ssize_t rows_of_logits(Py_ssize_t k, Py_ssize_t rows) noexcept nogil:
    """Elements of so many rows of logits, in whole vectors."""
    return aligned(rows * rounded_up(k, VL) * sizeof(real)) // <Py_ssize_t>sizeof(real)


cdef Py_ssize_t store_bytes(Py_ssize_t k, int n_threads) noexcept nogil:
    return n_threads * rows_of_logits(k, ROWS) * sizeof(real)


cdef void store_logits(
    const Sparse *x, Py_ssize_t n, const real *w, const real *b, Py_ssize_t k, real *to,
    char *memory, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t each = rows_of_logits(k, ROWS), i
    cdef real *scratch = <real *>memory
    for i in prange((n + ROWS - 1) // ROWS, schedule="dynamic", chunksize=2,
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        tile_of_logits(
            x, n, i * ROWS, w, b, k, scratch + threadid() * each, to + i * k * ROWS)


cdef Py_ssize_t logits_bytes(Py_ssize_t k, int n_threads) noexcept nogil:
    return n_threads * rows_of_logits(k, 1) * sizeof(real)


cdef void logits(
    const Sparse *x, Py_ssize_t n, const real *w, const real *b, Py_ssize_t k, real *to,
    char *memory, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t each = rows_of_logits(k, 1), i
    cdef real *scratch = <real *>memory
    for i in prange(n, schedule="dynamic", chunksize=16, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        write_row(x, n, i, w, b, k, scratch + threadid() * each, to)


cdef void write_row(
    const Sparse *x, Py_ssize_t n, Py_ssize_t i, const real *w, const real *b, Py_ssize_t k,
    real *scratch, real *to,
) noexcept nogil:
    cdef Py_ssize_t j
    row_logits(x, n, i, w, b, k, scratch)
    for j from 0 <= j < k by VL:
        store_upto(to + i * k + j, load(scratch + j), k - j)


cdef void differences(
    const Problem *p, const Sparse *x, Py_ssize_t start, real *rows, real *tile, real *targets,
    double *losses, double *intercepts, real *z,
) noexcept nogil:
    """Rows start .. start + ROWS of A - Y into z; add to VL parts of the loss, and to (k,)."""
    cdef Py_ssize_t count = min(ROWS, p.n - start), padded = rounded_up(p.k, VL), k, i
    if p.stored:
        for i from 0 <= i < p.k * ROWS by VL:
            store(tile + i, load(p.stored + start * p.k + i))
    else:
        tile_of_logits(x, p.n, start, p.w, p.b, p.k, rows, tile)
    tile_loss(p, start, count, tile, targets, losses)
    for k in range(p.k):
        intercepts[k] += sum_lanes(tile_sums(tile + k * ROWS))
    to_rows(tile, p.k, count, z, padded)


cdef void feature_gradients(
    const Sparse *columns, Py_ssize_t d, Py_ssize_t first, bint begin, const real *z, Py_ssize_t k,
    double scale, double ridge, const double *theta, double *sums, double *wide, float *narrow,
) noexcept nogil:
    """Add the gradients of some features; begin with that of the penalty, or with nothing."""
    cdef const int64_t *starts = <const int64_t *>columns.starts
    cdef Py_ssize_t end_of_all = starts[d], j, c
    for j in range(first, min(first + FEATURES, d)):
        if not begin and starts[j] == starts[j + 1]:
            continue
        for c in range(k):
            if begin:
                sums[c] = ridge * theta[j * k + c] if theta else 0.
            else:
                sums[c] = wide[j * k + c] if wide else narrow[j * k + c]
        column_sums(columns, j, end_of_all, False, z, k, scale, sums)
        for c in range(k):
            if wide:
                wide[j * k + c] = sums[c]
            else:
                narrow[j * k + c] = <float>sums[c]


cdef Pass plan_pass(const Problem *p, int n_threads, char *memory) noexcept nogil:
    """Scratch of a pass, from an aligned start on."""
    cdef Py_ssize_t size = sizeof(real), padded = rounded_up(p.k, VL)
    cdef Pass s
    s.row_block = rows_of_block(p.n, p.k)
    s.sums = aligned((VL + p.k) * sizeof(double)) // <Py_ssize_t>sizeof(double)
    s.each = max(ROWS * (padded + 2 * p.k) * size, p.k * <Py_ssize_t>sizeof(double))
    s.each = aligned(s.each) // size
    s.bytes = (
        ALIGNMENT + aligned(s.row_block * padded * size) + PARTS * s.sums * sizeof(double)
        + n_threads * s.each * size)
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    s.z = <real *>memory
    memory += aligned(s.row_block * padded * size)
    s.totals = <double *>memory
    memory += PARTS * s.sums * sizeof(double)
    s.scratch = <real *>memory
    return s


cdef void begin_pass(const Pass *s) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(PARTS * s.sums):
        s.totals[i] = 0.


cdef void block_differences(
    const Problem *p, const Sparse *x, const Pass *s, Py_ssize_t start, int n_threads
) noexcept nogil:
    """A - Y of the block of rows that begins at row `start`."""
    cdef Py_ssize_t count = min(s.row_block, p.n - start), i
    cdef Py_ssize_t tiles = (count + ROWS - 1) // ROWS
    for i in prange(PARTS, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        part_differences(
            p, x, start, part_start(tiles, PARTS, i), part_start(tiles, PARTS, i + 1),
            s.scratch + threadid() * s.each, s.totals + i * s.sums, s.z)


cdef void block_gradients(
    const Problem *p, const Sparse *columns, Py_ssize_t d, bint begin, const Pass *s, double ridge,
    const double *theta, double *wide, float *narrow, int n_threads,
) noexcept nogil:
    """The gradient of the weights by the rows of that block; the first begins with the penalty's."""
    cdef Py_ssize_t i
    for i in prange((d + FEATURES - 1) // FEATURES, schedule="dynamic", chunksize=1,
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        feature_gradients(
            columns, d, i * FEATURES, begin, s.z, p.k, p.scale, ridge, theta,
            <double *>(s.scratch + threadid() * s.each), wide, narrow)


cdef double end_pass(const Problem *p, const Pass *s, double *intercepts) noexcept nogil:
    """The loss, and the gradient of the intercepts."""
    cdef double loss = 0.
    cdef Py_ssize_t i, j
    for j in range(p.k):
        intercepts[j] = 0.
    for i in range(PARTS):
        for j in range(VL):
            loss += s.totals[i * s.sums + j]
        for j in range(p.k):
            intercepts[j] += p.scale * s.totals[i * s.sums + VL + j]
    return p.scale * loss


cdef void part_differences(
    const Problem *p, const Sparse *x, Py_ssize_t start, Py_ssize_t first, Py_ssize_t end,
    real *scratch, double *totals, real *z,
) noexcept nogil:
    """Tiles first .. end of the block of rows that begins at row `start`."""
    cdef Py_ssize_t padded = rounded_up(p.k, VL), i
    for i in range(first, end):
        differences(
            p, x, start + i * ROWS, scratch, scratch + ROWS * padded,
            scratch + ROWS * (padded + p.k), totals, totals + VL, z + i * ROWS * padded)


cdef inline void count_columns(
    const Sparse *x, Py_ssize_t first, Py_ssize_t end, int64_t *counts
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start_of(x, first), start_of(x, end)):
        counts[index_at(x, i)] += 1


cdef inline void fill_columns(
    const Sparse *x, Py_ssize_t row_block, Py_ssize_t first, Py_ssize_t end, int64_t *next_,
    real *values,
    int *rows
) noexcept nogil:
    cdef Py_ssize_t i, r, j
    cdef int64_t to
    for r in range(first, end):
        for i in range(start_of(x, r), start_of(x, r + 1)):
            j = index_at(x, i)
            to = next_[j]
            next_[j] = to + 1
            values[to] = x.values[i]
            rows[to] = <int>(r - row_block)


cdef void transpose_rows(
    const Sparse *x, Py_ssize_t first, Py_ssize_t end, Py_ssize_t d, real *value, int *row,
    int64_t *begin, int64_t *counts, int n_threads,
) noexcept nogil:
    cdef int64_t total = 0, here
    cdef Py_ssize_t j, n = end - first
    cdef int t
    for j in range(n_threads * d):
        counts[j] = 0
    for t in prange(n_threads, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        count_columns(
            x, first + part_start(n, n_threads, t), first + part_start(n, n_threads, t + 1),
            counts + t * d)
    for j in range(d):
        begin[j] = total
        for t in range(n_threads):
            here = counts[t * d + j]
            counts[t * d + j] = total
            total = total + here
    begin[d] = total
    for t in prange(n_threads, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        fill_columns(
            x, first, first + part_start(n, n_threads, t),
            first + part_start(n, n_threads, t + 1), counts + t * d, value, row)


cdef Table table
table.rows_of_block = rows_of_block
table.store_bytes = store_bytes
table.store_logits = store_logits
table.logits_bytes = logits_bytes
table.logits = logits
table.plan_pass = plan_pass
table.begin_pass = begin_pass
table.block_differences = block_differences
table.block_gradients = block_gradients
table.end_pass = end_pass
table.transpose_rows = transpose_rows
capsule = PyCapsule_New(&table, "sparse", NULL)
