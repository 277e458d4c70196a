"""Softmax and log-sum-exp of rows: the table."""

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.simd.simd cimport real

cdef enum Kind:
    SOFTMAX
    LOG_SOFTMAX


cdef struct Table:
    Py_ssize_t (*softmax_bytes)(const Rows *x, int n_threads) noexcept nogil
    void (*softmax)(
        const Rows *x, const Rows *out, int kind, double factor, Py_ssize_t out_bytes, char *memory,
        int n_threads) noexcept nogil
    Py_ssize_t (*logsumexp_bytes)(const Rows *x, int n_threads) noexcept nogil
    void (*logsumexp)(
        const Rows *x, const Rows *out, double factor, char *memory, int n_threads) noexcept nogil
    Py_ssize_t (*vjp_bytes)(const Rows *p, int n_threads) noexcept nogil
    void (*vjp)(
        const Rows *p, const Rows *u, const Rows *out, double factor, char *memory, int n_threads
    ) noexcept nogil
