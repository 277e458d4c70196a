"""Loss, gradient and logits of softmax regression, sparse X: work in proportion to its non-zeros.

Forward, the logits of a row are a sum of rows of W (d, k), picked by its non-zeros (`gather.pxd`).
Backward, the same sum over a feature's column picks rows of A - Y: so X is held by columns too, built
once a fit (`columns`), and each feature's gradient is written once, by one thread, without races. Both
are the same to the bit for any number of threads.

A - Y, row by row, is held for a *block* of rows at a time, up to ROW_BLOCK_BYTES. One block is the rule;
more of them cost a pass over the gradient each.
"""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles, floats, ints, longs
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.linear_problem cimport (
    ALIGNMENT, Problem, aligned, part_start, rounded_up, set_targets, set_weights,
    tile_loss, tile_sums,
)
from fastsoftmax._core.simd cimport VL, load, real, store, sum_lanes
from fastsoftmax._core.sparse_rows cimport (
    Sparse, column_sums, columns_of, index_at, row_logits, rows_of_block, sparse_of, start_of,
    tile_of_logits, to_rows,
)
from fastsoftmax._core.squares cimport store_upto
from fastsoftmax._core.tiles cimport ROWS

cnp.import_array()

cdef enum:
    PARTS = 64  # of the rows, each with sums of its own, added in order
    FEATURES = 128  # whose columns a thread takes at a time


def rows_of_a_block(Py_ssize_t n, Py_ssize_t k):
    """Rows of a block."""
    return rows_of_block(n, k)


