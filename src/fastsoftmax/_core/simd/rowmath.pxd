"""exp and log1p of vectors: the one exponential and the one logarithm of the library.

Within 1 ulp for every argument, on every build; `tests/core/test_rowmath.py` sweeps the intervals.
Largest errors found: docs/experiments/0008-accuracy-of-elementary-functions.md. Coefficients:
`tools/rowmath_coefficients.py`.

exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln(2)/2, exp(r) = 1 + r + r^2 q(r). ln 2 is split so
that n * LN2_HIGH is exact without a fused multiply-add (Cody & Waite 1980). The argument is clamped
where the result has become infinity, NaN passes through, subnormal results are rounded once. q is summed
by pairs of terms (Estrin 1960), which shortens the chain of dependent multiply-adds.

log1p(x) = k ln 2 + log(1 + f), 1 + f = 2^-k (1 + x) in [sqrt(1/2), sqrt(2)), with s = f / (2 + f) and
log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))) (Tang 1990). What rounding 1 + x lost is added back.
"""

from fastsoftmax._core.simd.simd cimport (
    LARGEST, bits, divide, from_bits, minimum, scale_by_power_of_two, select_gt, set1,
    shift_left, shift_right, to_real, vlane, vreal, vreal_inlined,
)


cdef extern from "simd.h":
    enum:
        FS_DOUBLE


cdef inline vreal_inlined exp(vreal x) noexcept nogil:
    return exp_in_range(minimum(set1(710. if FS_DOUBLE else 89.), x))


cdef inline vreal_inlined exp_in_range(vreal x) noexcept nogil:
    """exp of what does not overflow: of x - max, say."""
    return exp_above(x, set1(-746. if FS_DOUBLE else -104.))


cdef inline vreal_inlined normal_exp(vreal x) noexcept nogil:
    """The same, but 0 in place of subnormal results."""
    return exp_above(x, set1(-708.39641853226408 if FS_DOUBLE else -87.33654))


cdef inline vreal_inlined exp_above(vreal x, vreal lowest) noexcept nogil:
    """exp, 0 below `lowest`. That is not left to rounding: Intel's processors take some hundred cycles
    over an operation that underflows."""
    return select_gt(lowest, x, set1(0.), exp_between(select_gt(lowest, x, set1(0.), x)))


cdef inline vreal_inlined exp_between(vreal x) noexcept nogil:
    """exp of what neither overflows nor underflows to 0."""
    cdef vreal t, n, r, p, q, high, low, square, fourth
    if FS_DOUBLE:
        n = x * set1(1.4426950408889634) + set1(6755399441055744.)
        n = n - set1(6755399441055744.)
        high = x - n * set1(6.93147180369123816490e-01)
        low = n * set1(1.90821492927058770002e-10)
        r = high - low
        square = r * r
        fourth = square * square
        q = set1(2.75572736431102953e-7) + r * set1(2.51052170047207452e-8)
        q = q + square * set1(2.09146869680868772e-9)
        p = set1(1.38888888888837483e-3) + r * set1(1.98412698748206253e-4)
        t = set1(2.48015873255477412e-5) + r * set1(2.75572554002064244e-6)
        q = (p + square * t) + fourth * q
        p = set1(4.16666666666666698e-2) + r * set1(8.33333333332613513e-3)
        t = set1(0.5) + r * set1(1.6666666666666671e-1)
        q = (t + square * p) + fourth * q
    else:
        n = x * set1(1.4426950408889634) + set1(12582912.)
        n = n - set1(12582912.)
        high = x - n * set1(0.693145751953125)
        low = n * set1(1.4286068203094172e-06)
        r = high - low
        square = r * r
        q = set1(4.166724160313606e-2) + r * set1(8.367435075342655e-3)
        q = q + square * set1(1.3863430358469486e-3)
        q = (set1(0.5) + r * set1(1.6666534543037415e-1)) + square * q
    # rounding r matters in r^2 q only: 1 + (high + (r^2 q - low))
    t = high + (q * square - low)
    return scale_by_power_of_two(set1(1.) + t, n)


cdef inline vreal_inlined log1p(vreal x) noexcept nogil:
    cdef vreal one = set1(1.), u, lost, k, f, s, z, p, half
    cdef vlane e
    cdef int mantissa = 52 if FS_DOUBLE else 23
    u = one + x
    lost = divide(select_gt(x, one, one - (u - x), x - (u - one)), u)
    e = shift_right(bits(u) - bits(set1(0.7071067811865476)), mantissa)
    k = to_real(e)
    f = from_bits(bits(u) - shift_left(e, mantissa)) - one
    s = divide(f, set1(2.) + f)
    z = s * s
    half = set1(0.5) * f * f
    if FS_DOUBLE:
        p = set1(1.4616585424888622e-1)
        p = p * z + set1(1.53317106182107716e-1)
        p = p * z + set1(1.8182889455674946e-1)
        p = p * z + set1(2.2222211130259877e-1)
        p = p * z + set1(2.85714286260032687e-1)
        p = p * z + set1(3.99999999998994432e-1)
        p = p * z + set1(6.66666666666666969e-1)
        lost = lost + k * set1(1.90821492927058770002e-10)
        z = f - (half - (s * (half + z * p) + lost))
        z = z + k * set1(6.93147180369123816490e-01)
    else:
        p = set1(2.95800530431884421e-1)
        p = p * z + set1(3.99887782821628077e-1)
        p = p * z + set1(6.66666850451560291e-1)
        lost = lost + k * set1(1.4286068203094172e-06)
        z = f - (half - (s * (half + z * p) + lost))
        z = z + k * set1(0.693145751953125)
    return select_gt(x, set1(LARGEST), x, z)  # infinity: u - x above is NaN
