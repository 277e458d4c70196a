"""Register tiles: the two inner loops in which softmax regression spends its time.

`dots` runs along the features of some rows of X: no copy of X, but the partial sums of each logit
have to be summed over the lanes afterwards. For few classes. `product` runs down rows that lie side by
side, 2*VL columns wide (`product_narrow`: VL), and broadcasts the other factor: (A - Y)ᵀX whatever the
number of classes, and W Xᵀ and (A - Y) W where they are many.

A *tile* is class-major, z[k * ROWS + i] for ROWS rows i: the softmax runs over ROWS rows side by side,
and `product` broadcasts from addresses that differ by constants.

Both keep up to 24 sums in the 32 registers of AVX-512, 12 in the 16 of AVX2, and none is spilled. 2 rows
by 10 classes are 20 multiply-adds, 12 loads and 2 prefetches in `dots`. The number of classes has to be
a constant for that: `with_constant` turns the variable into one. Measurements:
docs/experiments/0002-register-tiles.md.
"""

from libc.stdint cimport int8_t, uint8_t

from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, bfloat16, float16, in_register, inlined, load, load_stored, load_stored_first,
    multiply_add, no_sums, outlined, prefetch, prefetch_l2, real, set1, vreal, with_constant,
)

ctypedef fused direct:  # numbers of X that become `real` as they are loaded
    real
    uint8_t
    int8_t
    float16
    bfloat16
    float

cdef enum:
    ROWS = 32  # rows of a tile; a multiple of VL on every build
    SUMMED_ROWS = 4 * sizeof(real)  # rows whose lanes are summed at a time; divides ROWS
    MOST = 12  # the largest CLASS_BLOCK of any build


cdef struct Ahead:  # what `product` fetches, a row at a time: two lines, a gap of bytes apart
    const char *at  # or NULL: nothing
    Py_ssize_t step, gap


cdef inline Ahead nothing() noexcept nogil:
    cdef Ahead next
    next.at = NULL
    next.step = next.gap = 0
    return next


cdef inline int dot_rows(int nk) noexcept nogil:
    """Rows of the tile of `dots` with nk classes: at most 2 * CLASS_BLOCK sums."""
    return 4 if 2 * nk <= CLASS_BLOCK else 2


cdef inline inlined dots_of(
    const int nk, const int rows, const direct *x, Py_ssize_t stride, Py_ssize_t ahead,
    Py_ssize_t d, const real *w, bint more, vreal *out,
) noexcept nogil:
    cdef vreal sums[MOST][4]
    cdef vreal a[4]
    cdef vreal v
    cdef Py_ssize_t j
    cdef int i, k
    for k in range(nk):
        for i in range(rows):
            sums[k][i] = set1(0.)
    if more:
        for k in range(nk):
            for i in range(rows):
                sums[k][i] = out[k * SUMMED_ROWS + i]
    for j from 0 <= j <= d - VL by VL:
        for i in range(rows):
            a[i] = load_stored(x + i * stride + j)
            prefetch(x + i * stride + ahead + j)
        for k in range(nk):
            v = in_register(load(w + k * VL))
            for i in range(rows):
                sums[k][i] = multiply_add(a[i], v, sums[k][i])
        w = w + nk * VL
    if d % VL:
        j = d - d % VL
        for i in range(rows):
            a[i] = load_stored_first(x + i * stride + j, <int>(d % VL))
        for k in range(nk):
            v = load(w + k * VL)
            for i in range(rows):
                sums[k][i] = multiply_add(a[i], v, sums[k][i])
    for k in range(nk):
        for i in range(rows):
            out[k * SUMMED_ROWS + i] = sums[k][i]
    return 0


cdef inline inlined dots_some(
    const int nk, int rows, const direct *x, Py_ssize_t stride, Py_ssize_t ahead, Py_ssize_t d,
    const real *w, bint more, vreal *out,
) noexcept nogil:
    if rows == 1:
        dots_of(nk, 1, x, stride, ahead, d, w, more, out)
    else:
        dots_of(nk, dot_rows(nk), x, stride, ahead, d, w, more, out)
    return 0


cdef inline outlined dots(
    int rows, int nk, const direct *x, Py_ssize_t stride, Py_ssize_t ahead, Py_ssize_t d,
    const real *w, bint more, vreal *out,
) noexcept nogil:
    """out[k*SUMMED_ROWS + i]: x_i·w_k as VL partial sums, for nk <= CLASS_BLOCK classes.

    Rows are dot_rows(nk) or, where fewer are left, 1. w holds VL features of each of the nk classes,
    then the next VL, zeros behind the last. With `more` the sums are added to what `out` holds.
    What lies `ahead` numbers behind is fetched into L1: the hardware, following these rows, does not
    foresee those that come next.
    """
    with_constant(nk, dots_some[direct], rows, x, stride, ahead, d, w, more, out)
    return 0


