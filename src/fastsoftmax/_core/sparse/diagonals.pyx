"""A preconditioner for sparse X: the diagonal of each class's block of the Hessian, centred."""

from cpython.pycapsule cimport PyCapsule_GetPointer
import numpy as np
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles, floats
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sparse.diagonals_kernels cimport Build, Solve, Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "diagonals")

    def build(
        self, row_blocks, Py_ssize_t n, double ridge, double share, missing_of, bint centred,
        cnp.ndarray means not None, cnp.ndarray inverses not None, cnp.ndarray masses not None,
        workspace, int n_threads,
    ):
        """Means m and inverses 1 / (s / n + ridge) of each feature and class, (d, k) float32.

        X comes in blocks of rows, of up to `sparse.rows_of_a_block` (n) each: (rows, columns, v),
        columns as for `sparse.value_and_grad`, v an iterator of tiles (any, k, ROWS) of consecutive
        rows, all of whole tiles but for the end of the last. `share` of s is that of the unweighted
        rows times c: no feature is without curvature for a class because the rows that have it are sure
        at present. To c / n, for this, are added `missing_of` (c / n), (k,), float64. The sums, with n
        times that, go into masses (k,), float64.
        """
        cdef Py_ssize_t start = 0, rows, tiles, filled
        cdef const real *v
        cdef cnp.ndarray part
        cdef Build b
        b.k, b.n, b.d = masses.shape[0], n, means.shape[0]
        cdef cnp.ndarray memory = workspace(self.kernels.place_build(&b, n_threads, NULL))
        self.kernels.place_build(&b, n_threads, bytes_of(memory))
        b.masses = doubles(masses, "masses")
        b.ridge, b.share, b.centred = ridge, share, centred
        b.means = floats(means, "means")
        b.inverses = floats(inverses, "inverses")
        masses[:] = 0
        for rows, (values, numbers, starts), variances in row_blocks:
            filled = 0
            for part in variances:
                v = self.reals(part, "part")
                tiles = part.shape[0]
                with nogil:
                    self.kernels.add_variances(&b, v, tiles, rows, filled, n_threads)
                filled += tiles * self.kernels.tile_rows()
            b.columns = self.columns(values, numbers, starts)
            b.is_first, b.is_last = start == 0, start + rows == n
            start += rows
            if b.is_last:
                missing = np.ascontiguousarray(missing_of(masses / n), np.float64)
                b.missing = doubles(missing, "missing")
            with nogil:
                self.kernels.build_block(&b, n_threads)
        if start:
            masses += n * missing

    def solve(
        self, cnp.ndarray means not None, cnp.ndarray inverses not None, masses, bint project,
        cnp.ndarray right not None, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """out = M⁻¹ right: weights (d, k), then intercepts (k,) if there are masses (k,), float64: c /
        n.

        With `project` the mean over the classes is projected out. All else is `real`: called on the
        kernels of float32.
        """
        cdef Solve s
        s.d, s.k, s.project = means.shape[0], means.shape[1], project
        s.masses = doubles(masses, "masses")
        s.out = self.reals(out, "out")
        s.right = self.reals(right, "right")
        s.means = self.reals(means, "means")
        s.inverses = self.reals(inverses, "inverses")
        cdef cnp.ndarray memory = workspace(self.kernels.solve_bytes(s.k))
        with nogil:
            self.kernels.solve(&s, bytes_of(memory), n_threads)
