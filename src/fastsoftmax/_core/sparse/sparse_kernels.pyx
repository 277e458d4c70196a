"""Loss, gradient and logits of softmax regression, sparse X: work in proportion to its non-zeros.

Forward, the logits of a row are a sum of rows of W (d, k), picked by its non-zeros (`gather.pxd`).
Backward there are two ways. By rows: each row of X times its row of A - Y is added into a table of all
features (`scatter.pxd`). Rows are taken in partitions with a table each, and the tables are added in
order; threads beyond the partitions share the features of one. By columns: the sum over a feature's
column picks rows of A - Y, and each feature's gradient is written once. That needs X by columns too,
built once per fit (`columns`), and serves fits with more than FEW logits, and where a table would exceed
TABLE_BYTES. Partitions depend on the problem alone, and the sum of a feature goes by row: either way
gives the same bits for any number of threads.

A - Y, row by row, is held for a *block* of rows at a time, up to ROW_BLOCK_BYTES. As a rule there is one
block; each further one costs a pass over the gradient.
Measurements: docs/experiments/0051-sparse-passes.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastsoftmax._core.arguments cimport Problem, Sparse
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.linear.linear_problem cimport tile_loss, tile_sums
from fastsoftmax._core.simd.simd cimport VL, load, real, store, sum_lanes
from fastsoftmax._core.simd.squares cimport load_upto, store_upto
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of
from fastsoftmax._core.sparse.gather cimport AHEAD, FEW, index
from fastsoftmax._core.sparse.scatter cimport scatter, scatter_few, scatter_few_doubles
from fastsoftmax._core.sparse.sparse_kernels cimport Pass, Table, Tables
from fastsoftmax._core.sparse.sparse_rows cimport (
    column_sums, index_at, row_logits, row_width, rows_of_block, start_of, tile_of_logits,
    to_rows,
)

cdef enum:
    PARTS = 64  # of the rows, each with sums of its own, added in order
    FEATURES = 128  # whose columns a thread takes at a time
    PARTITIONS = 16  # of the rows, at most
    PER_FEATURE = 6  # non-zeros of a partition, at least: what its table costs is worth that many
    TABLE_BYTES = 64 * 1024 * 1024  # of one partition
    TABLES_BYTES = 28 * 1024 * 1024  # of several, which a last cache holds
    FLOAT_ROWS = 16384  # of a partition, whose sums need no float64,
    FEW_FLOAT_ROWS = 8192  # or with a few logits, which fits sum in this way too
    CHUNK = 512  # non-zeros, of which a thread chooses those of its features
    BUFFER = 1024  # sums of a table


cdef Py_ssize_t rows_of_logits(Py_ssize_t k, Py_ssize_t rows) noexcept nogil:
    """Elements of so many rows of logits, in whole vectors."""
    return aligned(rows * row_width(k) * sizeof(real)) // <Py_ssize_t>sizeof(real)


cdef Py_ssize_t weight_columns(Py_ssize_t k) noexcept nogil:
    return row_width(k) if k <= FEW else k


cdef Py_ssize_t store_bytes(Py_ssize_t k, int n_threads) noexcept nogil:
    return n_threads * rows_of_logits(k, ROWS) * sizeof(real)


cdef void store_logits(
    const Sparse *x, Py_ssize_t n, const real *w, const real *b, Py_ssize_t k, real *to,
    char *memory, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t each = rows_of_logits(k, ROWS), i
    cdef real *scratch = <real *>memory
    for i in prange(parts_of(n, ROWS), schedule="dynamic", chunksize=2,
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
        store_upto(to + i * k + j, load_upto(scratch + j, k - j), k - j)


cdef void differences(
    const Problem *p, const Sparse *x, Py_ssize_t start, real *scratch, double *totals, real *z
) noexcept nogil:
    """Rows start .. start + ROWS of A - Y into z; their losses and sums into the totals: VL parts of
    the loss, and (k,)."""
    cdef Py_ssize_t count = min(ROWS, p.n - start), width = row_width(p.k), c, i
    cdef real *tile = scratch + ROWS * width  # behind the rows of its logits
    if p.stored:
        for i from 0 <= i < p.k * ROWS by VL:
            store(tile + i, load(p.stored + start * p.k + i))
    else:
        tile_of_logits(x, p.n, start, p.w, p.b, p.k, scratch, tile)
    tile_loss(p, start, count, tile, tile + ROWS * p.k, totals)
    for c in range(p.k):
        totals[VL + c] += sum_lanes(tile_sums(tile + c * ROWS))
    to_rows(tile, p.k, count, z, width)


cdef void add_to_gradient(
    Py_ssize_t at, Py_ssize_t count, bint begin, double ridge, const double *theta, double *sums,
    double *wide, float *narrow,
) noexcept nogil:
    """Add sums to `count` numbers of a gradient; begin with that of the penalty, or with nothing."""
    cdef Py_ssize_t i
    if not begin:
        for i in range(count):
            sums[i] += wide[at + i] if wide else narrow[at + i]
    elif theta:
        for i in range(count):
            sums[i] += ridge * theta[at + i]
    for i in range(count):
        if wide:
            wide[at + i] = sums[i]
        else:
            narrow[at + i] = <float>sums[i]


cdef void feature_gradients(
    const Sparse *columns, Py_ssize_t d, Py_ssize_t first, bint begin, const real *z, Py_ssize_t k,
    double scale, double ridge, const double *theta, double *sums, double *wide, float *narrow,
) noexcept nogil:
    """Add the gradients of some features, from their columns."""
    cdef const int64_t *starts = <const int64_t *>columns.starts
    cdef Py_ssize_t end_of_all = starts[d], j, c
    for j in range(first, min(first + FEATURES, d)):
        if not begin and starts[j] == starts[j + 1]:
            continue
        for c in range(k):
            sums[c] = 0.
        column_sums(columns, j, end_of_all, False, z, k, scale, sums)
        add_to_gradient(j * k, k, begin, ridge, theta, sums, wide, narrow)


cdef Tables tables_of(
    Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, Py_ssize_t nnz, bint once
) noexcept nogil:
    """Tables of the gradient for so many rows; none where X is needed by columns."""
    cdef Py_ssize_t rows = FEW_FLOAT_ROWS if k <= FEW else FLOAT_ROWS
    cdef Tables t
    t.partitions = PARTITIONS
    while t.partitions > 1 and t.partitions * d * PER_FEATURE > nnz:
        t.partitions //= 2
    while True:
        t.in_doubles = sizeof(real) < sizeof(double) and n > t.partitions * rows
        t.each = aligned(
            d * row_width(k) * <Py_ssize_t>(sizeof(double) if t.in_doubles else sizeof(real)))
        if t.partitions * t.each <= (TABLES_BYTES if t.partitions > 1 else TABLE_BYTES):
            break
        t.partitions //= 2
    if k > (BUFFER if once else FEW):
        t.partitions = 0
    return t


cdef inline Py_ssize_t row_at(
    const Sparse *x, Py_ssize_t first, Py_ssize_t end, Py_ssize_t partitions, Py_ssize_t i
) noexcept nogil:
    """Where partition i of rows first .. end begins: all have about as many non-zeros."""
    cdef Py_ssize_t begin = start_of(x, first), low = first, middle
    cdef Py_ssize_t wanted = begin + part_start(start_of(x, end) - begin, partitions, i)
    if i == partitions:
        return end
    while low < end:
        middle = low + (end - low) // 2
        if start_of(x, middle) < wanted:
            low = middle + 1
        else:
            end = middle
    return low


cdef inline Py_ssize_t share_start(
    const Pass *s, Py_ssize_t d, Py_ssize_t shares, Py_ssize_t i
) noexcept nogil:
    """Where share i of the features begins: all have about as many non-zeros of a sample."""
    return 0 if i == 0 else d if i == shares else s.sample[part_start(s.n_sample, shares, i)]


cdef void partition_sums(
    const Sparse *x, const Pass *s, Py_ssize_t start, Py_ssize_t first, Py_ssize_t end,
    Py_ssize_t first_feature, Py_ssize_t end_feature, bint is_all, char *table,
) noexcept nogil:
    """Some features' sums over rows first .. end of the block that begins at row `start`."""
    cdef Py_ssize_t total = start_of(x, end), each = s.width, r
    if first_feature >= end_feature:
        return
    each *= sizeof(double) if s.tables.in_doubles else sizeof(real)
    memset(table + first_feature * each, 0, (end_feature - first_feature) * each)
    for r in range(first, end):
        if x.wide:
            scatter_row(
                x.values, <const int64_t *>x.at, start_of(x, r), start_of(x, r + 1), total,
                first_feature, end_feature, is_all, s, s.z + (r - start) * s.width, table)
        else:
            scatter_row(
                x.values, <const int *>x.at, start_of(x, r), start_of(x, r + 1), total,
                first_feature, end_feature, is_all, s, s.z + (r - start) * s.width, table)


