"""How far F can still fall, as `_engine/solvers/certificate.py` has it, where its reasons stand."""

from libc.math cimport INFINITY, fabs, fmax, fmin, sqrt
from libc.string cimport memset

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.small.small_factors cimport factor
from fastsoftmax._core.small.small_problem cimport Fit, add_ridge, pull

cdef enum:
    ROUNDS = 8  # of making intercepts stationary


cdef inline bint make_stationary(Fit *f, double *total, double *shift) noexcept nogil:
    """Residuals at the linearised probabilities into `moved`, the change being shifted until their sums
    over the rows are 0 but for rounding; whether they are."""
    cdef Problem p = f.losses
    cdef double *H = f.small + f.k
    cdef double *off = H + f.k * f.k
    cdef double *of_classes = off + f.k
    cdef double *scales = of_classes + 2 * f.k
    cdef double *move = scales + f.k
    cdef double all_magnitudes, sum
    cdef Py_ssize_t i, _round
    cdef bint done, factored = False
    p.stored = <real *>f.logits
    memset(shift, 0, f.k * sizeof(double))
    for _round in range(ROUNDS):
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
                1e-13 * of_classes[f.k + i], 1e-16 * (all_magnitudes + 10 * f.is_table * f.n))
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


cdef inline void hessian_by_intercepts(Fit *f, double *H) noexcept nogil:
    """The mean of diag(p) - p pᵀ; of a softmax with curvature for shifts, to which it is invariant."""
    cdef Py_ssize_t i, j
    cdef double total = 0.
    cdef double *own = f.scratch
    f.call.dual.class_moments(
        <const real *>f.probabilities, <const real *>f.row_weights, f.tiles, f.k, H, f.n_threads)
    f.call.line.class_sums(<const real *>f.variances, NULL, f.tiles, f.k, own)
    for i in range(f.k):
        own[i] /= f.n
        total += own[i]
        for j in range(f.k):
            H[i * f.k + j] = own[i] if i == j else -H[i * f.k + j] / f.n
    if f.losses.logistic:
        return
    for i in range(f.k):
        for j in range(f.k):
            H[i * f.k + j] += own[i] * own[j] / total


cdef inline double proved_bound(Fit *f, double *value) noexcept nogil:
    """F - F* at most, and F, by weak duality at the probabilities linearised along `step`."""
    cdef double total[4]
    cdef double of_squares = 0., rounding = 0., r, error, magnitude, epsilon = 2.220446049250313e-16
    cdef Py_ssize_t i, j
    if not make_stationary(f, total, f.small):
        return INFINITY
    pull(f, &f.rows, f.moved, f.product)
    value[0] = total[0] / f.n + add_ridge(f, f.theta, f.product)
    magnitude = sqrt(total[2] / f.n) + f.is_table
    for j in range(f.d):
        error = 4 * epsilon * magnitude * f.sizes[j]
        for i in range(f.k):
            r = f.product[i * f.width + j]
            of_squares += r * r / (2 * f.ridge[j])
            rounding += error * error / (2 * f.ridge[j])
    r = sqrt(of_squares) + sqrt(rounding)
    return fmin(total[1] / f.n + r * r, value[0])


cdef inline double of_rounded_logits(const Fit *f, double bound) noexcept nogil:
    """The bound, since logits are sums of rounded numbers: `Models.logit_rounding`, for the model's
    intercepts, which are no more than |c| + |W| |means|."""
    cdef double rounding = 4 * 2.220446049250313e-16, total = 0., size
    cdef Py_ssize_t i, j
    for i in range(f.k):
        size = fabs(f.theta[i * f.width + f.d]) if f.intercept else 0.
        for j in range(f.d):
            size += 2 * f.sizes[j] * fabs(f.theta[i * f.width + j])
        total += (rounding * size) ** 2
    return (sqrt(fmax(bound, 0.)) + sqrt(0.25 * total)) ** 2
