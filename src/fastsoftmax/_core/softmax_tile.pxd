"""Softmax, cross-entropy and A - Y of one tile of logits, ROWS rows side by side.

The loss of a row is log1p(others) + (max - z_y), `others` being the sum of exp(z_j - max) without one
j that attains the maximum, and its gradient's own-class entry is minus the sum of the other classes'
probabilities: neither subtracts nearly equal numbers, so a confident row keeps the full relative
precision of its tiny loss and gradient (Blanchard, Higham & Higham 2021). With one logit the same is
said of the logistic function.

Each function overwrites the logits by weight * (A - Y) and adds the weighted losses to VL parts of a
float64 total. A row of weight 0 gives exactly 0, whatever its logits: `clear_unweighted`.
"""

from fastsoftmax._core.rowmath cimport exp, log1p
from fastsoftmax._core.simd cimport (
    VL, absolute, add_to_doubles, divide, load, load_labels, maximum, real, select_eq, select_gt,
    set1, set1_lane, store, vlane, vreal, vreal_inlined,
)
from fastsoftmax._core.tiles cimport ROWS


cdef inline vreal_inlined exponentials(real *z, Py_ssize_t n_classes, vreal *highest) noexcept nogil:
    """Overwrite VL rows of logits by exp(z - max); return `others`, and the maximum."""
    cdef vreal top = load(z), others = set1(0.), ties = set1(0.), x, e
    cdef Py_ssize_t k
    for k in range(1, n_classes):
        top = maximum(top, load(z + k * ROWS))
    for k in range(n_classes):
        x = load(z + k * ROWS)
        e = exp(x - top)
        store(z + k * ROWS, e)
        # ties are counted apart, so that they do not swallow the small terms; NaN stays in the sum
        others = others + select_gt(top, x, e, e - set1(1.))
        ties = ties + select_gt(top, x, set1(0.), set1(1.))
    highest[0] = top
    return others + (ties - set1(1.))


cdef inline void add_loss(double *losses, vreal loss, vreal weight) noexcept nogil:
    add_to_doubles(losses, select_gt(weight, set1(0.), loss, set1(0.)))


cdef inline void softmax_tile(
    real *z, Py_ssize_t n_classes, const int *labels, const real *weights, double *losses,
) noexcept nogil:
    """One label a row; ROWS labels and weights."""
    cdef vreal top, others, inverse, weight, own, own_logit, loss
    cdef vlane label
    cdef Py_ssize_t k, v
    for v from 0 <= v < ROWS by VL:
        label = load_labels(labels + v)
        weight = load(weights + v)
        own_logit = load(z + v)
        for k in range(1, n_classes):
            own_logit = select_eq(label, set1_lane(k), load(z + k * ROWS + v), own_logit)
        others = exponentials(z + v, n_classes, &top)
        inverse = divide(weight, set1(1.) + others)
        own = others - exp(own_logit - top)
        own = set1(0.) - select_gt(top, own_logit, set1(1.) + own, others) * inverse
        for k in range(n_classes):
            store(
                z + k * ROWS + v,
                select_eq(label, set1_lane(k), own, load(z + k * ROWS + v) * inverse))
        loss = weight * (log1p(others) + (top - own_logit))
        add_loss(losses, loss, weight)


cdef inline void soft_tile(
    real *z, Py_ssize_t n_classes, real *targets, const real *weights, double *losses,
) noexcept nogil:
    """Targets t >= 0 of each class and row, laid out as z and overwritten; no need to sum to 1.

    The loss is the sum of t_k (log-sum-exp - z_k), the gradient p_k sum(t) - t_k; of the most
    probable class, sum of the other t - (1 - p) sum(t).
    """
    cdef vreal top, others, log_sum, weight, t, x, total_t, loss, inverse, wrong, most, g
    cdef Py_ssize_t k, v
    for v from 0 <= v < ROWS by VL:
        weight = load(weights + v)
        total_t = set1(0.)
        top = load(z + v)
        for k in range(n_classes):
            total_t = total_t + load(targets + k * ROWS + v)
            top = maximum(top, load(z + k * ROWS + v))
        loss = set1(0.)
        for k in range(n_classes):  # a target of 0 costs nothing, however improbable its class
            t = load(targets + k * ROWS + v)
            x = t * (top - load(z + k * ROWS + v))
            loss = loss + select_gt(t, set1(0.), x, set1(0.))
        others = exponentials(z + v, n_classes, &top)
        log_sum = log1p(others)
        loss = weight * (loss + total_t * log_sum)
        inverse = divide(set1(1.), set1(1.) + others)
        wrong = others * inverse
        for k in range(n_classes):
            t = load(targets + k * ROWS + v)
            x = load(z + k * ROWS + v)
            most = (total_t - t) - total_t * wrong
            g = select_gt(set1(1.), x, total_t * x * inverse - t, most)
            store(z + k * ROWS + v, weight * g)
        add_loss(losses, loss, weight)


cdef inline void logistic_tile(
    real *z, const int *labels, const real *weights, double *losses,
) noexcept nogil:
    """One logit a row, the log-odds of label 1 against label 0."""
    cdef vreal x, e, weight, loss, wrong
    cdef Py_ssize_t v
    for v from 0 <= v < ROWS by VL:
        weight = load(weights + v)
        # x = the logit in favour of the label; the rest is symmetric
        x = select_eq(load_labels(labels + v), set1_lane(1), load(z + v), set1(0.) - load(z + v))
        e = exp(set1(0.) - absolute(x))
        loss = weight * (log1p(e) + maximum(set1(0.), set1(0.) - x))
        wrong = divide(select_gt(x, set1(0.), e, set1(1.)), set1(1.) + e) * weight
        store(z + v, select_eq(load_labels(labels + v), set1_lane(1), set1(0.) - wrong, wrong))
        add_loss(losses, loss, weight)


cdef inline void clear_unweighted(
    real *z, Py_ssize_t n_classes, const real *weights
) noexcept nogil:
    """0 times what is not finite would not be 0."""
    cdef Py_ssize_t i, k
    for i in range(ROWS):
        if weights[i] == 0.:
            for k in range(n_classes):
                z[k * ROWS + i] = 0.
