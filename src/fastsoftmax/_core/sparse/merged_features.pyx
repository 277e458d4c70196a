"""Features of a sparse X that occur in one row only, merged into one feature for that row."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.arrays cimport bytes_of, doubles, flags, ints, longs
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sparse.merged_features_kernels cimport Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "merged_features")

    def count(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray out not None, workspace, int n_threads,
    ):
        """How many non-zeros each column has, up to the largest int32: out (d,)."""
        cdef Sparse x = self.sparse(values, at, starts)
        cdef int *to = ints(out, "out")
        cdef Py_ssize_t n = starts.shape[0] - 1, d = out.shape[0]
        cdef cnp.ndarray memory = workspace(n_threads * d * sizeof(int64_t))
        with nogil:
            self.kernels.count(&x, n, d, to, <int64_t *>bytes_of(memory), n_threads)

    def measure(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray counts not None, cnp.ndarray lengths not None, cnp.ndarray lone not None,
        int n_threads,
    ):
        """Non-zeros of each row when merged, int64 (n,), and whether it has features of its own,
        bool."""
        cdef Sparse x = self.sparse(values, at, starts)
        cdef const int *count_of = ints(counts, "counts")
        cdef int64_t *length = longs(lengths, "lengths")
        cdef char *has = flags(lone, "lone")
        cdef Py_ssize_t n = starts.shape[0] - 1
        with nogil:
            self.kernels.measure(&x, n, count_of, length, has, n_threads)

    def merge(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray counts not None, cnp.ndarray own not None, cnp.ndarray owners not None,
        cnp.ndarray shares not None, cnp.ndarray peaks not None, cnp.ndarray to_values not None,
        cnp.ndarray to_at not None, cnp.ndarray to_starts not None, int n_threads,
    ):
        """X with merged features, into to_values, `real`, to_at, int32, as to_starts (n + 1,), int64,
        says.

        own (n,), int32, is the new feature of a row that has features of its own, behind the others.
        owners (d,), int32, of shared features are given, those of others are written, with their shares
        (d,), float64; peaks (n,), float64, get the largest share of each row.
        """
        cdef Sparse x = self.sparse(values, at, starts)
        cdef const int *count_of = ints(counts, "counts")
        cdef const int *own_of = ints(own, "own")
        cdef int *owner = ints(owners, "owners")
        cdef double *share = doubles(shares, "shares")
        cdef double *peak = doubles(peaks, "peaks")
        cdef real *value = self.reals(to_values, "to_values")
        cdef int *index = ints(to_at, "to_at")
        cdef const int64_t *to = longs(to_starts, "to_starts")
        cdef Py_ssize_t n = starts.shape[0] - 1
        with nogil:
            self.kernels.merge(
                &x, n, count_of, own_of, owner, share, peak, value, index, to, n_threads)

    def split(
        self, cnp.ndarray merged not None, cnp.ndarray owners not None, cnp.ndarray shares not None,
        cnp.ndarray out not None, int n_threads,
    ):
        """out (d, k) = share_j * row owner_j of merged, float64."""
        cdef const double *from_ = doubles(merged, "merged")
        cdef const int *owner = ints(owners, "owners")
        cdef const double *share = doubles(shares, "shares")
        cdef double *to = doubles(out, "out")
        cdef Py_ssize_t d = out.shape[0], k = out.shape[1]
        with nogil:
            self.kernels.split(from_, owner, share, to, d, k, n_threads)
