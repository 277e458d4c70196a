"""Loss, gradient and logits of softmax regression, sparse X: the table."""

from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Problem, Sparse
from fastsoftmax._core.simd.simd cimport real


cdef struct Tables:  # for the gradient, with a row for each feature
    Py_ssize_t partitions  # of the rows, with a table each, or 0
    bint in_doubles  # whether they are of float64
    Py_ssize_t each  # bytes of one


cdef struct Pass:  # of `value_and_grad`, a block of rows after another
    Py_ssize_t row_block  # rows
    Py_ssize_t width  # numbers of a row of A - Y
    real *z  # A - Y of a block
    double *totals  # of the parts of the rows: the loss, and the gradient of the intercepts
    Py_ssize_t sums  # of a part
    Tables tables
    char *table  # the first
    const Py_ssize_t *sample  # features of some non-zeros, in order
    Py_ssize_t n_sample
    real *scratch
    Py_ssize_t each  # of a thread
    Py_ssize_t bytes  # of all


cdef struct Table:
    Py_ssize_t (*rows_of_block)(Py_ssize_t n, Py_ssize_t k) noexcept nogil
    Py_ssize_t (*weight_columns)(Py_ssize_t k) noexcept nogil
    Tables (*tables_of)(
        Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, Py_ssize_t nnz, bint once
    ) noexcept nogil
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
    Pass (*plan_pass)(
        const Problem *p, const Sparse *x, bint by_columns, real *out, int n_threads, char *memory
    ) noexcept nogil
    void (*begin_pass)(const Pass *s) noexcept nogil
    void (*block_differences)(
        const Problem *p, const Sparse *x, const Pass *s, Py_ssize_t start, int n_threads
    ) noexcept nogil
    void (*block_gradients)(
        const Problem *p, const Sparse *x, const Pass *s, Py_ssize_t start, bint begin, double ridge,
        const double *theta, double *wide, float *narrow, int n_threads,
    ) noexcept nogil
    double (*end_pass)(const Problem *p, const Pass *s, double *intercepts) noexcept nogil
    void (*transpose_rows)(
        const Sparse *x, Py_ssize_t first, Py_ssize_t end, Py_ssize_t d, real *value, int *row,
        int64_t *begin, int64_t *counts, int n_threads,
    ) noexcept nogil
