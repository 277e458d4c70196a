"""The rules by which a gradient changes weights, two vectors of some units at a time.

A rule is chosen once per block and inlined as a constant; θ, g and the state of one vector then pass
through registers. g is the gradient of the mean loss of the batch plus the penalty.

Momentum and Nesterov's as in Sutskever et al. (ICML 2013); Adagrad: Duchi, Hazan & Singer (JMLR 2011);
RMSprop: Tieleman & Hinton (2012); Adam: Kingma & Ba (arXiv 1412.6980), in the order of their section
2, which puts epsilon beside the uncorrected root, as scikit-learn does; AdamW: Loshchilov & Hutter
(arXiv 1711.05101).
"""

from fastsoftmax._core.network.network_kernels cimport (
    ADAGRAD, ADAM, ADAMW, MOMENTUM, NESTEROV, RMSPROP, SGD, STORE, Rule,
)
from fastsoftmax._core.simd.simd cimport (
    VL, add_to_doubles, divide, inlined, lane_index, load, real, select_gt, set1, square_root, store,
    to_real, vreal, vreal_inlined,
)
from libc.math cimport pow, sqrt

cdef inline void begin_step(Rule *r, Py_ssize_t rows, double weight, double t) noexcept nogil:
    """Step t, from 1 on, over so many rows of so much weight."""
    r.scale = 1. / weight
    r.share = rows / weight
    r.step_rate = r.rate
    r.shrink = 1.
    if r.kind == ADAMW:
        r.shrink = 1. - r.rate * r.alpha
    if r.kind == ADAM or r.kind == ADAMW:
        r.step_rate = r.rate * sqrt(1. - pow(r.beta_2, t)) / (1. - pow(r.beta_1, t))


cdef inline bint is_penalised(const Rule *r) noexcept nogil:
    return r.alpha > 0. and r.kind != ADAMW


cdef inline vreal_inlined coefficient_lanes(Py_ssize_t n) noexcept nogil:
    """1 in the first n lanes: those of coefficients, where behind them comes the intercept."""
    return select_gt(set1(n), to_real(lane_index()), set1(1.), set1(0.))


cdef inline inlined update_as(
    const int kind, const bint penalised, const Rule *r, Py_ssize_t nk, const vreal *sums,
    Py_ssize_t n, real *w, real *first, real *second, Py_ssize_t stride, double *squares,
) noexcept nogil:
    cdef vreal scale = set1(r.scale), rate = set1(r.step_rate), epsilon = set1(r.epsilon)
    cdef vreal beta_1 = set1(r.beta_1), beta_2 = set1(r.beta_2)
    cdef vreal rest_1 = set1(1. - r.beta_1), rest_2 = set1(1. - r.beta_2)
    cdef vreal lanes[2]
    cdef vreal penalty[2]
    cdef vreal squared[2]
    cdef vreal g, x, m, v
    cdef Py_ssize_t k, at
    cdef int h
    for h in range(2):
        lanes[h] = coefficient_lanes(n - h * VL)
        squared[h] = set1(0.)
        penalty[h] = lanes[h] * set1(r.alpha * r.scale)
    for k in range(nk):
        for h in range(2):
            at = k * stride + h * VL
            x = load(w + at)
            g = sums[2 * k + h] * scale
            if penalised:
                g = g + penalty[h] * x
                squared[h] = squared[h] + x * x
            if kind == STORE:
                store(first + at, g)
            elif kind == SGD:
                store(w + at, x - rate * g)
            elif kind == MOMENTUM or kind == NESTEROV:
                v = beta_1 * load(first + at) - rate * g
                store(first + at, v)
                if kind == NESTEROV:
                    v = beta_1 * v - rate * g
                store(w + at, x + v)
            elif kind == ADAGRAD or kind == RMSPROP:
                v = load(first + at)
                v = v + g * g if kind == ADAGRAD else beta_2 * v + rest_2 * (g * g)
                store(first + at, v)
                store(w + at, x - divide(rate * g, square_root(v) + epsilon))
            else:
                m = beta_1 * load(first + at) + rest_1 * g
                v = beta_2 * load(second + at) + rest_2 * (g * g)
                store(first + at, m)
                store(second + at, v)
                if kind == ADAMW:
                    x = x - lanes[h] * x * set1(1. - r.shrink)
                store(w + at, x - divide(rate * m, square_root(v) + epsilon))
    if penalised:
        add_to_doubles(
            squares, (lanes[0] * squared[0] + lanes[1] * squared[1]) * set1(r.share))
    return 0


cdef inline inlined update_by(
    const int kind, const Rule *r, Py_ssize_t nk, const vreal *sums, Py_ssize_t n, real *w,
    real *first, real *second, Py_ssize_t stride, double *squares,
) noexcept nogil:
    if is_penalised(r):
        update_as(kind, True, r, nk, sums, n, w, first, second, stride, squares)
    else:
        update_as(kind, False, r, nk, sums, n, w, first, second, stride, squares)
    return 0


cdef inline void update(
    const Rule *r, Py_ssize_t nk, const vreal *sums, Py_ssize_t n, real *w, real *first,
    real *second, Py_ssize_t stride, double *squares,
) noexcept nogil:
    """Update two vectors of nk units, given the sums over rows of their gradients.

    n of the columns, and all before them, are coefficients. `first` and `second` are the rule's
    state. If there is a penalty, squares of the coefficients before the step, times the share, are
    added to VL parts of a total.
    """
    if r.kind == SGD:
        update_by(SGD, r, nk, sums, n, w, first, second, stride, squares)
    elif r.kind == STORE:
        update_by(STORE, r, nk, sums, n, w, first, second, stride, squares)
    elif r.kind == MOMENTUM:
        update_by(MOMENTUM, r, nk, sums, n, w, first, second, stride, squares)
    elif r.kind == NESTEROV:
        update_by(NESTEROV, r, nk, sums, n, w, first, second, stride, squares)
    elif r.kind == ADAGRAD:
        update_by(ADAGRAD, r, nk, sums, n, w, first, second, stride, squares)
    elif r.kind == RMSPROP:
        update_by(RMSPROP, r, nk, sums, n, w, first, second, stride, squares)
    elif r.kind == ADAM:
        update_by(ADAM, r, nk, sums, n, w, first, second, stride, squares)
    else:
        update_by(ADAMW, r, nk, sums, n, w, first, second, stride, squares)
