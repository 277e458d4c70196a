"""A preconditioner for sparse X, the diagonals of the Hessian's blocks: the table."""

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.simd.simd cimport real


cdef struct Build:
    Sparse columns
    real *table  # v by rows
    double *moments  # (d, 2): sums of x and of x^2
    char *scratch
    Py_ssize_t sums  # bytes of a thread's
    Py_ssize_t k, n, d
    double *masses
    const double *missing  # from the masses
    double ridge, share
    bint centred, is_first, is_last
    float *means
    float *inverses


cdef struct Solve:
    Py_ssize_t d, k
    const real *means
    const real *inverses
    const double *masses  # or NULL
    bint project
    const real *right
    real *out


cdef struct Table:
    Py_ssize_t (*place_build)(Build *b, int n_threads, char *memory) noexcept nogil
    Py_ssize_t (*tile_rows)() noexcept nogil
    void (*add_variances)(
        const Build *b, const real *v, Py_ssize_t tiles, Py_ssize_t count, Py_ssize_t filled,
        int n_threads,
    ) noexcept nogil
    void (*build_block)(const Build *b, int n_threads) noexcept nogil
    Py_ssize_t (*solve_bytes)(Py_ssize_t k) noexcept nogil
    void (*solve)(const Solve *s, char *memory, int n_threads) noexcept nogil
