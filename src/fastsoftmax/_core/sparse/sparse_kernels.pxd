"""Loss, gradient and logits of softmax regression, sparse X: the table."""

from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Problem, Sparse
from fastsoftmax._core.simd.simd cimport real


cdef struct Pass:  # of `value_and_grad`, a block of rows after another
    Py_ssize_t row_block  # rows
    real *z  # A - Y of a block
    double *totals  # of the parts of the rows: the loss, and the gradient of the intercepts
    Py_ssize_t sums  # of a part
    real *scratch
    Py_ssize_t each  # of a thread
    Py_ssize_t bytes  # of all


cdef struct Table:
    Py_ssize_t (*rows_of_block)(Py_ssize_t n, Py_ssize_t k) noexcept nogil
    Py_ssize_t (*store_bytes)(Py_ssize_t k, int n_threads) noexcept nogil
    void (*store_logits)(
        const Sparse *x, Py_ssize_t n, const real *w, const real *b, Py_ssize_t k, real *to,
        char *memory, int n_threads,
    ) noexcept nogil
    Py_ssize_t (*logits_bytes)(Py_ssize_t k, int n_threads) noexcept nogil
    void (*logits)(
        const Sparse *x, Py_ssize_t n, const real *w, const real *b, Py_ssize_t k, real *to,
        char *memory, int n_threads,
    ) noexcept nogil
    Pass (*plan_pass)(const Problem *p, int n_threads, char *memory) noexcept nogil
    void (*begin_pass)(const Pass *s) noexcept nogil
    void (*block_differences)(
        const Problem *p, const Sparse *x, const Pass *s, Py_ssize_t start, int n_threads
    ) noexcept nogil
    void (*block_gradients)(
        const Problem *p, const Sparse *columns, Py_ssize_t d, bint begin, const Pass *s, double ridge,
        const double *theta, double *wide, float *narrow, int n_threads,
    ) noexcept nogil
    double (*end_pass)(const Problem *p, const Pass *s, double *intercepts) noexcept nogil
    void (*transpose_rows)(
        const Sparse *x, Py_ssize_t first, Py_ssize_t end, Py_ssize_t d, real *value, int *row,
        int64_t *begin, int64_t *counts, int n_threads,
    ) noexcept nogil
