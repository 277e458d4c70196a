"""Loss, gradient and logits of softmax regression, sparse X: work in proportion to its non-zeros."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
from libc.string cimport memset
cimport numpy as cnp

from fastsoftmax._core._system import staying
from fastsoftmax._core.arguments cimport Problem, Sparse
from fastsoftmax._core.arrays cimport bytes_of, doubles, floats, intps, ints, longs
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sparse.sparse_kernels cimport Pass, Table

cnp.import_array()


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "sparse")

    def rows_of_a_block(self, Py_ssize_t n, Py_ssize_t k):
        """Rows of a block."""
        return self.kernels.rows_of_block(n, k)

    def weight_columns(self, Py_ssize_t k):
        """Columns of a W of k logits, of which those behind the last logit are zeros."""
        return self.kernels.weight_columns(k)

    def by_columns(self, Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, Py_ssize_t nnz, bint once):
        """Whether a gradient takes X by columns; of many only one `once` pays without."""
        n = min(n, self.kernels.rows_of_block(n, k))
        return self.kernels.tables_of(n, d, k, nnz, once).partitions == 0

    def store_logits(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray w not None, b, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """X W + b into out (n / ROWS, k, ROWS), rounded up, as `linear.store_logits` lays them out.

        X (n, d) is given by rows: values, `real`, column indices `at` and starts (n + 1,), both int32
        or both int64. W (d, k), of `weight_columns(k)`, and b (k,) or None are `real`; all are
        contiguous. Shapes are not checked.
        """
        cdef Sparse x = self.sparse(values, at, starts)
        cdef const real *weights = self.reals(w, "w")
        cdef const real *intercepts = self.reals(b, "b")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t n = starts.shape[0] - 1, k = out.shape[1]
        cdef cnp.ndarray memory = workspace(self.kernels.store_bytes(k, n_threads))
        with nogil:
            self.kernels.store_logits(
                &x, n, weights, intercepts, k, to, bytes_of(memory), n_threads)

    def logits(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        cnp.ndarray w not None, b, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """X W + b into out (n, k), `real` and contiguous; the rest as for `store_logits`."""
        cdef Sparse x = self.sparse(values, at, starts)
        cdef const real *weights = self.reals(w, "w")
        cdef const real *intercepts = self.reals(b, "b")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t n = starts.shape[0] - 1, k = out.shape[1]
        cdef cnp.ndarray memory = workspace(self.kernels.logits_bytes(k, n_threads))
        with nogil:
            self.kernels.logits(&x, n, weights, intercepts, k, to, bytes_of(memory), n_threads)

    def value_and_grad(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        columns, w, b, targets, weights, double scale, double ridge, theta, stored,
        grad_w, cnp.ndarray grad_b not None, workspace, int n_threads, bint adds=False, sample=None,
    ):
        """scale * the weighted sum of losses; its gradients by W and b, with ridge * theta.

        X as for `store_logits`, and by columns, where `by_columns` says so: for each block of rows its
        values, row numbers within it, int32, and starts (d + 1,), int64. Logits are X W + b, or what
        `stored` holds, tiles as `store_logits` writes them, and W is then None. Targets are as
        `set_targets` takes them, weights (n,) or None; without targets `stored` is taken for A - Y
        itself. grad_w (d, k), float64 or float32, is overwritten, or added to where that is said, or
        None; without theta, (d, k) float64, it is that of the losses alone. grad_b (k,), float64, is
        overwritten. `sample`, intp, are features of some non-zeros, in order: by them threads share
        the features of a sum by rows.
        """
        cdef Sparse x = self.sparse(values, at, starts), by_column
        cdef Problem p
        memset(&p, 0, sizeof(Problem))
        p.n, p.k = starts.shape[0] - 1, grad_b.shape[0]
        p.w = self.reals(w, "w")
        p.b = self.reals(b, "b")
        p.stored = self.reals(stored, "stored")
        self.set_targets(&p, targets)
        self.set_weights(&p, weights)
        p.scale = scale
        cdef bint is_narrow = grad_w is not None and grad_w.dtype.itemsize == sizeof(float)
        cdef double *wide = NULL if is_narrow else doubles(grad_w, "grad_w")
        cdef float *narrow = floats(grad_w, "grad_w") if is_narrow else NULL
        cdef double *intercepts = doubles(grad_b, "grad_b")
        cdef const double *penalised = doubles(theta, "theta")
        cdef Py_ssize_t start
        cdef bint is_wanted = wide or narrow
        p.d = grad_w.shape[0] if is_wanted else 0
        cdef bint by_rows = is_wanted and columns is None
        cdef real *out = NULL
        if is_wanted and not adds and grad_w.dtype.itemsize == self.element:
            out = self.reals(grad_w, "grad_w")
        cdef cnp.ndarray memory = workspace(
            self.kernels.plan_pass(&p, &x, not by_rows, out, n_threads, NULL).bytes)
        cdef Pass s = self.kernels.plan_pass(&p, &x, not by_rows, out, n_threads, bytes_of(memory))
        s.sample = intps(sample, "sample")
        s.n_sample = 0 if sample is None else sample.shape[0]
        if by_rows and s.tables.partitions == 0:
            raise ValueError("columns: expected X by columns, which the gradient needs, got None")
        self.kernels.begin_pass(&s)
        for start from 0 <= start < p.n by s.row_block:
            with nogil:
                self.kernels.block_differences(&p, &x, &s, start, n_threads)
            if not is_wanted:
                continue
            if not by_rows:
                column_values, column_rows, column_starts = columns[start // s.row_block]
                by_column = self.columns(column_values, column_rows, column_starts)
            with staying(n_threads), nogil:
                self.kernels.block_gradients(
                    &p, &x if by_rows else &by_column, &s, start, start == 0 and not adds, ridge,
                    penalised, wide, narrow, n_threads)
        cdef double loss = self.kernels.end_pass(&p, &s, intercepts)
        return loss

    def transpose_rows(
        self, cnp.ndarray values not None, cnp.ndarray at not None, cnp.ndarray starts not None,
        Py_ssize_t first, Py_ssize_t end, Py_ssize_t d, cnp.ndarray to_values not None,
        cnp.ndarray to_at not None, cnp.ndarray to_starts not None, workspace, int n_threads,
    ):
        """Rows first .. end by columns: values, row numbers from `first`, starts (d + 1,).

        Within a column by row, whatever the number of threads: each takes a run of the rows, and its
        numbers go behind those of the threads before it.
        """
        cdef Sparse x = self.sparse(values, at, starts)
        cdef real *value = self.reals(to_values, "to_values")
        cdef int *row = ints(to_at, "to_at")
        cdef int64_t *begin = longs(to_starts, "to_starts")
        cdef cnp.ndarray memory = workspace(n_threads * d * sizeof(int64_t))
        with nogil:
            self.kernels.transpose_rows(
                &x, first, end, d, value, row, begin, <int64_t *>bytes_of(memory), n_threads)
