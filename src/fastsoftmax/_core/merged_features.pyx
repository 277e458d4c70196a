"""Features of a sparse X that occur in one row only, merged into one feature for that row.

Let a row x have the values f of some features that no other row has. Its logits depend on them through
Wf alone, and a penalty of ‖W‖² keeps each class's weights for them along f: with the single feature ‖f‖
in their place, of weight u, the optimum is the same, and W = u fᵀ / ‖f‖. That is a rotation, which
changes neither loss nor penalty. A feature that no row has gets the weight 0.

A merger says for each feature which new one stands for it, its `owner`, and with which `share`:
W_j = share_j * W'_owner(j). Measurements: docs/experiments/0030-merged-singleton-features.md.
"""

from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int64_t
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles, flags, ints, longs
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.linear_problem cimport part_start
from fastsoftmax._core.simd cimport real
from fastsoftmax._core.sparse_rows cimport Sparse, index_at, sparse_of, start_of

cnp.import_array()


def count(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
    cnp.ndarray out not None, workspace, int n_threads,
):
    """How many non-zeros each column has, up to the largest int32: out (d,)."""
    cdef Sparse x = sparse_of(values, at, starts)
    cdef int *to = ints(out, "out")
    cdef Py_ssize_t n = starts.shape[0] - 1, d = out.shape[0], j
    cdef cnp.ndarray memory = workspace(n_threads * d * sizeof(int64_t))
    cdef int64_t *counts = <int64_t *>bytes_of(memory)
    cdef int64_t total
    cdef int t
    with nogil:
        for t in prange(n_threads, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            count_rows(&x, part_start(n, n_threads, t), part_start(n, n_threads, t + 1), d,
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


def measure(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
    cnp.ndarray counts not None, cnp.ndarray lengths not None, cnp.ndarray lone not None,
    int n_threads,
):
    """Non-zeros of each row when merged, int64 (n,), and whether it has features of its own, bool."""
    cdef Sparse x = sparse_of(values, at, starts)
    cdef const int *count_of = ints(counts, "counts")
    cdef int64_t *length = longs(lengths, "lengths")
    cdef char *has = flags(lone, "lone")
    cdef Py_ssize_t n = starts.shape[0] - 1, i
    for i in prange(n, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        measure_row(&x, i, count_of, length + i, has + i)


cdef void measure_row(
    const Sparse *x, Py_ssize_t i, const int *counts, int64_t *length, char *lone
) noexcept nogil:
    cdef Py_ssize_t p, shared = 0, end = start_of(x, i + 1)
    for p in range(start_of(x, i), end):
        shared += counts[index_at(x, p)] > 1
    lone[0] = shared < end - start_of(x, i)
    length[0] = shared + lone[0]


def merge(
    cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
    cnp.ndarray counts not None, cnp.ndarray own not None, cnp.ndarray owners not None,
    cnp.ndarray shares not None, cnp.ndarray peaks not None, cnp.ndarray to_values not None,
    cnp.ndarray to_at not None, cnp.ndarray to_starts not None, int n_threads,
):
    """X with merged features, into to_values, `real`, to_at, int32, as to_starts (n + 1,), int64, says.

    own (n,), int32, is the new feature of a row that has features of its own, behind the others.
    owners (d,), int32, of shared features are given, those of others are written, with their shares
    (d,), float64; peaks (n,), float64, get the largest share of each row.
    """
    cdef Sparse x = sparse_of(values, at, starts)
    cdef const int *count_of = ints(counts, "counts")
    cdef const int *own_of = ints(own, "own")
    cdef int *owner = ints(owners, "owners")
    cdef double *share = doubles(shares, "shares")
    cdef double *peak = doubles(peaks, "peaks")
    cdef real *value = reals(to_values, "to_values")
    cdef int *index = ints(to_at, "to_at")
    cdef const int64_t *to = longs(to_starts, "to_starts")
    cdef Py_ssize_t n = starts.shape[0] - 1, i
    for i in prange(n, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        peak[i] = merge_row(&x, i, count_of, own_of[i], owner, share, value + to[i], index + to[i])


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


def split(
    cnp.ndarray merged not None, cnp.ndarray owners not None, cnp.ndarray shares not None,
    cnp.ndarray out not None, int n_threads,
):
    """out (d, k) = share_j * row owner_j of merged, float64."""
    cdef const double *from_ = doubles(merged, "merged")
    cdef const int *owner = ints(owners, "owners")
    cdef const double *share = doubles(shares, "shares")
    cdef double *to = doubles(out, "out")
    cdef Py_ssize_t d = out.shape[0], k = out.shape[1], j, c
    for j in prange(d, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        for c in range(k):
            to[j * k + c] = share[j] * from_[owner[j] * k + c]
