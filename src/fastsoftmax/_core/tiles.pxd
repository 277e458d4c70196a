"""Register tiles: the two inner loops in which softmax regression spends its time.

`dots` runs along the features of some rows of X: no copy of X, but the partial sums of each logit
have to be folded over the lanes afterwards. For few classes.
`product` runs down rows that lie side by side, 2*VL columns wide, and broadcasts the other factor:
(A - Y)ᵀX whatever the number of classes, and W Xᵀ and (A - Y) W where they are many. `product_narrow` is
VL columns wide, for the last ones: 20000 x 16, K = 26, float32, one thread, at stored logits, 0.36 ms
instead of 0.42.

A *tile* is class-major, z[k * ROWS + i] for ROWS rows i: the softmax then runs over ROWS rows side
by side, whatever the number of classes, and `product` broadcasts from addresses that differ by
constants.

Both keep up to 24 sums in the 32 registers of AVX-512, 12 in the 16 of AVX2. A step of `dots` with 2
rows by 10 classes is 20 multiply-adds, 12 loads and 2 prefetches; of `product` with 10 classes 20
multiply-adds, 2 loads, 10 broadcasts and 2 prefetches: 10 cycles of multiply-adds at two a cycle,
which is more than the loads take. No sum is spilled (objdump: no access of a vector to the stack in
either function). The same two loops in C, float64, K = 10, X in L2 or L3, reach 0.88 to 0.92 of the
multiply-add peak in `dots` while W fits L1; 0.75 where halves of W take turns every 16 rows, as 784
features ask; 0.5 where W comes from L2; and 0.77 to 0.85 in `product` down 32 rows, 0.9 down 64. The
number of classes has to be a constant for that; the chains of `if` turn the variable into one.

Tried (AVX-512, 60000 x 784, K = 10, milliseconds, float32 / float64, two threads unless said):
- `dots` of 4 rows by 5 classes 6.8 / 13.2 against 6.2 / 11.9 with 2 by 10, which reads X once instead of
  twice; up to 6 classes 4 rows are better, 1.14 against 0.87 for 100000 x 64, K = 5;
- one thread, without prefetching the next rows into L1 13.9 / 27.3 against 11.5 / 25.1; short rows,
  whose block the end of `product` has not yet fetched, want more than the next tile: NEAR bytes
  ahead, 4 / 6 / 8 / 12 / 16 KiB, times the next rows alone (float32, two threads): 100000 x 64, K =
  5 0.93 / 0.86 / 0.89 / 0.91 / 0.90, 200000 x 128, K = 5 0.91 / 0.81 / 0.77 / 0.74 / 0.75, 80000 x
  384, K = 10 1.00 / 0.93 / 0.93 / 0.92 / 0.90, 60000 x 784, K = 10 1.01 / 1.00 / 1.00 / 1.03 /
  1.06; a few vectors ahead in the same rows 1.13 (784, float64, one thread); by prefetchnta 1.00 /
  1.03;
- fetching half of the next block during `dots`, half during `product` 5.9 / 12.5 against 5.6 /
  12.5; all of it during `dots` 7.4 / 15;
- the next block in the order of its bytes instead of panel by panel, times the latter (two threads,
  float32 / float64 / uint8): 60000 x 784, K = 10 0.98 / 0.97 / 0.93, 100000 x 256, K = 10 0.95 /
  0.91 / 0.97, 200000 x 64, K = 5 1.03 / 0.94 / 1.00: so for rows of LONG bytes; half of it in that
  order during `dots` 1.03 / 1.08; one line of two, hoping for the hardware 1.00 / 1.14;
- without prefetching the next *block* into L2 during `product` the forward pass waits for memory:
  15.4 against 9.4 then (float32);
- folding the partial sums of VL rows instead of FOLD 13.2 against 12.5 (float64): the packed
  weights, which exceed L1, are then read again for every 8 rows; of 32 rows instead of 16 1.00 to
  1.05 times in float32, 0.98 to 0.99 in float64: so there alone;
- fewer packed weights at a time, 24 / 16 KiB instead of 32: 1.07 / 1.09 in float32, 1.01 / 1.03 in
  float64;
- X or its panels at addresses that are multiples of 64: 0.98 at most;
- sums of `product` that may have been cleared or loaded, before loops that may not run at all, went
  through the stack at either end: 20 % of its time with blocks of 32 rows (float64), 22.4 against
  21.5 ms (one thread);
- left to contract a product and a sum, GCC tuned for Zen does not for a single chain of them, in the
  instances of some types alone, whose results then differ in the last bit: `multiply_add`;
- GCC repeats the load of a weight vector inside each multiply-add that uses it: `in_register`;
- `product` inlined into its callers: GCC keeps the caller's vectors in registers and spills an
  operand; 20000 x 1024, K = 1000 460 against 380 ms (one thread): `outlined`;
- cleared sums become a call of memset and stay in memory for 100000 x 64, K = 5 2.4 against 2.1 ms:
  -fno-tree-loop-distribute-patterns.
"""

from libc.stdint cimport int8_t, uint8_t

