"""Factors of H, or of its blocks for each class, and directions by conjugate gradients."""

from libc.math cimport isfinite, sqrt
from libc.string cimport memcpy, memset

from fastsoftmax._core.arguments cimport FLOAT32, Problem
from fastsoftmax._core.hessian.gram_kernels cimport Samples
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.small.small_problem cimport (
    MOST_CLASSES, Fit, dot, multiply, pairs_problem, project,
)

cdef enum:
    MOST_PRODUCTS = 40  # of a direction
    ATTEMPTS = 3  # at a Cholesky factor


cdef inline bint build(Fit *f) noexcept nogil:
    """Factors of H, or of its blocks, at the present probabilities; whether they could be had."""
    if not f.exact:
        return build_blocks(f)
    cdef Problem p = pairs_problem(f)
    weigh_pairs(f)
    memset(f.sums, 0, f.pairs * (f.columns + 1) * sizeof(double))
    f.call.linear.gradient(
        &p, f.sums, NULL, f.sums + f.pairs * f.columns, NULL, f.memory, f.n_threads)
    f.passes += <double>f.pairs * f.columns / (2 * f.k * f.d)
    assemble(f)
    return factor(f, f.upper, f.size, f.scales)


cdef inline void weigh_pairs(Fit *f) noexcept nogil:
    """Each row's weight times -p_a p_b, or p_a (1 - p_a) for b = a: pair a (a + 1) / 2 + b."""
    cdef Py_ssize_t t, a, b, i
    cdef const double *p
    cdef const double *q
    cdef const double *w
    cdef double *to = f.pair_weights
    for t in range(f.tiles):
        w = f.row_weights + t * f.row_tile
        for a in range(f.k):
            p = f.probabilities + (t * f.k + a) * f.row_tile
            for b in range(a):
                q = f.probabilities + (t * f.k + b) * f.row_tile
                for i in range(f.row_tile):
                    to[i] = -w[i] * p[i] * q[i]
                to += f.row_tile
            memcpy(to, f.variances + (t * f.k + a) * f.row_tile, f.row_tile * sizeof(double))
            to += f.row_tile


cdef inline void assemble(Fit *f) noexcept nogil:
    """The lower triangle of H of its sums; for a softmax with curvature, as much as each class has, for
    what all classes have in common."""
    cdef Py_ssize_t a, b, i, j
    cdef double total
    cdef double *to
    cdef double *own = f.scratch
    cdef const double *sums = f.sums
    for a in range(f.k):
        for b in range(a + 1):
            to = f.upper + a * f.width * f.size + b * f.width
            for i in range(f.width):
                for j in range(i + 1):
                    to[i * f.size + j] = to[j * f.size + i] = sums[j]
                sums += i + 1
                if a == b:
                    to[i * f.size + i] += f.ridge[i]
                    own[a * f.width + i] = to[i * f.size + i]
    if f.losses.logistic:
        return
    for j in range(f.width):
        total = 0.
        for a in range(f.k):
            total += own[a * f.width + j]
        for a in range(f.k):
            for b in range(a + 1):
                f.upper[(a * f.width + j) * f.size + b * f.width + j] += (
                    own[a * f.width + j] * own[b * f.width + j] / total - f.ridge[j] / f.k)


cdef inline bint factor(Fit *f, double *matrix, Py_ssize_t size, double *scales) noexcept nogil:
    """The Cholesky factor in place, scaled to a diagonal of ones; whether it could be had."""
    cdef double jitter = 2.2e-15  # 10 units of the last place of a diagonal of ones
    cdef int failed = 1
    cdef Py_ssize_t j, _attempt
    for j in range(size):
        scales[j] = 1. / sqrt(matrix[j * size + j])
        if not isfinite(scales[j]):
            return False
    for _attempt in range(ATTEMPTS):
        f.call.cholesky.factor(
            <real *>matrix, 1, size, <const real *>scales, &jitter, &failed, 1)
        if not failed:
            return True
        jitter *= 100.
    return False


