"""Newton's method for small problems, from the first step to the proof, without Python in between.

Where all of a fit takes less than a millisecond, a call from Python for each product, factor and trial
of a step would take most of it. The steps are those of `_engine/solvers/newton.py` and
`certificate.py`, by the same kernels, in float64:

    d = -H⁻¹ ∇F      by factors of H, which is the weights of the pairs of classes in each row times the
                     products of pairs of features, made once; where these are too many by conjugate
                     gradients, preconditioned by factors of H's blocks for each class, in float32, at
                     this point or at one before
    t                a step along d that makes |φ'| small, on stored logits
    F - F* <= bound  once the decrease ½ |∇F·d| is within the tolerance: weak duality at probabilities
                     linearised along d (docs/design/certificate.md)

Features are centred by their means (where there is an intercept), so that θ = (W, c), c = b + W·means.
What is not small, not finite, not proved within MOST_STEPS or has features that lie far from 0 is left
to the general solvers: `minimize` then says so. Measurements: docs/experiments/0054-small-fits.md.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport INFINITY, fabs, fmax, fmin, isfinite, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
cimport numpy as cnp

from fastsoftmax._core.arguments cimport FLOAT32, FLOAT64, Problem
from fastsoftmax._core.arrays cimport doubles
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.cholesky_kernels cimport Table as Cholesky
from fastsoftmax._core.hessian.gram_kernels cimport Samples, Table as Gram
from fastsoftmax._core.linear.linear_kernels cimport Table as Linear
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.dual_kernels cimport Table as Dual
from fastsoftmax._core.solver.line_kernels cimport Table as Line

cnp.import_array()

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec, tv_nsec

    int timespec_get(timespec *, int)
    enum:
        TIME_UTC


cdef enum:
    MOST_STEPS = 40  # that take a fit to its end where a quadratic model tells anything
    MOST_TRIALS = 20  # of a step
    MOST_PRODUCTS = 40  # of a direction
    MOST_PROOFS = 4  # that may fail
    MOST_CLASSES = 16
    ROUNDS = 8  # of making intercepts stationary
    ATTEMPTS = 3  # at a Cholesky factor
    HISTORY = 5  # numbers of a step: F, max |∇F|, passes, seconds, gap
    # products of pairs of features of all rows, and parameters, up to which H is factored whole
    MOST_OUTERS = 250000
    MOST_EXACT = 128
    # a product with H takes as long as Gram matrices of DEAR (1 + COMMON / k) features
    FEW = 12  # parameters of one logit, up to which that is faster than a Gram matrix
    DEAR = 5
    COMMON = 4
    EXPECTED = 3  # products of a direction from factors of a point before

cdef double EPSILON = 2.220446049250313e-16
cdef double JITTER = 10 * EPSILON  # of a diagonal of ones
cdef double NARROW_JITTER = 1.2e-6  # the same of float32
cdef double RETRY = 100.
cdef double FORCING = 0.1  # residual of a direction far from the end
cdef double NEAR = 0.1  # |φ'| at the end of a search, as a share of |φ'(0)|
cdef double ENOUGH = 1e-4  # of the slope times the step, by which F falls at least
cdef double WITHIN = 0.5  # of the tolerance, by the model of F, at which a proof is tried
cdef double FAR = 10.  # of a mean, in deviations, from which on centring X might be called for
cdef double STATIONARY = 1e-13  # as in certificate.py, where these have their reasons
cdef double NOTHING = 1e-16
cdef double ROUNDING = 4 * EPSILON


cdef struct Tables:
    const Linear *linear
    const Line *line
    const Dual *dual
    const Gram *gram
    const Cholesky *cholesky
    const Gram *narrow_gram  # of float32
    const Cholesky *narrow_cholesky


cdef struct Fit:
    Tables call
    Problem losses  # X and targets
    Problem rows  # X alone
    Py_ssize_t n, d, k, width, size, tiles, row_tile, cells
    Py_ssize_t pairs, columns  # of classes; of features and a constant
    bint intercept, exact, is_table
    bint uniform  # whether all rows have the same probabilities
    int n_threads, gram_threads
    double passes
    const double *ridge  # (width,), 0 for the intercept
    double *means  # (d,)
    double *sizes  # (d,): root mean squares
    double *units  # (width,): 1, or 0 for a constant feature
    double *theta  # (k, width), as are the next six
    double *gradient
    double *step
    double *residual
    double *solved
    double *search
    double *product
    double *user_w  # (k, d): for products with X
    double *user_b
    double *by_w
    double *by_b
    double *logits  # in tiles, as are the next three
    double *probabilities
    double *change
    double *moved
    double *row_weights  # (tiles * row_tile,), 0 past the end
    double *scales  # of factors: (size,)
    double *scratch  # (size,) of a solve
    double *small  # of the Hessian by intercepts: (k, k), and vectors
    # where H is factored whole
    double *outers  # (n, columns)
    double *pair_weights  # in tiles, (tiles, pairs, row_tile)
    double *sums  # (pairs, columns)
    double *upper  # (size, size)
    # where its blocks are, in float32
    float *narrow_x  # (n, d), centred
    float *narrow_means
    float *narrow_units
    float *narrow_scales
    float *roots  # (k, n)
    int *chosen  # (k, n): all rows
    Py_ssize_t *starts
    Py_ssize_t *counts
    double *nothing  # zeros
    float *blocks  # (k, width, width)
    char *memory  # of the kernels


cdef char *carve(char **at, Py_ssize_t bytes) noexcept nogil:
    """Some of the memory from `at` on; measures alone while that is NULL."""
    cdef char *here = at[0]
    at[0] = here + (bytes + 63) // 64 * 64
    return here


cdef double *numbers(char **at, Py_ssize_t count) noexcept nogil:
    return <double *>carve(at, count * sizeof(double))


cdef void lay_out(Fit *f, char **at) noexcept nogil:
    cdef Py_ssize_t kernels
    cdef Problem p = f.losses
    f.means, f.sizes = numbers(at, f.d), numbers(at, f.d)
    f.units = numbers(at, f.width)
    f.theta, f.gradient, f.step = numbers(at, f.size), numbers(at, f.size), numbers(at, f.size)
    f.residual, f.solved = numbers(at, f.size), numbers(at, f.size)
    f.search, f.product = numbers(at, f.size), numbers(at, f.size)
    f.user_w, f.user_b = numbers(at, f.k * f.d), numbers(at, f.k)
    f.by_w, f.by_b = numbers(at, f.k * f.d), numbers(at, f.k)
    f.logits, f.probabilities = numbers(at, f.cells), numbers(at, f.cells)
    f.change, f.moved = numbers(at, f.cells), numbers(at, f.cells)
    f.row_weights = numbers(at, f.tiles * f.row_tile)
    f.scales, f.scratch = numbers(at, f.size), numbers(at, f.size)
    f.small = numbers(at, f.k * f.k + 6 * f.k)
    if f.exact:
        f.outers = numbers(at, f.n * f.columns)
        f.pair_weights = numbers(at, f.tiles * f.pairs * f.row_tile)
        f.sums = numbers(at, f.pairs * (f.columns + 1))
        f.upper = numbers(at, f.size * f.size)
    else:
        f.narrow_x = <float *>carve(at, f.n * f.d * sizeof(float))
        f.narrow_means = <float *>carve(at, f.width * sizeof(float))
        f.narrow_units = <float *>carve(at, f.width * sizeof(float))
        f.narrow_scales = <float *>carve(at, f.size * sizeof(float))
        f.roots = <float *>carve(at, f.k * f.n * sizeof(float))
        f.chosen = <int *>carve(at, f.k * f.n * sizeof(int))
        f.starts = <Py_ssize_t *>carve(at, f.k * sizeof(Py_ssize_t))
        f.counts = <Py_ssize_t *>carve(at, f.k * sizeof(Py_ssize_t))
        f.nothing = numbers(at, max(f.k, f.width))
        f.blocks = <float *>carve(at, f.k * f.width * f.width * sizeof(float))
    p.stored = <real *>f.logits
    kernels = f.call.linear.gradient_bytes(&p, False, False, f.n_threads)
    kernels = max(kernels, f.call.linear.moments_bytes(&f.rows, f.n_threads))
    kernels = max(kernels, f.call.line.along_bytes(&p, f.n_threads))
    kernels = max(kernels, f.call.dual.dual_bytes(&p, f.n_threads))
    kernels = max(kernels, f.call.narrow_gram.gram_bytes(f.width, f.k, f.gram_threads))
    p = pairs_problem(f)
    kernels = max(kernels, f.call.linear.gradient_bytes(&p, False, False, f.n_threads))
    p = f.rows
    p.w, p.b, p.stored = <real *>f.user_w, <real *>f.user_b, <real *>f.logits
    kernels = max(kernels, f.call.linear.store_bytes(&p, f.n_threads))
    f.memory = carve(at, kernels)


cdef inline double now() noexcept nogil:
    """Seconds."""
    cdef timespec time
    timespec_get(&time, TIME_UTC)
    return time.tv_sec + 1e-9 * time.tv_nsec


cdef inline double dot(const double *x, const double *y, Py_ssize_t n) noexcept nogil:
    cdef double total = 0.
    cdef Py_ssize_t i
    for i in range(n):
        total += x[i] * y[i]
    return total


cdef void project(const Fit *f, double *x) noexcept nogil:
    """Take out what all classes have in common, to which a softmax is invariant."""
    cdef Py_ssize_t i, j
    cdef double mean
    if f.losses.logistic:
        return
    for j in range(f.width):
        mean = 0.
        for i in range(f.k):
            mean += x[i * f.width + j]
        for i in range(f.k):
            x[i * f.width + j] -= mean / f.k


cdef bint prepare(Fit *f) noexcept nogil:
    """Means and sizes of the features; whether float64 has enough digits for them as they lie."""
    cdef Problem p = f.rows
    cdef Py_ssize_t i, j
    cdef double deviation
    p.k = 1
    p.scale = 1. / f.n
    f.call.linear.moments(&p, f.means, f.memory, f.n_threads)
    for j in range(f.d):
        if not isfinite(f.means[j]):
            return False
    p.b = <const real *>f.means
    f.call.linear.moments(&p, f.sizes, f.memory, f.n_threads)
    for j in range(f.d):
        deviation = sqrt(f.sizes[j])
        if not isfinite(f.sizes[j]) or fabs(f.means[j]) > FAR * deviation and f.means[j] != 0.:
            return False
        f.sizes[j] = sqrt(f.sizes[j] + f.means[j] * f.means[j])
        f.units[j] = f.sizes[j] > 0.
        if not f.intercept:
            f.means[j] = 0.
    if f.intercept:
        f.units[f.d] = 1.
    for i in range(f.tiles * f.row_tile):
        f.row_weights[i] = 0. if i >= f.n else 1.
        if i < f.n and f.losses.weights:
            f.row_weights[i] = (<const double *>f.losses.weights)[i]
    if f.exact:
        f.call.gram.outer(
            &f.rows.cells, f.n, f.d, <const real *>f.means, <const real *>f.units, f.width,
            <real *>f.outers)
        return True
    memset(f.nothing, 0, max(f.k, f.width) * sizeof(double))
    for j in range(f.width):
        f.narrow_means[j] = <float>f.means[j] if j < f.d else 0.
        f.narrow_units[j] = <float>f.units[j]
    f.call.narrow_gram.centred(
        &f.rows.cells, f.n, f.d, <const real *>f.narrow_means, <const real *>f.narrow_units,
        <real *>f.narrow_x)
    for j in range(f.width):
        f.narrow_means[j], f.narrow_units[j] = 0., 1.
    for j in range(f.k):
        f.starts[j], f.counts[j] = j * f.n, f.n
        for i in range(f.n):
            f.chosen[j * f.n + i] = <int>i
    return True


cdef void store_logits(Fit *f, const double *at, double *to) noexcept nogil:
    """The logits of parameters, in tiles."""
    cdef Problem p = f.rows
    cdef Py_ssize_t i
    for i in range(f.k):
        memcpy(f.user_w + i * f.d, at + i * f.width, f.d * sizeof(double))
        if f.intercept:
            f.user_b[i] = at[i * f.width + f.d] - dot(f.means, at + i * f.width, f.d)
    p.w, p.stored = <const real *>f.user_w, <real *>to
    p.b = <const real *>f.user_b if f.intercept else NULL
    f.call.linear.store_logits(&p, f.memory, f.n_threads)
    f.passes += 0.5


cdef double pull(Fit *f, const Problem *given, double *stored, double *to) noexcept nogil:
    """The loss at stored logits, and its gradient by the parameters; or, of rows without targets, that
    of what stands in the place of the gradient by the logits."""
    cdef Problem p = given[0]
    cdef Py_ssize_t i, j
    cdef double loss
    memset(f.by_w, 0, f.k * f.d * sizeof(double))
    memset(f.by_b, 0, f.k * sizeof(double))
    p.stored = <real *>stored
    p.scale = 1. / f.n
    loss = f.call.linear.gradient(&p, f.by_w, NULL, f.by_b, NULL, f.memory, f.n_threads)
    f.passes += 0.5
    for i in range(f.k):
        for j in range(f.d):
            to[i * f.width + j] = f.units[j] * (f.by_w[i * f.d + j] - f.means[j] * f.by_b[i])
        if f.intercept:
            to[i * f.width + f.d] = f.by_b[i]
    return loss


cdef double add_ridge(const Fit *f, const double *at, double *to) noexcept nogil:
    """That of some parameters to a gradient; what it adds to F."""
    cdef double total = 0.
    cdef Py_ssize_t i, j
    for i in range(f.k):
        for j in range(f.width):
            to[i * f.width + j] += f.ridge[j] * at[i * f.width + j]
            total += f.ridge[j] * at[i * f.width + j] * at[i * f.width + j]
    return 0.5 * total


cdef double value_and_grad(Fit *f, double *largest) noexcept nogil:
    """F and its gradient at the stored logits, and max |∇F| of the features as they are given."""
    cdef double value = pull(f, &f.losses, f.logits, f.gradient)
    cdef Py_ssize_t i, j
    value += add_ridge(f, f.theta, f.gradient)
    project(f, f.gradient)
    largest[0] = 0.
    for i in range(f.k):
        for j in range(f.d):
            largest[0] = fmax(
                largest[0], fabs(f.by_w[i * f.d + j] + f.ridge[j] * f.theta[i * f.width + j]))
        if f.intercept:
            largest[0] = fmax(largest[0], fabs(f.by_b[i]))
    return value


cdef void multiply(Fit *f, const double *vector, double *to) noexcept nogil:
    """The Hessian times a vector: Xᵀ of the curvature of each row's loss along its logits."""
    store_logits(f, vector, f.moved)
    f.call.line.curve(
        <real *>f.probabilities, f.losses.logistic, <real *>f.moved, f.losses.weights, f.n, f.tiles,
        f.k, <real *>f.moved, f.n_threads)
    pull(f, &f.rows, f.moved, to)
    add_ridge(f, vector, to)
    project(f, to)


