"""Between θ, of features that are centred and scaled, and the model (`coordinates/standardised.py`).

A few flops for each of the K*(D + 1) numbers, in one reading.
What is summed over all classes is summed over each, then in their order, so that the result is the same
to the bit for any number of threads; by vectors, as GCC does not reorder floating-point sums.

θ and all that is like it is float64, as are scales and shifts: so is the `real` of functions that return
nothing else, which are called in that build only. Measurements:
docs/experiments/0018-kernels-for-vector-work.md.
"""

from cython.parallel cimport prange
from libc.math cimport fabs
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, flags
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.simd cimport (
    VL, VL_MOST, absolute, divide, load, maximum, real, set1, store, sum_lanes, vreal,
    vreal_inlined,
)
from fastsoftmax._core.squares cimport load_upto, store_upto

cnp.import_array()

cdef enum:
    MOST_SUMS = 3  # of a class
    LANES = 16  # features whose share in an intercept is summed apart


cdef struct Coordinates:
    Py_ssize_t k, d, size  # classes, features, parameters of a class: these and an intercept, if any
    const real *scales  # of a weight: θ is so many times the weight
    const real *shift  # of a feature
    double intercept_scale


cdef Coordinates coordinates(
    cnp.ndarray table, cnp.ndarray scales, cnp.ndarray shift, double intercept_scale
):
    cdef Coordinates c
    c.k, c.size, c.d = table.shape[0], table.shape[1], scales.shape[0]
    c.scales = reals(scales, "scales")
    c.shift = reals(shift, "shift")
    c.intercept_scale = intercept_scale
    return c


cdef double *sums_of(const Coordinates *c) except NULL:
    """Room for the sums of each class."""
    cdef double *sums = <double *>malloc((MOST_SUMS * c.k + 1) * sizeof(double))
    if sums == NULL:
        raise MemoryError(f"{MOST_SUMS * c.k} sums")
    return sums


cdef inline vreal_inlined inverse_scales(const Coordinates *c, Py_ssize_t j) noexcept nogil:
    """1 / the scales of VL features from j on, 1 behind the last."""
    cdef real element[VL_MOST]
    cdef Py_ssize_t v
    if j + VL <= c.d:
        return divide(set1(1.), load(c.scales + j))
    for v in range(VL):
        element[v] = c.scales[j + v] if j + v < c.d else 1.
    return divide(set1(1.), load(element))


