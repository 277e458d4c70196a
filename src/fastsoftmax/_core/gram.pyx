"""Weighted Gram matrices of some rows of X, and solves with their Cholesky factors.

The blocks of the softmax Hessian are Gram matrices of X with the rows weighted by p(1 - p); made of a
few thousand rows of each class they precondition a solver. n rows of d features take n*d^2 flops, half
of the whole product, since the matrix is symmetric.

`gram`: rows are gathered, centred, scaled and packed twice, as transposed tiles and as panels 2*VL
features wide, in bands; then the register tile of the gradient (`tiles.product`) adds CLASS_BLOCK
by 2*VL squares, those on and below the diagonal only. Sums of SEGMENT rows go to float64 totals. Two
parallel loops a band, over rows and over squares, each sum in an order of its own: the same to the bit
for any number of threads.

`solve`: forward and backward substitution row by row of the factor, so that it is read along its rows
both times. Bound by reading the factors, 4*k*d^2 bytes a solve in float32; several right-hand sides
share the reading. Classes are shared among the threads. LAPACK's potrs would do, but leaves its
threads spinning where the kernels' should run.
"""

from cython.parallel cimport prange
cimport numpy as cnp

from fastsoftmax._core.linear_problem cimport ALIGNMENT, aligned, part_start, rounded_up
from fastsoftmax._core.simd cimport (
    CLASS_BLOCK, VL, add_to_doubles, load, load_first, real, set1, store, store_first, sum_lanes, vreal,
)
from fastsoftmax._core.tiles cimport MOST, ROWS, product

cnp.import_array()

cdef enum:
    BAND = 1024  # rows packed at a time
    SEGMENT = 512  # rows whose products are summed before the sum goes to the totals
    BACKWARD = 4  # right-hand sides of a solve at most


cdef inline void *data(array) except? NULL:
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray?>array)


cdef struct Gram:
    const real *x
    Py_ssize_t row_step, column_step, d
    const int *rows
    const real *factors
    const real *centre  # (d,)
    const real *scales  # (d,), and one more where a column of ones is wanted
    Py_ssize_t size, padded  # of the matrix; padded to pairs of vectors
    real *tiles  # (BAND/ROWS, padded, ROWS)
    real *panels  # (padded/2VL, BAND, 2VL)
    double *totals  # (size, padded)


cdef inline void pack(const Gram *g, Py_ssize_t first, Py_ssize_t r, Py_ssize_t n) noexcept nogil:
    """Row r of the band that begins at `first`; zeros past its n rows."""
    cdef real *tile = g.tiles + r // ROWS * ROWS * g.padded + r % ROWS
    cdef real *panel
    cdef const real *x
    cdef Py_ssize_t j
    cdef real factor, value
    factor = g.factors[first + r] if r < n else 0.
    x = g.x + (g.rows[first + r] if r < n else 0) * g.row_step
    for j in range(g.padded):
        value = 0.
        if j < g.d:
            value = (x[j * g.column_step] - g.centre[j]) * g.scales[j] * factor if r < n else 0.
        elif j < g.size:
            value = g.scales[j] * factor
        tile[j * ROWS] = value
        panel = g.panels + j // (2 * VL) * 2 * VL * BAND + r * 2 * VL
        panel[j % (2 * VL)] = value


cdef inline void add_squares(
    const Gram *g, Py_ssize_t n, Py_ssize_t k0, Py_ssize_t k1
) noexcept nogil:
    """Rows k0 .. k1 of the matrix, up to the diagonal."""
    cdef vreal sums[2 * MOST]
    cdef Py_ssize_t first, j, k
    cdef double *to
    for j from 0 <= j < k1 by 2 * VL:
        for first from 0 <= first < n by SEGMENT:
            product(
                <int>(k1 - k0), g.tiles + first * g.padded + k0 * ROWS, g.padded * ROWS,
                g.panels + j * BAND + first * 2 * VL, 2 * VL, min(SEGMENT, n - first), 0, False, sums)
            for k in range(k1 - k0):
                to = g.totals + (k0 + k) * g.padded + j
                add_to_doubles(to, sums[2 * k])
                add_to_doubles(to + VL, sums[2 * k + 1])