from fastsoftmax._core.simd cimport (
    CLASS_BLOCK, VL, bfloat16, float16, in_register, inlined, load, load_stored, load_stored_first,
    multiply_add, outlined, prefetch, prefetch_l2, real, set1, vreal,
)

ctypedef fused direct:  # numbers of X that become `real` as they are loaded
    real
    uint8_t
    int8_t
    float16
    bfloat16

cdef enum:
    ROWS = 32  # rows of a tile; a multiple of VL on every build
    FOLD = 4 * sizeof(real)  # rows whose partial sums are folded at a time; divides ROWS, multiple of VL
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
    const int rows, const int nk, const direct *x, Py_ssize_t stride, Py_ssize_t ahead,
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
                sums[k][i] = out[k * FOLD + i]
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
            out[k * FOLD + i] = sums[k][i]
    return 0


cdef inline inlined dots_some(
    int rows, const int nk, const direct *x, Py_ssize_t stride, Py_ssize_t ahead, Py_ssize_t d,
    const real *w, bint more, vreal *out,
) noexcept nogil:
    if rows == 1:
        dots_of(1, nk, x, stride, ahead, d, w, more, out)
    else:
        dots_of(dot_rows(nk), nk, x, stride, ahead, d, w, more, out)
    return 0


cdef inline outlined dots(
    int rows, int nk, const direct *x, Py_ssize_t stride, Py_ssize_t ahead, Py_ssize_t d,
    const real *w, bint more, vreal *out,
) noexcept nogil:
    """out[k*FOLD + i]: x_i·w_k as VL partial sums, for nk <= CLASS_BLOCK classes.

    Rows are dot_rows(nk) or, where fewer are left, 1. w holds VL features of each of the nk classes,
    then the next VL, zeros behind the last. With `more` the sums are added to what `out` holds.
    What lies `ahead` numbers behind is fetched into L1: the hardware, following these rows, does not
    foresee those that come next.
    """
    if nk == 1:
        dots_some(rows, 1, x, stride, ahead, d, w, more, out)
    elif nk == 2:
        dots_some(rows, 2, x, stride, ahead, d, w, more, out)
    elif nk == 3:
        dots_some(rows, 3, x, stride, ahead, d, w, more, out)
    elif nk == 4:
        dots_some(rows, 4, x, stride, ahead, d, w, more, out)
    elif nk == 5:
        dots_some(rows, 5, x, stride, ahead, d, w, more, out)
    elif nk == 6:
        dots_some(rows, 6, x, stride, ahead, d, w, more, out)
    elif CLASS_BLOCK > 6:
        if nk == 7:
            dots_some(rows, 7, x, stride, ahead, d, w, more, out)
        elif nk == 8:
            dots_some(rows, 8, x, stride, ahead, d, w, more, out)
        elif nk == 9:
            dots_some(rows, 9, x, stride, ahead, d, w, more, out)
        elif nk == 10:
            dots_some(rows, 10, x, stride, ahead, d, w, more, out)
        elif nk == 11:
            dots_some(rows, 11, x, stride, ahead, d, w, more, out)
        elif nk == 12:
            dots_some(rows, 12, x, stride, ahead, d, w, more, out)
    return 0


cdef inline inlined product_of(
    const int nk, const int wide, const Py_ssize_t step, const Py_ssize_t along, const real *z,
    Py_ssize_t tile,
    const direct *x, Py_ssize_t stride, Py_ssize_t n, const Ahead *ahead, vreal *out,
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
        sum0[k] = out[wide * k]
        if wide == 2:
            sum1[k] = out[2 * k + 1]
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
    Py_ssize_t tile,
    const direct *x, Py_ssize_t stride, Py_ssize_t n, const Ahead *next, bint more, vreal *out,
) noexcept nogil:
    cdef int k
    for k in range(0 if more else wide * nk):
        out[k] = set1(0.)
    if n <= 0:
        return 0
    if nk == 1:
        product_of(1, wide, step, along, z, tile, x, stride, n, next, out)
    elif nk == 2:
        product_of(2, wide, step, along, z, tile, x, stride, n, next, out)
    elif nk == 3:
        product_of(3, wide, step, along, z, tile, x, stride, n, next, out)
    elif nk == 4:
        product_of(4, wide, step, along, z, tile, x, stride, n, next, out)
    elif nk == 5:
        product_of(5, wide, step, along, z, tile, x, stride, n, next, out)
    elif nk == 6:
        product_of(6, wide, step, along, z, tile, x, stride, n, next, out)
    elif CLASS_BLOCK > 6:
        if nk == 7:
            product_of(7, wide, step, along, z, tile, x, stride, n, next, out)
        elif nk == 8:
            product_of(8, wide, step, along, z, tile, x, stride, n, next, out)
        elif nk == 9:
            product_of(9, wide, step, along, z, tile, x, stride, n, next, out)
        elif nk == 10:
            product_of(10, wide, step, along, z, tile, x, stride, n, next, out)
        elif nk == 11:
            product_of(11, wide, step, along, z, tile, x, stride, n, next, out)
        elif nk == 12:
            product_of(12, wide, step, along, z, tile, x, stride, n, next, out)
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
