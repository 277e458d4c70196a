"""Register tiles on X as it is stored, its type known when they are called.

`tiles` has an instance of each for the types that become `real` by an instruction or two: these fit
between the multiply-adds, and both passes over a block read a half or a quarter of the bytes. All else
passes through a buffer (`convert`). What is computed in float64 is stored in float64, or rare.

Against that buffer, which held these types too, and float32, two threads, milliseconds, loss + gradient
(buffer / direct; AVX-512 unless said):

| | uint8 | float16 | float32 |
|---|---|---|---|
| 60000 x 784, K = 10 | 5.55 / 4.78 | 5.81 / 4.93 | 5.75 |
| 60000 x 784, K = 2 | 3.4 / 1.6 | 5.2 / 2.6 | 4.9 |
| 60000 x 100, K = 10 | 1.68 / 1.23 | 1.75 / 1.30 | 1.46 |
| 60000 x 33, K = 4 | 0.84 / 0.40 | 0.86 / 0.41 | 0.43 |
| 60000 x 800, K = 32 | 18.0 / 17.1 | 18.4 / 17.6 | 18.5 |
| AVX2, 60000 x 784, K = 10 | 12.0 / 8.9 | 12.1 / 9.0 | 9.5 |
| AVX2, 60000 x 100, K = 10 | 2.22 / 2.00 | 2.32 / 2.08 | 2.06 |
| SSE, 60000 x 784, K = 10 | 27.6 / 25.5 | 31 / 46 | 24 |

Float32 rows that stay in L1 take 4.55 in the first line, so that conversion itself costs 5 %.
bfloat16 is as float16, but on SSE as uint8; float16 takes 8 instructions for 4 numbers there and goes
by the buffer. Also tried: REAL last among the types, float32 8 % slower for 100000 x 64, K = 5, where
`dots` lasts 40 cycles; the last features of a row copied one by one instead of masked, 1.51 against
1.23 (60000 x 100, K = 10, uint8). It takes 190 KB of machine code (AVX-512) and 4 s of compiling.
"""

from libc.stdint cimport int8_t, uint8_t

from fastsoftmax._core.convert cimport BFLOAT16, BOOL, FLOAT16, INT8, REAL, UINT8
from fastsoftmax._core.simd cimport HALF_BY_INSTRUCTION, bfloat16, float16, real, vreal
from fastsoftmax._core.tiles cimport Ahead, dots, product

cdef enum:
    SINGLE = sizeof(real) == sizeof(float)


cdef inline bint tiles_read(int type) noexcept nogil:
    """Whether the tiles below read numbers of this type, side by side in memory."""
    return type == REAL or SINGLE and (
        type == UINT8 or type == BOOL or type == INT8 or type == BFLOAT16
        or HALF_BY_INSTRUCTION and type == FLOAT16)


cdef inline void stored_dots(
    int type, int rows, int nk, const char *x, Py_ssize_t stride, Py_ssize_t d, const real *w,
    bint more, vreal *out,
) noexcept nogil:
    if not SINGLE or type == REAL:
        dots(rows, nk, <const real *>x, stride, d, w, more, out)
    elif type == UINT8 or type == BOOL:
        dots(rows, nk, <const uint8_t *>x, stride, d, w, more, out)
    elif type == INT8:
        dots(rows, nk, <const int8_t *>x, stride, d, w, more, out)
    elif type == BFLOAT16:
        dots(rows, nk, <const bfloat16 *>x, stride, d, w, more, out)
    elif HALF_BY_INSTRUCTION and type == FLOAT16:
        dots(rows, nk, <const float16 *>x, stride, d, w, more, out)


cdef inline void stored_product(
    int nk, const real *z, Py_ssize_t tile, int type, const char *x, Py_ssize_t stride, Py_ssize_t n,
    Ahead next, bint more, vreal *out,
) noexcept nogil:
    if not SINGLE or type == REAL:
        product(nk, z, tile, <const real *>x, stride, n, next, more, out)
    elif type == UINT8 or type == BOOL:
        product(nk, z, tile, <const uint8_t *>x, stride, n, next, more, out)
    elif type == INT8:
        product(nk, z, tile, <const int8_t *>x, stride, n, next, more, out)
    elif type == BFLOAT16:
        product(nk, z, tile, <const bfloat16 *>x, stride, n, next, more, out)
    elif HALF_BY_INSTRUCTION and type == FLOAT16:
        product(nk, z, tile, <const float16 *>x, stride, n, next, more, out)