cdef inline void scatter_row(
    const real *values, const index *at, Py_ssize_t start, Py_ssize_t end, Py_ssize_t total,
    Py_ssize_t first_feature, Py_ssize_t end_feature, bint is_all, const Pass *s, const real *z,
    char *table,
) noexcept nogil:
    """Non-zeros start .. end of `total`, or those of them whose features are wanted."""
    cdef size_t wanted = end_feature - first_feature
    cdef real chosen[CHUNK]
    cdef index places[CHUNK + AHEAD]
    cdef Py_ssize_t first, count, i
    if is_all:
        scatter_some(
            values + start, at + start, end - start, AHEAD if end + AHEAD <= total else 0, s, z, table)
        return
    for first from start <= first < end by CHUNK:
        count = 0
        for i in range(first, min(first + CHUNK, end)):  # no branch: features come in any order
            chosen[count] = values[i]
            places[count] = at[i]
            count += <size_t>(at[i] - first_feature) < wanted
        for i in range(AHEAD):
            places[count + i] = places[0]
        scatter_some(chosen, places, count, AHEAD, s, z, table)


cdef inline void scatter_some(
    const real *values, const index *at, Py_ssize_t n, Py_ssize_t ahead, const Pass *s,
    const real *z, char *table,
) noexcept nogil:
    cdef int width = <int>s.width, c
    cdef double factors[FEW]
    if width > FEW:
        scatter(width, values, at, n, ahead, z, s.tables.in_doubles, table)
    elif s.tables.in_doubles:
        for c in range(width):
            factors[c] = z[c]
        scatter_few_doubles(width, values, at, n, factors, <double *>table)
    else:
        scatter_few(width, values, at, n, z, <real *>table)


