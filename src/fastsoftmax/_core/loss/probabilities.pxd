"""Probabilities of a tile of stored logits, and their variances."""

from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.loss.logistic cimport sigmoid, sigmoid_variance
from fastsoftmax._core.loss.softmax_tile cimport highest, to_probabilities, to_variances
from fastsoftmax._core.simd.simd cimport VL, load, real, store


cdef inline void tile_probabilities(
    const real *s, bint logistic, Py_ssize_t k, real *z
) noexcept nogil:
    """The softmax of each row, or the logistic function of each logit."""
    cdef Py_ssize_t i
    for i from 0 <= i < k * ROWS by VL:
        store(z + i, sigmoid(load(s + i), True) if logistic else load(s + i))
    for i from 0 <= i < (0 if logistic else ROWS) by VL:
        to_probabilities(z + i, k, ROWS, True, highest(z + i, k, ROWS))


cdef inline void tile_variances(
    const real *s, bint logistic, Py_ssize_t k, real *z
) noexcept nogil:
    """p (1 - p) of each of those probabilities, with the digits of the smaller factor."""
    cdef Py_ssize_t i
    for i from 0 <= i < k * ROWS by VL:
        store(z + i, sigmoid_variance(load(s + i)) if logistic else load(s + i))
    for i from 0 <= i < (0 if logistic else ROWS) by VL:
        to_variances(z + i, k, ROWS, highest(z + i, k, ROWS))
