"""What the machine can do at most: multiply-adds per second, bytes per second. For rooflines."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core._system import staying
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.machine_kernels cimport Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "machine")

    def multiply_adds(self, Py_ssize_t n, int n_threads):
        """Do about n multiply-adds of single numbers per thread; return the flops done in all."""
        cdef double flops
        with staying(n_threads), nogil:
            flops = self.kernels.multiply_adds(n, n_threads)
        return flops

    def read(self, cnp.ndarray x not None, int n_threads):
        """Read the contiguous array x once; return the bytes read."""
        cdef const real *start = self.reals(x, "x")
        cdef Py_ssize_t n = x.size, bytes_read
        with staying(n_threads), nogil:
            bytes_read = self.kernels.read(start, n, n_threads)
        return bytes_read
