"""Functions of single numbers over arrays."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arrays cimport HALF, elements, floats
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.loss.elementwise_kernels cimport Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()

cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "elementwise")

    def apply(self, int function, cnp.ndarray x not None, cnp.ndarray out not None, int n_threads=1):
        """A function of x into out, both contiguous and `real`; they may be the same."""
        cdef const real *a = self.reals(x, "x")
        cdef real *b = self.reals(out, "out")
        cdef Py_ssize_t n = x.size
        with nogil:
            self.kernels.apply(function, a, b, n, n_threads)

    def binary_cross_entropy(
        self, cnp.ndarray x not None, cnp.ndarray y not None, cnp.ndarray out not None, int n_threads
    ):
        """-y log sigmoid(x) - (1 - y) log sigmoid(-x) into out, all contiguous and `real`."""
        cdef const real *a = self.reals(x, "x")
        cdef const real *b = self.reals(y, "y")
        cdef real *c = self.reals(out, "out")
        cdef Py_ssize_t n = x.size
        with nogil:
            self.kernels.binary_cross_entropy(a, b, c, n, n_threads)

    def from_float16(self, cnp.ndarray x not None, cnp.ndarray out not None):
        """x, of float16, into out, both contiguous."""
        cdef const void *a = elements(x, "x", c"f", HALF)
        cdef real *b = self.reals(out, "out")
        cdef Py_ssize_t n = x.size
        with nogil:
            self.kernels.from_float16(a, b, n)

    def to_float16(self, cnp.ndarray x not None, cnp.ndarray out not None):
        """x, of float32, into out, of float16, both contiguous: the nearest numbers."""
        cdef const float *a = floats(x, "x")
        cdef void *b = elements(out, "out", c"f", HALF)
        cdef Py_ssize_t n = x.size
        with nogil:
            self.kernels.to_float16(a, b, n)

    def vector_bytes(self):
        """Width of the vectors of this build."""
        return self.kernels.vector_bytes()