cdef Problem pairs_problem(const Fit *f) noexcept nogil:
    """The products of features in the place of X, and the weights of pairs of classes in that of the
    residuals."""
    cdef Problem p = f.rows
    p.cells.x, p.cells.type, p.cells.size = <const char *>f.outers, FLOAT64, sizeof(double)
    p.cells.row_step, p.cells.column_step = f.columns * p.cells.size, p.cells.size
    p.d, p.k, p.stored, p.scale = f.columns, f.pairs, <real *>f.pair_weights, 1. / f.n
    return p


cdef bint build(Fit *f) noexcept nogil:
    """Factors of H, or of its blocks, at the present probabilities; whether they could be had."""
    cdef int failed = 1
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


cdef void weigh_pairs(Fit *f) noexcept nogil:
    """Each row's weight times p_a (1 - p_a), and -p_a p_b for b < a: pair a (a + 1) / 2 + b."""
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
            for i in range(f.row_tile):
                to[i] = w[i] * p[i] * (1. - p[i])
            to += f.row_tile


cdef void assemble(Fit *f) noexcept nogil:
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


cdef bint factor(Fit *f, double *matrix, Py_ssize_t size, double *scales) noexcept nogil:
    """The Cholesky factor in place, scaled to a diagonal of ones; whether it could be had."""
    cdef double jitter = JITTER
    cdef int failed = 1
    cdef Py_ssize_t j, attempt
    for j in range(size):
        scales[j] = 1. / sqrt(matrix[j * size + j])
        if not isfinite(scales[j]):
            return False
    for attempt in range(ATTEMPTS):
        f.call.cholesky.factor(
            <real *>matrix, 1, size, <const real *>scales, &jitter, &failed, 1)
        if not failed:
            return True
        jitter *= RETRY
    return False


