"""U B_k Uᵀ + τ_k (1 - UUᵀ) of each class, U of few columns (`objective/low_rank.py`): U, B_k, solves.

A solve takes 4*r*d flops per class, and those of a substitution of size r. A few classes at a time go
all the way, by `product` twice and `substitute` between. A class's numbers do not depend on which others
go with it, nor on the number of threads, to the bit. Measurements:
docs/experiments/0019-linear-probe.md.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport fabs, sqrt
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.linear_problem cimport ALIGNMENT, aligned, part_start
from fastsoftmax._core.multiples cimport add_multiple
from fastsoftmax._core.simd cimport CLASS_BLOCK, VL, load, real, set1, store, sum_lanes, vreal
from fastsoftmax._core.substitution cimport substitute
from fastsoftmax._core.tiles cimport MOST, product_along

cnp.import_array()

cdef enum:
    GROUP = CLASS_BLOCK // 2  # classes that go together: enough sums for the latency of a multiply-add


cdef struct Blocks:
    Py_ssize_t k, d, size, rank  # classes, features, numbers of a class, columns of U
    Py_ssize_t wide, deep  # features and columns, rounded up to pairs of vectors
    const real *basis  # (rank, wide): Uᵀ
    const real *across  # (d, deep): U
    const real *factors  # (k, rank, rank), or (1, rank, rank) with step 0
    Py_ssize_t step
    const double *scales  # (k, rank) or (1, rank)
    Py_ssize_t scale_step
    const real *tails  # (k,): τ
    const real *means  # (k, wide) of the features, by which the intercepts are decoupled; or NULL
    const real *intercepts  # (k,)


def padding():
    """Numbers, of which the rows of matrices are multiples."""
    return 2 * VL


def solve(
    cnp.ndarray basis not None, cnp.ndarray across not None, cnp.ndarray factors not None,
    cnp.ndarray scales not None, cnp.ndarray tails not None, means, intercepts,
    cnp.ndarray right not None, cnp.ndarray out not None, workspace, int n_threads,
):
    """out = M⁻¹ right, (k, d), or (k, d + 1) with intercepts, float64.

    The rows of basis (rank, wide), across (d, deep) and means (k, wide) are padded with zeros to
    multiples of `padding()`. B_k is as `cholesky.factor` left it in factors (k, rank, rank) and its
    scales (k, rank), float64, or one for all: (1, rank, rank), scales (k, rank) or (1, rank). All is
    contiguous, and `real` where nothing else is said.
    """
    cdef Blocks b
    b.k, b.size, b.d, b.rank = right.shape[0], right.shape[1], across.shape[0], basis.shape[0]
    b.wide, b.deep = basis.shape[1], across.shape[1]
    b.basis, b.across = reals(basis, "basis"), reals(across, "across")
    b.factors, b.scales = reals(factors, "factors"), doubles(scales, "scales")
    b.step = b.rank * b.rank if factors.shape[0] > 1 else 0
    b.scale_step = b.rank if scales.shape[0] > 1 else 0
    b.tails, b.means = reals(tails, "tails"), reals(means, "means")
    b.intercepts = reals(intercepts, "intercepts")
    cdef const double *given = doubles(right, "right")
    cdef double *to = doubles(out, "out")
    cdef Py_ssize_t groups = (b.k + GROUP - 1) // GROUP, i
    cdef Py_ssize_t each = aligned(GROUP * (b.wide + 2 * b.deep) * sizeof(real))
    cdef cnp.ndarray memory = workspace(ALIGNMENT + n_threads * each)
    cdef char *scratch = bytes_of(memory)
    scratch += (ALIGNMENT - <size_t>scratch % ALIGNMENT) % ALIGNMENT
    for i in prange(groups, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        solve_classes(
            &b, part_start(b.k, groups, i), part_start(b.k, groups, i + 1), given, to,
            <real *>(scratch + threadid() * each))


cdef void solve_classes(
    const Blocks *b, Py_ssize_t first, Py_ssize_t last, const double *right, double *out, real *v
) noexcept nogil:
    """Those of a few classes, in `real` of size 1 at most."""
    cdef real *leading = v + GROUP * b.wide
    cdef real *inner = leading + GROUP * b.deep
    cdef double tops[GROUP]
    cdef vreal sums[2 * MOST]
    cdef int n = <int>(last - first)
    cdef Py_ssize_t i, j, r
    for i in range(n):
        tops[i] = take(b, first + i, right + (first + i) * b.size, v + i * b.wide)
    for r from 0 <= r < b.deep by 2 * VL:
        product_along(n, v, b.wide, b.across + r, b.deep, b.d, NULL, sums)
        for i in range(n):
            store(leading + i * b.deep + r, sums[2 * i])
            store(leading + i * b.deep + r + VL, sums[2 * i + 1])
    for i in range(n):
        within(b, first + i, leading + i * b.deep, inner + i * b.deep)
    for j from 0 <= j < b.wide by 2 * VL:
        product_along(n, inner, b.deep, b.basis + j, b.wide, b.rank, NULL, sums)
        for i in range(n):
            add_tail(v + i * b.wide + j, sums + 2 * i, b.tails[first + i])
    for i in range(n):
        give(b, first + i, v + i * b.wide, tops[i], right, out)


cdef inline double take(const Blocks *b, Py_ssize_t k, const double *right, real *v) noexcept nogil:
    """A class's weights, without what its intercept takes, over the largest number, which it returns."""
    cdef double top = 0., intercept = 0.
    cdef Py_ssize_t j
    for j in range(b.size):
        top = max(top, fabs(right[j]))
    top = top if top > 0. else 1.
    for j in range(b.d):
        v[j] = <real>(right[j] / top)
    for j in range(b.d, b.wide):
        v[j] = 0.
    if b.means:
        intercept = right[b.d] / top
        for j from 0 <= j < b.wide by VL:
            store(v + j, load(v + j) - set1(intercept) * load(b.means + k * b.wide + j))
    return top


