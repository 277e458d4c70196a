"""X as it lies in memory, of any numeric type and any strides, on its way into the kernels.

A kernel asks for some rows and gets `real`, features side by side, in a buffer of its own that stays in
cache. The type is looked up once for some rows, so that no kernel exists a dozen times over: only the
register tiles have instances for a few types, which then need no buffer (`stored_tiles`). Rows are
prefetched before they are converted, and converted right before their first use.

Measurements: docs/experiments/0003-x-as-stored.md.
"""

from libc.stdint cimport (
    int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

from fastsoftmax._core.arguments cimport (
    BFLOAT16, BOOL, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, KIND, UINT8, UINT16, UINT32,
    UINT64, Cells,
)
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, bfloat16, float16, load, load_stored, outlined, prefetch, real, set1, store,
    store_first, transpose, vreal,
)
from fastsoftmax._core.sizes cimport LINE

cdef enum:
    UNROLLED = 4  # vectors converted one after the other, whose latencies overlap
    SIDE = 64  # rows transposed at a time where they, not the features, lie side by side
    REAL = KIND * c"f" + sizeof(real)

ctypedef fused stored:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    int8_t
    int16_t
    int32_t
    int64_t
    float
    double
    float16
    bfloat16


cdef inline outlined convert_runs(
    const stored *x, Py_ssize_t run_step, Py_ssize_t step, Py_ssize_t n, Py_ssize_t m, real *out,
    Py_ssize_t stride, Py_ssize_t padded,
) noexcept nogil:
    cdef stored element[VL_MOST]
    cdef vreal v
    cdef Py_ssize_t j, c, count, _
    cdef int u
    for _ in range(n):
        j = 0
        if step == sizeof(stored):
            while j + UNROLLED * VL <= m:
                for u in range(UNROLLED):
                    store(out + j + u * VL, load_stored(x + j + u * VL))
                j = j + UNROLLED * VL
            while j + VL <= m:
                store(out + j, load_stored(x + j))
                j = j + VL
        while j < m:
            count = min(m - j, VL)
            for c in range(VL):
                element[c] = (<const stored *>(<const char *>x + (j + min(c, count - 1)) * step))[0]
            v = load_stored(<const stored *>element)
            if count == VL:
                store(out + j, v)
            else:
                store_first(out + j, v, <int>count)
                for c in range(count, min(VL, padded - j)):
                    out[j + c] = 0.
            j = j + VL
        while j < padded:
            store(out + j, set1(0.))
            j = j + VL
        x = <const stored *>(<const char *>x + run_step)
        out = out + stride
    return 0


cdef inline outlined convert(
    int type, const char *x, Py_ssize_t run_step, Py_ssize_t step, Py_ssize_t n, Py_ssize_t m, real *out,
    Py_ssize_t stride, Py_ssize_t padded,
) noexcept nogil:
    """n runs of m numbers, `step` bytes apart in runs `run_step` apart, each to its stretch of out.

    Zeros behind them up to `padded`, which is m or a multiple of VL.
    """
    if n and m == stride and run_step == m * step:
        m = n * m
        n, padded = 1, m
    if type == UINT8 or type == BOOL:
        convert_runs(<const uint8_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == FLOAT16:
        convert_runs(<const float16 *>x, run_step, step, n, m, out, stride, padded)
    elif type == BFLOAT16:
        convert_runs(<const bfloat16 *>x, run_step, step, n, m, out, stride, padded)
    elif type == FLOAT32:
        convert_runs(<const float *>x, run_step, step, n, m, out, stride, padded)
    elif type == FLOAT64:
        convert_runs(<const double *>x, run_step, step, n, m, out, stride, padded)
    elif type == INT8:
        convert_runs(<const int8_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == INT16:
        convert_runs(<const int16_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == INT32:
        convert_runs(<const int32_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == INT64:
        convert_runs(<const int64_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == UINT16:
        convert_runs(<const uint16_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == UINT32:
        convert_runs(<const uint32_t *>x, run_step, step, n, m, out, stride, padded)
    elif type == UINT64:
        convert_runs(<const uint64_t *>x, run_step, step, n, m, out, stride, padded)
    return 0


cdef inline void transpose_block(
    const Cells *x, const char *at, Py_ssize_t n, Py_ssize_t m, real *out, Py_ssize_t stride
) noexcept nogil:
    """`read_rows` where the rows lie side by side: runs of features, transposed in registers."""
    cdef real tile[VL_MOST * SIDE]
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t i, j, k, r, rows, columns
    for i from 0 <= i < n by SIDE:
        rows = min(SIDE, n - i)
        for j from 0 <= j < stride by VL:
            columns = max(min(VL, m - j), 0)
            convert(
                x.type, at + i * x.row_step + j * x.column_step, x.column_step, x.row_step, columns,
                rows, tile, SIDE, rows)
            for r from 0 <= r < rows by VL:
                for k in range(VL):
                    v[k] = load(tile + k * SIDE + r) if k < columns else set1(0.)
                transpose(v)
                for k in range(min(VL, rows - r)):
                    store(out + (i + r + k) * stride + j, v[k])


cdef inline void fetch_rows(
    const Cells *x, Py_ssize_t i, Py_ssize_t n, Py_ssize_t j, Py_ssize_t m
) noexcept nogil:
    """Fetch features j .. j + m of n rows from i on, if they lie side by side."""
    cdef const char *at = x.x + i * x.row_step + j * x.column_step
    cdef Py_ssize_t c, _
    for _ in range(n if x.column_step == x.size else 0):
        for c from 0 <= c < m * x.size by LINE:
            prefetch(at + c)
        at += x.row_step


cdef inline void read_rows(
    const Cells *x, Py_ssize_t i, Py_ssize_t n, Py_ssize_t j, Py_ssize_t m, real *out,
    Py_ssize_t stride,
) noexcept nogil:
    """Features j .. j + m of n rows from i on into out (n, stride), zeros behind them.

    The stride is a multiple of VL.
    """
    cdef const char *at = x.x + i * x.row_step + j * x.column_step
    if x.row_step == x.size and x.column_step != x.size:
        transpose_block(x, at, n, m, out, stride)
    else:
        convert(x.type, at, x.row_step, x.column_step, n, m, out, stride, stride)