cdef bint build_blocks(Fit *f) noexcept nogil:
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
            p = f.probabilities[at + a * f.row_tile]
            p = 1. if f.uniform else p * (1. - p)
            f.roots[a * f.n + i] = <float>sqrt(f.row_weights[i] * p)
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
        jitters[a], failed[a] = NARROW_JITTER, 1
    f.call.narrow_cholesky.factor(
        <real *>f.blocks, f.k, f.width, <const real *>f.narrow_scales, jitters, failed,
        f.gram_threads)
    for a in range(f.k):
        if failed[a]:
            return False
    return True


cdef void precondition(Fit *f, const double *right, double *to) noexcept nogil:
    if f.exact:
        f.call.cholesky.solve(
            <const real *>f.upper, 0, f.scales, f.size, right, to, 1, 1, f.size, <real *>f.scratch, 1)
    else:
        f.call.narrow_cholesky.solve(
            <const real *>f.blocks, 1, f.scales, f.width, right, to, 1, f.k, f.width,
            <real *>f.scratch, f.gram_threads)
    project(f, to)


cdef double modelled_bound(const Fit *f) noexcept nogil:
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


cdef Py_ssize_t find_direction(Fit *f, double wanted, bint fresh) noexcept nogil:
    """d near -H⁻¹ ∇F into `step`; products that it took. Near the end it is good enough for a proof."""
    cdef double size, before, first, curvature, along
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
            if size <= FORCING * FORCING * first:
                break
        elif modelled_bound(f) <= WITHIN * wanted or size <= EPSILON * first:
            break
        for i in range(f.size):
            f.search[i] = size / before * f.search[i] - f.solved[i]
    return count


