"""The one softmax and the one cross-entropy of the library: n vectors, `step` elements apart.

Across (`along` = 0): lane l of every vector belongs to row l, and vector k to class k: VL rows side
by side. The fused kernels and rows of few classes come this way, in *tiles* z[k * ROWS + i].
Along (`along` = 1): all lanes belong to one row, -infinity past its end. Sums and maxima are then
taken across the lanes, and every lane holds the result: that is the whole difference.

With `others` the sum of exp(z_j - max) without one j that attains the maximum, the log-sum-exp is max +
log1p(others), the loss of a row log1p(others) + (max - z_y), and its gradient's own-class entry minus
the sum of the other classes' probabilities: none subtracts nearly equal numbers, so a confident row
keeps the full relative precision of its tiny loss and gradient (Blanchard, Higham & Higham 2021). With
one logit the same is said of the logistic function.

With `normal`, numbers that would be subnormal are 0: those that are multiplied with X, since Intel's
processors take some hundred times as long over subnormal numbers. Functions that return probabilities
keep them.

Measurements: docs/experiments/0098-subnormal-numbers.md.
"""

from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.loss.logistic cimport less_likely
from fastsoftmax._core.simd.rowmath cimport exp, exp_in_range, log1p, normal_exp
from fastsoftmax._core.simd.simd cimport (
    LARGEST, SMALLEST, VL, absolute, add_to_doubles, any_gt, divide, lane_index, load, load_labels,
    maximum, minimum, plus_where_equal, plus_where_unequal, prefetch_l2, real, select_eq, select_gt,
    set1, set1_lane, store, sum_all, vlane, vreal, vreal_inlined,
)

cdef enum:
    RUN = 32  # vectors summed before the sum is added to the total: rounding grows by runs, not terms


cdef inline vreal_inlined across_lanes(vreal x, const int along) noexcept nogil:
    return sum_all(x) if along else x


