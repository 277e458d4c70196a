"""Factors of H, or of its blocks for each class, and directions by conjugate gradients."""

from libc.math cimport isfinite, sqrt
from libc.string cimport memcpy, memset

from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.small.small_problem cimport (
    MOST_CLASSES, Fit, dot, multiply, project,
)

cdef enum:
    MOST_PRODUCTS = 40  # of a direction
    ATTEMPTS = 3  # at a Cholesky factor


cdef inline bint build(Fit *f) noexcept nogil:
    """Factors of H, or of its blocks, at the present probabilities; whether they could be had."""
    make_grams(f)
    if not f.exact:
        return factor_blocks(f)
    assemble(f)
    return factor(f, f.upper, f.free * f.width, f.scales)


cdef inline void make_grams(Fit *f) noexcept nogil:
    """Those of pairs of free logits, or of each class. Where all rows have the same probabilities one
    Gram matrix does, times what is the same in all rows."""
    cdef Py_ssize_t classes = f.free if f.exact else f.k, grams = f.pairs if f.exact else f.k
    cdef Py_ssize_t reference = f.k - 1 if f.exact and not f.losses.logistic else -1
    cdef Py_ssize_t element = sizeof(float) if f.narrow else sizeof(double)
    cdef Py_ssize_t square = f.width * f.width, made = 1 if f.uniform else grams, i = 0, a, b, j
    cdef double share
    if f.uniform:
        f.hessian_call.weigh(
            f.row_weights, f.row_weights, f.row_weights, f.tiles, 1, 0, 0, -1, <real *>f.weights)
    else:
        for a in range(classes):
            for b in range(0 if f.exact else a, a + 1):
                f.hessian_call.weigh(
                    f.probabilities, f.variances, f.row_weights, f.tiles, f.k, a, b, reference,
                    <real *>(f.weights + i * f.tiles * f.row_tile * element))
                i += 1
    f.hessian_call.gram(
        &f.hessian_x, <const real *>f.weights, made, 1. / f.n, f.grams, f.memory, f.gram_threads)
    f.passes += made * f.width / (4. * f.k)
    if not f.uniform:
        return
    i = grams
    for a in range(classes - 1, -1, -1):  # the first, of which the others are made, comes last
        for b in range(a, -1 if f.exact else a - 1, -1):
            i -= 1
            share = curvature(f, a, b, reference)
            for j in range(square):
                f.grams[i * square + j] = share * f.grams[j]


cdef inline double curvature(
    const Fit *f, Py_ssize_t a, Py_ssize_t b, Py_ssize_t reference
) noexcept nogil:
    """What `weigh` makes of the first row's probabilities."""
    cdef double p = f.probabilities[a * f.row_tile], q = f.probabilities[b * f.row_tile], last
    cdef double own = p * (1. - p) if a == b else -p * q
    if reference < 0:
        return own
    last = f.probabilities[reference * f.row_tile]
    return own + last * (1. - last) + last * (p + q)


cdef inline void assemble(Fit *f) noexcept nogil:
    """H by the free logits, the last class's parameters being minus the sum of theirs."""
    cdef Py_ssize_t a, b, i, j, size = f.free * f.width
    cdef double *to
    cdef const double *of_pair = f.grams
    cdef double more = 0. if f.losses.logistic else 1.
    for a in range(f.free):
        for b in range(a + 1):
            to = f.upper + a * f.width * size + b * f.width
            for i in range(f.width):
                for j in range(i + 1):
                    to[i * size + j] = of_pair[i * f.width + j]
                for j in range(0 if a == b else i):
                    to[j * size + i] = of_pair[i * f.width + j]
                to[i * size + i] += f.ridge[i] * (more + (a == b))
            of_pair += f.width * f.width


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


cdef inline bint factor_blocks(Fit *f) noexcept nogil:
    cdef double jitters[MOST_CLASSES]
    cdef int failed[MOST_CLASSES]
    cdef Py_ssize_t square = f.width * f.width, a, i, at
    cdef double p
    for a in range(f.k):
        for i in range(square):
            f.blocks[a * square + i] = <float>f.grams[a * square + i]
        for i in range(f.width):
            at = a * f.width + i
            p = f.grams[at * f.width + i] + f.ridge[i]
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
    cdef Py_ssize_t i, free = f.free * f.width
    if not f.exact:
        f.call.narrow_cholesky.solve(
            <const real *>f.blocks, 1, f.scales, f.width, right, to, 1, f.k, f.width,
            <real *>f.scratch, 1)
        project(f, to)
        return
    for i in range(free):
        f.right[i] = right[i] if f.losses.logistic else right[i] - right[free + i % f.width]
    f.call.cholesky.solve(
        <const real *>f.upper, 0, f.scales, free, f.right, to, 1, 1, free, <real *>f.scratch, 1)
    for i in range(0 if f.losses.logistic else f.width):
        to[free + i] = 0.
    for i in range(0 if f.losses.logistic else free):
        to[free + i % f.width] -= to[i]


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
