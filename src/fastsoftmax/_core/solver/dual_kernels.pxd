"""A point of the dual problem near the probabilities of stored logits: the table."""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    Py_ssize_t (*dual_bytes)(const Problem *p, int n_threads) noexcept nogil
    void (*dual_point)(
        const Problem *p, double alpha, const real *e, const real *shift, real *to, double *total,
        double *of_classes, char *memory, int n_threads,
    ) noexcept nogil
    Py_ssize_t (*tile_rows)() noexcept nogil
    void (*class_moments)(
        const real *p, const real *w, Py_ssize_t tiles, Py_ssize_t k, double *to, int n_threads
    ) noexcept nogil
