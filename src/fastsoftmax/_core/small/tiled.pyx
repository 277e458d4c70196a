"""Products with X in tiles of rows, as the fits of small problems make them."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arguments cimport Cells, Problem
from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.small.tiled_kernels cimport Table, Tiled

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "tiled")

    cdef Tiled tiled(self, cnp.ndarray x, Py_ssize_t tiles, Py_ssize_t width) except *:
        cdef Tiled t
        t.x, t.tiles, t.width = self.reals(x, "x"), tiles, width
        if x.shape[0] < self.kernels.numbers(tiles, width):
            raise ValueError(f"x: expected {self.kernels.numbers(tiles, width)} numbers")
        return t

    def numbers(self, Py_ssize_t tiles, Py_ssize_t width):
        """Those that X in so many tiles takes."""
        return self.kernels.numbers(tiles, width)

    def pack(self, cnp.ndarray x not None, Py_ssize_t width, cnp.ndarray out not None):
        """X (n, d), of any type and strides, and a column of ones if width > d."""
        cdef Cells cells = self.cells(x)
        self.kernels.pack(&cells, x.shape[0], x.shape[1], width, self.reals(out, "out"))

    def centre(
        self, cnp.ndarray x not None, Py_ssize_t tiles, Py_ssize_t width, cnp.ndarray weights not None,
        double scale, bint subtract, cnp.ndarray means not None, cnp.ndarray squares not None, workspace,
    ):
        """Means of features and of their squares about these, for weights (tiles * ROWS,)."""
        cdef real *to = self.reals(x, "x")
        cdef Py_ssize_t d = means.shape[0]
        cdef cnp.ndarray memory = workspace(self.kernels.centre_bytes(d))
        self.kernels.centre(
            to, tiles, width, d, self.reals(weights, "weights"), scale, subtract,
            doubles(means, "means"), doubles(squares, "squares"), bytes_of(memory))

    def logits(
        self, cnp.ndarray x not None, Py_ssize_t tiles, cnp.ndarray w not None,
        cnp.ndarray z not None, int n_threads,
    ):
        """W Xᵀ, W (k, width), into z (tiles, k, ROWS)."""
        cdef Tiled t = self.tiled(x, tiles, w.shape[1])
        self.kernels.logits(&t, self.reals(w, "w"), w.shape[0], self.reals(z, "z"), n_threads)

    def pull(
        self, cnp.ndarray x not None, Py_ssize_t n, cnp.ndarray z not None, targets, weights,
        double scale, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """The loss at logits z, and ZᵀX with its gradient by them into out (k, width), times scale."""
        cdef Problem p = self.stored_problem(z, targets, weights, n)
        cdef Tiled t = self.tiled(x, z.shape[0], out.shape[1])
        p.scale = scale
        cdef cnp.ndarray memory = workspace(self.kernels.pull_bytes(&t, p.k, n_threads))
        return self.kernels.pull(&t, &p, doubles(out, "out"), bytes_of(memory), n_threads)

    def gram(
        self, cnp.ndarray x not None, Py_ssize_t tiles, cnp.ndarray weights not None, double scale,
        cnp.ndarray out not None, workspace, int n_threads,
    ):
        """scale * Xᵀ diag(w) X, the lower triangles (m, width, width), for weights (m, tiles * ROWS)."""
        cdef Tiled t = self.tiled(x, tiles, out.shape[1])
        cdef Py_ssize_t m = out.shape[0]
        cdef cnp.ndarray memory = workspace(self.kernels.gram_bytes(&t, m, n_threads))
        self.kernels.gram(
            &t, self.reals(weights, "weights"), m, scale, doubles(out, "out"), bytes_of(memory),
            n_threads)

    def weigh(
        self, cnp.ndarray p not None, cnp.ndarray variances not None, cnp.ndarray weights not None,
        Py_ssize_t a, Py_ssize_t b, Py_ssize_t reference, cnp.ndarray out not None,
    ):
        """The weights of `gram` for classes a and b, of p and variances (tiles, k, ROWS), float64."""
        self.kernels.weigh(
            doubles(p, "p"), doubles(variances, "variances"), doubles(weights, "weights"), p.shape[0],
            p.shape[1], a, b, reference, self.reals(out, "out"))
