"""Dot products and sums of long vectors, for solvers.

Bound by memory: so whatever is wanted of some vectors is taken in one reading of them. Not by BLAS,
whose threads would go on spinning where the kernels' should run. A dot is summed in blocks of fixed
length, each in `real` and their sums in double, so that it is the same to the bit for any number of
threads. Measurements: docs/experiments/0018-kernels-for-vector-work.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange

from fastsoftmax._core.simd.multiples cimport add_multiple
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, absolute, load, load_first, maximum, real, set1, store, sum_lanes, vreal,
)
from fastsoftmax._core.simd.squares cimport load_upto
from fastsoftmax._core.solver.vectors_kernels cimport BLOCK, Table, blocks_of

cdef enum:
    LANES = 16  # sums of float64 side by side
    WAYS = 4  # sums side by side: a multiply-add takes four cycles


ctypedef fused given:
    float
    double


cdef double dot_block(const real *a, const real *b, Py_ssize_t n) noexcept nogil:
    cdef vreal sums[WAYS]
    cdef Py_ssize_t i = 0
    cdef int w
    for w in range(WAYS):
        sums[w] = set1(0.)
    while i + WAYS * VL <= n:
        for w in range(WAYS):
            sums[w] = sums[w] + load(a + i + w * VL) * load(b + i + w * VL)
        i = i + WAYS * VL
    while i + VL <= n:
        sums[0] = sums[0] + load(a + i) * load(b + i)
        i = i + VL
    if i < n:
        sums[1] = sums[1] + load_first(a + i, <int>(n - i)) * load_first(b + i, <int>(n - i))
    return sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]))


cdef inline Py_ssize_t block_length(Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    return min(<Py_ssize_t>BLOCK, n - i * BLOCK)


cdef double dot(
    const real *x, const real *y, Py_ssize_t n, double *parts, int n_threads
) noexcept nogil:
    cdef Py_ssize_t blocks = blocks_of(n), i
    cdef double total = 0.
    for i in prange(blocks, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        parts[i] = dot_block(x + i * BLOCK, y + i * BLOCK, block_length(n, i))
    for i in range(blocks):
        total += parts[i]
    return total


cdef void dots(
    const real *x, const Py_ssize_t *which, Py_ssize_t m, const real *y, Py_ssize_t n, double *to,
    double *parts, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t blocks = blocks_of(n), i, j
    for i in prange(blocks, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        for j in range(m):
            parts[i * m + j] = dot_block(
                x + which[j] * n + i * BLOCK, y + i * BLOCK, block_length(n, i))
    for j in range(m):
        to[j] = 0.
        for i in range(blocks):
            to[j] += parts[i * m + j]


cdef void combine(
    double by, const real *y, Py_ssize_t n, const double *factor, const real *x,
    const Py_ssize_t *which, Py_ssize_t m, real *to, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in prange(blocks_of(n), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        multiply_block(by, y + i * BLOCK, to + i * BLOCK, block_length(n, i))
        for j in range(m):
            add_multiple(
                to + i * BLOCK, factor[j], x + which[j] * n + i * BLOCK, block_length(n, i))


cdef inline void multiply_block(double by, const real *x, real *to, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i] = <real>by * x[i]


cdef void add_wide(
    double *x, double t, const real *y, Py_ssize_t n, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(blocks_of(n), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        add_wide_block(x + i * BLOCK, t, y + i * BLOCK, block_length(n, i))


cdef inline void add_wide_block(double *x, double t, const real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] += t * y[i]


cdef void pair(
    bint wide, const void *d, double t, const void *x, const void *z, real *to_s, real *to_y,
    Py_ssize_t n, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(blocks_of(n), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        if wide:
            pair_block(
                <const double *>d + i * BLOCK, t, <const double *>x + i * BLOCK,
                <const double *>z + i * BLOCK, to_s + i * BLOCK, to_y + i * BLOCK, block_length(n, i))
        else:
            pair_block(
                <const float *>d + i * BLOCK, t, <const float *>x + i * BLOCK,
                <const float *>z + i * BLOCK, to_s + i * BLOCK, to_y + i * BLOCK, block_length(n, i))


cdef inline void pair_block(
    const given *direction, double t, const given *before, const given *after, real *s, real *y,
    Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        s[i] = <real>(t * direction[i])
    for i in range(n):
        y[i] = <real>(after[i] - before[i])


cdef void products(
    const double *x, const real *y, Py_ssize_t n, double *to, double *parts, int n_threads
) noexcept nogil:
    cdef Py_ssize_t blocks = blocks_of(n), i, j
    for i in prange(blocks, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        products_of_block(x + i * BLOCK, y + i * BLOCK, block_length(n, i), parts + 3 * i)
    for j in range(3):
        to[j] = 0.
        for i in range(blocks):
            to[j] += parts[3 * i + j]


cdef inline void products_of_block(
    const double *x, const real *y, Py_ssize_t n, double *out
) noexcept nogil:
    cdef double sums[3][LANES]
    cdef Py_ssize_t i, v
    cdef double a, b
    for v in range(LANES):
        sums[0][v] = sums[1][v] = sums[2][v] = 0.
    for i from 0 <= i <= n - LANES by LANES:
        for v in range(LANES):
            a = x[i + v]
            b = y[i + v]
            sums[0][v] += a * a
            sums[1][v] += a * b
            sums[2][v] += b * b
    for i in range(n - n % LANES, n):
        sums[0][0] += x[i] * x[i]
        sums[1][0] += x[i] * y[i]
        sums[2][0] += <double>y[i] * y[i]
    for i in range(3):
        out[i] = 0.
        for v in range(LANES):
            out[i] += sums[i][v]


cdef double largest(
    const real *x, Py_ssize_t n, double *parts, int n_threads
) noexcept nogil:
    cdef Py_ssize_t blocks = blocks_of(n), i
    cdef double top = 0.
    for i in prange(blocks, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        parts[i] = largest_of_block(x + i * BLOCK, block_length(n, i))
    for i in range(blocks):
        top = parts[i] if parts[i] > top or parts[i] != parts[i] else top
    return top


cdef inline double largest_of_block(const real *x, Py_ssize_t n) noexcept nogil:
    cdef vreal top = set1(0.), total = set1(0.), size
    cdef real element[VL_MOST]
    cdef double most = 0.
    cdef Py_ssize_t i
    for i from 0 <= i < n by VL:
        size = absolute(load_upto(x + i, n - i))
        top = maximum(top, size)
        total = total + size  # NaN if one is, and only then: a maximum forgets them
    store(element, top)
    for i in range(VL):
        most = max(most, element[i])
    return most if sum_lanes(total) >= 0. else sum_lanes(total)


cdef void add(real *x, double t, const real *y, Py_ssize_t n, int n_threads) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(blocks_of(n), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        add_multiple(x + i * BLOCK, t, y + i * BLOCK, block_length(n, i))


cdef Table table = Table(
    dot=&dot, dots=&dots, combine=&combine, add_wide=&add_wide, pair=&pair, products=&products,
    largest=&largest, add=&add)
capsule = PyCapsule_New(&table, "vectors", NULL)
