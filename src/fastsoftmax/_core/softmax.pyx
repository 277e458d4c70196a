"""Softmax, log-softmax, log-sum-exp and cross-entropy of rows of logits.

A row is read while it sits in cache: for its maximum, for the sum of exponentials, for the result.
The log-sum-exp is max + log1p(others), others = sum of exp(z_j - max) without one j that attains the
maximum: its exp(0) = 1 is never added to small terms (Blanchard, Higham & Higham 2021).

Lanes run along the row. Short rows leave lanes idle; the fused kernels, which are what such rows
come from, put rows side by side instead (`softmax_tile`).
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY, NAN
cimport numpy as cnp

from fastsoftmax._core.rowmath cimport exp, log1p
from fastsoftmax._core.simd cimport (
    VL, VL_MOST, lane_index, load, load_first, max_lanes, maximum, real, select_gt, set1, store,
    store_first, sum_lanes, to_real, vreal, vreal_inlined,
)

cnp.import_array()


cdef inline vreal_inlined load_or(const real *z, Py_ssize_t n, double fill) noexcept nogil:
    """A vector of z, of which n elements are left: past them, `fill`."""
    if n >= VL:
        return load(z)
    return select_gt(set1(n), to_real(lane_index()), load_first(z, <int>n), set1(fill))


cdef inline void store_to(real *out, vreal x, Py_ssize_t n) noexcept nogil:
    if n >= VL:
        store(out, x)
    else:
        store_first(out, x, <int>n)


cdef inline double largest(const real *z, Py_ssize_t k) noexcept nogil:
    cdef vreal top = set1(-INFINITY)
    cdef Py_ssize_t j
    for j from 0 <= j < k by VL:
        top = maximum(top, load_or(z + j, k - j, -INFINITY))
    return max_lanes(top)


cdef inline double sum_of_others(const real *z, Py_ssize_t k, double top, real *e) noexcept nogil:
    """Sum of exp(z_j - top) without one j where z_j = top; the terms themselves into e, if given."""
    cdef vreal x, term, sums = set1(0.), ties = set1(0.), highest = set1(top)
    cdef Py_ssize_t j
    for j from 0 <= j < k by VL:
        x = load_or(z + j, k - j, -INFINITY)
        term = exp(x - highest)
        if e != NULL:
            store_to(e + j, term, k - j)
        # ties are counted apart, so that they do not swallow the small terms; NaN stays in the sum
        sums = sums + select_gt(highest, x, term, term - set1(1.))
        ties = ties + select_gt(highest, x, set1(0.), set1(1.))
    return sum_lanes(sums) + (sum_lanes(ties) - 1.)


cdef inline double log_of_sum(double others) noexcept nogil:
    cdef real out[VL_MOST]
    store(out, log1p(set1(others)))
    return out[0]


cdef void softmax_row(const real *z, Py_ssize_t k, real *out) noexcept nogil:
    cdef double top = largest(z, k)
    cdef vreal inverse = set1(1. / (1. + sum_of_others(z, k, top, out)))
    cdef Py_ssize_t j
    for j from 0 <= j < k by VL:
        store_to(out + j, load_or(out + j, k - j, 0.) * inverse, k - j)


cdef inline bint has_nan(const real *z, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(k):
        if z[j] != z[j]:
            return True
    return False


cdef double log_normaliser(const real *z, Py_ssize_t k, double top) noexcept nogil:
    """log(sum of exp(z_j - top)); where top is infinite, 0 unless there is a NaN as well."""
    if top == INFINITY or top == -INFINITY:
        return NAN if has_nan(z, k) else 0.
    return log_of_sum(sum_of_others(z, k, top, NULL))


cdef double logsumexp_row(const real *z, Py_ssize_t k) noexcept nogil:
    cdef double top = largest(z, k)
    return top + log_normaliser(z, k, top)


cdef void log_softmax_row(const real *z, Py_ssize_t k, real *out) noexcept nogil:
    cdef double top = largest(z, k)
    cdef vreal log_sum = set1(log_normaliser(z, k, top))
    cdef Py_ssize_t j
    for j from 0 <= j < k by VL:
        store_to(out + j, (load_or(z + j, k - j, 0.) - set1(top)) - log_sum, k - j)


cdef double cross_entropy_row(const real *z, Py_ssize_t k, int label) noexcept nogil:
    cdef double top = largest(z, k)
    return log_normaliser(z, k, top) + (top - z[label])


def softmax(cnp.ndarray z not None, cnp.ndarray out not None, int n_threads):
    """Softmax of the rows of z (N, K) into out (N, K), both C-contiguous; out may be z."""
    cdef Py_ssize_t i, n = z.shape[0], k = z.shape[1]
    cdef real *source = <real *>cnp.PyArray_DATA(z)
    cdef real *to = <real *>cnp.PyArray_DATA(out)
    for i in prange(n, nogil=True, num_threads=n_threads, use_threads_if=n_threads > 1):
        softmax_row(source + i * k, k, to + i * k)


def log_softmax(cnp.ndarray z not None, cnp.ndarray out not None, int n_threads):
    """log(softmax) of the rows of z (N, K) into out (N, K), both C-contiguous; out may be z."""
    cdef Py_ssize_t i, n = z.shape[0], k = z.shape[1]
    cdef real *source = <real *>cnp.PyArray_DATA(z)
    cdef real *to = <real *>cnp.PyArray_DATA(out)
    for i in prange(n, nogil=True, num_threads=n_threads, use_threads_if=n_threads > 1):
        log_softmax_row(source + i * k, k, to + i * k)


def logsumexp(cnp.ndarray z not None, cnp.ndarray out not None, int n_threads):
    """log(sum(exp)) of the rows of z (N, K) into out (N,)."""
    cdef Py_ssize_t i, n = z.shape[0], k = z.shape[1]
    cdef real *source = <real *>cnp.PyArray_DATA(z)
    cdef real *to = <real *>cnp.PyArray_DATA(out)
    for i in prange(n, nogil=True, num_threads=n_threads, use_threads_if=n_threads > 1):
        to[i] = logsumexp_row(source + i * k, k)


def cross_entropy(
    cnp.ndarray z not None, cnp.ndarray labels not None, cnp.ndarray out not None, int n_threads
):
    """Loss of each row of logits z (N, K) against labels (N,), int32 in range, into out (N,)."""
    cdef Py_ssize_t i, n = z.shape[0], k = z.shape[1]
    cdef real *source = <real *>cnp.PyArray_DATA(z)
    cdef real *to = <real *>cnp.PyArray_DATA(out)
    cdef int *label = <int *>cnp.PyArray_DATA(labels)
    for i in prange(n, nogil=True, num_threads=n_threads, use_threads_if=n_threads > 1):
        to[i] = cross_entropy_row(source + i * k, k, label[i])
