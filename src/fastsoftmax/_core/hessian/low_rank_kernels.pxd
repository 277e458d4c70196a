"""Low-rank blocks of each class: the table."""

from fastsoftmax._core.simd.simd cimport real


cdef struct Blocks:
    Py_ssize_t k, d, size, rank  # classes, features, numbers of a class, columns of U
    Py_ssize_t wide, deep  # features and columns, rounded up to pairs of vectors
    const real *basis  # (rank, wide): Uᵀ
    const real *across  # (d, deep): U
    const real *factors  # (k, rank, rank), or (1, rank, rank) with step 0
    Py_ssize_t step
    const double *scales  # (k, rank) or (1, rank)
    Py_ssize_t scale_step
    const real *tails  # (k,): τ
    const real *means  # (k, wide) of the features, by which the intercepts are decoupled; or NULL
    const real *intercepts  # (k,)


cdef struct Table:
    int (*padding)() noexcept nogil
    Py_ssize_t (*solve_bytes)(const Blocks *b, int n_threads) noexcept nogil
    void (*solve)(
        const Blocks *b, const double *given, double *to, char *memory, int n_threads
    ) noexcept nogil
    Py_ssize_t (*orthonormal)(
        const real *g, Py_ssize_t m, real *first, double negligible
    ) noexcept nogil
    void (*blocks)(
        const real *g, bint decoupled, const real *by, const real *share, const real *common,
        const real *penalty, real *to, Py_ssize_t k, Py_ssize_t rank, int n_threads,
    ) noexcept nogil