cdef void task_sums(
    const Sparse *x, const Pass *s, Py_ssize_t start, Py_ssize_t end, Py_ssize_t d, Py_ssize_t shares,
    Py_ssize_t task,
) noexcept nogil:
    """The sums of one share of the features over one partition of the rows start .. end of a block."""
    cdef Py_ssize_t partitions = s.tables.partitions, i = task // shares, share = task % shares
    partition_sums(
        x, s, start, row_at(x, start, end, partitions, i), row_at(x, start, end, partitions, i + 1),
        share_start(s, d, shares, share), share_start(s, d, shares, share + 1), shares == 1,
        s.table + i * s.tables.each)


cdef inline Py_ssize_t features_at_a_time(const Pass *s) noexcept nogil:
    return BUFFER // s.width if s.tables.partitions else FEATURES


cdef void table_gradients(
    const Pass *s, Py_ssize_t d, Py_ssize_t first, bint begin, Py_ssize_t k, double scale,
    double ridge, const double *theta, double *wide, float *narrow,
) noexcept nogil:
    """Add the gradients of some features, from the tables of all partitions."""
    cdef double sums[BUFFER]
    cdef Py_ssize_t features = min(features_at_a_time(s), d - first), count = features * s.width, t, i, c
    cdef const double *doubles
    cdef const real *reals
    for i in range(count):
        sums[i] = 0.
    for t in range(s.tables.partitions):
        doubles = <const double *>(s.table + t * s.tables.each) + first * s.width
        reals = <const real *>(s.table + t * s.tables.each) + first * s.width
        if s.tables.in_doubles:
            for i in range(count):
                sums[i] += doubles[i]
        else:
            for i in range(count):
                sums[i] += reals[i]
    if k < s.width:
        for i in range(features):
            for c in range(k):
                sums[i * k + c] = sums[i * s.width + c]
    for i in range(features * k):
        sums[i] *= scale
    add_to_gradient(first * k, features * k, begin, ridge, theta, sums, wide, narrow)


