"""Rows of X, of any strides and several types, converted on their way into a network.

Rows come in random order, so the one after next is fetched into L1, or what begins it, where the
hardware then follows. Float32 rows of 3 KB, 784-10, microseconds a step at batch 1 / 32, four builds in
turns: so 0.99 / 9.1; without 1.09 / 9.9; 8 rows ahead into L2 1.03 / 9.4; all rows of the next step into
L2, bit by bit while the weights are updated, 1.11 / 9.3. (A function that does nothing but fetch has to
be inlined: GCC takes it for one without effects and drops the call.)
"""

cimport numpy as cnp

from fastsoftmax._core.simd cimport prefetch, real

cdef enum:
    AHEAD = 2  # rows
    LINE = 64
    FETCHED = 64 * LINE  # of a row, at most

ctypedef fused stored:
    unsigned char
    float
    double


cdef struct Inputs:
    const char *x
    int type  # NumPy's number of it
    Py_ssize_t n, d
    Py_ssize_t row_step, column_step  # in bytes
    double factor
    const Py_ssize_t *order  # of the rows, or NULL: as they stand
    Py_ssize_t count  # rows in that order


cdef inline Inputs inputs_of(cnp.ndarray x, double factor):
    cdef Inputs s
    s.x = <const char *>cnp.PyArray_DATA(x)
    s.type = cnp.PyArray_TYPE(x)
    s.n, s.d = x.shape[0], x.shape[1]
    s.row_step, s.column_step = x.strides[0], x.strides[1]
    s.factor = factor
    s.order = NULL
    s.count = s.n
    return s


cdef inline Py_ssize_t row_number(const Inputs *s, Py_ssize_t position) noexcept nogil:
    return s.order[position] if s.order else position


cdef inline void cast_row(
    const stored *x, Py_ssize_t step, Py_ssize_t n, real factor, real *out
) noexcept nogil:
    cdef Py_ssize_t j
    if step == sizeof(stored):
        for j in range(n):
            out[j] = factor * <real>x[j]
    else:
        for j in range(n):
            out[j] = factor * <real>(<const stored *>(<const char *>x + j * step))[0]


cdef inline void read_row(const Inputs *s, Py_ssize_t position, real *out) noexcept nogil:
    """The row at that position, times the factor."""
    cdef const char *x = s.x + row_number(s, position) * s.row_step
    cdef const char *later
    cdef Py_ssize_t j
    if position + AHEAD < s.count and s.column_step <= LINE:
        later = s.x + row_number(s, position + AHEAD) * s.row_step
        for j from 0 <= j < min(s.d * s.column_step, FETCHED) by LINE:
            prefetch(<const real *>(later + j))
    if s.type == cnp.NPY_UINT8:
        cast_row(<const unsigned char *>x, s.column_step, s.d, s.factor, out)
    elif s.type == cnp.NPY_FLOAT32:
        cast_row(<const float *>x, s.column_step, s.d, s.factor, out)
    else:
        cast_row(<const double *>x, s.column_step, s.d, s.factor, out)
