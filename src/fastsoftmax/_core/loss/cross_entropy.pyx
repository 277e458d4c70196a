"""Cross-entropy of rows of logits that the caller holds, and its gradient."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.arrays cimport bytes_of, ints
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.loss.cross_entropy_kernels cimport Table, Targets
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "cross_entropy")

    def cross_entropy(
        self, cnp.ndarray x not None, labels, given, cnp.ndarray own not None, base, of_class,
        double factor, double scale, cnp.ndarray losses not None, gradient, workspace, int n_threads,
    ):
        """Losses of factor * x over the middle axis of x (outer, K, inner), and scale * their gradient.

        Labels are int32 (outer * inner,), or the targets are given in the shape of x; own, base (or
        None) and losses have one element per row, of_class (or None) one per class: contiguous and, but
        for the labels, `real`. gradient has the shape of x, and may be x, or is None; it is taken by
        factor * x. x, given and gradient may be of float16. Shapes are not checked.
        """
        cdef Rows a = self.rows(x, "x"), b
        cdef Targets t
        t.labels = ints(labels, "labels")
        t.own = self.reals(own, "own")
        t.base = self.reals(base, "base")
        t.of_class = self.reals(of_class, "of_class")
        t.given = self.rows(given if given is not None else x, "given")
        b = self.rows(gradient if gradient is not None else x, "gradient")
        cdef Py_ssize_t gradient_bytes = x.nbytes
        if gradient is None:
            b.data, gradient_bytes = NULL, 0
        cdef cnp.ndarray memory = workspace(self.kernels.cross_entropy_bytes(&a, &t, n_threads))
        cdef real *to = self.reals(losses, "losses")
        with nogil:
            self.kernels.cross_entropy(
                &a, &t, factor, scale, to, &b, gradient_bytes, bytes_of(memory), n_threads)
