"""Weighted Gram matrices of some rows of X.

The blocks of the softmax Hessian are Gram matrices of X with the rows weighted by p(1 - p). n rows of d
features take n*d^2 flops, half of the whole product, since the matrix is symmetric.

`gram`: rows are gathered, centred, scaled and packed in panels 2*VL features wide, in blocks; then a
register tile (`tiles.product_down`) multiplies up to CLASS_BLOCK columns of one panel by another, those
on and below the diagonal only. The sums of a block go to float64 totals. Each thread makes matrices of
its own, one parallel region in all, or where there are few of them two regions per block, over rows and
over squares; each sum has an order of its own, so the result is the same to the bit for any number of
threads.

`sums`: the rows themselves summed, one class per thread, eight vectors of columns at a time.
Measurements: docs/experiments/0012-gram-matrices-and-row-sampling.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.string cimport memset

from fastsoftmax._core.arguments cimport Cells
from fastsoftmax._core.gemm.convert cimport REAL, convert
from fastsoftmax._core.gemm.tiles cimport MOST, product_down
from fastsoftmax._core.hessian.gram_kernels cimport Samples, Table
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, VL_MOST, add_to_doubles, load, real, set1, store, vreal,
)
from fastsoftmax._core.simd.squares cimport load_upto, store_upto
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of, rounded_up

cdef enum:
    ROW_BLOCK = 512  # rows packed at a time, whose products are summed before going to the totals
    SCRATCH_BYTES = 128 * 1024 * 1024  # of all threads, if each makes matrices of its own
    EIGHT = 8  # vectors of sums at a time
    RUN = 8 * VL_MOST  # features of a row converted at a time
    SQUARE = 16  # rows and columns copied at a time
    BLOCKS = (2 * VL + CLASS_BLOCK - 1) // CLASS_BLOCK  # of rows, in a panel
    TASKS = 16  # of a block of rows, packed by several threads


cdef struct Gram:
    Cells x
    Py_ssize_t d
    const int *rows
    const real *factors
    bint in_place  # whether vectors of X can be loaded as they lie
    real *centre  # (padded,), -1 where a column of ones is wanted, which is 0 in X
    real *scales  # (padded,), 0 past the end
    Py_ssize_t size, padded  # of the matrix; padded to pairs of vectors
    double scale
    const real *shared  # (size, size), or NULL
    const double *ridge  # (size,)
    real *panels  # (padded/2VL, ROW_BLOCK, 2VL)
    double *totals  # (size, padded)


cdef inline void read_features(
    const Gram *g, Py_ssize_t row, Py_ssize_t j, real *out
) noexcept nogil:
    """RUN features of a row from j on, those there are."""
    cdef Py_ssize_t m = min(RUN, g.d - j)
    if m > 0:
        convert(
            g.x.type, g.x.x + row * g.x.row_step + j * g.x.column_step, 0, g.x.column_step, 1, m, out,
            RUN, m)


cdef void pack(const Gram *g, Py_ssize_t first, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Rows begin .. end of the block of rows that begins at `first`."""
    cdef real converted[RUN]
    cdef const real *row
    cdef vreal root
    cdef Py_ssize_t r, j
    for r in range(begin, end):
        root = set1(g.factors[first + r])
        row = <const real *>(g.x.x + g.rows[first + r] * g.x.row_step)
        for j from 0 <= j < g.padded by VL:
            if not g.in_place and j % RUN == 0:
                read_features(g, g.rows[first + r], j, converted)
                row = converted - j
            store(
                g.panels + j // (2 * VL) * 2 * VL * ROW_BLOCK + r * 2 * VL + j % (2 * VL),
                (load_upto(row + j, max(g.d - j, 0)) - load(g.centre + j)) * (
                    root * load(g.scales + j)))