def model(
    cnp.ndarray theta not None, cnp.ndarray scales not None, cnp.ndarray shift not None,
    double intercept_scale, cnp.ndarray w not None, cnp.ndarray b, int n_threads,
):
    """W (K, D) and b (K,) or None, `real`, of theta (K, D) or (K, D + 1), float64 whatever `real` is.

    So are scales and shift. All is contiguous.
    """
    cdef const double *at = doubles(theta, "theta")
    cdef const double *scale = doubles(scales, "scales")
    cdef const double *centre = doubles(shift, "shift")
    cdef Py_ssize_t rows = theta.shape[0], size = theta.shape[1], d = scales.shape[0], k
    cdef real *to_w = reals(w, "w")
    cdef real *to_b = reals(b, "b")
    cdef double at_means
    for k in prange(rows, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        at_means = weights_of_class(d, at + k * size, scale, centre, to_w + k * d)
        if to_b:
            to_b[k] = <real>(at[k * size + d] / intercept_scale - at_means)


cdef double weights_of_class(
    Py_ssize_t d, const double *theta, const double *scales, const double *shift, real *w
) noexcept nogil:
    """A class's weights, and what they make of the shift; through arrays of fixed length, of which GCC
    makes vectors."""
    cdef double weight[LANES]
    cdef double sums[LANES]
    cdef double at_means = 0.
    cdef Py_ssize_t j, v
    for v in range(LANES):
        sums[v] = 0.
    for j from 0 <= j <= d - LANES by LANES:
        for v in range(LANES):
            weight[v] = theta[j + v] / scales[j + v]
        for v in range(LANES):
            sums[v] += weight[v] * shift[j + v]
        for v in range(LANES):
            w[j + v] = <real>weight[v]
    for j in range(d - d % LANES, d):
        weight[0] = theta[j] / scales[j]
        sums[0] += weight[0] * shift[j]
        w[j] = <real>weight[0]
    for v in range(LANES):
        at_means += sums[v]
    return at_means


def gradient(
    cnp.ndarray theta not None, cnp.ndarray by_w not None, cnp.ndarray by_b not None, double ridge,
    cnp.ndarray scales not None, cnp.ndarray shift not None, double intercept_scale,
    cnp.ndarray constant not None, cnp.ndarray out not None, int n_threads,
):
    """That of loss and ridge with respect to theta into out, like theta, from those of the loss with
    respect to W and b, float64; 0 for features that are `constant`, (D,) bool. And the ridge."""
    cdef Coordinates c = coordinates(theta, scales, shift, intercept_scale)
    cdef const real *at = reals(theta, "theta")
    cdef const real *from_w = reals(by_w, "by_w")
    cdef const real *from_b = reals(by_b, "by_b")
    cdef const unsigned char *left_out = <const unsigned char *>flags(constant, "constant")
    cdef real *to = reals(out, "out")
    cdef double *squares = sums_of(&c)
    cdef double total = 0.
    cdef Py_ssize_t k
    for k in prange(c.k, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        squares[k] = gradient_of_class(
            &c, at + k * c.size, from_w + k * c.d, from_b[k], ridge, left_out, to + k * c.size)
    for k in range(c.k):
        total += squares[k]
    free(squares)
    return 0.5 * ridge * total


cdef double gradient_of_class(
    const Coordinates *c, const real *theta, const real *by_w, double by_b, double ridge,
    const unsigned char *constant, real *out,
) noexcept nogil:
    cdef vreal from_b = set1(by_b if c.size > c.d else 0.), squares = set1(0.), inverse, weight, slope
    cdef Py_ssize_t j, left
    for j from 0 <= j < c.d by VL:
        left = c.d - j
        inverse = inverse_scales(c, j)
        weight = load_upto(theta + j, left) * inverse
        squares = squares + weight * weight
        slope = load_upto(by_w + j, left) + set1(ridge) * weight
        slope = (slope - from_b * load_upto(c.shift + j, left)) * inverse
        store_upto(out + j, slope, left)
    for j in range(c.d):
        if constant[j]:
            out[j] = 0.
    if c.size > c.d:
        out[c.d] = by_b / c.intercept_scale
    return sum_lanes(squares)


def products(
    cnp.ndarray theta not None, cnp.ndarray direction not None, cnp.ndarray scales not None,
    cnp.ndarray out not None, int n_threads,
):
    """out = ⟨W, W⟩, ⟨W, V⟩, ⟨V, V⟩ of the weights of two vectors like theta, float64."""
    cdef double *to = doubles(out, "out")
    cdef Coordinates c = coordinates(theta, scales, scales, 1.)
    cdef const real *x = reals(theta, "theta")
    cdef const real *y = reals(direction, "direction")
    cdef double *sums = sums_of(&c)
    cdef Py_ssize_t k, i
    for k in prange(c.k, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        products_of_class(&c, x + k * c.size, y + k * c.size, sums + 3 * k)
    for i in range(3):
        to[i] = 0.
        for k in range(c.k):
            to[i] += sums[3 * k + i]
    free(sums)


cdef void products_of_class(
    const Coordinates *c, const real *theta, const real *direction, double *sums
) noexcept nogil:
    cdef vreal xx = set1(0.), xy = set1(0.), yy = set1(0.), inverse, x, y
    cdef Py_ssize_t j
    for j from 0 <= j < c.d by VL:
        inverse = inverse_scales(c, j)
        x = load_upto(theta + j, c.d - j) * inverse
        y = load_upto(direction + j, c.d - j) * inverse
        xx = xx + x * x
        xy = xy + x * y
        yy = yy + y * y
    sums[0], sums[1], sums[2] = sum_lanes(xx), sum_lanes(xy), sum_lanes(yy)


def norms(
    cnp.ndarray gradient not None, cnp.ndarray scales not None, cnp.ndarray shift not None,
    double intercept_scale, int n_threads,
):
    """From the gradient with respect to θ, max |∇F| with respect to (W, b), NaN if one is, and ‖∇_W F‖²
    with respect to the weights of centred features: where intercepts are optimal it is the same, but
    for what is left of their gradient times the shift."""
    cdef Coordinates c = coordinates(gradient, scales, shift, intercept_scale)
    cdef const real *x = reals(gradient, "gradient")
    cdef double *sums = sums_of(&c)
    cdef double most = 0., total = 0.
    cdef Py_ssize_t k
    for k in prange(c.k, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        norms_of_class(&c, x + k * c.size, sums + 2 * k)
    for k in range(c.k):
        total += sums[2 * k + 1]
        if not sums[2 * k] <= most and most == most:
            most = sums[2 * k]
    free(sums)
    return most, total


cdef void norms_of_class(const Coordinates *c, const real *gradient, double *sums) noexcept nogil:
    cdef double by_b = gradient[c.d] * c.intercept_scale if c.size > c.d else 0.
    cdef vreal most = set1(0.), squares = set1(0.), slope
    cdef real element[VL_MOST]
    cdef double top = fabs(by_b)
    cdef Py_ssize_t j, left
    for j from 0 <= j < c.d by VL:
        left = c.d - j
        slope = load_upto(gradient + j, left) * load_upto(c.scales + j, left)
        squares = squares + slope * slope
        slope = slope + set1(by_b) * load_upto(c.shift + j, left)
        most = maximum(most, absolute(slope))
    store(element, most)
    for j in range(VL):
        top = max(top, element[j])
    sums[1] = sum_lanes(squares)  # NaN if a slope is, which maxima may forget
    sums[0] = top if sums[1] == sums[1] and by_b == by_b else sums[1] + by_b
    sums[1] = sums[1] if by_b == by_b else by_b


def centre(cnp.ndarray table not None, cnp.ndarray out not None, int n_threads):
    """table (K, size) less the mean over its rows, contiguous, into out."""
    cdef const real *x = reals(table, "table")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t k, rows = table.shape[0], size = table.shape[1], j
    cdef real *means = <real *>malloc((size + 1) * sizeof(real))
    if means == NULL:
        raise MemoryError(f"{size} means")
    with nogil:
        for j in range(size):
            means[j] = 0.
        for k in range(rows):
            for j in range(size):
                means[j] += x[k * size + j]
        for j in range(size):
            means[j] /= rows
        for k in prange(rows, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            for j in range(size):
                to[k * size + j] = x[k * size + j] - means[j]
    free(means)
