"""Between θ, of features that are centred and scaled, and the model (`objective/parameters.py`).

A few flops for each of the K*(D + 1) numbers, in one reading. As array operations they are some thirty
for each step of a solver, of a few microseconds each however few the numbers.
What is summed over all classes is summed over each, then in their order, so that the result is the same
to the bit for any number of threads.
"""

from cython.parallel cimport prange
from libc.math cimport fabs
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.simd cimport real

cnp.import_array()

cdef enum:
    MOST_SUMS = 3  # of a class


cdef struct Coordinates:
    Py_ssize_t k, d, size  # classes, features, parameters of a class: these and an intercept, if any
    const double *scales  # of a weight: θ is so many times the weight
    const double *shift  # of a feature
    double intercept_scale


cdef Coordinates coordinates(
    cnp.ndarray table, cnp.ndarray scales, cnp.ndarray shift, double intercept_scale
):
    cdef Coordinates c
    c.k, c.size, c.d = table.shape[0], table.shape[1], scales.shape[0]
    c.scales = <const double *>cnp.PyArray_DATA(scales)
    c.shift = <const double *>cnp.PyArray_DATA(shift)
    c.intercept_scale = intercept_scale
    return c


cdef double *sums_of(const Coordinates *c) except NULL:
    """Room for the sums of each class."""
    cdef double *sums = <double *>malloc((MOST_SUMS * c.k + 1) * sizeof(double))
    if sums == NULL:
        raise MemoryError(f"{MOST_SUMS * c.k} sums")
    return sums


def model(
    cnp.ndarray theta not None, cnp.ndarray scales not None, cnp.ndarray shift not None,
    double intercept_scale, cnp.ndarray w not None, cnp.ndarray b, int n_threads,
):
    """W (K, D) and b (K,) or None, `real`, of theta (K, D) or (K, D + 1), float64; all contiguous."""
    cdef Coordinates c = coordinates(theta, scales, shift, intercept_scale)
    cdef const double *at = <const double *>cnp.PyArray_DATA(theta)
    cdef real *to_w = <real *>cnp.PyArray_DATA(w)
    cdef real *to_b = NULL if b is None else <real *>cnp.PyArray_DATA(b)
    cdef Py_ssize_t k
    for k in prange(c.k, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        model_of_class(&c, at + k * c.size, to_w + k * c.d, to_b + k if to_b else NULL)


cdef void model_of_class(
    const Coordinates *c, const double *theta, real *w, real *b
) noexcept nogil:
    cdef double at_means = 0., weight
    cdef Py_ssize_t j
    for j in range(c.d):
        weight = theta[j] / c.scales[j]
        w[j] = <real>weight
        at_means += weight * c.shift[j]
    if b:
        b[0] = <real>(theta[c.d] / c.intercept_scale - at_means)


def gradient(
    cnp.ndarray theta not None, cnp.ndarray by_w not None, cnp.ndarray by_b not None, double ridge,
    cnp.ndarray scales not None, cnp.ndarray shift not None, double intercept_scale,
    cnp.ndarray constant not None, cnp.ndarray out not None, int n_threads,
):
    """That of loss and ridge with respect to theta into out, like theta, from those of the loss with
    respect to W and b, float64; 0 for features that are `constant`, (D,) bool. And the ridge."""
    cdef Coordinates c = coordinates(theta, scales, shift, intercept_scale)
    cdef const double *at = <const double *>cnp.PyArray_DATA(theta)
    cdef const double *from_w = <const double *>cnp.PyArray_DATA(by_w)
    cdef const double *from_b = <const double *>cnp.PyArray_DATA(by_b)
    cdef const unsigned char *left_out = <const unsigned char *>cnp.PyArray_DATA(constant)
    cdef double *to = <double *>cnp.PyArray_DATA(out)
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
    const Coordinates *c, const double *theta, const double *by_w, double by_b, double ridge,
    const unsigned char *constant, double *out,
) noexcept nogil:
    cdef double squares = 0., weight, slope
    cdef double from_b = by_b if c.size > c.d else 0.
    cdef Py_ssize_t j
    for j in range(c.d):
        weight = theta[j] / c.scales[j]
        squares += weight * weight
        slope = (by_w[j] + ridge * weight - from_b * c.shift[j]) / c.scales[j]
        out[j] = 0. if constant[j] else slope
    if c.size > c.d:
        out[c.d] = by_b / c.intercept_scale
    return squares


def products(
    cnp.ndarray theta not None, cnp.ndarray direction not None, cnp.ndarray scales not None,
    double[::1] out, int n_threads,
):
    """out = ⟨W, W⟩, ⟨W, V⟩, ⟨V, V⟩ of the weights of two vectors like theta."""
    cdef Coordinates c = coordinates(theta, scales, scales, 1.)
    cdef const double *x = <const double *>cnp.PyArray_DATA(theta)
    cdef const double *y = <const double *>cnp.PyArray_DATA(direction)
    cdef double *sums = sums_of(&c)
    cdef Py_ssize_t k, i
    for k in prange(c.k, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        products_of_class(&c, x + k * c.size, y + k * c.size, sums + 3 * k)
    for i in range(3):
        out[i] = 0.
        for k in range(c.k):
            out[i] += sums[3 * k + i]
    free(sums)


cdef void products_of_class(
    const Coordinates *c, const double *theta, const double *direction, double *sums
) noexcept nogil:
    cdef double xx = 0., xy = 0., yy = 0., x, y
    cdef Py_ssize_t j
    for j in range(c.d):
        x = theta[j] / c.scales[j]
        y = direction[j] / c.scales[j]
        xx += x * x
        xy += x * y
        yy += y * y
    sums[0] = xx
    sums[1] = xy
    sums[2] = yy


def norms(
    cnp.ndarray gradient not None, cnp.ndarray scales not None, cnp.ndarray shift not None,
    double intercept_scale, int n_threads,
):
    """max |∇F| with respect to (W, b), NaN if one is, and ‖∇_W F‖², from that with respect to θ."""
    cdef Coordinates c = coordinates(gradient, scales, shift, intercept_scale)
    cdef const double *x = <const double *>cnp.PyArray_DATA(gradient)
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


cdef void norms_of_class(const Coordinates *c, const double *gradient, double *sums) noexcept nogil:
    cdef double by_b = gradient[c.d] * c.intercept_scale if c.size > c.d else 0.
    cdef double most = fabs(by_b), total = 0., slope
    cdef Py_ssize_t j
    for j in range(c.d):
        slope = gradient[j] * c.scales[j] + by_b * c.shift[j]
        total += slope * slope
        most = max(most, fabs(slope))
    sums[0] = most if total == total and by_b == by_b else total + by_b
    sums[1] = total


def centre(cnp.ndarray table not None, cnp.ndarray out not None, int n_threads):
    """table (K, size) less the mean over its rows, float64, contiguous, into out."""
    cdef const double *x = <const double *>cnp.PyArray_DATA(table)
    cdef double *to = <double *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t k, rows = table.shape[0], size = table.shape[1], j
    cdef double *means = <double *>malloc((size + 1) * sizeof(double))
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
