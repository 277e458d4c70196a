"""A small problem, its memory, and what Newton's method asks of it: F, its gradient, products with H.

Parameters are θ = (W, c) of features centred by their means, c = b + W·means (k, width): the weights of
a class side by side and its intercept, if there is one, behind them. All of it is float64, but X is
there in float32 too where the Hessian is made of that.
"""

from libc.math cimport fabs, fmax, isfinite, sqrt

from fastsoftmax._core.arguments cimport Cells, Problem
from fastsoftmax._core.hessian.cholesky_kernels cimport Table as Cholesky
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sizes cimport aligned
from fastsoftmax._core.small.tiled_kernels cimport Table as TiledTable, Tiled
from fastsoftmax._core.solver.dual_kernels cimport Table as Dual
from fastsoftmax._core.solver.line_kernels cimport Table as Line

cdef enum:
    MOST_CLASSES = 16  # logits: `most_logits` of `SmallRules`, for arrays on the stack
    # logits, less the one that follows from the others, and parameters, up to which H is factored whole
    MOST_FREE = 4
    MOST_EXACT = 256
    WIDE_WORK = 300000  # products of pairs, up to which they are made in float64
    FAR = 10  # of a mean, in deviations, from which on centring X might be called for


cdef struct Tables:
    const TiledTable *tiled
    const Line *line
    const Dual *dual
    const Cholesky *cholesky
    const TiledTable *narrow  # of float32
    const Cholesky *narrow_cholesky


cdef struct Fit:
    Tables call
    Cells cells  # X as it is given
    Problem losses  # of stored logits, with targets
    Problem rows  # without
    Tiled x
    Tiled hessian_x  # of which H is made
    const TiledTable *hessian_call
    Py_ssize_t n, d, k, width, size, tiles, row_tile, cells_of_rows
    Py_ssize_t free, pairs  # logits that H has, and pairs of them
    bint intercept, exact, is_table
    bint narrow  # whether H is made in float32
    bint uniform  # whether all rows have the same probabilities
    int n_threads, gram_threads
    double passes
    const double *ridge  # (width,), 0 for the intercept
    double *means  # (d,)
    double *sizes  # (d,): root mean squares
    double *theta  # (k, width), as are the next six
    double *gradient
    double *step
    double *residual
    double *solved
    double *search
    double *product
    double *logits  # in tiles, as are the next four
    double *probabilities
    double *variances  # each row's weight times p (1 - p), to all digits
    double *change
    double *moved
    double *row_weights  # (tiles * row_tile,), 0 past the end
    double *scales  # of factors: (size,)
    double *scratch  # (size,) of a solve
    double *small  # of the Hessian by intercepts: (k, k), and vectors
    char *weights  # of rows, by which Gram matrices are made: (grams, tiles * row_tile)
    double *grams  # (width, width) each
    # where H is factored whole
    double *upper  # (free * width, free * width)
    double *right  # (free * width,)
    # where its blocks are, in float32
    float *narrow_scales
    float *blocks  # (k, width, width)
    char *memory  # of the kernels


cdef inline char *carve(char **at, Py_ssize_t bytes) noexcept nogil:
    """Some of the memory from `at` on; measures alone while that is NULL."""
    cdef char *here = at[0]
    at[0] = here + aligned(bytes)
    return here


cdef inline double *numbers(char **at, Py_ssize_t count) noexcept nogil:
    return <double *>carve(at, count * sizeof(double))


