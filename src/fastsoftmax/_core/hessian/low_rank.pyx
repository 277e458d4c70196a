"""U B_k Uᵀ + τ_k (1 - UUᵀ) of each class, U of few columns: U, B_k, solves."""

from cpython.pycapsule cimport PyCapsule_GetPointer
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.low_rank_kernels cimport Blocks, Table
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "low_rank")

    def padding(self):
        """Numbers, of which the rows of matrices are multiples."""
        return self.kernels.padding()

    def solve(
        self, cnp.ndarray basis not None, cnp.ndarray across not None, cnp.ndarray factors not None,
        cnp.ndarray scales not None, cnp.ndarray tails not None, means, intercepts,
        cnp.ndarray right not None, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """out = M⁻¹ right, (k, d), or (k, d + 1) with intercepts, float64.

        The rows of basis (rank, wide), across (d, deep) and means (k, wide) are padded with zeros to
        multiples of `padding()`. B_k is as `cholesky.factor` left it in factors (k, rank, rank) and its
        scales (k, rank), float64, or one for all: (1, rank, rank), scales (k, rank) or (1, rank). All
        is contiguous, and `real` where nothing else is said.
        """
        cdef Blocks b
        b.k, b.size, b.d, b.rank = right.shape[0], right.shape[1], across.shape[0], basis.shape[0]
        b.wide, b.deep = basis.shape[1], across.shape[1]
        b.basis, b.across = self.reals(basis, "basis"), self.reals(across, "across")
        b.factors, b.scales = self.reals(factors, "factors"), doubles(scales, "scales")
        b.step = b.rank * b.rank if factors.shape[0] > 1 else 0
        b.scale_step = b.rank if scales.shape[0] > 1 else 0
        b.tails, b.means = self.reals(tails, "tails"), self.reals(means, "means")
        b.intercepts = self.reals(intercepts, "intercepts")
        cdef const double *given = doubles(right, "right")
        cdef double *to = doubles(out, "out")
        cdef cnp.ndarray memory = workspace(self.kernels.solve_bytes(&b, n_threads))
        with nogil:
            self.kernels.solve(&b, given, to, bytes_of(memory), n_threads)

    def orthonormal(self, cnp.ndarray gram not None, cnp.ndarray rows not None, double negligible):
        """Coefficients that make vectors orthonormal, from their Gram matrix (m, m); how many rows they
        are.

        Row i of rows (m, 2*m), contiguous, holds the coefficients c and c G of what the i-th vector
        that is not negligible beyond those before it adds to them: the square of that is more than such
        a share of the vector's own. Gram-Schmidt.
        """
        cdef Py_ssize_t m = gram.shape[0], found
        cdef const real *g = self.reals(gram, "gram")
        cdef real *first = self.reals(rows, "rows")
        with nogil:
            found = self.kernels.orthonormal(g, m, first, negligible)
        return found

    def blocks(
        self, cnp.ndarray grams not None, bint decoupled, cnp.ndarray own not None,
        cnp.ndarray shared not None, cnp.ndarray covariance not None, cnp.ndarray ridge not None,
        cnp.ndarray out not None, int n_threads,
    ):
        """out (k, rank, rank) = own_k (G_k - g_k g_kᵀ / w_k) + shared_k covariance + ridge.

        G_k, g_k and w_k are the parts of grams (k, rank + 1, rank + 1); without `decoupled` g_k is
        taken for 0. All contiguous and `real`.
        """
        cdef Py_ssize_t k = grams.shape[0], rank = out.shape[1]
        cdef const real *g = self.reals(grams, "grams")
        cdef const real *by = self.reals(own, "own")
        cdef const real *share = self.reals(shared, "shared")
        cdef const real *common = self.reals(covariance, "covariance")
        cdef const real *penalty = self.reals(ridge, "ridge")
        cdef real *to = self.reals(out, "out")
        with nogil:
            self.kernels.blocks(g, decoupled, by, share, common, penalty, to, k, rank, n_threads)