cdef inline inlined product_of(
    const int nk, const int wide, const Py_ssize_t step, const Py_ssize_t along, const real *z,
    Py_ssize_t tile, const direct *x, Py_ssize_t stride, Py_ssize_t n, const Ahead *ahead,
    const vreal *start, vreal *out,
) noexcept nogil:
    cdef Ahead next = nothing()
    cdef vreal sum0[MOST]
    cdef vreal sum1[MOST]
    cdef vreal a, b, v
    cdef Py_ssize_t left
    cdef const real *y
    cdef int k
    if ahead:
        next = ahead[0]
    for k in range(nk):
        sum0[k] = start[wide * k]
        if wide == 2:
            sum1[k] = start[2 * k + 1]
    while True:  # at least once, so that sums need not be anywhere but in registers
        left = min(n, ROWS)
        n = n - left
        y = z
        while True:
            a = in_register(load_stored(x))
            if wide == 2:
                b = in_register(load_stored(x + VL))
            if next.at:
                prefetch_l2(next.at)
                prefetch_l2(next.at + next.gap)
                next.at += next.step
            x = x + stride
            for k in range(nk):
                v = set1(y[k * step])
                sum0[k] = multiply_add(a, v, sum0[k])
                if wide == 2:
                    sum1[k] = multiply_add(b, v, sum1[k])
            y = y + along
            left = left - 1
            if left == 0:
                break
        if n == 0:
            break
        z = z + tile
    for k in range(nk):
        out[wide * k] = sum0[k]
        if wide == 2:
            out[2 * k + 1] = sum1[k]
    return 0


cdef inline inlined product_any(
    int nk, const int wide, const Py_ssize_t step, const Py_ssize_t along, const real *z,
    Py_ssize_t tile, const direct *x, Py_ssize_t stride, Py_ssize_t n, const Ahead *next, bint more,
    vreal *out,
) noexcept nogil:
    cdef const vreal *start = no_sums
    cdef int k
    if more:
        start = out
    if n <= 0:
        for k in range(wide * nk):
            out[k] = start[k]
        return 0
    with_constant(
        nk, product_of[direct], wide, step, along, z, tile, x, stride, n, next, start, out)
    return 0


cdef inline outlined product(
    int nk, const real *z, Py_ssize_t tile, const direct *x, Py_ssize_t stride, Py_ssize_t n,
    const Ahead *next, bint more, vreal *out,
) noexcept nogil:
    """out[2k], out[2k + 1] = sum over i < n of z_k[i] * x[i*stride : i*stride + 2*VL], k < nk.

    z_k[i] is z[(i // ROWS)*tile + k*ROWS + i % ROWS]. With `more` the sums are added to what `out`
    holds. As many rows of what is needed `next` are fetched into L2.
    """
    product_any(nk, 2, ROWS, 1, z, tile, x, stride, n, next, more, out)
    return 0


cdef inline outlined product_narrow(
    int nk, const real *z, Py_ssize_t tile, const direct *x, Py_ssize_t stride, Py_ssize_t n,
    const Ahead *next, bint more, vreal *out,
) noexcept nogil:
    """The same down one vector of columns: out[k]."""
    product_any(nk, 1, ROWS, 1, z, tile, x, stride, n, next, more, out)
    return 0


cdef inline outlined product_across(
    int nk, const real *z, const real *x, Py_ssize_t stride, Py_ssize_t n, vreal *out,
) noexcept nogil:
    """The same with z_k[i] = z[i*ROWS + k]: sums over the classes of a tile, for nk of its rows."""
    product_any(nk, 2, 1, ROWS, z, ROWS * ROWS, x, stride, n, NULL, False, out)
    return 0


cdef inline outlined product_down(
    int nk, const real *z, Py_ssize_t z_step, const real *x, Py_ssize_t stride, Py_ssize_t n,
    vreal *out,
) noexcept nogil:
    """The same with z_k[i] = z[i*z_step + k]: sums down the rows of two row-major arrays."""
    product_any(nk, 2, 1, z_step, z, ROWS * z_step, x, stride, n, NULL, False, out)
    return 0


cdef inline outlined product_along(
    int nk, const real *z, Py_ssize_t z_step, const real *x, Py_ssize_t stride, Py_ssize_t n,
    const Ahead *next, vreal *out,
) noexcept nogil:
    """The same with z_k[i] = z[k*z_step + i]: nk rows of a row-major array times a matrix."""
    product_any(nk, 2, z_step, 1, z, ROWS, x, stride, n, next, False, out)
    return 0


cdef inline outlined product_along_narrow(
    int nk, const real *z, Py_ssize_t z_step, const real *x, Py_ssize_t stride, Py_ssize_t n,
    const Ahead *next, vreal *out,
) noexcept nogil:
    """The same, one vector of the matrix."""
    product_any(nk, 1, z_step, 1, z, ROWS, x, stride, n, next, False, out)
    return 0
