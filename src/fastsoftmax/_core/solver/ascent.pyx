"""Dual coordinate ascent for one logit, on a sparse X."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.arrays cimport ints, require_length
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.ascent_kernels cimport Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "ascent")

    def squares(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray order not None, cnp.ndarray rows not None,
    ):
        """Sums of squares of the entries of the rows that `order` names, int32, into rows (n, 4).

        X is given as for `sparse.store_logits`. They are the squared lengths, but of rows that have a
        feature more than once, whose steps may go too far.
        """
        cdef Sparse x = self.sparse(values, at, starts)
        cdef const int *which = ints(order, "order")
        cdef real *row = self.reals(rows, "rows")
        cdef Py_ssize_t count = order.shape[0]
        require_length(rows, "rows", 4 * (starts.shape[0] - 1))
        with nogil:
            self.kernels.squares(&x, which, count, row)

    def epoch(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray order not None, cnp.ndarray rows not None, cnp.ndarray w not None,
        cnp.ndarray b not None, double constant,
    ):
        """Move the log-odds of the rows in this order, and with them w (d,) and b (1,).

        rows (n, 4) holds of each row s / (μS), its squared length with that of the constant, offset
        and log-odds. Returns about what F - F* was, divided by μ.
        """
        cdef Sparse x = self.sparse(values, at, starts)
        cdef const int *which = ints(order, "order")
        cdef real *row = self.reals(rows, "rows")
        cdef real *weights = self.reals(w, "w")
        cdef real *intercept = self.reals(b, "b")
        cdef Py_ssize_t count = order.shape[0]
        cdef double gain
        require_length(rows, "rows", 4 * (starts.shape[0] - 1))
        with nogil:
            gain = self.kernels.epoch(&x, which, count, row, weights, intercept, constant)
        return gain
