"""Rows of X, of any strides and several types, converted on their way into a network.

Nothing is fetched in advance: the processor runs ahead into the next rows by itself. Tried, float32
rows of 3 KB in random order, microseconds a step of 32 (784 inputs, 10 units): 10.0 as it is; the row
after next fetched into L1 10.1, 8 rows ahead into L2 11.2, all rows of the next step into L2 while the
weights are updated 13.4.
"""

cimport numpy as cnp

from fastsoftmax._core.simd cimport real

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
    if s.type == cnp.NPY_UINT8:
        cast_row(<const unsigned char *>x, s.column_step, s.d, s.factor, out)
    elif s.type == cnp.NPY_FLOAT32:
        cast_row(<const float *>x, s.column_step, s.d, s.factor, out)
    else:
        cast_row(<const double *>x, s.column_step, s.d, s.factor, out)
