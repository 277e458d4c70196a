"""The logistic function and its loss, of vectors.

Both come from exp(-|x|), which cannot overflow; the two probabilities 1 / (1 + e) and e / (1 + e) are
each had without subtracting from 1. `normal` is explained in `softmax_tile`.
"""

from fastsoftmax._core.simd.rowmath cimport exp_in_range, log1p, normal_exp
from fastsoftmax._core.simd.simd cimport (
    absolute, divide, maximum, select_gt, set1, vreal, vreal_inlined,
)


cdef inline vreal_inlined less_likely(vreal x, const int normal) noexcept nogil:
    """exp(-|x|)"""
    x = set1(0.) - absolute(x)
    return normal_exp(x) if normal else exp_in_range(x)


cdef inline vreal_inlined sigmoid(vreal x, const int normal) noexcept nogil:
    """1 / (1 + exp(-x))"""
    cdef vreal e = less_likely(x, normal)
    # the greater of the two factors goes to x >= 0; NaN passes through e
    return divide(select_gt(set1(0.), x, e, set1(1.)), set1(1.) + e)


cdef inline vreal_inlined sigmoid_variance(vreal x) noexcept nogil:
    """sigmoid(x) sigmoid(-x)"""
    cdef vreal e = less_likely(x, True), inverse
    inverse = divide(set1(1.), set1(1.) + e)
    return e * inverse * inverse


cdef inline vreal_inlined binary_loss(
    vreal x, vreal t, const int normal, vreal *gradient
) noexcept nogil:
    """-t log sigmoid(x) - (1 - t) log sigmoid(-x), and its gradient sigmoid(x) - t."""
    cdef vreal zero = set1(0.), one = set1(1.), e, loss, inverse
    e = less_likely(x, normal)
    inverse = divide(one, one + e)
    gradient[0] = (
        select_gt(zero, x, e, one) * inverse * (one - t) - select_gt(zero, x, one, e) * inverse * t)
    loss = log1p(e)
    # a share of 0 costs nothing, however improbable its outcome
    loss = loss + select_gt(t, zero, t * maximum(zero, zero - x), zero)
    return loss + select_gt(one, t, (one - t) * maximum(zero, x), zero)