cdef inline void within(
    const Blocks *b, Py_ssize_t k, const real *leading, real *inner
) noexcept nogil:
    """inner = B_k⁻¹ leading - leading / τ."""
    cdef const double *scales = b.scales + k * b.scale_step
    cdef double top = 0.
    cdef Py_ssize_t r
    for r in range(b.rank):
        top = max(top, fabs(leading[r] * scales[r]))
    top = top if top > 0. else 1.
    for r in range(b.rank):
        inner[r] = <real>(leading[r] * scales[r] / top)
    substitute(b.factors + k * b.step, b.rank, inner, b.rank, 1)
    for r in range(b.rank):
        inner[r] = <real>(inner[r] * (top * scales[r]) - leading[r] / b.tails[k])


cdef inline void add_tail(real *v, const vreal *sums, double tail) noexcept nogil:
    """v = sums + v / τ, two vectors."""
    cdef vreal inverse = set1(1. / tail)
    store(v, sums[0] + load(v) * inverse)
    store(v + VL, sums[1] + load(v + VL) * inverse)


cdef inline void give(
    const Blocks *b, Py_ssize_t k, const real *z, double top, const double *right, double *out
) noexcept nogil:
    """A class's solution, times what it was divided by."""
    cdef vreal sums = set1(0.)
    cdef Py_ssize_t j
    cdef double *to = out + k * b.size
    for j in range(b.d):
        to[j] = z[j] * top
    if b.means:
        for j from 0 <= j < b.wide by VL:
            sums = sums + load(z + j) * load(b.means + k * b.wide + j)
        to[b.d] = right[k * b.size + b.d] / b.intercepts[k] - top * sum_lanes(sums)


def orthonormal(cnp.ndarray gram not None, cnp.ndarray rows not None, double negligible):
    """Coefficients that make vectors orthonormal, from their Gram matrix (m, m); how many rows they are.

    Row i of rows (m, 2*m), contiguous, holds the coefficients c and c G of what the i-th vector that
    is not negligible beyond those before it adds to them: the square of that is more than such a
    share of the vector's own. Gram-Schmidt.
    """
    cdef Py_ssize_t m = gram.shape[0], found = 0, i, j
    cdef const real *g = reals(gram, "gram")
    cdef real *first = reals(rows, "rows")
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


def blocks(
    cnp.ndarray grams not None, bint decoupled, cnp.ndarray own not None, cnp.ndarray shared not None,
    cnp.ndarray covariance not None, cnp.ndarray ridge not None, cnp.ndarray out not None,
    int n_threads,
):
    """out (k, rank, rank) = own_k (G_k - g_k g_kᵀ / w_k) + shared_k covariance + ridge.

    G_k, g_k and w_k are the parts of grams (k, rank + 1, rank + 1); without `decoupled` g_k is taken for
    0. All contiguous and `real`.
    """
    cdef Py_ssize_t k = grams.shape[0], rank = out.shape[1], i
    cdef const real *g = reals(grams, "grams")
    cdef const real *by = reals(own, "own")
    cdef const real *share = reals(shared, "shared")
    cdef const real *common = reals(covariance, "covariance")
    cdef const real *penalty = reals(ridge, "ridge")
    cdef real *to = reals(out, "out")
    for i in prange(k, nogil=True, schedule="static", num_threads=n_threads,
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
