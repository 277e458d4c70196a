"""Activations of hidden layers, and their derivatives from what they returned.

Each is increasing, so that the derivative follows from the output alone and the inputs need not be
kept. NaN stays NaN in all of them, through relu too: `maximum` keeps its second argument there.

tanh: for |x| < 0.625 x + x^3 R(x^2), where 1 - 2 / (exp(2|x|) + 1), used beyond, would cancel; R by
Moshier (Cephes, tanhf.c and tanh.c). tanh and the logistic function are within 2.5 ulp, which
`tests/core/test_neural_kernel.py` sweeps. Errors found:
docs/experiments/0008-accuracy-of-elementary-functions.md.
"""

from fastsoftmax._core.loss.logistic cimport sigmoid
from fastsoftmax._core.network.network_kernels cimport IDENTITY, LEAKY_RELU, LOGISTIC, RELU, TANH
from fastsoftmax._core.simd.rowmath cimport FS_DOUBLE, exp
from fastsoftmax._core.simd.simd cimport (
    VL, absolute, divide, lane_index, load, maximum, real, select_eq, select_gt, set1, set1_lane,
    store, to_real, vreal, vreal_inlined,
)

cdef inline vreal_inlined tanh(vreal x) noexcept nogil:
    cdef vreal z = x * x, p, q, far, size = absolute(x)
    if FS_DOUBLE:
        p = set1(-9.64399179425052238628e-1) * z + set1(-9.92877231001918586564e1)
        p = p * z + set1(-1.61468768441708447952e3)
        q = (z + set1(1.12811678491632931402e2)) * z + set1(2.23548839060100448583e3)
        q = q * z + set1(4.84406305325125486048e3)
        p = divide(p, q)
    else:
        p = set1(-5.70498872745e-3) * z + set1(2.06390887954e-2)
        p = p * z + set1(-5.37397155531e-2)
        p = p * z + set1(1.33314422036e-1)
        p = p * z + set1(-3.33332819422e-1)
    far = set1(1.) - divide(set1(2.), exp(size + size) + set1(1.))
    far = select_gt(set1(0.), x, set1(0.) - far, far)
    return select_gt(set1(0.625), size, x * z * p + x, far)


cdef inline vreal_inlined activated(const int kind, vreal z, vreal slope) noexcept nogil:
    if kind == LOGISTIC:
        return sigmoid(z, True)
    if kind == TANH:
        return tanh(z)
    if kind == RELU:
        return maximum(set1(0.), z)
    if kind == LEAKY_RELU:
        return select_gt(z, set1(0.), z, slope * z)
    return z


cdef inline vreal_inlined times_derivative(
    const int kind, vreal delta, vreal a, vreal slope
) noexcept nogil:
    """delta f'(z), where a = f(z)."""
    if kind == LOGISTIC:
        return delta * (a * (set1(1.) - a))
    if kind == TANH:
        return delta * (set1(1.) - a * a)
    if kind == RELU:
        return select_gt(a, set1(0.), delta, set1(0.))
    if kind == LEAKY_RELU:
        return select_gt(a, set1(0.), delta, slope * delta)
    return delta


cdef inline void activate_as(
    const int kind, real *first, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t n,
    double negative_slope,
) noexcept nogil:
    cdef vreal slope = set1(negative_slope), x, one
    cdef Py_ssize_t i, j, whole = n // VL * VL
    cdef real *z
    one = select_eq(lane_index(), set1_lane(n - whole), set1(1.), set1(0.))
    for i in range(rows):
        z = first + i * step
        for j from 0 <= j < whole by VL:
            store(z + j, activated(kind, load(z + j), slope))
        x = activated(kind, load(z + whole), slope)
        store(z + whole, select_gt(set1(n - whole), to_real(lane_index()), x, one))


cdef inline void activate(
    int kind, real *z, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t n, double negative_slope
) noexcept nogil:
    """f(z) of n units of each row, in place; then a unit that is 1, and zeros to fill its vector."""
    if kind == IDENTITY:
        activate_as(IDENTITY, z, step, rows, n, negative_slope)
    elif kind == LOGISTIC:
        activate_as(LOGISTIC, z, step, rows, n, negative_slope)
    elif kind == TANH:
        activate_as(TANH, z, step, rows, n, negative_slope)
    elif kind == RELU:
        activate_as(RELU, z, step, rows, n, negative_slope)
    else:
        activate_as(LEAKY_RELU, z, step, rows, n, negative_slope)
