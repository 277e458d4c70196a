"""Softmax, cross-entropy and A - Y of one tile of logits, ROWS rows side by side.

The loss of a row is log1p(others) + (max - z_y), others
being the sum of exp(z_j - max) without one j that attains the maximum, and its gradient's own-class entry
is minus the sum of the other classes' probabilities: neither subtracts nearly equal numbers, so a confident row keeps the full relative precision of its tiny loss and gradient
(Blanchard, Higham & Higham 2021). With one logit the same is said of the logistic function.
"""

from fastsoftmax._core.rowmath cimport exp, log1p
from fastsoftmax._core.simd cimport (
    VL, absolute, divide, load, load_labels, maximum, real, select_eq, select_gt, set1, set1_lane,
    store, sum_lanes, vreal,
)
from fastsoftmax._core.tiles cimport ROWS


cdef inline double softmax_tile(
    real *z, Py_ssize_t n_classes, const int *labels, const real *weights,
) noexcept nogil:
    """Overwrite logits by weight * (A - Y); return the weighted loss. Labels and weights: ROWS each."""
    cdef vreal top, x, e, others, ties, inverse, weight, own, own_logit, loss
    cdef real own_logits[ROWS]
    cdef real own_gradient[ROWS]
    cdef double total = 0.
    cdef Py_ssize_t i, k, v
    for i in range(ROWS):
        own_logits[i] = z[labels[i] * ROWS + i]
    for v from 0 <= v < ROWS by VL:
        weight = load(weights + v)
        top = load(z + v)
        for k in range(1, n_classes):
            top = maximum(top, load(z + k * ROWS + v))
        others = ties = set1(0.)
        for k in range(n_classes):
            x = load(z + k * ROWS + v)
            e = exp(x - top)
            store(z + k * ROWS + v, e)
            # ties are counted apart, so that they do not swallow the small terms; NaN stays
            others = others + select_gt(top, x, e, e - set1(1.))
            ties = ties + select_gt(top, x, set1(0.), set1(1.))
        others = others + (ties - set1(1.))
        inverse = divide(weight, set1(1.) + others)
        for k in range(n_classes):
            store(z + k * ROWS + v, load(z + k * ROWS + v) * inverse)
        own_logit = load(own_logits + v)
        own = others - exp(own_logit - top)
        own = select_gt(top, own_logit, set1(1.) + own, others)
        store(own_gradient + v, set1(0.) - own * inverse)
        loss = weight * (log1p(others) + (top - own_logit))
        total += sum_lanes(loss)
    for i in range(ROWS):
        z[labels[i] * ROWS + i] = own_gradient[i]
    return total


cdef inline double logistic_tile(real *z, const int *labels, const real *weights) noexcept nogil:
    """The same for one logit, the log-odds of label 1 against label 0."""
    cdef vreal x, e, weight, loss, wrong
    cdef double total = 0.
    cdef Py_ssize_t v
    for v from 0 <= v < ROWS by VL:
        weight = load(weights + v)
        # t = the logit in favour of the label; the rest is symmetric
        x = select_eq(load_labels(labels + v), set1_lane(1), load(z + v), set1(0.) - load(z + v))
        e = exp(set1(0.) - absolute(x))
        loss = log1p(e) + maximum(set1(0.), set1(0.) - x)
        wrong = divide(select_gt(x, set1(0.), e, set1(1.)), set1(1.) + e)
        wrong = wrong * weight
        store(z + v, select_eq(load_labels(labels + v), set1_lane(1), set1(0.) - wrong, wrong))
        total += sum_lanes(weight * loss)
    return total