cdef Pass plan_pass(
    const Problem *p, const Sparse *x, bint by_columns, real *out, int n_threads, char *memory
) noexcept nogil:
    """Scratch of a pass, from an aligned start on. One table may be the gradient itself, `out`."""
    cdef Py_ssize_t size = sizeof(real), tables
    cdef Pass s
    s.width = row_width(p.k)
    s.row_block = rows_of_block(p.n, p.k)
    s.sums = aligned((VL + p.k) * sizeof(double)) // <Py_ssize_t>sizeof(double)
    s.each = max(ROWS * (s.width + 2 * p.k) * size, p.k * <Py_ssize_t>sizeof(double))
    s.each = aligned(s.each) // size
    s.tables = tables_of(min(p.n, s.row_block), p.d, p.k, start_of(x, p.n), True)
    if by_columns:
        s.tables.partitions = 0
    if s.width > p.k or s.tables.partitions > 1 or s.tables.in_doubles or s.row_block < p.n:
        out = NULL
    tables = 0 if out else s.tables.partitions * s.tables.each
    s.bytes = (
        ALIGNMENT + aligned(s.row_block * s.width * size) + PARTS * s.sums * sizeof(double)
        + n_threads * s.each * size + tables)
    memory = aligned_start(memory)
    s.z = <real *>memory
    memory += aligned(s.row_block * s.width * size)
    s.totals = <double *>memory
    memory += PARTS * s.sums * sizeof(double)
    s.table = <char *>out if out else memory
    memory += tables
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
    cdef Py_ssize_t tiles = parts_of(count, ROWS)
    for i in prange(PARTS, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        part_differences(
            p, x, start, part_start(tiles, PARTS, i), part_start(tiles, PARTS, i + 1),
            s.scratch + threadid() * s.each, s.totals + i * s.sums, s.z)


cdef void block_gradients(
    const Problem *p, const Sparse *x, const Pass *s, Py_ssize_t start, bint begin, double ridge,
    const double *theta, double *wide, float *narrow, int n_threads,
) noexcept nogil:
    """The gradient of the weights by the rows of that block; the first begins with the penalty's.

    x is that block by columns where there are no partitions.
    """
    cdef Py_ssize_t end = min(start + s.row_block, p.n), partitions = s.tables.partitions, i
    cdef Py_ssize_t shares = max(n_threads // max(partitions, 1), 1) if s.n_sample else 1  # by feature
    cdef Py_ssize_t features = features_at_a_time(s)
    for i in prange(partitions * shares, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        task_sums(x, s, start, end, p.d, shares, i)
    for i in prange(parts_of(p.d, features), schedule="dynamic", chunksize=1,
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        if partitions:
            table_gradients(
                s, p.d, i * features, begin, p.k, p.scale, ridge, theta, wide, narrow)
        else:
            feature_gradients(
                x, p.d, i * features, begin, s.z, p.k, p.scale, ridge, theta,
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
    cdef Py_ssize_t width = row_width(p.k), i
    for i in range(first, end):
        differences(p, x, start + i * ROWS, scratch, totals, z + i * ROWS * width)


cdef inline void count_columns(
    const Sparse *x, Py_ssize_t first, Py_ssize_t end, int64_t *counts
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start_of(x, first), start_of(x, end)):
        counts[index_at(x, i)] += 1


cdef inline void fill_columns(
    const Sparse *x, Py_ssize_t row_block, Py_ssize_t first, Py_ssize_t end, int64_t *next_,
    real *values, int *rows,
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


cdef Table table = Table(
    rows_of_block=&rows_of_block, weight_columns=&weight_columns, tables_of=&tables_of,
    store_bytes=&store_bytes, store_logits=&store_logits, logits_bytes=&logits_bytes, logits=&logits,
    plan_pass=&plan_pass, begin_pass=&begin_pass, block_differences=&block_differences,
    block_gradients=&block_gradients, end_pass=&end_pass, transpose_rows=&transpose_rows)
capsule = PyCapsule_New(&table, "sparse", NULL)
