"""The loss along a line, on stored logits, and what else is computed from them.

Logits lie in tiles (n/ROWS, k, ROWS), as `linear.store_logits` writes them.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.line_kernels cimport Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "line")

    def along(
        self, cnp.ndarray stored not None, cnp.ndarray change not None, double t, targets, weights,
        Py_ssize_t n, double scale, Py_ssize_t every, cnp.ndarray out not None, workspace,
        int n_threads,
    ):
        """scale * (phi, phi', phi'') of the weighted sum of losses at stored + t * change, into out
        (3,).

        Of every so manieth tile alone. Targets are as `set_targets` takes them; weights (n,) or None.
        """
        cdef Problem p = self.stored_problem(stored, targets, weights, n)
        p.scale = scale
        cdef const real *d = self.reals(change, "change")
        cdef double *to = doubles(out, "out")
        cdef cnp.ndarray memory = workspace(self.kernels.along_bytes(&p, n_threads))
        with nogil:
            self.kernels.along(&p, d, t, every, to, bytes_of(memory), n_threads)

    def move(self, cnp.ndarray stored not None, cnp.ndarray change not None, double t, int n_threads):
        """stored += t * change, rounded as `along` rounds it."""
        cdef real *s = self.reals(stored, "stored")
        cdef const real *d = self.reals(change, "change")
        cdef Py_ssize_t tiles = stored.shape[0], k = stored.shape[1]
        with nogil:
            self.kernels.move(s, d, t, tiles, k, n_threads)

    def gradient(
        self, cnp.ndarray stored not None, change, double step, targets, weights, Py_ssize_t n,
        cnp.ndarray out not None, Py_ssize_t first, workspace, int n_threads,
    ):
        """weight * (A - Y) of each logit into the classes of out from `first` on; the weighted sum of
        losses.

        Where there is a change, stored is moved by `step` times that first. Without targets what is
        stored stands in the place of A - Y. Out has as many tiles, of as many classes or more.
        """
        cdef Problem p = self.stored_problem(stored, targets, weights, n)
        p.change, p.step = self.reals(change, "change"), step
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t tiles = stored.shape[0], classes = out.shape[1]
        if out.shape[0] != tiles or not 0 <= first <= classes - p.k:
            raise ValueError(f"out: expected {tiles} tiles with room for {p.k} classes")
        cdef cnp.ndarray memory = workspace(self.kernels.gradient_bytes(&p, n_threads))
        cdef double loss
        with nogil:
            loss = self.kernels.gradient(&p, tiles, to, classes, first, bytes_of(memory), n_threads)
        return loss

    def residuals(
        self, cnp.ndarray stored not None, targets, weights, Py_ssize_t n, cnp.ndarray out not None,
        workspace, int n_threads,
    ):
        """max_k |weight * (A - Y)| of each row into out (n,): what it can still pull with."""
        cdef Problem p = self.stored_problem(stored, targets, weights, n)
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t tiles = stored.shape[0]
        cdef cnp.ndarray memory = workspace(self.kernels.residuals_bytes(&p, n_threads))
        with nogil:
            self.kernels.residuals(&p, tiles, to, bytes_of(memory), n_threads)

    def variances(
        self, cnp.ndarray stored not None, bint logistic, weights, Py_ssize_t n,
        cnp.ndarray out not None, int n_threads,
    ):
        """weight * p(1 - p) of each logit into out, laid out as stored; 0 for the rows past n.

        They weigh the rows in a class's block of the Hessian.
        """
        cdef const real *s = self.reals(stored, "stored")
        cdef const real *weight = self.reals(weights, "weights")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t tiles = stored.shape[0], k = stored.shape[1]
        with nogil:
            self.kernels.variances(s, logistic, weight, n, tiles, k, to, n_threads)

    def class_sums(self, cnp.ndarray stored not None, less, cnp.ndarray out not None):
        """The sum of each class into out (k,), float64; or of |stored - less|, laid out like it."""
        cdef const real *s = self.reals(stored, "stored")
        cdef const real *other = self.reals(less, "less")
        cdef double *to = doubles(out, "out")
        cdef Py_ssize_t tiles = stored.shape[0], k = stored.shape[1]
        with nogil:
            self.kernels.class_sums(s, other, tiles, k, to)

    def squares(
        self, cnp.ndarray stored not None, Py_ssize_t n, cnp.ndarray out not None, int n_threads
    ):
        """The sum of the squares of each row into out (n,), float64."""
        cdef const real *s = self.reals(stored, "stored")
        cdef double *to = doubles(out, "out")
        cdef Py_ssize_t tiles = stored.shape[0], k = stored.shape[1]
        with nogil:
            self.kernels.squares(s, n, tiles, k, to, n_threads)

    def probabilities(
        self, cnp.ndarray stored not None, bint logistic, Py_ssize_t n, cnp.ndarray out not None,
        int n_threads
    ):
        """Softmax of each row, or the logistic function of each logit, into out, laid out as stored."""
        cdef const real *s = self.reals(stored, "stored")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t tiles = stored.shape[0], k = stored.shape[1]
        with nogil:
            self.kernels.probabilities(s, logistic, tiles, k, to, n_threads)

    def curve(
        self, cnp.ndarray probabilities not None, bint logistic, cnp.ndarray change not None, weights,
        Py_ssize_t n, cnp.ndarray out not None, int n_threads
    ):
        """weight * (diag(p) - p pᵀ) d of each row into out, laid out as p and d; 0 for the rows past n.

        d is the logits' change, p their softmax: the Hessian of the losses times a direction is Xᵀ of
        it. Changes are taken relative to that of the most probable class: where that has p near 1, the
        mean of d is near its own, and their difference would have few digits. Of logistic functions it
        is weight * p (1 - p) d.
        """
        cdef const real *p = self.reals(probabilities, "probabilities")
        cdef const real *d = self.reals(change, "change")
        cdef const real *weight = self.reals(weights, "weights")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t tiles = change.shape[0], k = change.shape[1]
        with nogil:
            self.kernels.curve(p, logistic, d, weight, n, tiles, k, to, n_threads)