cdef double find_step(Fit *f, double value, double slope) noexcept nogil:
    """How far to go along `step`, whose logits are `change`; 0 where F does not fall."""
    cdef Problem p = f.losses
    cdef double phi[3]
    cdef double t = 1., low = 0., high = INFINITY, linear = 0., square = 0., penalty = 0., w, d, next
    cdef double rounding = 4 * EPSILON * fabs(value)
    cdef Py_ssize_t i, j, trial
    p.stored = <real *>f.logits
    p.scale = 1. / f.n
    for i in range(f.k):
        for j in range(f.d):
            w, d = f.theta[i * f.width + j], f.step[i * f.width + j]
            penalty += 0.5 * f.ridge[j] * w * w
            linear += f.ridge[j] * w * d
            square += f.ridge[j] * d * d
    for trial in range(MOST_TRIALS):
        f.call.line.along(&p, <const real *>f.change, t, 1, phi, f.memory, f.n_threads)
        phi[0] += penalty + t * linear + 0.5 * t * t * square
        phi[1] += linear + t * square
        phi[2] += square
        if phi[0] <= value + ENOUGH * t * slope + rounding and fabs(phi[1]) <= -NEAR * slope:
            return t
        if phi[1] < 0.:
            low = t
        else:
            high = t
        next = t - phi[1] / phi[2]
        if next >= high or not isfinite(next) or next <= low:
            next = 0.5 * (low + high) if high < INFINITY else 4. * t
        t = fmin(next, 4. * t)
    return 0.