cdef inline void lay_out(Fit *f, char **at) noexcept nogil:
    cdef Py_ssize_t kernels, count, grams = f.pairs if f.exact else f.k
    f.means, f.sizes = numbers(at, f.d), numbers(at, f.d)
    f.theta, f.gradient, f.step = numbers(at, f.size), numbers(at, f.size), numbers(at, f.size)
    f.residual, f.solved = numbers(at, f.size), numbers(at, f.size)
    f.search, f.product = numbers(at, f.size), numbers(at, f.size)
    f.logits, f.probabilities = numbers(at, f.cells_of_rows), numbers(at, f.cells_of_rows)
    f.variances = numbers(at, f.cells_of_rows)
    f.change, f.moved = numbers(at, f.cells_of_rows), numbers(at, f.cells_of_rows)
    f.row_weights = numbers(at, f.tiles * f.row_tile)
    f.scales, f.scratch = numbers(at, f.size), numbers(at, f.size)
    f.small = numbers(at, f.k * f.k + 6 * f.k)
    f.x.tiles, f.x.width = f.tiles, f.width
    count = f.call.tiled.numbers(f.tiles, f.width)
    f.x.x = <real *>numbers(at, count)
    f.hessian_x, f.hessian_call = f.x, f.call.tiled
    if f.narrow:
        f.hessian_call = f.call.narrow
        count = f.call.narrow.numbers(f.tiles, f.width)
        f.hessian_x.x = <real *>carve(at, count * sizeof(float))
    f.weights = <char *>numbers(at, grams * f.tiles * f.row_tile)
    f.grams = numbers(at, grams * f.width * f.width)
    if f.exact:
        f.upper = numbers(at, f.free * f.width * f.free * f.width)
        f.right = numbers(at, f.free * f.width)
    else:
        f.narrow_scales = <float *>carve(at, f.size * sizeof(float))
        f.blocks = <float *>carve(at, f.k * f.width * f.width * sizeof(float))
    kernels = f.call.tiled.centre_bytes(f.d)
    kernels = max(kernels, f.call.tiled.pull_bytes(&f.x, f.k, f.n_threads))
    kernels = max(kernels, f.hessian_call.gram_bytes(&f.hessian_x, grams, f.gram_threads))
    kernels = max(kernels, f.call.line.along_bytes(&f.losses, f.n_threads))
    kernels = max(kernels, f.call.dual.dual_bytes(&f.losses, f.n_threads))
    f.memory = carve(at, kernels)


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
    """X in tiles, means and sizes of its features; whether float64 has enough digits for them as they
    lie."""
    cdef Py_ssize_t i, j
    cdef double deviation
    for i in range(f.tiles * f.row_tile):
        f.row_weights[i] = 0. if i >= f.n else 1.
        if i < f.n and f.losses.weights:
            f.row_weights[i] = (<const double *>f.losses.weights)[i]
    f.call.tiled.pack(&f.cells, f.n, f.d, f.width, <real *>f.x.x)
    f.call.tiled.centre(
        <real *>f.x.x, f.tiles, f.width, f.d, <const real *>f.row_weights, 1. / f.n, f.intercept,
        f.means, f.sizes, f.memory)
    for j in range(f.d):
        deviation = sqrt(f.sizes[j])
        if not isfinite(f.sizes[j]) or fabs(f.means[j]) > FAR * deviation and f.means[j] != 0.:
            return False
        f.sizes[j] = sqrt(f.sizes[j] + f.means[j] * f.means[j])
        if not f.intercept:
            f.means[j] = 0.
    if f.narrow:
        f.call.narrow.copy(
            <const double *>f.x.x, f.call.narrow.numbers(f.tiles, f.width), <real *>f.hessian_x.x)
    return True


cdef inline void store_logits(Fit *f, const double *at, double *to) noexcept nogil:
    """The logits of parameters, in tiles."""
    f.call.tiled.logits(&f.x, <const real *>at, f.k, <real *>to, f.n_threads)
    f.passes += 0.5


cdef inline double pull(Fit *f, const Problem *given, double *stored, double *to) noexcept nogil:
    """The loss at stored logits, and its gradient by the parameters; or, of rows without targets, that
    of what stands in the place of the gradient by the logits."""
    cdef Problem p = given[0]
    p.stored, p.scale = <real *>stored, 1. / f.n
    f.passes += 0.5
    return f.call.tiled.pull(&f.x, &p, to, f.memory, f.n_threads)


cdef inline double add_ridge(const Fit *f, const double *at, double *to) noexcept nogil:
    """That of some parameters to a gradient; what it adds to F."""
    cdef double total = 0.
    cdef Py_ssize_t i, j
    for i in range(f.k):
        for j in range(f.width):
            to[i * f.width + j] += f.ridge[j] * at[i * f.width + j]
            total += f.ridge[j] * at[i * f.width + j] * at[i * f.width + j]
    return 0.5 * total


cdef inline double by_given(
    const Fit *f, const double *gradient, Py_ssize_t i, Py_ssize_t j
) noexcept nogil:
    """A gradient's entry by the features as they are given, where they are not centred."""
    cdef double by = gradient[i * f.width + j]
    if f.intercept and j < f.d:
        by += f.means[j] * gradient[i * f.width + f.d]
    return by


cdef inline double value_and_grad(Fit *f, double *largest) noexcept nogil:
    """F and its gradient at the stored logits, and max |∇F| of the features as they are given."""
    cdef double value = pull(f, &f.losses, f.logits, f.gradient)
    cdef Py_ssize_t i, j
    value += add_ridge(f, f.theta, f.gradient)
    largest[0] = 0.
    for i in range(f.k):
        for j in range(f.width):
            largest[0] = fmax(largest[0], fabs(by_given(f, f.gradient, i, j)))
    project(f, f.gradient)
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
