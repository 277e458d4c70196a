"""Register tiles on X as it is stored, its type known when they are called.

`tiles` has an instance of each for the types that become `real` by an instruction or two: these fit
between the multiply-adds, and both passes over a block read a half or a quarter of the bytes. All else
passes through a buffer (`convert`). What is computed in float64 is stored in float64, in float32 where
float32 did not suffice, or rare.

float16 takes 8 instructions for 4 numbers on SSE and goes by the buffer there. REAL comes first among
the types. Measurements: docs/experiments/0003-x-as-stored.md, and 0077-passes-of-proofs.md for float32.
"""

from libc.stdint cimport int8_t, uint8_t

from fastsoftmax._core.arguments cimport BFLOAT16, BOOL, FLOAT16, FLOAT32, INT8, UINT8
from fastsoftmax._core.gemm.convert cimport REAL
from fastsoftmax._core.gemm.tiles cimport Ahead, direct, dots, product, product_narrow
from fastsoftmax._core.simd.simd cimport HALF_BY_INSTRUCTION, bfloat16, float16, real, vreal

cdef enum:
    SINGLE = sizeof(real) == sizeof(float)


cdef inline bint tiles_read(int type) noexcept nogil:
    """Whether the tiles below read numbers of this type, side by side in memory."""
    return type == REAL or type == FLOAT32 or SINGLE and (
        type == UINT8 or type == BOOL or type == INT8 or type == BFLOAT16
        or HALF_BY_INSTRUCTION and type == FLOAT16)


cdef inline void stored_dots(
    int type, int rows, int nk, const char *x, Py_ssize_t stride, Py_ssize_t ahead, Py_ssize_t d,
    const real *w, bint more, vreal *out,
) noexcept nogil:
    if type == REAL:
        dots(rows, nk, <const real *>x, stride, ahead, d, w, more, out)
    elif not SINGLE:
        dots(rows, nk, <const float *>x, stride, ahead, d, w, more, out)
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
    if type == REAL:
        product_stored(nk, narrow, z, tile, <const real *>x, stride, n, next, more, out)
    elif not SINGLE:
        product_stored(nk, narrow, z, tile, <const float *>x, stride, n, next, more, out)
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