cdef bint make_stationary(Fit *f, double *total, double *shift) noexcept nogil:
    """Residuals at the linearised probabilities into `moved`, the change being shifted until their sums
    over the rows are 0 but for rounding; whether they are."""
    cdef Problem p = f.losses
    cdef double *H = f.small + f.k
    cdef double *off = H + f.k * f.k
    cdef double *of_classes = off + f.k
    cdef double *scales = of_classes + 2 * f.k
    cdef double *move = scales + f.k
    cdef double all_magnitudes, sum
    cdef Py_ssize_t i, j, round
    cdef bint done, factored = False
    p.stored = <real *>f.logits
    memset(shift, 0, f.k * sizeof(double))
    for round in range(ROUNDS):
        f.call.dual.dual_point(
            &p, 1., <const real *>f.change, <const real *>shift, <real *>f.moved, total, of_classes,
            f.memory, f.n_threads)
        if not f.intercept:
            return True
        done, all_magnitudes = True, 0.
        for i in range(f.k):
            all_magnitudes += of_classes[f.k + i]
        for i in range(f.k):
            off[i] = of_classes[i] / f.n
            sum = fmax(
                STATIONARY * of_classes[f.k + i], NOTHING * (all_magnitudes + 10 * f.is_table * f.n))
            done = done and fabs(of_classes[i]) <= sum
        if done:
            return True
        if not factored:
            hessian_by_intercepts(f, H)
            factored = factor(f, H, f.k, scales)
            if not factored:
                return False
        f.call.cholesky.solve(
            <const real *>H, 0, scales, f.k, off, move, 1, 1, f.k, <real *>f.scratch, 1)
        for i in range(f.k):
            shift[i] -= move[i]
    return False


