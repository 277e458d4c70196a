"""A small problem, its memory, and what Newton's method asks of it: F, its gradient, products with H.

Parameters are θ = (W, c) of features centred by their means, c = b + W·means (k, width): the weights of
a class side by side and its intercept, if there is one, behind them. All of it is float64.
"""

from libc.math cimport fabs, fmax, isfinite, sqrt
from libc.string cimport memcpy, memset

from fastsoftmax._core.arguments cimport FLOAT64, Problem
from fastsoftmax._core.hessian.cholesky_kernels cimport Table as Cholesky
from fastsoftmax._core.hessian.gram_kernels cimport Table as Gram
from fastsoftmax._core.linear.linear_kernels cimport Table as Linear
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.dual_kernels cimport Table as Dual
from fastsoftmax._core.solver.line_kernels cimport Table as Line

cdef enum:
    MOST_CLASSES = 16
    # products of pairs of features of all rows, and parameters, up to which H is factored whole
    MOST_OUTERS = 250000
    MOST_EXACT = 128
    FEW = 12  # parameters of one logit, up to which that is faster than a Gram matrix
    FAR = 10  # of a mean, in deviations, from which on centring X might be called for


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
    double *logits  # in tiles, as are the next four
    double *probabilities
    double *variances  # each row's weight times p (1 - p), to all digits
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


cdef inline char *carve(char **at, Py_ssize_t bytes) noexcept nogil:
    """Some of the memory from `at` on; measures alone while that is NULL."""
    cdef char *here = at[0]
    at[0] = here + (bytes + 63) // 64 * 64
    return here


cdef inline double *numbers(char **at, Py_ssize_t count) noexcept nogil:
    return <double *>carve(at, count * sizeof(double))


cdef inline void lay_out(Fit *f, char **at) noexcept nogil:
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
    f.variances = numbers(at, f.cells)
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


cdef inline Problem pairs_problem(const Fit *f) noexcept nogil:
    """The products of features in the place of X, and the weights of pairs of classes in that of the
    residuals."""
    cdef Problem p = f.rows
    p.cells.x, p.cells.type, p.cells.size = <const char *>f.outers, FLOAT64, sizeof(double)
    p.cells.row_step, p.cells.column_step = f.columns * p.cells.size, p.cells.size
    p.d, p.k, p.stored, p.scale = f.columns, f.pairs, <real *>f.pair_weights, 1. / f.n
    return p


cdef inline double dot(const double *x, const double *y, Py_ssize_t n) noexcept nogil:
    cdef double total = 0.
    cdef Py_ssize_t i
    for i in range(n):
        total += x[i] * y[i]
    return total


cdef inline void project(const Fit *f, double *x) noexcept nogil:
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


cdef inline bint prepare(Fit *f) noexcept nogil:
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


cdef inline void store_logits(Fit *f, const double *at, double *to) noexcept nogil:
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


cdef inline double pull(Fit *f, const Problem *given, double *stored, double *to) noexcept nogil:
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


cdef inline double add_ridge(const Fit *f, const double *at, double *to) noexcept nogil:
    """That of some parameters to a gradient; what it adds to F."""
    cdef double total = 0.
    cdef Py_ssize_t i, j
    for i in range(f.k):
        for j in range(f.width):
            to[i * f.width + j] += f.ridge[j] * at[i * f.width + j]
            total += f.ridge[j] * at[i * f.width + j] * at[i * f.width + j]
    return 0.5 * total


cdef inline double value_and_grad(Fit *f, double *largest) noexcept nogil:
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


cdef inline void multiply(Fit *f, const double *vector, double *to) noexcept nogil:
    """The Hessian times a vector: Xᵀ of the curvature of each row's loss along its logits."""
    store_logits(f, vector, f.moved)
    f.call.line.curve(
        <real *>f.probabilities, f.losses.logistic, <real *>f.moved, f.losses.weights, f.n, f.tiles,
        f.k, <real *>f.moved, f.n_threads)
    pull(f, &f.rows, f.moved, to)
    add_ridge(f, vector, to)
    project(f, to)
