"""Features of a sparse X that occur in one row only, merged into one feature for that row.

Let a row x have the values f of some features that no other row has. Its logits depend on them through
Wf alone, and a penalty of ‖W‖² keeps each class's weights for them along f: with the single feature ‖f‖
in their place, of weight u, the optimum is the same, and W = u fᵀ / ‖f‖. That is a rotation, which
changes neither loss nor penalty. A feature that no row has gets the weight 0.

A merger says for each feature which new one stands for it, its `owner`, and with which `share`:
W_j = share_j * W'_owner(j). Measurements: docs/experiments/0030-merged-singleton-features.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sizes cimport part_start
from fastsoftmax._core.sparse.merged_features_kernels cimport Table
from fastsoftmax._core.sparse.sparse_rows cimport index_at, start_of


cdef void count(
    const Sparse *x, Py_ssize_t n, Py_ssize_t d, int *to, int64_t *counts, int n_threads
) noexcept nogil:
    cdef int64_t total
    cdef Py_ssize_t j
    cdef int t
    for t in prange(n_threads, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        count_rows(x, part_start(n, n_threads, t), part_start(n, n_threads, t + 1), d,
                   counts + t * d)
    for j in range(d):
        total = 0
        for t in range(n_threads):
            total = total + counts[t * d + j]
        to[j] = <int>min(total, <int64_t>2147483647)


cdef void count_rows(
    const Sparse *x, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t d, int64_t *counts
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(d):
        counts[i] = 0
    for i in range(start_of(x, begin), start_of(x, end)):
        counts[index_at(x, i)] += 1


cdef void measure(
    const Sparse *x, Py_ssize_t n, const int *counts, int64_t *length, char *lone, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(n, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        measure_row(x, i, counts, length + i, lone + i)


cdef void measure_row(
    const Sparse *x, Py_ssize_t i, const int *counts, int64_t *length, char *lone
) noexcept nogil:
    cdef Py_ssize_t p, shared = 0, end = start_of(x, i + 1)
    for p in range(start_of(x, i), end):
        shared += counts[index_at(x, p)] > 1
    lone[0] = shared < end - start_of(x, i)
    length[0] = shared + lone[0]


cdef void merge(
    const Sparse *x, Py_ssize_t n, const int *counts, const int *own, int *owner, double *share,
    double *peak, real *value, int *index, const int64_t *to, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(n, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        peak[i] = merge_row(x, i, counts, own[i], owner, share, value + to[i], index + to[i])


cdef double merge_row(
    const Sparse *x, Py_ssize_t i, const int *counts, int own, int *owners, double *shares,
    real *values, int *at,
) noexcept nogil:
    cdef Py_ssize_t p, j, shared = 0, begin = start_of(x, i), end = start_of(x, i + 1)
    cdef double square = 0., norm, peak = 0.
    for p in range(begin, end):
        j = index_at(x, p)
        if counts[j] > 1:
            values[shared] = x.values[p]
            at[shared] = owners[j]
            shared += 1
        else:
            square += <double>x.values[p] * x.values[p]
    if shared == end - begin:
        return 0.
    norm = sqrt(square)
    values[shared] = <real>norm
    at[shared] = own
    for p in range(begin, end):
        j = index_at(x, p)
        if counts[j] == 1:
            owners[j] = own
            # the cast: Cython would divide in `real`, which it takes for a double itself
            shares[j] = <double>x.values[p] / norm if norm > 0. else 0.
            peak = max(peak, abs(shares[j]))
    return peak


cdef void split(
    const double *merged, const int *owner, const double *share, double *to, Py_ssize_t d,
    Py_ssize_t k, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t j, c
    for j in prange(d, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        for c in range(k):
            to[j * k + c] = share[j] * merged[owner[j] * k + c]


cdef Table table = Table(count=&count, measure=&measure, merge=&merge, split=&split)
capsule = PyCapsule_New(&table, "merged_features", NULL)
