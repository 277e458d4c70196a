"""Functions of single numbers over arrays: the table."""

from fastsoftmax._core.simd.simd cimport real

cdef enum Function:
    EXP
    LOG1P  # of x >= 0
    SIGMOID
    LOG_SIGMOID


cdef struct Table:
    void (*apply)(
        int function, const real *x, real *out, Py_ssize_t n, int n_threads) noexcept nogil
    void (*binary_cross_entropy)(
        const real *x, const real *y, real *out, Py_ssize_t n, int n_threads) noexcept nogil
    void (*from_float16)(const void *x, real *out, Py_ssize_t n) noexcept nogil
    void (*to_float16)(const float *x, void *out, Py_ssize_t n) noexcept nogil
    int (*vector_bytes)() noexcept nogil