def store_logits(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
    cnp.ndarray w not None, b, cnp.ndarray out not None, workspace, int n_threads,
):
    """X W + b into out (n / ROWS, k, ROWS), rounded up, as `linear.store_logits` lays them out.

    X (n, d) is given by rows: values, `real`, column indices `at` and starts (n + 1,), both int32 or
    both int64. W (d, k) and b (k,) or None are `real`; all are contiguous. Shapes are not checked.
    """
    cdef Sparse x = sparse_of(values, at, starts)
    cdef const real *weights = reals(w, "w")
    cdef const real *intercepts = reals(b, "b")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t n = starts.shape[0] - 1, k = w.shape[1], i
    cdef Py_ssize_t each = aligned(ROWS * rounded_up(k, VL) * sizeof(real)) // sizeof(real)
    cdef cnp.ndarray memory = workspace(n_threads * each * sizeof(real))
    cdef real *scratch = <real *>bytes_of(memory)
    for i in prange((n + ROWS - 1) // ROWS, nogil=True, schedule="dynamic", chunksize=2,
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        tile_of_logits(
            &x, n, i * ROWS, weights, intercepts, k, scratch + threadid() * each, to + i * k * ROWS)


def logits(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
    cnp.ndarray w not None, b, cnp.ndarray out not None, workspace, int n_threads,
):
    """X W + b into out (n, k), `real` and contiguous; the rest as for `store_logits`."""
    cdef Sparse x = sparse_of(values, at, starts)
    cdef const real *weights = reals(w, "w")
    cdef const real *intercepts = reals(b, "b")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t n = starts.shape[0] - 1, k = w.shape[1], i
    cdef Py_ssize_t each = aligned(rounded_up(k, VL) * sizeof(real)) // sizeof(real)
    cdef cnp.ndarray memory = workspace(n_threads * each * sizeof(real))
    cdef real *scratch = <real *>bytes_of(memory)
    for i in prange(n, nogil=True, schedule="dynamic", chunksize=16, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        write_row(&x, n, i, weights, intercepts, k, scratch + threadid() * each, to)


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


def value_and_grad(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None, columns,
    w, b, targets, weights, double scale, double ridge, theta, stored,
    grad_w, cnp.ndarray grad_b not None, workspace, int n_threads, bint adds=False,
):
    """scale * the weighted sum of losses; its gradients by W and b, with ridge * theta.

    X as for `store_logits`, and by columns: for each block of rows its values, row numbers within it,
    int32, and starts (d + 1,), int64. Logits are X W + b, or what `stored` holds, tiles as
    `store_logits` writes them, and W is then None. Targets are as `set_targets` takes them, weights (n,)
    or None; without targets `stored` is taken for A - Y itself. grad_w (d, k), float64 or float32, is
    overwritten, or added to where that is said, or None; without theta, (d, k) float64, it is that of
    the losses alone. grad_b (k,), float64, is overwritten.
    """
    cdef Sparse x = sparse_of(values, at, starts), by_column
    cdef Problem p
    p.n, p.k = starts.shape[0] - 1, grad_b.shape[0]
    p.x = NULL
    p.w = reals(w, "w")
    p.b = reals(b, "b")
    p.stored = reals(stored, "stored")
    set_targets(&p, targets)
    set_weights(&p, weights)
    p.scale = scale
    cdef bint is_narrow = grad_w is not None and grad_w.dtype.itemsize == sizeof(float)
    cdef double *wide = NULL if is_narrow else doubles(grad_w, "grad_w")
    cdef float *narrow = floats(grad_w, "grad_w") if is_narrow else NULL
    cdef double *intercepts = doubles(grad_b, "grad_b")
    cdef const double *penalised = doubles(theta, "theta")
    cdef Py_ssize_t k = p.k, padded = rounded_up(k, VL), size = sizeof(real), d, i, start, count, j
    cdef Py_ssize_t row_block = rows_of_block(p.n, k), tiles
    cdef Py_ssize_t sums = aligned((VL + k) * sizeof(double)) // <Py_ssize_t>sizeof(double)
    cdef Py_ssize_t each = max(ROWS * (padded + 2 * k) * size, k * <Py_ssize_t>sizeof(double))
    each = aligned(each) // size
    cdef cnp.ndarray memory = workspace(
        ALIGNMENT + aligned(row_block * padded * size) + PARTS * sums * sizeof(double)
        + n_threads * each * size)
    cdef char *free = bytes_of(memory)
    free += (ALIGNMENT - <size_t>free % ALIGNMENT) % ALIGNMENT
    cdef real *z = <real *>free
    free += aligned(row_block * padded * size)
    cdef double *totals = <double *>free
    free += PARTS * sums * sizeof(double)
    cdef real *scratch = <real *>free
    cdef double loss = 0.
    for i in range(PARTS * sums):
        totals[i] = 0.
    for start from 0 <= start < p.n by row_block:
        count = min(row_block, p.n - start)
        tiles = (count + ROWS - 1) // ROWS
        for i in prange(PARTS, nogil=True, schedule="dynamic", chunksize=1, num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            part_differences(
                &p, &x, start, part_start(tiles, PARTS, i), part_start(tiles, PARTS, i + 1),
                scratch + threadid() * each, totals + i * sums, z)
        if wide or narrow:
            column_values, column_rows, column_starts = columns[start // row_block]
            by_column = columns_of(column_values, column_rows, column_starts)
            d = column_starts.shape[0] - 1
            for i in prange((d + FEATURES - 1) // FEATURES, nogil=True, schedule="dynamic",
                            chunksize=1, num_threads=n_threads, use_threads_if=n_threads > 1):
                feature_gradients(
                    &by_column, d, i * FEATURES, start == 0 and not adds, z, k, scale, ridge, penalised,
                    <double *>(scratch + threadid() * each), wide, narrow)
    for j in range(k):
        intercepts[j] = 0.
    for i in range(PARTS):
        for j in range(VL):
            loss += totals[i * sums + j]
        for j in range(k):
            intercepts[j] += scale * totals[i * sums + VL + j]
    return scale * loss


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


def transpose_rows(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
    Py_ssize_t first, Py_ssize_t end, Py_ssize_t d, cnp.ndarray to_values not None,
    cnp.ndarray to_at not None, cnp.ndarray to_starts not None, workspace, int n_threads,
):
    """Rows first .. end by columns: values, row numbers from `first`, starts (d + 1,).

    Within a column by row, whatever the number of threads: each takes a run of the rows, and its
    numbers go behind those of the threads before it.
    """
    cdef Sparse x = sparse_of(values, at, starts)
    cdef real *value = reals(to_values, "to_values")
    cdef int *row = ints(to_at, "to_at")
    cdef int64_t *begin = longs(to_starts, "to_starts")
    cdef cnp.ndarray memory = workspace(n_threads * d * sizeof(int64_t))
    cdef int64_t *counts = <int64_t *>bytes_of(memory)
    cdef int64_t total = 0, here
    cdef Py_ssize_t j, n = end - first
    cdef int t
    with nogil:
        for j in range(n_threads * d):
            counts[j] = 0
        for t in prange(n_threads, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            count_columns(
                &x, first + part_start(n, n_threads, t), first + part_start(n, n_threads, t + 1),
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
                &x, first, first + part_start(n, n_threads, t),
                first + part_start(n, n_threads, t + 1), counts + t * d, value, row)
