"""Products with X in tiles of rows: the table."""

from fastsoftmax._core.arguments cimport Cells, Problem
from fastsoftmax._core.simd.simd cimport real


cdef struct Tiled:  # X (tiles, width, ROWS) of `real`, and room behind it that `numbers` counts
    const real *x
    Py_ssize_t tiles, width


cdef struct Table:
    Py_ssize_t (*numbers)(Py_ssize_t tiles, Py_ssize_t width) noexcept nogil
    void (*pack)(
        const Cells *x, Py_ssize_t n, Py_ssize_t d, Py_ssize_t width, real *to) noexcept nogil
    void (*copy)(const double *x, Py_ssize_t count, real *to) noexcept nogil
    Py_ssize_t (*centre_bytes)(Py_ssize_t d) noexcept nogil
    void (*centre)(
        real *x, Py_ssize_t tiles, Py_ssize_t width, Py_ssize_t d, const real *weights, double scale,
        bint subtract, double *means, double *squares, char *memory) noexcept nogil
    void (*logits)(
        const Tiled *x, const real *w, Py_ssize_t k, real *z, int n_threads) noexcept nogil
    Py_ssize_t (*pull_bytes)(const Tiled *x, Py_ssize_t k, int n_threads) noexcept nogil
    double (*pull)(
        const Tiled *x, const Problem *losses, double *to, char *memory, int n_threads
    ) noexcept nogil
    Py_ssize_t (*gram_bytes)(const Tiled *x, Py_ssize_t m, int n_threads) noexcept nogil
    void (*gram)(
        const Tiled *x, const real *weights, Py_ssize_t m, double scale, double *to, char *memory,
        int n_threads) noexcept nogil
    void (*weigh)(
        const double *p, const double *variances, const double *weights, Py_ssize_t tiles, Py_ssize_t k,
        Py_ssize_t a, Py_ssize_t b, Py_ssize_t reference, real *to) noexcept nogil