cdef void hessian_by_intercepts(Fit *f, double *H) noexcept nogil:
    """The mean of diag(p) - p pᵀ; of a softmax with curvature for shifts, to which it is invariant."""
    cdef Py_ssize_t i, j, tile
    cdef double total = 0., sum
    cdef const double *p = f.probabilities
    f.call.dual.class_moments(
        <const real *>p, <const real *>f.row_weights, f.tiles, f.k, H, f.n_threads)
    cdef double *own = f.scratch
    for i in range(f.k):
        sum = 0.
        for tile in range(f.tiles):
            sum += dot(
                p + (tile * f.k + i) * f.row_tile, f.row_weights + tile * f.row_tile, f.row_tile)
        for j in range(f.k):
            H[i * f.k + j] = ((sum if i == j else 0.) - H[i * f.k + j]) / f.n
        own[i] = H[i * f.k + i]
        total += own[i]
    if f.losses.logistic:
        return
    for i in range(f.k):
        for j in range(f.k):
            H[i * f.k + j] += own[i] * own[j] / total


cdef double proved_bound(Fit *f, double *value) noexcept nogil:
    """F - F* at most, and F, by weak duality at the probabilities linearised along `step`."""
    cdef double total[4]
    cdef double of_squares = 0., rounding = 0., r, error, magnitude
    cdef Py_ssize_t i, j
    if not make_stationary(f, total, f.small):
        return INFINITY
    pull(f, &f.rows, f.moved, f.product)
    value[0] = total[0] / f.n + add_ridge(f, f.theta, f.product)
    magnitude = sqrt(total[2] / f.n) + f.is_table
    for j in range(f.d):
        error = ROUNDING * magnitude * f.sizes[j] * f.units[j]
        for i in range(f.k):
            r = f.product[i * f.width + j]
            of_squares += r * r / (2 * f.ridge[j])
            rounding += error * error / (2 * f.ridge[j])
    r = sqrt(of_squares) + sqrt(rounding)
    return fmin(total[1] / f.n + r * r, value[0])