cdef inline vreal_inlined highest(const real *z, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    cdef vreal top = load(z)
    cdef Py_ssize_t k
    for k in range(1, n):
        top = maximum(top, load(z + k * step))
    return top


cdef inline vreal_inlined nan_or_zero(const real *z, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    """NaN where there is a NaN, else 0: what log1p(others) is where the maximum is infinite."""
    cdef vreal total = set1(0.)
    cdef Py_ssize_t k
    for k in range(n):
        total = total + minimum(set1(0.), maximum(set1(0.), load(z + k * step)))
    return total


cdef inline vreal_inlined sum_of_others(
    real *z, Py_ssize_t n, Py_ssize_t step, const int along, const int keep, const int normal,
    vreal top, const real *following,
) noexcept nogil:
    """Sum of exp(z - top) without one of the terms that are 1; with `keep` the terms overwrite z.

    As many numbers from `following`, or NULL, are fetched: memory works while the exponentials do.
    """
    cdef vreal sums = set1(0.), ties = set1(0.), run, x, e
    cdef Py_ssize_t first, k
    for first from 0 <= first < n by RUN:
        run = set1(0.)
        for k in range(first, min(first + RUN, n)):
            x = load(z + k * step)
            if following:
                prefetch_l2(following + k * step)
            e = normal_exp(x - top) if normal else exp_in_range(x - top)
            if keep:
                store(z + k * step, e)
            # ties are counted apart, lest they swallow the small terms; NaN goes to the sum
            run = plus_where_unequal(run, x, top, e)
            ties = plus_where_equal(ties, x, top, set1(1.))
        sums = sums + run
    return across_lanes(sums, along) + (across_lanes(ties, along) - set1(1.))


cdef inline vreal_inlined normaliser(
    real *z, Py_ssize_t n, Py_ssize_t step, const int along, const int keep, const int normal,
    vreal top, const real *following, vreal *log_sum,
) noexcept nogil:
    """`others`, NaN where the maximum `top` is infinite, and the log-sum-exp less `top`."""
    cdef vreal undefined = set1(0.), others
    if any_gt(absolute(top), set1(LARGEST)):
        undefined = across_lanes(nan_or_zero(z, n, step), along)
    others = sum_of_others(z, n, step, along, keep, normal, top, following)
    log_sum[0] = select_gt(absolute(top), set1(LARGEST), undefined, log1p(others))
    return others + (top - top)


cdef inline vreal_inlined likely_from(vreal others) noexcept nogil:
    """What no exponential reaches but that of a class of p > 1/2: 1, or where there is none 2.

    If others < 1, the maximum is attained once, and every other exponential is less than 1.
    """
    return select_gt(set1(1.), others, set1(1.), set1(2.))


cdef inline vreal_inlined least_of(vreal factor, const int normal) noexcept nogil:
    """What times the factor is the smallest number that `times` keeps."""
    return divide(set1(SMALLEST), factor) if normal else set1(0.)


cdef inline vreal_inlined times(vreal x, vreal factor, vreal least) noexcept nogil:
    return select_gt(least, x, set1(0.), x) * factor


cdef inline void to_probabilities(
    real *z, Py_ssize_t n, Py_ssize_t step, const int normal, vreal top
) noexcept nogil:
    """Of VL rows side by side."""
    cdef vreal unused, inverse, least
    cdef vreal others = normaliser(z, n, step, False, True, normal, top, NULL, &unused)
    cdef Py_ssize_t k
    inverse = divide(set1(1.), set1(1.) + others)
    least = least_of(inverse, normal)
    for k in range(n):
        store(z + k * step, times(load(z + k * step), inverse, least))


cdef inline void to_variances(
    real *z, Py_ssize_t n, Py_ssize_t step, vreal top
) noexcept nogil:
    """p (1 - p) of each probability p of VL rows side by side."""
    cdef vreal unused, inverse, likely, x
    cdef vreal others = normaliser(z, n, step, False, True, True, top, NULL, &unused)
    cdef Py_ssize_t k
    inverse = divide(set1(1.), set1(1.) + others)
    likely = likely_from(others)
    for k in range(n):
        x = load(z + k * step)
        x = select_gt(likely, x, x * ((set1(1.) + others) - x), others)
        store(z + k * step, x * inverse * inverse)


cdef inline vlane classes_of(Py_ssize_t k, const int along) noexcept nogil:
    return set1_lane(k * VL) + lane_index() if along else set1_lane(k)


cdef inline vreal_inlined label_loss(
    real *z, Py_ssize_t n, Py_ssize_t step, const int along, const int wants_gradient,
    const int normal, vreal top, vlane label, vreal own_logit, vreal weight, const real *following,
) noexcept nogil:
    """Loss against one label per row; z becomes weight * (A - Y) where that is wanted."""
    cdef vreal log_sum, own, inverse, least
    cdef vreal others = normaliser(
        z, n, step, along, wants_gradient, normal, top, following, &log_sum)
    cdef Py_ssize_t k
    if wants_gradient:
        inverse = divide(weight, set1(1.) + others)
        least = least_of(inverse, normal)
        own = others - exp(own_logit - top)
        own = set1(0.) - select_gt(top, own_logit, set1(1.) + own, others) * inverse
        for k in range(n):
            store(
                z + k * step,
                select_eq(
                    label, classes_of(k, along), own, times(load(z + k * step), inverse, least)))
    return log_sum + (top - own_logit)


cdef inline vreal_inlined soft_loss(
    real *z, const real *targets, Py_ssize_t n, Py_ssize_t step, const int along,
    const int wants_gradient, const int normal, vreal top, vreal weight, const real *following,
) noexcept nogil:
    """Loss against targets t >= 0 of each class, laid out as z; no need to sum to 1.

    The loss is the sum of t_k (log-sum-exp - z_k), the gradient p_k sum(t) - t_k. Where p_k > 1/2, for
    one class at most, that is p_k times the other t less (1 - p_k) t_k, of which a confident row keeps
    the digits; of smaller p_k it would lose them.
    """
    cdef vreal rest = set1(0.), own = set1(0.), loss = set1(0.), run, at_top, lost
    cdef vreal total, others, log_sum, t, x, inverse, share, least, most, likely
    cdef Py_ssize_t first, k
    for first from 0 <= first < n by RUN:
        run = at_top = lost = set1(0.)
        for k in range(first, min(first + RUN, n)):
            t = load(targets + k * step)
            x = load(z + k * step)
            run = plus_where_unequal(run, x, top, t)
            at_top = plus_where_equal(at_top, x, top, t)
            # 0 of an improbable class costs nothing
            lost = lost + select_gt(t, set1(0.), t * (top - x), set1(0.))
        rest = rest + run
        own = own + at_top
        loss = loss + lost
    rest = across_lanes(rest, along)
    own = across_lanes(own, along)
    total = rest + own
    others = normaliser(z, n, step, along, wants_gradient, normal, top, following, &log_sum)
    if wants_gradient:
        inverse = divide(set1(1.), set1(1.) + others)
        share = total * inverse
        least = least_of(share * weight, normal)
        most = (rest - own * others) * inverse
        likely = likely_from(others)
        for k in range(n):
            t = load(targets + k * step)
            x = load(z + k * step)
            store(z + k * step, weight * select_gt(likely, x, times(x, share, least) - t, most))
    return across_lanes(loss, along) + total * log_sum


cdef inline vreal_inlined logistic_loss(real *z, vreal target, vreal weight) noexcept nogil:
    """One logit x per row with a target t of 0..1; z becomes weight * (A - t).

    With u, the share of t that the sign of x is against, and q <= 1/2, the probability of the less
    likely side, the loss is log1p(exp(-|x|)) + u |x| and |A - t| is |u - q|: no digits are lost where
    t is 0 or 1. A target of 2 is none: loss and gradient are 0.
    """
    cdef vreal x = load(z)
    cdef vreal e = less_likely(x, True)
    cdef vreal against = select_gt(x, set1(0.), set1(1.) - target, target)
    cdef vreal excess = (against - divide(e, set1(1.) + e)) * weight
    cdef vreal loss = log1p(e) + select_gt(against, set1(0.), against * absolute(x), set1(0.))
    excess = select_gt(x, set1(0.), excess, set1(0.) - excess)
    store(z, select_gt(target, set1(1.), set1(0.), excess))
    return select_gt(target, set1(1.), set1(0.), loss)


cdef inline void lanes_gradient(
    real *z, Py_ssize_t n_classes, const int logistic, const int *labels, const real *targets,
    const real *weights, double *losses,
) noexcept nogil:
    """`tile_gradient` of VL rows of a tile."""
    cdef vreal loss, weight = load(weights), own_logit, top, target = set1(0.)
    cdef vlane label
    cdef Py_ssize_t k
    if logistic:
        loss = set1(0.)
        for k in range(n_classes):
            if labels:
                target = select_eq(load_labels(labels), set1_lane(k + 1), set1(1.), set1(0.))
            elif targets:
                target = load(targets + k * ROWS)
            loss = loss + logistic_loss(z + k * ROWS, target, weight)
    elif labels == NULL:
        top = highest(z, n_classes, ROWS)
        loss = soft_loss(z, targets, n_classes, ROWS, False, True, True, top, weight, NULL)
    else:
        label = load_labels(labels)
        top = own_logit = load(z)
        for k in range(1, n_classes):
            own_logit = select_eq(label, set1_lane(k), load(z + k * ROWS), own_logit)
            top = maximum(top, load(z + k * ROWS))
        loss = label_loss(
            z, n_classes, ROWS, False, True, True, top, label, own_logit, weight, NULL)
    add_to_doubles(losses, select_gt(weight, set1(0.), weight * loss, set1(0.)))


cdef inline void tile_gradient(
    real *z, Py_ssize_t n_classes, const int logistic, const int *labels, const real *targets,
    const real *weights, double *losses,
) noexcept nogil:
    """Turn a tile of logits into weight * (A - Y), and add weight * loss to VL parts of a total.

    `logistic`: each logit has a logistic function of its own, and Y is 0 where there are neither labels
    nor targets; label 1 of one logit means that it is on. Else one softmax per row. A row of weight 0
    adds exactly 0 to the loss, whatever its logits; to make its entries of the tile 0 too is up to
    `clear_unweighted`.
    """
    cdef Py_ssize_t v
    for v from 0 <= v < ROWS by VL:
        lanes_gradient(
            z + v, n_classes, logistic, labels + v if labels else NULL,
            targets + v if targets else NULL, weights + v, losses)


cdef inline void clear_unweighted(
    real *z, Py_ssize_t n_classes, const real *weights
) noexcept nogil:
    """0 times what is not finite would not be 0."""
    cdef Py_ssize_t i, k
    for i in range(ROWS):
        if weights[i] == 0.:
            for k in range(n_classes):
                z[k * ROWS + i] = 0.
