"""The loss along a line, on stored logits: the table."""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.simd.simd cimport real


cdef struct Table:
    Py_ssize_t (*along_bytes)(const Problem *p, int n_threads) noexcept nogil
    void (*along)(
        const Problem *p, const real *d, double t, Py_ssize_t every, double *to, char *memory,
        int n_threads,
    ) noexcept nogil
    void (*move)(
        real *s, const real *d, double t, Py_ssize_t tiles, Py_ssize_t k, int n_threads
    ) noexcept nogil
    Py_ssize_t (*gradient_bytes)(const Problem *p, int n_threads) noexcept nogil
    double (*gradient)(
        const Problem *p, Py_ssize_t tiles, real *to, Py_ssize_t classes, Py_ssize_t first,
        char *memory, int n_threads,
    ) noexcept nogil
    Py_ssize_t (*residuals_bytes)(const Problem *p, int n_threads) noexcept nogil
    void (*residuals)(
        const Problem *p, Py_ssize_t tiles, real *to, char *memory, int n_threads
    ) noexcept nogil
    void (*variances)(
        const real *s, bint logistic, const real *weight, Py_ssize_t n, Py_ssize_t tiles, Py_ssize_t k,
        real *to, int n_threads,
    ) noexcept nogil
    void (*class_sums)(
        const real *s, const real *other, Py_ssize_t tiles, Py_ssize_t k, double *to
    ) noexcept nogil
    void (*squares)(
        const real *s, Py_ssize_t n, Py_ssize_t tiles, Py_ssize_t k, double *to, int n_threads
    ) noexcept nogil
    void (*probabilities)(
        const real *s, bint logistic, Py_ssize_t tiles, Py_ssize_t k, real *to, int n_threads
    ) noexcept nogil
    void (*curve)(
        const real *p, bint logistic, const real *d, const real *weight, Py_ssize_t n, Py_ssize_t tiles,
        Py_ssize_t k, real *to, int n_threads,
    ) noexcept nogil
