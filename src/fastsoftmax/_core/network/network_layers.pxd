"""A network in memory, and its layers' two products: of rows with weights, of deltas with weights.

Every array is row-major with rows of whole pairs of vectors. A row of inputs ends in a unit that is 1
and in zeros, a row of weights in the intercept and in zeros: there is no code for intercepts, tails or
masks. The number of pairs in a row is odd, since rows a power of two apart would share a few sets of
the L1 cache.

`dots` is a register tile of ROW_BLOCK rows by 4 units that runs along the inputs, ROW_BLOCK * 4 partial
sums being added up over the lanes at once. One row alone takes CLASS_BLOCK units, which is as many
chains of multiply-adds as hide their latency.
"""

from fastsoftmax._core.gemm.tiles cimport MOST, product_along
from fastsoftmax._core.network.activations cimport activate, times_derivative
from fastsoftmax._core.network.network_kernels cimport IDENTITY, LEAKY_RELU, LOGISTIC, RELU, TANH
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, ROW_BLOCK, VL, in_register, inlined, load, outlined, real, set1, store,
    sum_each, vreal, with_constant,
)
from fastsoftmax._core.sizes cimport part_start, parts_of, rounded_up

cdef enum:
    ROWS_BYTES = 28 * 1024  # of inputs that stay in L1 while all units pass
    UNITS = 4  # of a register tile of several rows
    SUMS = 16  # at least ROW_BLOCK * UNITS and CLASS_BLOCK, and a multiple of every VL


cdef struct Layer:
    Py_ssize_t n, m  # inputs and units
    Py_ssize_t stride  # elements from row to row of inputs and of weights
    Py_ssize_t step  # the same of deltas: the stride of the next layer
    Py_ssize_t start  # of this layer in a block of weights
    int activation  # of the units; of the last layer the loss knows
    double slope  # of a leaky relu
    real *a  # (rows, stride): inputs
    real *delta  # (rows, step): gradient of the loss by what goes into the units
    real *w  # (m, stride)


cdef inline Py_ssize_t row_length(Py_ssize_t n) noexcept nogil:
    """Elements of a row of n numbers and one more."""
    cdef Py_ssize_t pairs = (n + 2 * VL) // (2 * VL)
    return (pairs + 1 - pairs % 2) * 2 * VL


cdef inline inlined dots_of(
    const int units, const int rows, const real *a, Py_ssize_t stride, const real *w,
    Py_ssize_t n, real *z, Py_ssize_t step,
) noexcept nogil:
    cdef vreal sums[SUMS]
    cdef vreal x[4]
    cdef vreal v
    cdef real element[SUMS]
    cdef Py_ssize_t j
    cdef int i, u
    for i in range(SUMS):
        sums[i] = set1(0.)
    for j from 0 <= j < n by VL:
        for i in range(rows):
            x[i] = load(a + i * stride + j)
        for u in range(units):
            v = in_register(load(w + u * stride + j))
            for i in range(rows):
                sums[i * UNITS + u] = sums[i * UNITS + u] + x[i] * v
    for i from 0 <= i < (rows - 1) * UNITS + units by VL:
        store(element + i, sum_each(sums + i))
    for i in range(rows):
        for u in range(units):
            z[i * step + u] = element[i * UNITS + u]
    return 0


cdef inline inlined dots_some(
    int rows, const int units, const real *a, Py_ssize_t stride, const real *w, Py_ssize_t n,
    real *z, Py_ssize_t step,
) noexcept nogil:
    if rows == 1:
        dots_of(units, 1, a, stride, w, n, z, step)
    elif rows == 2:
        dots_of(units, 2, a, stride, w, n, z, step)
    elif ROW_BLOCK > 2:
        if rows == 3:
            dots_of(units, 3, a, stride, w, n, z, step)
        else:
            dots_of(units, 4, a, stride, w, n, z, step)
    return 0


cdef inline outlined dots(
    int rows, int units, const real *a, Py_ssize_t stride, const real *w, Py_ssize_t n, real *z,
    Py_ssize_t step,
) noexcept nogil:
    """z[i*step + u] = a_i·w_u along n elements, rows <= ROW_BLOCK, units <= 4."""
    if units == 4:
        dots_some(rows, 4, a, stride, w, n, z, step)
    elif units == 3:
        dots_some(rows, 3, a, stride, w, n, z, step)
    elif units == 2:
        dots_some(rows, 2, a, stride, w, n, z, step)
    else:
        dots_some(rows, 1, a, stride, w, n, z, step)
    return 0