cdef inline bint build_blocks(Fit *f) noexcept nogil:
    """Factors of the blocks of H. Where all rows have the same probabilities one Gram matrix does."""
    cdef Samples s
    cdef double jitters[MOST_CLASSES]
    cdef int failed[MOST_CLASSES]
    cdef Py_ssize_t square = f.width * f.width, m = 1 if f.uniform else f.k, a, i, at
    cdef double p
    s.x.x, s.x.type, s.x.size = <const char *>f.narrow_x, FLOAT32, sizeof(float)
    s.x.row_step, s.x.column_step = f.d * s.x.size, s.x.size
    s.d, s.m = f.d, m
    s.rows, s.factors = f.chosen, <const real *>f.roots
    s.starts, s.counts = f.starts, f.counts
    for a in range(m):
        for i in range(f.n):
            at = i // f.row_tile * f.k * f.row_tile + i % f.row_tile
            p = f.row_weights[i] if f.uniform else f.variances[at + a * f.row_tile]
            f.roots[a * f.n + i] = <float>sqrt(p)
    f.call.narrow_gram.gram(
        &s, <const real *>f.narrow_means, <const real *>f.narrow_units, f.width, 1. / f.n, NULL,
        f.nothing, f.nothing, <real *>f.blocks, f.memory, f.gram_threads)
    f.passes += m * f.width / (4. * f.k)
    for a in range(f.k - 1, -1, -1):
        p = 1.
        if f.uniform:
            p = f.probabilities[a * f.row_tile] * (1. - f.probabilities[a * f.row_tile])
        for i in range(square):
            f.blocks[a * square + i] = <float>(p * f.blocks[i if f.uniform else a * square + i])
        for i in range(f.width):
            at = a * f.width + i
            p = f.blocks[(at * f.width) + i] + f.ridge[i]
            if not p > 0.:
                return False
            f.blocks[at * f.width + i] = <float>p
            f.scales[at] = 1. / sqrt(p)
            f.narrow_scales[at] = <float>f.scales[at]
        jitters[a], failed[a] = 1.2e-6, 1  # 10 units of the last place
    f.call.narrow_cholesky.factor(
        <real *>f.blocks, f.k, f.width, <const real *>f.narrow_scales, jitters, failed, 1)
    for a in range(f.k):
        if failed[a]:
            return False
    return True


cdef inline void precondition(Fit *f, const double *right, double *to) noexcept nogil:
    if f.exact:
        f.call.cholesky.solve(
            <const real *>f.upper, 0, f.scales, f.size, right, to, 1, 1, f.size, <real *>f.scratch, 1)
    else:
        f.call.narrow_cholesky.solve(
            <const real *>f.blocks, 1, f.scales, f.width, right, to, 1, f.k, f.width,
            <real *>f.scratch, 1)
    project(f, to)


cdef inline double modelled_bound(const Fit *f) noexcept nogil:
    """About the bound that is proved along the step, of which the residual is H d + ∇F."""
    cdef double total = 0., r
    cdef Py_ssize_t i, j
    for i in range(f.k):
        for j in range(f.d):
            r = f.residual[i * f.width + j] - f.ridge[j] * f.step[i * f.width + j]
            total += r * r / f.ridge[j] - (
                f.ridge[j] * f.step[i * f.width + j] * f.step[i * f.width + j])
    total += dot(f.step, f.residual, f.size) - dot(f.step, f.gradient, f.size)
    return 0.5 * total


cdef inline Py_ssize_t find_direction(Fit *f, double wanted, bint fresh) noexcept nogil:
    """d near -H⁻¹ ∇F into `step`; products that it took. Near the end it is good enough for a proof."""
    cdef double size, before, first, curvature, along
    cdef double forcing = 0.1  # the residual far from the end
    cdef double within = 0.5  # of the tolerance, by the model of F, where a proof is to be tried
    cdef Py_ssize_t i, count = 0
    memcpy(f.residual, f.gradient, f.size * sizeof(double))
    precondition(f, f.residual, f.solved)
    size = first = dot(f.residual, f.solved, f.size)
    if fresh:
        for i in range(f.size):
            f.step[i], f.residual[i] = -f.solved[i], 0.
        return 0
    memset(f.step, 0, f.size * sizeof(double))
    for i in range(f.size):
        f.search[i] = -f.solved[i]
    while count < MOST_PRODUCTS:
        multiply(f, f.search, f.product)
        count += 1
        curvature = dot(f.search, f.product, f.size)
        if not curvature > 0.:
            break
        along = size / curvature
        for i in range(f.size):
            f.step[i] += along * f.search[i]
            f.residual[i] += along * f.product[i]
        precondition(f, f.residual, f.solved)
        before = size
        size = dot(f.residual, f.solved, f.size)
        if not size > 0.:
            break
        if -0.5 * dot(f.gradient, f.step, f.size) > wanted:
            if size <= forcing * forcing * first:
                break
        elif modelled_bound(f) <= within * wanted or size <= 1e-16 * first:
            break
        for i in range(f.size):
            f.search[i] = size / before * f.search[i] - f.solved[i]
    return count
