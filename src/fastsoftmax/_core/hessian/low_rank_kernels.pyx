"""U B_k Uᵀ + τ_k (1 - UUᵀ) of each class, U of few columns: U, B_k, solves.

A solve takes 4*r*d flops per class, and those of a substitution of size r. A few classes at a time go
all the way, by `product` twice and `substitute` between. A class's numbers do not depend on which others
go with it, nor on the number of threads, to the bit. Measurements:
docs/experiments/0019-linear-probe.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.math cimport fabs, sqrt

from fastsoftmax._core.gemm.tiles cimport MOST, product_along
from fastsoftmax._core.hessian.low_rank_kernels cimport Blocks, Table
from fastsoftmax._core.hessian.substitution cimport substitute
from fastsoftmax._core.simd.multiples cimport add_multiple
from fastsoftmax._core.simd.simd cimport CLASS_BLOCK, VL, load, real, set1, store, sum_lanes, vreal
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of

cdef enum:
    GROUP = CLASS_BLOCK // 2  # classes that go together: enough sums for the latency of a multiply-add


cdef int padding() noexcept nogil:
    return 2 * VL


cdef Py_ssize_t bytes_each(const Blocks *b) noexcept nogil:
    return aligned(GROUP * (b.wide + 2 * b.deep) * sizeof(real))


cdef Py_ssize_t solve_bytes(const Blocks *b, int n_threads) noexcept nogil:
    return ALIGNMENT + n_threads * bytes_each(b)


cdef void solve(
    const Blocks *b, const double *given, double *to, char *memory, int n_threads
) noexcept nogil:
    cdef Py_ssize_t groups = parts_of(b.k, GROUP), each = bytes_each(b), i
    cdef char *scratch = aligned_start(memory)
    for i in prange(groups, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        solve_classes(
            b, part_start(b.k, groups, i), part_start(b.k, groups, i + 1), given, to,
            <real *>(scratch + threadid() * each))


cdef void solve_classes(
    const Blocks *b, Py_ssize_t first, Py_ssize_t last, const double *right, double *out, real *v
) noexcept nogil:
    """Those of a few classes, each divided by its largest number, which `real` may not hold."""
    cdef real *leading = v + GROUP * b.wide
    cdef real *inner = leading + GROUP * b.deep
    cdef double largest[GROUP]
    cdef vreal sums[2 * MOST]
    cdef int n = <int>(last - first)
    cdef Py_ssize_t i, j, r
    for i in range(n):
        largest[i] = load_class(b, first + i, right + (first + i) * b.size, v + i * b.wide)
    for r from 0 <= r < b.deep by 2 * VL:
        product_along(n, v, b.wide, b.across + r, b.deep, b.d, NULL, sums)
        for i in range(n):
            store(leading + i * b.deep + r, sums[2 * i])
            store(leading + i * b.deep + r + VL, sums[2 * i + 1])
    for i in range(n):
        solve_inner(b, first + i, leading + i * b.deep, inner + i * b.deep)
    for j from 0 <= j < b.wide by 2 * VL:
        product_along(n, inner, b.deep, b.basis + j, b.wide, b.rank, NULL, sums)
        for i in range(n):
            add_tail(v + i * b.wide + j, sums + 2 * i, b.tails[first + i])
    for i in range(n):
        store_class(b, first + i, v + i * b.wide, largest[i], right, out)


cdef inline double load_class(
    const Blocks *b, Py_ssize_t k, const double *right, real *v
) noexcept nogil:
    """A class's weights, without what its intercept takes, over the largest number, which it returns."""
    cdef double largest = 0., intercept = 0.
    cdef Py_ssize_t j
    for j in range(b.size):
        largest = max(largest, fabs(right[j]))
    largest = largest if largest > 0. else 1.
    for j in range(b.d):
        v[j] = <real>(right[j] / largest)
    for j in range(b.d, b.wide):
        v[j] = 0.
    if b.means:
        intercept = right[b.d] / largest
        for j from 0 <= j < b.wide by VL:
            store(v + j, load(v + j) - set1(intercept) * load(b.means + k * b.wide + j))
    return largest


cdef inline void solve_inner(
    const Blocks *b, Py_ssize_t k, const real *leading, real *inner
) noexcept nogil:
    """inner = B_k⁻¹ leading - leading / τ."""
    cdef const double *scales = b.scales + k * b.scale_step
    cdef double largest = 0.
    cdef Py_ssize_t r
    for r in range(b.rank):
        largest = max(largest, fabs(leading[r] * scales[r]))
    largest = largest if largest > 0. else 1.
    for r in range(b.rank):
        inner[r] = <real>(leading[r] * scales[r] / largest)
    substitute(b.factors + k * b.step, b.rank, inner, b.rank, 1)
    for r in range(b.rank):
        inner[r] = <real>(inner[r] * (largest * scales[r]) - leading[r] / b.tails[k])


cdef inline void add_tail(real *v, const vreal *sums, double tail) noexcept nogil:
    """v = sums + v / τ, two vectors."""
    cdef vreal inverse = set1(1. / tail)
    store(v, sums[0] + load(v) * inverse)
    store(v + VL, sums[1] + load(v + VL) * inverse)


cdef inline void store_class(
    const Blocks *b, Py_ssize_t k, const real *z, double largest, const double *right, double *out
) noexcept nogil:
    """A class's solution, times what it was divided by."""
    cdef vreal sums = set1(0.)
    cdef Py_ssize_t j
    cdef double *to = out + k * b.size
    for j in range(b.d):
        to[j] = z[j] * largest
    if b.means:
        for j from 0 <= j < b.wide by VL:
            sums = sums + load(z + j) * load(b.means + k * b.wide + j)
        to[b.d] = right[k * b.size + b.d] / b.intercepts[k] - largest * sum_lanes(sums)


cdef Py_ssize_t orthonormal(
    const real *g, Py_ssize_t m, real *first, double negligible
) noexcept nogil:
    cdef Py_ssize_t found = 0, i, j
    cdef real *row = first
    cdef double square
    for j in range(m):
        row = first + found * 2 * m
        for i in range(m):
            row[i] = i == j
            row[m + i] = g[j * m + i]
        for i in range(found):
            add_multiple(row, -first[i * 2 * m + m + j], first + i * 2 * m, 2 * m)
        square = row[m + j]
        if square > negligible * g[j * m + j]:
            for i in range(2 * m):
                row[i] = row[i] / sqrt(square)
            found += 1
    return found


cdef void blocks(
    const real *g, bint decoupled, const real *by, const real *share, const real *common,
    const real *penalty, real *to, Py_ssize_t k, Py_ssize_t rank, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        block(
            g + i * (rank + 1) * (rank + 1), decoupled, by[i], share[i], common, penalty,
            to + i * rank * rank, rank)


cdef void block(
    const real *gram, bint decoupled, double own, double shared, const real *covariance,
    const real *ridge, real *out, Py_ssize_t rank
) noexcept nogil:
    cdef const real *sums = gram + rank * (rank + 1)
    cdef double mean
    cdef Py_ssize_t i, j
    for i in range(rank):
        mean = sums[i] / sums[rank] if decoupled and sums[rank] > 0. else 0.
        for j in range(rank):
            out[i * rank + j] = (
                <real>own * (gram[i * (rank + 1) + j] - <real>mean * sums[j])
                + <real>shared * covariance[i * rank + j] + ridge[i * rank + j])


cdef Table table = Table(
    padding=&padding, solve_bytes=&solve_bytes, solve=&solve, orthonormal=&orthonormal, blocks=&blocks)
capsule = PyCapsule_New(&table, "low_rank", NULL)