cdef struct End:
    bint proved
    double value, bound
    Py_ssize_t n_steps


cdef End descend(Fit *f, double tolerance, double least, Py_ssize_t most, double *history) noexcept nogil:
    """Newton's method from theta, until the bound is within the tolerance times F, or no further."""
    cdef End end
    cdef double value, largest, wanted, slope, t, began = now()
    cdef Py_ssize_t products = 0, proofs = 0, i
    cdef bint fresh = True, built = False
    cdef double dear = <double>f.width * f.k / ((f.k + COMMON) * DEAR)
    f.uniform = True
    for i in range(f.size):
        f.uniform = f.uniform and (f.theta[i] == 0. or f.intercept and i % f.width == f.d)
    end.proved, end.n_steps, end.bound = False, 0, INFINITY
    store_logits(f, f.theta, f.logits)
    value = value_and_grad(f, &largest)
    while isfinite(value):
        wanted = tolerance * fmax(value, least)
        f.call.line.probabilities(
            <real *>f.logits, f.losses.logistic, f.tiles, f.k, <real *>f.probabilities, f.n_threads)
        if not built or max(products, EXPECTED) >= dear:
            built, fresh = True, f.exact or f.losses.logistic
            if not build(f):
                return end
        else:
            fresh = False
        products = find_direction(f, wanted, fresh)
        slope = dot(f.gradient, f.step, f.size)
        if end.n_steps:
            history[(end.n_steps - 1) * HISTORY + 4] = -0.5 * slope / value
        store_logits(f, f.step, f.change)
        if -0.5 * slope <= wanted:
            proofs += 1
            end.bound = proved_bound(f, &end.value)
            end.proved = end.bound <= wanted
            if end.proved or proofs == MOST_PROOFS:
                return end
        if end.n_steps == most or not slope < 0.:
            return end
        t = find_step(f, value, slope)
        if not t > 0.:
            return end
        for i in range(f.size):
            f.theta[i] += t * f.step[i]
        f.uniform = False
        f.call.line.move(
            <real *>f.logits, <const real *>f.change, t, f.tiles, f.k, f.n_threads)
        value = value_and_grad(f, &largest)
        history[end.n_steps * HISTORY] = value
        history[end.n_steps * HISTORY + 1] = largest
        history[end.n_steps * HISTORY + 2] = f.passes
        history[end.n_steps * HISTORY + 3] = now() - began
        history[end.n_steps * HISTORY + 4] = 0.
        end.n_steps += 1
    return end


