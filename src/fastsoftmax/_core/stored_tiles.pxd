"""Register tiles on X as it is stored, its type known when they are called.

`tiles` has an instance of each for the types that become `real` by an instruction or two: these fit
between the multiply-adds, and both passes over a block read a half or a quarter of the bytes. All else
passes through a buffer (`convert`). What is computed in float64 is stored in float64, or rare.

Against that buffer, which held these types too, and float32: two threads, milliseconds, loss + gradient
(buffer / direct; AVX-512 unless said):

| | uint8 | float16 | float32 |
|---|---|---|---|
| 60000 x 784, K = 10 | 5.67 / 4.82 | 6.05 / 4.99 | 6.07 |
| 60000 x 784, K = 2 | 3.59 / 1.69 | 5.50 / 3.02 | 5.77 |
| 60000 x 100, K = 10 | 1.69 / 1.26 | 1.78 / 1.34 | 1.39 |
| 60000 x 33, K = 4 | 0.83 / 0.41 | 0.90 / 0.44 | 0.45 |
| 60000 x 800, K = 32 | 18.3 / 17.5 | 18.7 / 18.1 | 18.5 |
| AVX2, 60000 x 784, K = 10 | 9.8 / 8.9 | 10.0 / 8.6 | 9.3 |
| AVX2, 60000 x 100, K = 10 | 2.04 / 2.18 | 2.16 / 2.00 | 1.91 |
| SSE, 60000 x 784, K = 10 | 27.1 / 25.2 | 31 / 46 | 23 |

Float32 rows that stay in L1 take 4.55 in the first line: conversion itself costs 5 %. bfloat16 is as
float16, but on SSE as uint8; float16 takes 8 instructions for 4 numbers there and goes by the buffer.
Also tried: REAL last among the types, float32 8 % slower for 100000 x 64, K = 5, where
`dots` lasts 40 cycles; the last features of a row copied one by one instead of masked, 1.51 against
1.23 (60000 x 100, K = 10, uint8), as they are without AVX-512, hence the one line that lost.

It takes 210 KB of machine code (AVX-512), a tenth of it for one vector of columns, and 4 s of compiling.
"""

from libc.stdint cimport int8_t, uint8_t

from fastsoftmax._core.convert cimport BFLOAT16, BOOL, FLOAT16, INT8, REAL, UINT8
from fastsoftmax._core.simd cimport HALF_BY_INSTRUCTION, bfloat16, float16, real, vreal
from fastsoftmax._core.tiles cimport Ahead, direct, dots, product, product_narrow

cdef enum:
    SINGLE = sizeof(real) == sizeof(float)


cdef inline bint tiles_read(int type) noexcept nogil:
    """Whether the tiles below read numbers of this type, side by side in memory."""
    return type == REAL or SINGLE and (
        type == UINT8 or type == BOOL or type == INT8 or type == BFLOAT16
        or HALF_BY_INSTRUCTION and type == FLOAT16)


cdef inline void stored_dots(
    int type, int rows, int nk, const char *x, Py_ssize_t stride, Py_ssize_t ahead, Py_ssize_t d,
    const real *w, bint more, vreal *out,
) noexcept nogil:
    if not SINGLE or type == REAL:
        dots(rows, nk, <const real *>x, stride, ahead, d, w, more, out)
    elif type == UINT8 or type == BOOL:
        dots(rows, nk, <const uint8_t *>x, stride, ahead, d, w, more, out)
    elif type == INT8:
        dots(rows, nk, <const int8_t *>x, stride, ahead, d, w, more, out)
    elif type == BFLOAT16:
        dots(rows, nk, <const bfloat16 *>x, stride, ahead, d, w, more, out)
    elif HALF_BY_INSTRUCTION and type == FLOAT16:
        dots(rows, nk, <const float16 *>x, stride, ahead, d, w, more, out)


cdef inline void stored_product(
    int nk, bint narrow, const real *z, Py_ssize_t tile, int type, const char *x, Py_ssize_t stride,
    Py_ssize_t n, const Ahead *next, bint more, vreal *out,
) noexcept nogil:
    """`product`, or down one vector of columns."""
    if not SINGLE or type == REAL:
        product_stored(nk, narrow, z, tile, <const real *>x, stride, n, next, more, out)
    elif type == UINT8 or type == BOOL:
        product_stored(nk, narrow, z, tile, <const uint8_t *>x, stride, n, next, more, out)
    elif type == INT8:
        product_stored(nk, narrow, z, tile, <const int8_t *>x, stride, n, next, more, out)
    elif type == BFLOAT16:
        product_stored(nk, narrow, z, tile, <const bfloat16 *>x, stride, n, next, more, out)
    elif HALF_BY_INSTRUCTION and type == FLOAT16:
        product_stored(nk, narrow, z, tile, <const float16 *>x, stride, n, next, more, out)


cdef inline void product_stored(
    int nk, bint narrow, const real *z, Py_ssize_t tile, const direct *x, Py_ssize_t stride,
    Py_ssize_t n, const Ahead *next, bint more, vreal *out,
) noexcept nogil:
    if narrow:
        product_narrow(nk, z, tile, x, stride, n, next, more, out)
    else:
        product(nk, z, tile, x, stride, n, next, more, out)
