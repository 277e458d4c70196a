"""Dot products and sums of long vectors, for solvers.

Bound by memory: so whatever is wanted of some vectors is taken in one reading of them. Not by BLAS,
whose threads would go on spinning where the kernels' should run. A dot is summed in blocks of fixed
length, each in `real` and their sums in double, so that it is the same to the bit for any number of
threads.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, elements, intps
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.multiples cimport add_multiple
from fastsoftmax._core.simd cimport (
    VL, VL_MOST, absolute, load, load_first, maximum, real, set1, store, sum_lanes, vreal,
)
from fastsoftmax._core.squares cimport load_upto

cnp.import_array()

cdef enum:
    BLOCK = 4096  # elements
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


def dot(cnp.ndarray a not None, cnp.ndarray b not None, int n_threads):
    """aᵀb of contiguous `real` (n,)."""
    cdef const real *x = reals(a, "a")
    cdef const real *y = reals(b, "b")
    cdef Py_ssize_t n = a.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    cdef double *parts = <double *>malloc((blocks + 1) * sizeof(double))
    cdef double total = 0.
    if parts == NULL:
        raise MemoryError(f"{blocks} partial sums")
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        parts[i] = dot_block(x + i * BLOCK, y + i * BLOCK, block_length(n, i))
    for i in range(blocks):
        total += parts[i]
    free(parts)
    return total


def dots(
    cnp.ndarray rows not None, cnp.ndarray order not None, cnp.ndarray v not None,
    cnp.ndarray out not None, int n_threads,
):
    """out[i] = vᵀ rows[order[i]], of contiguous `real` rows (m, n) and v (n,); v is read once.

    order is of intp, out of float64, here and below.
    """
    cdef const Py_ssize_t *which = intps(order, "order")
    cdef double *to = doubles(out, "out")
    cdef const real *x = reals(rows, "rows")
    cdef const real *y = reals(v, "v")
    cdef Py_ssize_t n = v.shape[0], m = order.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i, j
    cdef double *parts = <double *>malloc((blocks * m + 1) * sizeof(double))
    if parts == NULL:
        raise MemoryError(f"{blocks * m} partial sums")
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        for j in range(m):
            parts[i * m + j] = dot_block(
                x + which[j] * n + i * BLOCK, y + i * BLOCK, block_length(n, i))
    for j in range(m):
        to[j] = 0.
        for i in range(blocks):
            to[j] += parts[i * m + j]
    free(parts)


def combine(
    double by, cnp.ndarray base not None, cnp.ndarray factors not None, cnp.ndarray rows not None,
    cnp.ndarray order not None, cnp.ndarray out not None, int n_threads,
):
    """out = by * base + sum of factors[i] * rows[order[i]], contiguous `real`, the factors float64; out
    is written once."""
    cdef const Py_ssize_t *which = intps(order, "order")
    cdef const double *factor = doubles(factors, "factors")
    cdef const real *x = reals(rows, "rows")
    cdef const real *y = reals(base, "base")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t n = base.shape[0], m = order.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i, j
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        multiply_block(by, y + i * BLOCK, to + i * BLOCK, block_length(n, i))
        for j in range(m):
            add_multiple(
                to + i * BLOCK, factor[j], x + which[j] * n + i * BLOCK, block_length(n, i))


cdef inline void multiply_block(double by, const real *x, real *to, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i] = <real>by * x[i]


def add_wide(cnp.ndarray a not None, double t, cnp.ndarray b not None, int n_threads):
    """a += t * b, where a is float64 and b `real`."""
    cdef double *x = doubles(a, "a")
    cdef const real *y = reals(b, "b")
    cdef Py_ssize_t n = a.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        add_wide_block(x + i * BLOCK, t, y + i * BLOCK, block_length(n, i))


cdef inline void add_wide_block(double *x, double t, const real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] += t * y[i]


def pair(
    cnp.ndarray direction not None, double t, cnp.ndarray before not None,
    cnp.ndarray after not None, cnp.ndarray s not None, cnp.ndarray y not None, int n_threads,
):
    """s = t * direction and y = after - before, `real`, of three vectors of float32 or float64."""
    cdef bint wide = cnp.PyArray_ITEMSIZE(direction) == sizeof(double)
    cdef Py_ssize_t size = sizeof(double) if wide else sizeof(float)
    cdef const void *d = elements(direction, "direction", c"f", size)
    cdef const void *x = elements(before, "before", c"f", size)
    cdef const void *z = elements(after, "after", c"f", size)
    cdef real *to_s = reals(s, "s")
    cdef real *to_y = reals(y, "y")
    cdef Py_ssize_t n = s.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
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


def products(
    cnp.ndarray a not None, cnp.ndarray b not None, Py_ssize_t n, cnp.ndarray out not None,
    int n_threads
):
    """out = aᵀa, aᵀb, bᵀb of the first n numbers; a is float64, b `real`."""
    cdef double *to = doubles(out, "out")
    cdef const double *x = doubles(a, "a")
    cdef const real *y = reals(b, "b")
    cdef Py_ssize_t blocks = (n + BLOCK - 1) // BLOCK, i, j
    cdef double *parts = <double *>malloc((3 * blocks + 1) * sizeof(double))
    if parts == NULL:
        raise MemoryError(f"{3 * blocks} partial sums")
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        products_of_block(x + i * BLOCK, y + i * BLOCK, block_length(n, i), parts + 3 * i)
    for j in range(3):
        to[j] = 0.
        for i in range(blocks):
            to[j] += parts[3 * i + j]
    free(parts)


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


def largest(cnp.ndarray a not None, int n_threads):
    """max |a| of contiguous `real` (n,), NaN if one is."""
    cdef const real *x = reals(a, "a")
    cdef Py_ssize_t n = a.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    cdef double *parts = <double *>malloc((blocks + 1) * sizeof(double))
    cdef double top = 0.
    if parts == NULL:
        raise MemoryError(f"{blocks} partial maxima")
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        parts[i] = largest_of_block(x + i * BLOCK, block_length(n, i))
    for i in range(blocks):
        top = parts[i] if parts[i] > top or parts[i] != parts[i] else top
    free(parts)
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


def add(cnp.ndarray a not None, double t, cnp.ndarray b not None, int n_threads):
    """a += t * b, contiguous `real` (n,)."""
    cdef real *x = reals(a, "a")
    cdef const real *y = reals(b, "b")
    cdef Py_ssize_t n = a.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        add_multiple(x + i * BLOCK, t, y + i * BLOCK, block_length(n, i))