cdef class Kernels(Binding):
    """On kernels of float64, linear, line, dual, gram and cholesky, and of float32, gram and cholesky,
    whose capsules it is given."""

    cdef Tables call

    def __cinit__(self, capsules, *_):
        linear, line, dual, gram, cholesky, narrow_gram, narrow_cholesky = capsules
        self.call.linear = <const Linear *>PyCapsule_GetPointer(linear, "linear")
        self.call.line = <const Line *>PyCapsule_GetPointer(line, "line")
        self.call.dual = <const Dual *>PyCapsule_GetPointer(dual, "dual")
        self.call.gram = <const Gram *>PyCapsule_GetPointer(gram, "gram")
        self.call.cholesky = <const Cholesky *>PyCapsule_GetPointer(cholesky, "cholesky")
        self.call.narrow_gram = <const Gram *>PyCapsule_GetPointer(narrow_gram, "gram")
        self.call.narrow_cholesky = <const Cholesky *>PyCapsule_GetPointer(
            narrow_cholesky, "cholesky")

    def minimize(
        self, cnp.ndarray x not None, targets not None, weights, cnp.ndarray ridge not None,
        bint intercept, cnp.ndarray theta not None, cnp.ndarray gradient not None,
        cnp.ndarray means not None, double tolerance, double least, cnp.ndarray history not None,
        int n_threads, int gram_threads,
    ):
        """Minimise the mean loss and ½ Σ ridge θ² from theta (k, width) on, in place, all float64.

        x (n, d) is of any type that `convert` knows, targets and weights as `set_targets` and
        `set_weights` take them, weights of mean 1; ridge (width,), width = d + intercept, is > 0 but for
        the intercept's. The model has the intercepts theta[:, -1] - theta[:, :-1] means; into gradient
        (k, width) comes that by its weights and intercepts, into history (steps, 5) F, max |gradient|,
        passes and seconds so far, and the estimated gap of each step.

        Returns (F, bound, steps, passes), or None where that is not proved to be within the tolerance
        times max(F, least) after len(history) steps, or the problem is none for this method.
        """
        cdef Fit f
        cdef End end
        cdef char *memory
        cdef char *at = NULL
        cdef double *start = doubles(theta, "theta")
        cdef double *to_gradient = doubles(gradient, "gradient")
        cdef double *to_means = doubles(means, "means")
        cdef double *to_history = doubles(history, "history")
        cdef Py_ssize_t most = min(MOST_STEPS, history.shape[0]), i, j
        memset(&f, 0, sizeof(Fit))
        f.call, f.intercept = self.call, intercept
        f.n, f.d, f.k = x.shape[0], x.shape[1], theta.shape[0]
        f.width = f.d + intercept
        f.size = f.k * f.width
        if theta.shape[1] != f.width or ridge.shape[0] != f.width:
            raise ValueError(f"theta, ridge: expected {f.width} columns")
        f.ridge = doubles(ridge, "ridge")
        f.n_threads, f.gram_threads = n_threads, gram_threads
        f.rows.cells, f.rows.n, f.rows.d, f.rows.k = self.cells(x), f.n, f.d, f.k
        self.set_targets(&f.rows, None)
        self.set_weights(&f.rows, weights)
        f.losses = f.rows
        self.set_targets(&f.losses, targets)
        f.is_table = f.losses.targets != NULL
        f.columns = f.width * (f.width + 1) // 2
        f.exact = f.n * f.columns <= MOST_OUTERS and f.size <= MOST_EXACT and (
            f.k > 1 or f.width <= FEW)
        f.pairs = f.k * (f.k + 1) // 2
        if f.k > MOST_CLASSES:
            return None
        f.row_tile = self.call.linear.tile_rows()
        f.tiles = (f.n + f.row_tile - 1) // f.row_tile
        f.cells = f.tiles * f.k * f.row_tile
        lay_out(&f, &at)
        memory = <char *>malloc(<size_t>at + 64)
        if memory == NULL:
            raise MemoryError(f"{<size_t>at} bytes of a small fit")
        at = memory + (64 - <size_t>memory % 64) % 64
        lay_out(&f, &at)
        end.proved = False
        with nogil:
            memcpy(f.theta, start, f.size * sizeof(double))
            if prepare(&f):
                end = descend(&f, tolerance, least, most, to_history)
        if end.proved:
            memcpy(start, f.theta, f.size * sizeof(double))
            memcpy(to_means, f.means, f.d * sizeof(double))
            pull(&f, &f.losses, f.logits, f.product)
            for i in range(f.k):
                for j in range(f.d):
                    to_gradient[i * f.width + j] = (
                        f.by_w[i * f.d + j] + f.ridge[j] * f.theta[i * f.width + j])
                if intercept:
                    to_gradient[i * f.width + f.d] = f.by_b[i]
        free(memory)
        return (end.value, end.bound, end.n_steps, f.passes) if end.proved else None
