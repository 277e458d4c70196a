"""Register tiles: the two matrix products of softmax regression, VL lanes at a time.

A *tile* of logits is class-major, z[k * ROWS + i] for the rows i of the tile: the softmax then runs
over ROWS rows side by side, whatever the number of classes, and the gradient broadcasts (A - Y)
from addresses that differ by constants.
"""

from fastsoftmax._core.simd cimport (
    CLASS_BLOCK, VL, add_to_doubles, in_register, load, load_first, prefetch_l2, real, set1, sum_each, store, vreal,
)

cdef enum:
    ROWS = 32  # rows of a tile; a multiple of VL on every build
    MOST = 10  # the largest CLASS_BLOCK of any build


cdef inline void dots_of(
    const int nk, const real *x0, const real *x1, Py_ssize_t d, const real *w, vreal *dots,
) noexcept nogil:
    """dots[k*VL], dots[k*VL + 1]: lane-wise partial sums of x0·w_k and x1·w_k; w as `pack` lays it."""
    cdef vreal acc0[MOST]
    cdef vreal acc1[MOST]
    cdef vreal a, b, v
    cdef Py_ssize_t j
    cdef int k
    for k in range(nk):
        acc0[k] = set1(0.)
        acc1[k] = set1(0.)
    for j from 0 <= j <= d - VL by VL:
        a = load(x0 + j)
        b = load(x1 + j)
        for k in range(nk):
            v = in_register(load(w + k * VL))
            acc0[k] = acc0[k] + a * v
            acc1[k] = acc1[k] + b * v
        w = w + nk * VL
    if d % VL:
        j = d - d % VL
        a = load_first(x0 + j, d % VL)
        b = load_first(x1 + j, d % VL)
        for k in range(nk):
            v = in_register(load(w + k * VL))
            acc0[k] = acc0[k] + a * v
            acc1[k] = acc1[k] + b * v
    for k in range(nk):
        dots[k * VL] = acc0[k]
        dots[k * VL + 1] = acc1[k]


cdef inline void dots(
    int nk, const real *x0, const real *x1, Py_ssize_t d, const real *w, vreal *out,
) noexcept nogil:
    """`dots_of` with the number of classes known to the compiler, so that the sums stay in registers."""
    if nk == 1:
        dots_of(1, x0, x1, d, w, out)
    elif nk == 2:
        dots_of(2, x0, x1, d, w, out)
    elif nk == 3:
        dots_of(3, x0, x1, d, w, out)
    elif nk == 4:
        dots_of(4, x0, x1, d, w, out)
    elif nk == 5:
        dots_of(5, x0, x1, d, w, out)
    elif nk == 6 and CLASS_BLOCK > 5:
        dots_of(6, x0, x1, d, w, out)
    elif nk == 7 and CLASS_BLOCK > 5:
        dots_of(7, x0, x1, d, w, out)
    elif nk == 8 and CLASS_BLOCK > 5:
        dots_of(8, x0, x1, d, w, out)
    elif nk == 9 and CLASS_BLOCK > 5:
        dots_of(9, x0, x1, d, w, out)
    elif nk == 10 and CLASS_BLOCK > 5:
        dots_of(10, x0, x1, d, w, out)


cdef inline void gradient_of(
    const int nk, const real *x, Py_ssize_t stride, const real *z, Py_ssize_t tile_size,
    Py_ssize_t n, Py_ssize_t ahead, double *sums,
) noexcept nogil:
    """sums[k*2*VL + l] += sum over i < n of z_k[i] * x[i*stride + l], for l < 2*VL."""
    cdef vreal acc0[MOST]
    cdef vreal acc1[MOST]
    cdef vreal a, b, p
    cdef Py_ssize_t i, first, last
    cdef int k
    for k in range(nk):
        acc0[k] = set1(0.)
        acc1[k] = set1(0.)
    for first from 0 <= first < n by ROWS:
        last = min(n - first, ROWS)
        for i in range(last):
            a = load(x)
            b = load(x + VL)
            prefetch_l2(x + ahead)
            prefetch_l2(x + ahead + 64 // sizeof(real))
            x = x + stride
            for k in range(nk):
                p = set1(z[k * ROWS + i])
                acc0[k] = acc0[k] + a * p
                acc1[k] = acc1[k] + b * p
        z = z + tile_size
    for k in range(nk):
        add_to_doubles(sums + k * 2 * VL, acc0[k])
        add_to_doubles(sums + k * 2 * VL + VL, acc1[k])


cdef inline void gradient_block(
    int nk, const real *x, Py_ssize_t stride, const real *z, Py_ssize_t tile_size, Py_ssize_t n,
    Py_ssize_t ahead, double *sums,
) noexcept nogil:
    """`gradient_of` with the number of classes known to the compiler."""
    if nk == 1:
        gradient_of(1, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 2:
        gradient_of(2, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 3:
        gradient_of(3, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 4:
        gradient_of(4, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 5:
        gradient_of(5, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 6 and CLASS_BLOCK > 5:
        gradient_of(6, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 7 and CLASS_BLOCK > 5:
        gradient_of(7, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 8 and CLASS_BLOCK > 5:
        gradient_of(8, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 9 and CLASS_BLOCK > 5:
        gradient_of(9, x, stride, z, tile_size, n, ahead, sums)
    elif nk == 10 and CLASS_BLOCK > 5:
        gradient_of(10, x, stride, z, tile_size, n, ahead, sums)
