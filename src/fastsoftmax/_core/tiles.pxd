"""Register tiles: the two inner loops in which softmax regression spends its time.

`dots` runs along the features of two rows of X: no copy of X, but the partial sums of each logit
have to be folded over the lanes afterwards. For few classes.
`product` runs down rows that lie side by side, 2*VL columns wide, and broadcasts the other factor:
(A - Y)ᵀX whatever the number of classes, and W Xᵀ and (A - Y) W where they are many.

A *tile* is class-major, z[k * ROWS + i] for ROWS rows i: the softmax then runs over ROWS rows side
by side, whatever the number of classes, and `product` broadcasts from addresses that differ by
constants.

Both keep 2 * CLASS_BLOCK sums in registers (24 of 32 on AVX-512, 12 of 16 on AVX2), loaded with 3 and
2 operands: no sum is spilled (objdump: no stack access in either loop). The number of classes has
to be a constant for that; `switch` turns the variable into one.
"""

from fastsoftmax._core.simd cimport (
    CLASS_BLOCK, VL, in_register, load, load_first, prefetch_l2, real, set1, vreal,
)

cdef enum:
    ROWS = 32  # rows of a tile; a multiple of VL on every build
    MOST = 12  # the largest CLASS_BLOCK of any build


cdef inline void dots_of(
    const int nk, const real *x0, const real *x1, Py_ssize_t d, const real *w, bint more, vreal *out,
) noexcept nogil:
    cdef vreal sum0[MOST]
    cdef vreal sum1[MOST]
    cdef vreal a, b, v
    cdef Py_ssize_t j
    cdef int k
    for k in range(nk):
        sum0[k] = out[k * VL] if more else set1(0.)
        sum1[k] = out[k * VL + 1] if more else set1(0.)
    for j from 0 <= j <= d - VL by VL:
        a = load(x0 + j)
        b = load(x1 + j)
        for k in range(nk):
            v = in_register(load(w + k * VL))
            sum0[k] = sum0[k] + a * v
            sum1[k] = sum1[k] + b * v
        w = w + nk * VL
    if d % VL:
        j = d - d % VL
        a = load_first(x0 + j, d % VL)
        b = load_first(x1 + j, d % VL)
        for k in range(nk):
            v = load(w + k * VL)
            sum0[k] = sum0[k] + a * v
            sum1[k] = sum1[k] + b * v
    for k in range(nk):
        out[k * VL] = sum0[k]
        out[k * VL + 1] = sum1[k]


cdef inline void dots(
    int nk, const real *x0, const real *x1, Py_ssize_t d, const real *w, bint more, vreal *out,
) noexcept nogil:
    """out[k*VL], out[k*VL + 1]: x0·w_k and x1·w_k as VL partial sums, k < nk <= CLASS_BLOCK.

    w holds VL features of each of the nk classes, then the next VL, zeros behind the last. With
    `more` the sums are added to what `out` holds.
    """
    if nk == 1:
        dots_of(1, x0, x1, d, w, more, out)
    elif nk == 2:
        dots_of(2, x0, x1, d, w, more, out)
    elif nk == 3:
        dots_of(3, x0, x1, d, w, more, out)
    elif nk == 4:
        dots_of(4, x0, x1, d, w, more, out)
    elif nk == 5:
        dots_of(5, x0, x1, d, w, more, out)
    elif nk == 6:
        dots_of(6, x0, x1, d, w, more, out)
    elif CLASS_BLOCK > 6:
        if nk == 7:
            dots_of(7, x0, x1, d, w, more, out)
        elif nk == 8:
            dots_of(8, x0, x1, d, w, more, out)
        elif nk == 9:
            dots_of(9, x0, x1, d, w, more, out)
        elif nk == 10:
            dots_of(10, x0, x1, d, w, more, out)
        elif nk == 11:
            dots_of(11, x0, x1, d, w, more, out)
        elif nk == 12:
            dots_of(12, x0, x1, d, w, more, out)


cdef inline void product_of(
    const int nk, const Py_ssize_t step, const Py_ssize_t along, const real *z, Py_ssize_t tile,
    const real *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t ahead, vreal *out,
) noexcept nogil:
    cdef vreal sum0[MOST]
    cdef vreal sum1[MOST]
    cdef vreal a, b, v
    cdef Py_ssize_t i, first, count
    cdef int k
    for k in range(nk):
        sum0[k] = sum1[k] = set1(0.)
    for first from 0 <= first < n by ROWS:
        count = min(n - first, ROWS)
        for i in range(count):
            a = load(x)
            b = load(x + VL)
            if ahead:
                prefetch_l2(x + ahead)
                prefetch_l2(x + ahead + VL)
            x = x + stride
            for k in range(nk):
                v = set1(z[k * step + i * along])
                sum0[k] = sum0[k] + a * v
                sum1[k] = sum1[k] + b * v
        z = z + tile
    for k in range(nk):
        out[2 * k] = sum0[k]
        out[2 * k + 1] = sum1[k]


cdef inline void product(
    int nk, const Py_ssize_t step, const Py_ssize_t along, const real *z, Py_ssize_t tile,
    const real *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t ahead, vreal *out,
) noexcept nogil:
    """out[2k], out[2k + 1] = sum over i < n of z_k[i] * x[i*stride : i*stride + 2*VL], k < nk.

    z_k[i] is z[(i // ROWS)*tile + (i % ROWS)*along + k*step]. Rows `ahead` elements further on are
    fetched into L2, for whoever needs them next.
    """
    if nk == 1:
        product_of(1, step, along, z, tile, x, stride, n, ahead, out)
    elif nk == 2:
        product_of(2, step, along, z, tile, x, stride, n, ahead, out)
    elif nk == 3:
        product_of(3, step, along, z, tile, x, stride, n, ahead, out)
    elif nk == 4:
        product_of(4, step, along, z, tile, x, stride, n, ahead, out)
    elif nk == 5:
        product_of(5, step, along, z, tile, x, stride, n, ahead, out)
    elif nk == 6:
        product_of(6, step, along, z, tile, x, stride, n, ahead, out)
    elif CLASS_BLOCK > 6:
        if nk == 7:
            product_of(7, step, along, z, tile, x, stride, n, ahead, out)
        elif nk == 8:
            product_of(8, step, along, z, tile, x, stride, n, ahead, out)
        elif nk == 9:
            product_of(9, step, along, z, tile, x, stride, n, ahead, out)
        elif nk == 10:
            product_of(10, step, along, z, tile, x, stride, n, ahead, out)
        elif nk == 11:
            product_of(11, step, along, z, tile, x, stride, n, ahead, out)
        elif nk == 12:
            product_of(12, step, along, z, tile, x, stride, n, ahead, out)
