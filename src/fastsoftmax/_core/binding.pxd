"""What Python sees of a group of kernels: a class `Kernels(Binding)` in each module that faces Python,
one object of it for each precision."""

cimport numpy as cnp

from fastsoftmax._core.arguments cimport Cells, Problem, Rows, Sparse
from fastsoftmax._core.simd.simd cimport real


cdef class Binding:
    cdef readonly object capsule  # of the table
    cdef Py_ssize_t element  # bytes of a `real`
    cdef real *reals(self, array, str name) except? NULL
    cdef Cells cells(self, cnp.ndarray x)
    cdef Rows rows(self, cnp.ndarray a, str name)
    cdef Sparse sparse(self, cnp.ndarray values, cnp.ndarray at, cnp.ndarray starts)
    cdef Sparse columns(self, cnp.ndarray values, cnp.ndarray rows, cnp.ndarray starts)
    cdef int set_targets(self, Problem *p, targets) except -1
    cdef int set_weights(self, Problem *p, weights) except -1
    cdef Problem stored_problem(self, cnp.ndarray stored, targets, weights, Py_ssize_t n)
