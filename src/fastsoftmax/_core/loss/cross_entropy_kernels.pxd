"""Cross-entropy of rows of logits: the table."""

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.simd.simd cimport real


cdef struct Targets:
    const int *labels  # or NULL
    Rows given  # where there are no labels
    const real *own  # per row
    const real *base  # per row, or NULL: all zero
    const real *of_class  # or NULL: all one


cdef struct Table:
    Py_ssize_t (*cross_entropy_bytes)(const Rows *x, const Targets *t, int n_threads) noexcept nogil
    void (*cross_entropy)(
        const Rows *x, const Targets *t, double factor, double scale, real *losses,
        const Rows *gradient, Py_ssize_t gradient_bytes, char *memory, int n_threads) noexcept nogil
