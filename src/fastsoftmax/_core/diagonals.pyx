"""A preconditioner for sparse X: the diagonal of each class's block of the Hessian, centred.

With v = weight * p(1 - p) the block of class k is that of a weighted regression on (x, 1),

    [ sum v x xᵀ   sum v x ]        c = sum v,  m = sum v x / c,  s_j = sum v x_j^2 - c m_j^2.
    [ sum v xᵀ     sum v   ],

Of the centred sum of squares the diagonal s is kept, and the means decouple the intercept exactly:
z_w = (g_w - m g_b) / (s + ridge), z_b = g_b / c - mᵀ z_w.

Means and inverses are float32 on every build: they are estimates, and a solve reads them all. It is
bound by memory: 4 numbers of float32 for each weight. Effect of centring:
docs/experiments/0031-sparse-fits.md.
"""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t
import numpy as np
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles, floats
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.linear_problem cimport ALIGNMENT, aligned, part_start, rounded_up
from fastsoftmax._core.simd cimport VL, load, real, set1, sum_lanes, vreal
from fastsoftmax._core.sparse_rows cimport (
    Sparse, column_sums, columns_of, rows_of_block, to_rows,
)
from fastsoftmax._core.squares cimport load_upto, store_upto
from fastsoftmax._core.tiles cimport ROWS

cnp.import_array()

cdef enum:
    FEATURES = 128  # whose columns a thread takes at a time
    PARTS = 64  # of the features, whose sums are added in order


cdef struct Build:
    Sparse columns
    real *table  # v by rows
    double *moments  # (d, 2): sums of x and of x^2
    Py_ssize_t k, n, d
    const double *masses
    const double *missing  # from the masses
    double ridge, share
    bint centred, is_first, is_last
    float *means
    float *inverses


cdef double sum_class(const real *v, Py_ssize_t step, Py_ssize_t tiles) noexcept nogil:
    cdef double total = 0.
    cdef Py_ssize_t t, i
    for t in range(tiles):
        for i from 0 <= i < ROWS by VL:
            total += sum_lanes(load(v + t * step + i))
    return total


def build(
    row_blocks, Py_ssize_t n, double ridge, double share, missing_of, bint centred,
    cnp.ndarray means not None, cnp.ndarray inverses not None, cnp.ndarray masses not None,
    workspace, int n_threads,
):
    """Means m and inverses 1 / (s / n + ridge) of each feature and class, (d, k) float32.

    X comes in blocks of rows, of up to `sparse.rows_of_a_block` (n) each: (rows, columns, v), columns as
    for `sparse.value_and_grad`, v an iterator of tiles (any, k, ROWS) of consecutive rows, all of whole
    tiles but for the end of the last. `share` of s is that of the unweighted rows times c: no feature is
    without curvature for a class because the rows that have it are sure at present. To c / n, for this,
    are added `missing_of` (c / n), (k,), float64. The sums, with n times that, go into masses (k,),
    float64.
    """
    cdef Py_ssize_t k = masses.shape[0], padded = rounded_up(k, VL), size = sizeof(real)
    cdef Py_ssize_t row_block = rows_of_block(n, k), d = means.shape[0]
    cdef Py_ssize_t start = 0, count, tiles, filled, i
    cdef const real *v
    cdef double *mass = doubles(masses, "masses")
    cdef cnp.ndarray part
    cdef Py_ssize_t sums = aligned(2 * k * sizeof(double))
    cdef cnp.ndarray memory = workspace(
        ALIGNMENT + aligned(row_block * padded * size) + aligned(2 * d * sizeof(double))
        + n_threads * sums)
    cdef char *free = bytes_of(memory)
    free += (ALIGNMENT - <size_t>free % ALIGNMENT) % ALIGNMENT
    cdef Build b
    b.table = <real *>free
    free += aligned(row_block * padded * size)
    b.moments = <double *>free
    free += aligned(2 * d * sizeof(double))
    b.k, b.n, b.d = k, n, d
    b.masses = mass
    b.ridge, b.share, b.centred = ridge, share, centred
    b.means = floats(means, "means")
    b.inverses = floats(inverses, "inverses")
    for i in range(k):
        mass[i] = 0.
    for count, (values, rows, starts), variances in row_blocks:
        filled = 0
        for part in variances:
            v = reals(part, "part")
            tiles = part.shape[0]
            for i in prange(k, nogil=True, schedule="static", num_threads=n_threads,
                            use_threads_if=n_threads > 1):
                mass[i] += sum_class(v + i * ROWS, k * ROWS, tiles)
            for i in prange(tiles, nogil=True, schedule="static", num_threads=n_threads,
                            use_threads_if=n_threads > 1):
                to_rows(
                    v + i * ROWS * k, k, min(ROWS, count - filled - i * ROWS),
                    b.table + (filled + i * ROWS) * padded, padded)
            filled += tiles * ROWS
        b.columns = columns_of(values, rows, starts)
        b.is_first, b.is_last = start == 0, start + count == n
        start += count
        if b.is_last:
            missing = np.ascontiguousarray(missing_of(masses / n), np.float64)
            b.missing = doubles(missing, "missing")
        for i in prange((d + FEATURES - 1) // FEATURES, nogil=True, schedule="dynamic",
                        chunksize=1, num_threads=n_threads, use_threads_if=n_threads > 1):
            build_features(&b, i * FEATURES, <double *>(free + threadid() * sums))
    if start:
        masses += n * missing


