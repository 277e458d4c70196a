"""Probabilities of a tile of stored logits."""

from fastsoftmax._core.simd cimport VL, load, real, set1, store
from fastsoftmax._core.softmax_tile cimport tile_gradient
from fastsoftmax._core.tiles cimport ROWS


cdef inline void tile_differences(
    const real *s, bint logistic, const real *weight, Py_ssize_t start, Py_ssize_t n, Py_ssize_t k,
    real *z, real *factors
) noexcept nogil:
    """A - Y of a tile against label 0, or A of logistic functions, and the weights of its rows."""
    cdef int labels[ROWS]
    cdef real ones[ROWS]
    cdef double unused[16]
    cdef Py_ssize_t i
    for i in range(16):
        unused[i] = 0.
    for i in range(ROWS):
        labels[i] = 0
        ones[i] = 1.
        factors[i] = 0. if start + i >= n else weight[start + i] if weight else 1.
    for i from 0 <= i < k * ROWS by VL:
        store(z + i, load(s + i))
    tile_gradient(z, k, logistic, NULL if logistic else labels, NULL, ones, unused)


cdef inline void tile_probabilities(
    const real *s, bint logistic, Py_ssize_t start, Py_ssize_t n, Py_ssize_t k, real *z
) noexcept nogil:
    """The softmax of the rows of a tile from `start` on, or a logistic function of each logit."""
    cdef real unused[ROWS]
    cdef Py_ssize_t v
    tile_differences(s, logistic, NULL, start, n, k, z, unused)
    for v from 0 <= v < (0 if logistic else ROWS) by VL:
        store(z + v, load(z + v) + set1(1.))
