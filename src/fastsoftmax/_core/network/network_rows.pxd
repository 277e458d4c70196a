"""Rows of X, of any strides and any type, converted on their way into a network.

Rows come in random order, so the one after next is prefetched into L1, or its beginning, where the
hardware then follows. (A function that does nothing but prefetch has to be inlined: GCC takes it for one
without effects and drops the call.) Measurements: docs/experiments/0014-network-steps.md.
"""

from fastsoftmax._core.gemm.convert cimport convert
from fastsoftmax._core.network.network_kernels cimport Inputs
from fastsoftmax._core.simd.simd cimport prefetch, real
from fastsoftmax._core.sizes cimport LINE

cdef enum:
    AHEAD = 2  # rows
    FETCHED = 64 * LINE  # of a row, at most


cdef inline Py_ssize_t row_number(const Inputs *s, Py_ssize_t position) noexcept nogil:
    return s.order[position] if s.order else position


cdef inline void read_row(const Inputs *s, Py_ssize_t position, real *out) noexcept nogil:
    """The row at that position, times the factor."""
    cdef const char *x = s.x.x + row_number(s, position) * s.x.row_step
    cdef const char *later
    cdef real factor = <real>s.factor
    cdef Py_ssize_t j
    if position + AHEAD < s.count and s.x.column_step <= LINE:
        later = s.x.x + row_number(s, position + AHEAD) * s.x.row_step
        for j from 0 <= j < min(s.d * s.x.column_step, FETCHED) by LINE:
            prefetch(later + j)
    convert(s.x.type, x, 0, s.x.column_step, 1, s.d, out, s.d, s.d)
    if factor != 1.:
        for j in range(s.d):
            out[j] = out[j] * factor
