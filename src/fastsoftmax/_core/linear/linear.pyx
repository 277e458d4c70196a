"""Loss, gradient and logits of softmax regression, dense X: one pass over X, no N x K array."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.string cimport memset
cimport numpy as cnp

from fastsoftmax._core._system import staying
from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.linear.linear_kernels cimport Sizes, Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "linear")

    cdef Problem problem(
        self, cnp.ndarray x, Py_ssize_t k, w, b, targets, weights, double scale
    ):
        cdef Problem p
        memset(&p, 0, sizeof(Problem))
        p.caches = self.caches
        p.cells = self.cells(x)
        p.n, p.d, p.k = x.shape[0], x.shape[1], k
        if p.d == 0:  # plans divide by it
            raise ValueError("x: expected at least one feature, got none")
        p.w = self.reals(w, "w")
        p.b = self.reals(b, "b")
        self.set_targets(&p, targets)
        self.set_weights(&p, weights)
        p.scale = scale
        return p

    def value_and_grad(
        self, cnp.ndarray x not None, w, b, targets, weights, double scale, grad_w,
        cnp.ndarray grad_b not None, grad_x, workspace, int n_threads, stored=None, change=None,
        double step=0.,
    ):
        """scale * the weighted sum of losses; its gradients into arrays of zeros.

        Without w, at the logits that `stored` holds, as `store_logits` lays them out: half a pass. The
        gradient of X is then not to be had. Where there is a `change` of them, laid out like them, they
        are moved by `step` times that on the way.

        X (n, d) is of any type that `convert` knows and of any strides. W (k, d), b (k,) or None and
        weights (n,) or None are `real` and C-contiguous, targets as `set_targets` takes them; without
        them `stored` holds Z, and what comes is scale * Zᵀ X and scale times its column sums. grad_w
        (k, d) is float64 or, to save memory, `real`, or None, and then grad_b (k,), float64, has no
        meaning either; grad_x (n, d) is `real` or None. workspace(size) returns an array of so many
        bytes at least. Beyond the dtypes and the number of rows nothing is checked.
        """
        cdef Problem p = self.problem(x, grad_b.shape[0], w, b, targets, weights, scale)
        p.stored = self.reals(stored, "stored")
        p.change, p.step = self.reals(change, "change"), step
        cdef bint narrow = grad_w is not None and grad_w.dtype.itemsize != sizeof(double)
        cdef double *wide_w = NULL if narrow else doubles(grad_w, "grad_w")
        cdef real *narrow_w = self.reals(grad_w, "grad_w") if narrow else NULL
        cdef double *to_b = doubles(grad_b, "grad_b")
        cdef real *to_x = self.reals(grad_x, "grad_x")
        cdef double loss
        cdef cnp.ndarray memory = workspace(
            self.kernels.gradient_bytes(&p, narrow, to_x != NULL, n_threads))
        with staying(n_threads), nogil:
            loss = self.kernels.gradient(
                &p, wide_w, narrow_w, to_b, to_x, bytes_of(memory), n_threads)
        return loss

    def moments(
        self, cnp.ndarray x not None, centre, weights, double scale, cnp.ndarray sums not None,
        workspace, int n_threads,
    ):
        """scale * the weighted column sums of X, or of (X - centre)^2, into sums (1, d), float64."""
        cdef Problem p = self.problem(x, 1, None, centre, None, weights, scale)
        cdef double *to = doubles(sums, "sums")
        cdef cnp.ndarray memory = workspace(self.kernels.moments_bytes(&p, n_threads))
        with nogil:
            self.kernels.moments(&p, to, bytes_of(memory), n_threads)

    def logits(
        self, cnp.ndarray x not None, cnp.ndarray w not None, b, cnp.ndarray out not None,
        workspace, int n_threads,
    ):
        """X Wᵀ + b into out (n, k), `real` and C-contiguous."""
        cdef Problem p = self.problem(x, w.shape[0], w, b, None, None, 1.)
        cdef real *to = self.reals(out, "out")
        cdef cnp.ndarray memory = workspace(self.kernels.logits_bytes(&p, n_threads))
        with nogil:
            self.kernels.logits(&p, to, bytes_of(memory), n_threads)

    def tile_rows(self):
        """Rows of a tile of stored logits."""
        return self.kernels.tile_rows()

    def store_logits(
        self, cnp.ndarray x not None, cnp.ndarray w not None, b, cnp.ndarray out not None,
        workspace, int n_threads,
    ):
        """X Wᵀ + b into out (n / tile_rows(), k, tile_rows()), rounded up: a class's logits side by
        side.

        Half a pass. The rows that the last tile lacks get some number.
        """
        cdef Problem p = self.problem(x, w.shape[0], w, b, None, None, 1.)
        p.stored = self.reals(out, "out")
        cdef cnp.ndarray memory = workspace(self.kernels.store_bytes(&p, n_threads))
        with staying(n_threads), nogil:
            self.kernels.store_logits(&p, bytes_of(memory), n_threads)

    def plan(self, Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, int n_threads):
        """How `value_and_grad` goes about so many rows, features and classes: the fields of `Sizes`.

        With labels, and X of this precision with features side by side.
        """
        cdef Problem p
        cdef Sizes found
        memset(&p, 0, sizeof(Problem))
        p.n, p.d, p.k, p.eliminated, p.logistic, p.caches = n, d, k, -1, k == 1, self.caches
        found = self.kernels.sizes(&p, n_threads)
        return found