cdef void add_squares(const Gram *g, Py_ssize_t n, Py_ssize_t block) noexcept nogil:
    """Some rows of the matrix, up to the diagonal: those of a panel are two or three such blocks."""
    cdef vreal sums[2 * MOST]
    cdef Py_ssize_t panel = block // BLOCKS, begin = panel * 2 * VL, j, k
    cdef Py_ssize_t width = min(2 * VL, g.size - begin), parts = parts_of(width, CLASS_BLOCK)
    cdef Py_ssize_t k0 = part_start(width, parts, block % BLOCKS)
    cdef Py_ssize_t k1 = min(width, part_start(width, parts, block % BLOCKS + 1))
    cdef double *to
    for j in range(panel + 1 if k1 > k0 else 0):
        product_down(
            <int>(k1 - k0), g.panels + begin * ROW_BLOCK + k0, 2 * VL,
            g.panels + j * 2 * VL * ROW_BLOCK, 2 * VL,
            n, sums)
        for k in range(k1 - k0):
            to = g.totals + (begin + k0 + k) * g.padded + j * 2 * VL
            add_to_doubles(to, sums[2 * k])
            add_to_doubles(to + VL, sums[2 * k + 1])


cdef struct Plan:
    Py_ssize_t size, padded
    int outer  # threads that make matrices of their own; 1 where they share each
    Py_ssize_t row_block, each, column  # bytes


cdef Plan plan_gram(Py_ssize_t size, Py_ssize_t m, int n_threads) noexcept nogil:
    cdef Plan s
    cdef Py_ssize_t element = sizeof(real)
    s.size, s.padded = size, rounded_up(size, 2 * VL)
    s.row_block = aligned(ROW_BLOCK * s.padded * element)
    s.each = s.row_block + aligned(size * s.padded * sizeof(double))
    s.column = aligned(s.padded * element)
    # matrices side by side where there are enough of them, else the threads share each
    s.outer = n_threads if m >= 2 * n_threads else 1
    while s.outer > 1 and s.outer * s.each > SCRATCH_BYTES:
        s.outer -= 1
    return s


cdef Py_ssize_t gram_bytes(Py_ssize_t size, Py_ssize_t m, int n_threads) noexcept nogil:
    cdef Plan s = plan_gram(size, m, n_threads)
    return ALIGNMENT + 2 * s.column + s.outer * s.each


cdef void gram(
    const Samples *samples, const real *centre, const real *scales, Py_ssize_t size, double scale,
    const real *shared, const double *share, const double *ridge, real *to, char *memory,
    int n_threads,
) noexcept nogil:
    cdef Plan s = plan_gram(size, samples.m, n_threads)
    cdef const Py_ssize_t *start = samples.starts
    cdef const Py_ssize_t *count = samples.counts
    cdef Py_ssize_t i
    cdef Gram g
    g.x, g.d = samples.x, samples.d
    g.rows, g.factors = samples.rows, samples.factors
    g.in_place = g.x.type == REAL and g.x.column_step == g.x.size
    g.size, g.padded = size, s.padded
    g.scale, g.shared, g.ridge = scale, shared, ridge
    memory = aligned_start(memory)
    g.centre = <real *>memory
    g.scales = <real *>(memory + s.column)
    memory += 2 * s.column
    pad(centre, g.d, g.padded, g.centre)
    pad(scales, g.size, g.padded, g.scales)
    if g.size > g.d:
        g.centre[g.d] = -1.
    if s.outer == 1 and n_threads > 1:
        for i in range(samples.m):
            shared_gram(
                ith(&g, start[i], memory, s.row_block), count[i], share[i], to + i * g.size * g.size,
                n_threads)
    else:
        for i in prange(samples.m, schedule="dynamic", chunksize=1, num_threads=s.outer,
                        use_threads_if=s.outer > 1):
            own_gram(
                ith(&g, start[i], memory + threadid() * s.each, s.row_block), count[i], share[i],
                to + i * g.size * g.size)


