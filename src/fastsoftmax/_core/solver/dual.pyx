"""A point of the dual problem near the probabilities p of stored logits, for a bound on F - F*."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.arrays cimport bytes_of, doubles, require_length
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.dual_kernels cimport Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "dual")

    def dual_point(
        self, cnp.ndarray stored not None, cnp.ndarray change not None, cnp.ndarray shift not None,
        targets not None, weights, double alpha, Py_ssize_t n, cnp.ndarray out not None,
        cnp.ndarray sums not None, cnp.ndarray class_sums not None, workspace, int n_threads,
    ):
        """weight * alpha (a - y) of each row into out, laid out as stored and change; may be the
        latter.

        The change is that plus a shift (k,), the same in all rows. Into sums (4,): the weighted sum of
        losses, a bound on that of divergences, the sum of squares of what is in out, and the least zeta
        before it was clipped, or 0; into class_sums (2, k) the sums over the rows of what is in out,
        and of its magnitudes. Targets are as `set_targets` takes them; weights (n,) or None.
        """
        cdef Problem p = self.stored_problem(stored, targets, weights, n)
        cdef const real *e = self.reals(change, "change")
        cdef real *to = self.reals(out, "out")
        cdef const real *by = self.reals(shift, "shift")
        cdef double *total = doubles(sums, "sums")
        cdef double *of_classes = doubles(class_sums, "class_sums")
        cdef cnp.ndarray memory = workspace(self.kernels.dual_bytes(&p, n_threads))
        with nogil:
            self.kernels.dual_point(
                &p, alpha, e, by, to, total, of_classes, bytes_of(memory), n_threads)

    def class_moments(
        self, cnp.ndarray probabilities not None, cnp.ndarray weights not None,
        cnp.ndarray out not None, int n_threads,
    ):
        """The sums over the rows of weight * p_k p_l into out (k, k), float64.

        Weights are those of the rows of all tiles, 0 for those past the last.
        """
        cdef const real *p = self.reals(probabilities, "probabilities")
        cdef const real *w = self.reals(weights, "weights")
        cdef double *to = doubles(out, "out")
        cdef Py_ssize_t tiles = probabilities.shape[0], k = probabilities.shape[1]
        require_length(weights, "weights", tiles * self.kernels.tile_rows())
        require_length(out, "out", k * k)
        with nogil:
            self.kernels.class_moments(p, w, tiles, k, to, n_threads)