cdef void build_features(const Build *b, Py_ssize_t begin, double *sums) noexcept nogil:
    cdef const int64_t *starts = <const int64_t *>b.columns.starts
    cdef Py_ssize_t j, i, c
    cdef double *moment
    cdef real x
    for j in range(begin, min(begin + FEATURES, b.d)):
        moment = b.moments + 2 * j
        if b.is_first:
            moment[0] = moment[1] = 0.
        for i in range(starts[j], starts[j + 1]):
            x = b.columns.values[i]
            moment[0] += x
            moment[1] += x * x
        for c in range(b.k):
            sums[c] = 0. if b.is_first else b.means[j * b.k + c]
            sums[b.k + c] = 0. if b.is_first else b.inverses[j * b.k + c]
        column_sums(&b.columns, j, starts[b.d], False, b.table, b.k, 1., sums)
        column_sums(&b.columns, j, starts[b.d], True, b.table, b.k, 1., sums + b.k)
        for c in range(b.k):
            if b.is_last:
                finish(b, moment, b.masses[c], b.missing[c], sums + c, sums + b.k + c)
            b.means[j * b.k + c] = <float>sums[c]
            b.inverses[j * b.k + c] = <float>sums[b.k + c]


cdef inline void finish(
    const Build *b, const double *moment, double mass, double missing, double *first, double *second
) noexcept nogil:
    """From sums of v x and v x^2 to the mean and the inverse."""
    cdef double mean = first[0] / mass if b.centred and mass > 0. else 0.
    cdef double spread = max(second[0] - mean * mean * mass, 0.), overall = moment[0] / b.n
    overall = moment[1] - (overall * overall * b.n if b.centred else 0.)
    spread = (1. - b.share) * spread + (b.share * mass / b.n + missing) * max(overall, 0.)
    spread = spread / b.n + b.ridge
    first[0] = mean
    second[0] = 1. / spread if spread > 0. else 0.


def solve(
    cnp.ndarray means not None, cnp.ndarray inverses not None, masses, bint project,
    cnp.ndarray right not None, cnp.ndarray out not None, workspace, int n_threads,
):
    """out = M⁻¹ right: weights (d, k), then intercepts (k,) if there are masses (k,), float64: c / n.

    With `project` the mean over the classes is projected out. All else is `real`: called on the build
    of float32.
    """
    cdef Py_ssize_t d = means.shape[0], k = means.shape[1], i, j
    cdef const double *mass = doubles(masses, "masses")
    cdef real *to = reals(out, "out")
    cdef const real *from_ = reals(right, "right")
    cdef const real *mean = reals(means, "means")
    cdef const real *inverse = reals(inverses, "inverses")
    cdef cnp.ndarray memory = workspace(PARTS * k * sizeof(double))
    cdef double *sums = <double *>bytes_of(memory)
    cdef double common = 0.
    with nogil:
        for i in range(PARTS * k):
            sums[i] = 0.
        for i in prange(PARTS, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            solve_features(
                mean, inverse, from_, from_ + d * k if mass else NULL,
                part_start(d, PARTS, i), part_start(d, PARTS, i + 1), k, project, to, sums + i * k)
        for j in range(k if mass else 0):
            for i in range(1, PARTS):
                sums[j] += sums[i * k + j]
            sums[j] = from_[d * k + j] / mass[j] - sums[j]
            common += sums[j] / k
        for j in range(k if mass else 0):
            to[d * k + j] = <real>(sums[j] - (common if project else 0.))


cdef void solve_features(
    const real *means, const real *inverses, const real *right, const real *intercepts,
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, bint project, real *out, double *sums,
) noexcept nogil:
    cdef vreal z, common
    cdef Py_ssize_t j, c, at
    for j in range(begin, end):
        common = set1(0.)
        for c from 0 <= c < k by VL:
            at = j * k + c
            z = load_upto(right + at, k - c)
            if intercepts:
                z = z - load_upto(means + at, k - c) * load_upto(intercepts + c, k - c)
            z = z * load_upto(inverses + at, k - c)
            common = common + z
            store_upto(out + at, z, k - c)
        if intercepts:
            for c in range(k):
                sums[c] += means[j * k + c] * out[j * k + c]
        if project:
            common = set1(sum_lanes(common) / k)
            for c from 0 <= c < k by VL:
                at = j * k + c
                store_upto(out + at, load_upto(out + at, k - c) - common, k - c)
