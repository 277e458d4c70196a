"""Between θ, of features that are centred and scaled, and the model (`coordinates/standardised.py`).

A few flops for each of the K*(D + 1) numbers, in one reading.
What is summed over all classes is summed over each, then in their order, so that the result is the same
to the bit for any number of threads; by vectors, as GCC does not reorder floating-point sums.

θ and all that is like it is float64, as are scales and shifts: so is the `real` of functions that return
nothing else, which are called in that build only. Measurements:
docs/experiments/0018-kernels-for-vector-work.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange
from libc.math cimport fabs

from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, absolute, divide, load, maximum, real, set1, store, sum_lanes, vreal,
    vreal_inlined,
)
from fastsoftmax._core.simd.squares cimport load_upto, store_upto
from fastsoftmax._core.solver.standardised_kernels cimport Coordinates, Table

cdef enum:
    LANES = 16  # features whose share in an intercept is summed apart


cdef inline vreal_inlined inverse_scales(const Coordinates *c, Py_ssize_t j) noexcept nogil:
    """1 / the scales of VL features from j on, 1 behind the last."""
    cdef real element[VL_MOST]
    cdef Py_ssize_t v
    if j + VL <= c.d:
        return divide(set1(1.), load(c.scales + j))
    for v in range(VL):
        element[v] = c.scales[j + v] if j + v < c.d else 1.
    return divide(set1(1.), load(element))


cdef void model(
    const double *at, Py_ssize_t rows, Py_ssize_t size, const double *scale, const double *centre,
    Py_ssize_t d, double intercept_scale, real *to_w, real *to_b, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t k
    cdef double at_means
    for k in prange(rows, schedule="static", num_threads=n_threads,
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
    j = d - d % LANES
    for v in range(d - j):  # sums of their own: see docs/experiments/0093
        weight[v] = theta[j + v] / scales[j + v]
        sums[v] += weight[v] * shift[j + v]
        w[j + v] = <real>weight[v]
    for v in range(LANES):
        at_means += sums[v]
    return at_means


cdef double gradient(
    const Coordinates *c, const real *at, const real *from_w, const real *from_b, double ridge,
    const unsigned char *left_out, real *to, double *squares, int n_threads,
) noexcept nogil:
    cdef double total = 0.
    cdef Py_ssize_t k
    for k in prange(c.k, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        squares[k] = gradient_of_class(
            c, at + k * c.size, from_w + k * c.d, from_b[k], ridge, left_out, to + k * c.size)
    for k in range(c.k):
        total += squares[k]
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


cdef void products(
    const Coordinates *c, const real *x, const real *y, double *to, double *sums, int n_threads
) noexcept nogil:
    cdef Py_ssize_t k, i
    for k in prange(c.k, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        products_of_class(c, x + k * c.size, y + k * c.size, sums + 3 * k)
    for i in range(3):
        to[i] = 0.
        for k in range(c.k):
            to[i] += sums[3 * k + i]


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


cdef void norms(
    const Coordinates *c, const real *x, double *to, double *sums, int n_threads
) noexcept nogil:
    cdef double most = 0., total = 0.
    cdef Py_ssize_t k
    for k in prange(c.k, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        norms_of_class(c, x + k * c.size, sums + 2 * k)
    for k in range(c.k):
        total += sums[2 * k + 1]
        if not sums[2 * k] <= most and most == most:
            most = sums[2 * k]
    to[0], to[1] = most, total


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


cdef void centre(
    const real *x, Py_ssize_t rows, Py_ssize_t size, real *to, real *means, int n_threads
) noexcept nogil:
    cdef Py_ssize_t k, j
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


cdef Table table = Table(
    model=&model, gradient=&gradient, products=&products, norms=&norms, centre=&centre)
capsule = PyCapsule_New(&table, "standardised", NULL)
