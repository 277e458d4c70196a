"""Cholesky factors of a few positive definite matrices, Uᵀ U, and solves with them."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, ints
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.cholesky_kernels cimport Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "cholesky")

    def factor(
        self, cnp.ndarray matrices not None, cnp.ndarray scales not None, cnp.ndarray jitters not None,
        cnp.ndarray failed not None, int n_threads,
    ):
        """Factor those of matrices (m, size, size) whose `failed` (m,), int32, is set, and clear it.

        The upper triangle is overwritten by that of diag(scales) M diag(scales) = Uᵀ U, the diagonal of
        which is taken for 1 + jitter; the lower triangle keeps M. Where a pivot is not positive
        `failed` stays. Contiguous, `real`; jitters (m,) float64.
        """
        cdef Py_ssize_t m = matrices.shape[0], size = matrices.shape[1]
        cdef real *a = self.reals(matrices, "matrices")
        cdef const real *scale = self.reals(scales, "scales")
        cdef const double *jitter = doubles(jitters, "jitters")
        cdef int *flags = ints(failed, "failed")
        with nogil:
            self.kernels.factor(a, m, size, scale, jitter, flags, n_threads)

    def solve(
        self, cnp.ndarray factors not None, cnp.ndarray scales not None, cnp.ndarray right not None,
        cnp.ndarray out not None, Py_ssize_t step, int n_threads
    ):
        """out = S z, Uᵀ U z = S right, S = diag(scales), for right (m, k, size), m <= 4, all float64.

        The upper triangles U of classes k, `real`, lie in factors (k, size, size); with step 0 one
        serves all. Scales (k, size) or (1, size).
        """
        cdef Py_ssize_t m = right.shape[0], k = right.shape[1], size = right.shape[2]
        cdef Py_ssize_t scale_step = size if scales.shape[0] > 1 else 0
        cdef const real *upper = self.reals(factors, "factors")
        cdef const double *scale = doubles(scales, "scales")
        cdef const double *given = doubles(right, "right")
        cdef double *to = doubles(out, "out")
        cdef real *z = <real *>malloc((m * k * size + 1) * self.element)
        if z == NULL:
            raise MemoryError(f"{m * k * size} numbers of right-hand sides")
        with nogil:
            self.kernels.solve(upper, step, scale, scale_step, given, to, m, k, size, z, n_threads)
        free(z)
