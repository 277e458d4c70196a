"""Loss, gradient and logits of softmax regression, dense X: the table."""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.simd.simd cimport real


cdef struct Sizes:  # what was planned, for readers
    bint by_partitions
    int scheme  # of the logits by partitions: dots, rows transposed, weights transposed
    Py_ssize_t n_partitions  # 0 by panels
    Py_ssize_t summed  # rows whose products are summed in `real`
    Py_ssize_t block  # rows that are read for logits, then for the gradient
    Py_ssize_t features, rows  # per call of a register tile: for logits, for the gradient
    Py_ssize_t packed  # classes of W at a time, by panels
    Py_ssize_t chunk, group  # classes in L2: of W for logits, of logits for the gradient
    Py_ssize_t bytes  # of scratch


cdef struct Table:
    Py_ssize_t (*gradient_bytes)(
        const Problem *given, bint narrow, bint wants_x, int n_threads
    ) noexcept nogil
    double (*gradient)(
        const Problem *given, double *wide_w, real *narrow_w, double *to_b, real *to_x, char *memory,
        int n_threads,
    ) noexcept nogil
    Py_ssize_t (*moments_bytes)(const Problem *given, int n_threads) noexcept nogil
    void (*moments)(const Problem *given, double *to, char *memory, int n_threads) noexcept nogil
    Py_ssize_t (*logits_bytes)(const Problem *given, int n_threads) noexcept nogil
    void (*logits)(const Problem *given, real *to, char *memory, int n_threads) noexcept nogil
    Py_ssize_t (*tile_rows)() noexcept nogil
    Py_ssize_t (*store_bytes)(const Problem *given, int n_threads) noexcept nogil
    void (*store_logits)(const Problem *given, char *memory, int n_threads) noexcept nogil
    Sizes (*sizes)(const Problem *given, int n_threads) noexcept nogil
