"""Weighted Gram matrices of some rows of X, and sums of such rows."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles, ints, intps
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.gram_kernels cimport Samples, Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "gram")

    cdef Samples samples(
        self, cnp.ndarray x, cnp.ndarray rows, cnp.ndarray factors, cnp.ndarray starts,
        cnp.ndarray counts,
    ):
        cdef Samples s
        s.x = self.cells(x)
        s.d, s.m = x.shape[1], counts.shape[0]
        s.rows = ints(rows, "rows")
        s.factors = self.reals(factors, "factors")
        s.starts = intps(starts, "starts")
        s.counts = intps(counts, "counts")
        return s

    def gram(
        self, cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray factors not None,
        cnp.ndarray starts not None, cnp.ndarray counts not None, cnp.ndarray centre not None,
        cnp.ndarray scales not None, double scale, shared, cnp.ndarray shares not None,
        cnp.ndarray ridge not None, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """scale * sum over some rows i of factor_i^2 u_i u_iᵀ + share * shared + diag(ridge), m times
        over.

        u = (x - centre) * scales, and the last scale itself where there is one more of them than
        features: a column of ones. X is of any type that `convert` knows and of any strides, rows,
        int32, and factors hold counts (m,) of each matrix from starts (m,) on, int64, the vectors
        `real`, shares (m,) and ridge float64; shared (size, size) or None and out (m, size, size)
        `real`, contiguous.
        """
        cdef Samples s = self.samples(x, rows, factors, starts, counts)
        cdef Py_ssize_t size = scales.shape[0]
        cdef const real *middle = self.reals(centre, "centre")
        cdef const real *by = self.reals(scales, "scales")
        cdef const real *common = self.reals(shared, "shared")
        cdef const double *share = doubles(shares, "shares")
        cdef const double *penalty = doubles(ridge, "ridge")
        cdef real *to = self.reals(out, "out")
        cdef cnp.ndarray memory = workspace(self.kernels.gram_bytes(size, s.m, n_threads))
        with nogil:
            self.kernels.gram(
                &s, middle, by, size, scale, common, share, penalty, to, bytes_of(memory), n_threads)

    def sums(
        self, cnp.ndarray x not None, cnp.ndarray rows not None, cnp.ndarray factors not None,
        cnp.ndarray starts not None, cnp.ndarray counts not None, cnp.ndarray out not None,
        int n_threads,
    ):
        """out (m, d) = sum over some rows i of factor_i^2 x_i; the arguments as for `gram`."""
        cdef Samples s = self.samples(x, rows, factors, starts, counts)
        cdef real *to = self.reals(out, "out")
        with nogil:
            self.kernels.sums(&s, to, n_threads)