cdef inline outlined dots_of_row(
    int units, const real *a, Py_ssize_t stride, const real *w, Py_ssize_t n, real *z
) noexcept nogil:
    """The same of one row, units <= CLASS_BLOCK."""
    if units < 5:
        dots(1, units, a, stride, w, n, z, 0)
    else:
        with_constant(units, dots_of, 1, a, stride, w, n, z, 0)
    return 0


cdef inline void layer_forward(
    const Layer *layer, Py_ssize_t first, Py_ssize_t rows, real *z
) noexcept nogil:
    """z (rows, step) = a Wᵀ for rows from `first` on.

    The weights of a few units stay in L1 while the rows pass.
    """
    cdef Py_ssize_t i, u, n = rounded_up(layer.n + 1, VL), blocks, k, next, g, group
    cdef const real *a = layer.a + first * layer.stride
    if rows == 1:
        blocks = parts_of(layer.m, CLASS_BLOCK)
        u = 0
        for k in range(blocks):
            next = part_start(layer.m, blocks, k + 1)
            dots_of_row(<int>(next - u), a, layer.stride, layer.w + u * layer.stride, n, z + u)
            u = next
        return
    group = max(ROWS_BYTES // (n * <Py_ssize_t>sizeof(real)) // ROW_BLOCK * ROW_BLOCK, ROW_BLOCK)
    for g from 0 <= g < rows by group:
        for u from 0 <= u < layer.m by UNITS:
            for i from g <= i < min(g + group, rows) by ROW_BLOCK:
                dots(
                    <int>min(ROW_BLOCK, rows - i), <int>min(UNITS, layer.m - u), a + i * layer.stride,
                    layer.stride, layer.w + u * layer.stride, n, z + i * layer.step + u, layer.step)


cdef inline void backward_as(
    const int kind, const Layer *layer, const Layer *below, Py_ssize_t first, Py_ssize_t rows
) noexcept nogil:
    cdef vreal sums[2 * MOST]
    cdef vreal slope = set1(below.slope), a
    cdef Py_ssize_t i, j, r, h, nk, at
    for j from 0 <= j < layer.n by 2 * VL:
        for i from 0 <= i < rows by CLASS_BLOCK:
            nk = min(CLASS_BLOCK, rows - i)
            product_along(
                <int>nk, layer.delta + (first + i) * layer.step, layer.step, layer.w + j,
                layer.stride, layer.m, NULL, sums)
            for r in range(nk):
                at = (first + i + r) * layer.stride + j
                for h in range(2):
                    a = load(layer.a + at + h * VL)
                    store(
                        below.delta + at + h * VL,
                        times_derivative(kind, sums[2 * r + h], a, slope))


cdef inline void layer_backward(
    const Layer *layer, const Layer *below, Py_ssize_t first, Py_ssize_t rows
) noexcept nogil:
    """Deltas of the layer below: (delta W) f', f being its activation, layer.a what that returned.

    What stands behind its units is not read: a column of deltas there belongs to no unit.
    """
    if below.activation == IDENTITY:
        backward_as(IDENTITY, layer, below, first, rows)
    elif below.activation == LOGISTIC:
        backward_as(LOGISTIC, layer, below, first, rows)
    elif below.activation == TANH:
        backward_as(TANH, layer, below, first, rows)
    elif below.activation == RELU:
        backward_as(RELU, layer, below, first, rows)
    else:
        backward_as(LEAKY_RELU, layer, below, first, rows)


cdef inline real *forward(
    const Layer *layers, Py_ssize_t n_layers, Py_ssize_t first, Py_ssize_t rows
) noexcept nogil:
    """The outputs z (rows, step) of the last layer, for rows whose inputs are in place."""
    cdef const Layer *layer
    cdef real *z = NULL
    cdef Py_ssize_t i
    for i in range(n_layers):
        layer = layers + i
        z = (layer.delta if i == n_layers - 1 else layers[i + 1].a) + first * layer.step
        layer_forward(layer, first, rows, z)
        if i < n_layers - 1:
            activate(layer.activation, z, layer.step, rows, layer.m, layer.slope)
    return z
