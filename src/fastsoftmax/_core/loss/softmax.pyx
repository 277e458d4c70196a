"""Softmax, log-softmax, log-sum-exp of rows, and the softmax's vector-Jacobian product."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.arrays cimport HALF, bytes_of
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.loss.softmax_kernels cimport Table

cnp.import_array()


cdef enum:
    FLOAT16_BYTES = 1024 * 1024  # of buffers, beside any number of float16


cdef int threads_of(cnp.ndarray x, Py_ssize_t buffer, int n_threads):
    """How many of the threads compute: beside float16, their buffers take half of its memory, or
    FLOAT16_BYTES."""
    if cnp.PyArray_ITEMSIZE(x) != HALF:
        return n_threads
    return <int>max(1, min(n_threads, max(FLOAT16_BYTES, cnp.PyArray_NBYTES(x) // 2) // buffer))


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "softmax")

    def softmax(
        self, cnp.ndarray x not None, cnp.ndarray out not None, int kind, double factor, workspace,
        int n_threads,
    ):
        """softmax(factor * x), or its logarithm, over the middle axis of x (outer, K, inner).

        x and out are `real` or float16, of one shape and any strides, and may be the same.
        workspace(size) returns an array of so many bytes at least. Shapes are not checked.
        """
        cdef Rows a = self.rows(x, "x"), b = self.rows(out, "out")
        cdef Py_ssize_t out_bytes = out.nbytes
        n_threads = threads_of(x, self.kernels.softmax_bytes(&a, 1), n_threads)
        cdef cnp.ndarray memory = workspace(self.kernels.softmax_bytes(&a, n_threads))
        with nogil:
            self.kernels.softmax(&a, &b, kind, factor, out_bytes, bytes_of(memory), n_threads)

    def logsumexp(
        self, cnp.ndarray x not None, cnp.ndarray out not None, double factor, workspace, int n_threads
    ):
        """log(sum(exp(factor * x))) over the middle axis of x (outer, K, inner), into out (outer, 1,
        inner)."""
        cdef Rows a = self.rows(x, "x"), b = self.rows(out, "out")
        n_threads = threads_of(x, self.kernels.logsumexp_bytes(&a, 1), n_threads)
        cdef cnp.ndarray memory = workspace(self.kernels.logsumexp_bytes(&a, n_threads))
        with nogil:
            self.kernels.logsumexp(&a, &b, factor, bytes_of(memory), n_threads)

    def softmax_vjp(
        self, cnp.ndarray p not None, cnp.ndarray u not None, cnp.ndarray out not None, double factor,
        workspace, int n_threads,
    ):
        """factor * p * (u - sum(p * u)) over the middle axis of p and u (outer, K, inner), into out."""
        cdef Rows a = self.rows(p, "p"), b = self.rows(u, "u"), c = self.rows(out, "out")
        n_threads = threads_of(p, self.kernels.vjp_bytes(&a, 1), n_threads)
        cdef cnp.ndarray memory = workspace(self.kernels.vjp_bytes(&a, n_threads))
        with nogil:
            self.kernels.vjp(&a, &b, &c, factor, bytes_of(memory), n_threads)