cdef inline void pad(const real *x, Py_ssize_t n, Py_ssize_t padded, real *out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(padded):
        out[i] = x[i] if i < n else 0.


cdef Gram ith(
    const Gram *problem, Py_ssize_t at, char *memory, Py_ssize_t row_block
) noexcept nogil:
    """That of the rows from `at` on, with memory of its own and totals of 0."""
    cdef Gram g = problem[0]
    g.rows = g.rows + at
    g.factors = g.factors + at
    g.panels = <real *>memory
    g.totals = <double *>(memory + row_block)
    memset(g.totals, 0, g.size * g.padded * sizeof(double))
    return g


cdef void own_gram(Gram g, Py_ssize_t n, double share, real *to) noexcept nogil:
    """By one thread."""
    cdef Py_ssize_t first, count, i
    for first from 0 <= first < n by ROW_BLOCK:
        count = min(ROW_BLOCK, n - first)
        pack(&g, first, 0, count)
        for i in range(g.padded // (2 * VL) * BLOCKS):
            add_squares(&g, count, i)
    for i from 0 <= i < g.size by SQUARE:
        write_rows(&g, i, share, to)


cdef void shared_gram(Gram g, Py_ssize_t n, double share, real *to, int n_threads) noexcept nogil:
    """By several."""
    cdef Py_ssize_t blocks = g.padded // (2 * VL) * BLOCKS, first, count, i
    for first from 0 <= first < n by ROW_BLOCK:
        count = min(ROW_BLOCK, n - first)
        for i in prange(TASKS, schedule="static", num_threads=n_threads):
            pack(&g, first, part_start(count, TASKS, i), part_start(count, TASKS, i + 1))
        # the last rows are the longest: they come first
        for i in prange(blocks, schedule="dynamic", chunksize=1, num_threads=n_threads):
            add_squares(&g, count, blocks - 1 - i)
    blocks = parts_of(g.size, SQUARE)
    for i in prange(blocks, schedule="dynamic", chunksize=1, num_threads=n_threads):
        write_rows(&g, i * SQUARE, share, to)


cdef void write_rows(const Gram *g, Py_ssize_t i0, double share, real *to) noexcept nogil:
    """SQUARE rows up to the diagonal, and their mirror image: squares, since a column is a cache
    line for each element."""
    cdef real square[SQUARE][SQUARE]
    cdef Py_ssize_t rows = min(SQUARE, g.size - i0), j0, i, j, columns
    cdef double value
    for j0 from 0 <= j0 <= i0 by SQUARE:
        columns = min(SQUARE, g.size - j0)
        for i in range(rows):
            for j in range(columns):
                value = g.scale * g.totals[(i0 + i) * g.padded + j0 + j]
                if g.shared:
                    value += share * g.shared[(i0 + i) * g.size + j0 + j]
                square[i][j] = <real>value
            if i0 == j0:
                square[i][i] = <real>(square[i][i] + g.ridge[i0 + i])
        for i in range(rows):
            for j in range(min(columns, i0 + i + 1 - j0)):
                to[(i0 + i) * g.size + j0 + j] = square[i][j]
        for j in range(columns):
            for i in range(max(0, j0 + j - i0), rows):
                to[(j0 + j) * g.size + i0 + i] = square[i][j]


cdef void sums(const Samples *s, real *to, int n_threads) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(s.m, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        sum_rows(
            &s.x, s.d, s.rows + s.starts[i], s.factors + s.starts[i], s.counts[i], to + i * s.d)


cdef void sum_rows(
    const Cells *x, Py_ssize_t d, const int *rows, const real *factors, Py_ssize_t n, real *out
) noexcept nogil:
    cdef vreal total[EIGHT]
    cdef real converted[EIGHT * VL_MOST]
    cdef vreal weight
    cdef const char *at
    cdef const real *row
    cdef bint in_place = x.type == REAL and x.column_step == x.size
    cdef Py_ssize_t i, j, m
    cdef int v
    for j from 0 <= j < d by EIGHT * VL:
        m = min(EIGHT * VL, d - j)
        for v in range(EIGHT):
            total[v] = set1(0.)
        for i in range(n):
            at = x.x + rows[i] * x.row_step + j * x.column_step
            row = <const real *>at if in_place else converted
            if not in_place:
                convert(x.type, at, 0, x.column_step, 1, m, converted, EIGHT * VL, m)
            weight = set1(factors[i] * factors[i])
            if m == EIGHT * VL:
                for v in range(EIGHT):
                    total[v] = total[v] + weight * load(row + v * VL)
            else:
                for v in range(<int>(parts_of(m, VL))):
                    total[v] = total[v] + weight * load_upto(row + v * VL, m - v * VL)
        for v in range(<int>(parts_of(m, VL))):
            store_upto(out + j + v * VL, total[v], m - v * VL)


cdef Table table = Table(gram_bytes=&gram_bytes, gram=&gram, sums=&sums)
capsule = PyCapsule_New(&table, "gram", NULL)
