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

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t

from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.simd.simd cimport VL, load, real, set1, sum_lanes, vreal
from fastsoftmax._core.simd.squares cimport load_upto, store_upto
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of
from fastsoftmax._core.sparse.diagonals_kernels cimport Build, Solve, Table
from fastsoftmax._core.sparse.sparse_rows cimport column_sums, row_width, rows_of_block, to_rows

cdef enum:
    FEATURES = 128  # whose columns a thread takes at a time
    PARTS = 64  # of the features, whose sums are added in order


cdef double sum_class(const real *v, Py_ssize_t step, Py_ssize_t tiles) noexcept nogil:
    cdef double total = 0.
    cdef Py_ssize_t t, i
    for t in range(tiles):
        for i from 0 <= i < ROWS by VL:
            total += sum_lanes(load(v + t * step + i))
    return total


cdef Py_ssize_t place_build(Build *b, int n_threads, char *memory) noexcept nogil:
    """Lay out the scratch of a build; its bytes."""
    cdef Py_ssize_t table = aligned(
        rows_of_block(b.n, b.k) * row_width(b.k) * <Py_ssize_t>sizeof(real))
    cdef Py_ssize_t moments = aligned(2 * b.d * sizeof(double))
    memory = aligned_start(memory)
    b.sums = aligned(2 * b.k * sizeof(double))
    b.table = <real *>memory
    b.moments = <double *>(memory + table)
    b.scratch = memory + table + moments
    return ALIGNMENT + table + moments + n_threads * b.sums


cdef void add_variances(
    const Build *b, const real *v, Py_ssize_t tiles, Py_ssize_t count, Py_ssize_t filled,
    int n_threads,
) noexcept nogil:
    """Tiles of v from row `filled` of a block of `count` rows on."""
    cdef Py_ssize_t k = b.k, padded = row_width(k), i
    for i in prange(k, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        b.masses[i] += sum_class(v + i * ROWS, k * ROWS, tiles)
    for i in prange(tiles, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        to_rows(
            v + i * ROWS * k, k, min(ROWS, count - filled - i * ROWS),
            b.table + (filled + i * ROWS) * padded, padded)


cdef Py_ssize_t tile_rows() noexcept nogil:
    return ROWS


cdef void build_block(const Build *b, int n_threads) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(parts_of(b.d, FEATURES), schedule="dynamic",
                    chunksize=1, num_threads=n_threads, use_threads_if=n_threads > 1):
        build_features(b, i * FEATURES, <double *>(b.scratch + threadid() * b.sums))


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


cdef Py_ssize_t solve_bytes(Py_ssize_t k) noexcept nogil:
    return PARTS * k * sizeof(double)


cdef void solve(const Solve *s, char *memory, int n_threads) noexcept nogil:
    cdef Py_ssize_t d = s.d, k = s.k, i, j
    cdef const double *mass = s.masses
    cdef double *sums = <double *>memory
    cdef double common = 0.
    for i in range(PARTS * k):
        sums[i] = 0.
    for i in prange(PARTS, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        solve_features(
            s.means, s.inverses, s.right, s.right + d * k if mass else NULL,
            part_start(d, PARTS, i), part_start(d, PARTS, i + 1), k, s.project, s.out, sums + i * k)
    for j in range(k if mass else 0):
        for i in range(1, PARTS):
            sums[j] += sums[i * k + j]
        sums[j] = s.right[d * k + j] / mass[j] - sums[j]
        common += sums[j] / k
    for j in range(k if mass else 0):
        s.out[d * k + j] = <real>(sums[j] - (common if s.project else 0.))


cdef void solve_numbers(
    const real *means, const real *inverses, const real *right, const real *intercepts,
    Py_ssize_t begin, Py_ssize_t end, real *out, double *sums,
) noexcept nogil:
    """Those of features in a row, for one class or without intercepts."""
    cdef vreal z, intercept = set1(intercepts[0] if intercepts else 0.)
    cdef Py_ssize_t i
    for i from begin <= i < end by VL:
        z = load_upto(right + i, end - i)
        if intercepts:
            z = z - load_upto(means + i, end - i) * intercept
        z = z * load_upto(inverses + i, end - i)
        store_upto(out + i, z, end - i)
        if intercepts:
            sums[0] += sum_lanes(load_upto(means + i, end - i) * z)


cdef void solve_features(
    const real *means, const real *inverses, const real *right, const real *intercepts,
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, bint project, real *out, double *sums,
) noexcept nogil:
    cdef vreal z, common
    cdef Py_ssize_t j, c, at
    if not project and (k == 1 or not intercepts):
        solve_numbers(
            means, inverses, right, intercepts, begin * k, end * k, out, sums)
        return
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


cdef Table table = Table(
    place_build=&place_build, tile_rows=&tile_rows, add_variances=&add_variances,
    build_block=&build_block, solve_bytes=&solve_bytes, solve=&solve)
capsule = PyCapsule_New(&table, "diagonals", NULL)
