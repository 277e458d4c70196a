"""Pairs of classes sampled by importance, and the joint Hessian: the table."""

from libc.stdint cimport uint64_t

from fastsoftmax._core.simd.simd cimport real


cdef inline Py_ssize_t pair_number(Py_ssize_t larger, Py_ssize_t smaller) noexcept nogil:
    """Of two classes among all K(K - 1)/2 pairs."""
    return larger * (larger - 1) // 2 + smaller


cdef struct Draws:
    Py_ssize_t n, k, m, pairs  # rows, classes, what is drawn, pairs of classes
    const real *logits  # from which the probabilities come; or NULL
    real *probabilities  # in tiles
    const double *emphasis  # (n,)
    const double *squares  # (n,)
    const real *resistances  # (k,)
    int *rows  # (m,)
    real *factors  # (m,)
    Py_ssize_t *counts  # (pairs,)
    double *totals  # (pairs,)


cdef struct Table:
    Py_ssize_t (*sample_bytes)(const Draws *s, int n_threads) noexcept nogil
    void (*sample_pairs)(const Draws *s, uint64_t seed, char *memory, int n_threads) noexcept nogil
    void (*assemble)(
        const real *g, const real *shared, const double *share, const double *z, const double *r,
        real *to, Py_ssize_t k, Py_ssize_t size, int n_threads,
    ) noexcept nogil