def gram(
    cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray factors not None, Py_ssize_t n,
    cnp.ndarray centre not None, cnp.ndarray scales not None, double scale, shared,
    double shared_scale, cnp.ndarray ridge not None, cnp.ndarray out not None, workspace,
    int n_threads,
):
    """scale * sum over n rows i of factor_i^2 u_i u_iᵀ + shared_scale * shared + diag(ridge) into out.

    u = (x - centre) * scales, and the last scale itself where there is one more of them than features:
    a column of ones. X is `real` of any strides, rows int32, the vectors `real`, ridge float64; shared
    (size, size) or None and out (size, size) `real`, contiguous.
    """
    cdef Gram g
    cdef Py_ssize_t element = sizeof(real), first, count, i, blocks
    g.x = <const real *>data(x)
    g.row_step, g.column_step = x.strides[0] // element, x.strides[1] // element
    g.d = x.shape[1]
    g.rows = <const int *>data(rows)
    g.factors = <const real *>data(factors)
    g.centre = <const real *>data(centre)
    g.scales = <const real *>data(scales)
    g.size = scales.shape[0]
    g.padded = rounded_up(g.size, 2 * VL)
    cdef Py_ssize_t band = aligned(BAND * g.padded * element)
    cdef cnp.ndarray block = workspace(ALIGNMENT + 2 * band + g.size * g.padded * sizeof(double))
    cdef char *memory = <char *>data(block)
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    g.tiles = <real *>memory
    g.panels = <real *>(memory + band)
    g.totals = <double *>(memory + 2 * band)
    cdef const real *other = <const real *>data(shared)
    cdef const double *diagonal = <const double *>data(ridge)
    cdef real *to = <real *>data(out)
    blocks = (g.size + CLASS_BLOCK - 1) // CLASS_BLOCK
    with nogil:
        for i in prange(g.size, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            clear(g.totals + i * g.padded, g.padded)
        for first from 0 <= first < n by BAND:
            count = min(BAND, n - first)
            for i in prange(rounded_up(count, ROWS), schedule="static", num_threads=n_threads,
                            use_threads_if=n_threads > 1):
                pack(&g, first, i, count)
            # the last rows are the longest: they come first
            for i in prange(blocks, schedule="dynamic", chunksize=1, num_threads=n_threads,
                            use_threads_if=n_threads > 1):
                add_squares(
                    &g, count, part_start(g.size, blocks, blocks - 1 - i),
                    part_start(g.size, blocks, blocks - i))
        for i in prange(g.size, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            write_row(&g, i, scale, other, shared_scale, diagonal[i], to)


cdef void clear(double *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = 0.


cdef void write_row(
    const Gram *g, Py_ssize_t i, double scale, const real *shared, double shared_scale, double ridge,
    real *to,
) noexcept nogil:
    cdef Py_ssize_t j
    cdef double value
    for j in range(i + 1):
        value = scale * g.totals[i * g.padded + j]
        if shared:
            value += shared_scale * shared[i * g.size + j]
        if i == j:
            value += ridge
        to[i * g.size + j] = to[j * g.size + i] = <real>value


def solve(
    cnp.ndarray factors not None, cnp.ndarray right not None, Py_ssize_t step, int n_threads
):
    """Overwrite right (m, k, size), m <= 4, `real`, by the solutions of L Lᵀ z = right.

    The lower triangles L of classes k lie in factors (k, size, size); with step 0 one serves all.
    """
    cdef Py_ssize_t m = right.shape[0], k = right.shape[1], size = right.shape[2], i
    cdef const real *l = <const real *>data(factors)
    cdef real *z = <real *>data(right)
    for i in prange(k, nogil=True, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        solve_class(l + i * step * size * size, z + i * size, k * size, m, size)


cdef void solve_class(
    const real *l, real *z, Py_ssize_t step, Py_ssize_t m, Py_ssize_t size
) noexcept nogil:
    cdef vreal sums[BACKWARD]
    cdef vreal v
    cdef real x
    cdef const real *row
    cdef Py_ssize_t i, j, r, tail
    for i in range(size):
        row = l + i * size
        for r in range(m):
            sums[r] = set1(0.)
        tail = i - i % VL
        for j from 0 <= j < tail by VL:
            v = load(row + j)
            for r in range(m):
                sums[r] = sums[r] + v * load(z + r * step + j)
        if tail < i:
            v = load_first(row + tail, <int>(i - tail))
            for r in range(m):
                sums[r] = sums[r] + v * load_first(z + r * step + tail, <int>(i - tail))
        for r in range(m):
            z[r * step + i] = <real>((z[r * step + i] - sum_lanes(sums[r])) / row[i])
    for i in range(size - 1, -1, -1):
        row = l + i * size
        tail = i - i % VL
        for r in range(m):
            z[r * step + i] = z[r * step + i] / row[i]
            x = -z[r * step + i]
            for j from 0 <= j < tail by VL:
                store(z + r * step + j, load(z + r * step + j) + set1(x) * load(row + j))
            if tail < i:
                v = load_first(z + r * step + tail, <int>(i - tail))
                v = v + set1(x) * load_first(row + tail, <int>(i - tail))
                store_first(z + r * step + tail, v, <int>(i - tail))
