"""What the machine can do at most: the table."""

from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    double (*multiply_adds)(Py_ssize_t n, int n_threads) noexcept nogil
    Py_ssize_t (*read)(const real *start, Py_ssize_t n, int n_threads) noexcept nogil
