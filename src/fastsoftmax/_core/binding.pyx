"""What all bindings share: arrays of their precision, checked and described for the kernels."""

from libc.string cimport memset
cimport numpy as cnp

from fastsoftmax._core.arguments cimport (
    BFLOAT16, BOOL, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, KIND, UINT8, UINT16, UINT32,
    UINT64,
)
from fastsoftmax._core.arrays cimport (
    HALF, bytes_of, elements, ints, longs, require_aligned, require_length, require_type,
)

cnp.import_array()


cdef bint is_read(int type):
    """Whether `convert` knows the type."""
    return (
        type == BOOL or type == UINT8 or type == UINT16 or type == UINT32 or type == UINT64
        or type == INT8 or type == INT16 or type == INT32 or type == INT64
        or type == FLOAT16 or type == BFLOAT16 or type == FLOAT32 or type == FLOAT64)


cdef class Binding:
    """Kernels of one precision. A subclass takes their functions from the table in the capsule."""

    def __cinit__(self, capsule, Py_ssize_t element, caches):
        self.capsule, self.element = capsule, element
        self.caches.l1, self.caches.l2, self.caches.l3 = caches

    cdef real *reals(self, array, str name) except? NULL:
        """The first element of a C-contiguous array of this precision; NULL for None."""
        return <real *>elements(array, name, c"f", self.element)

    cdef Cells cells(self, cnp.ndarray x):
        """The numbers of an array (n, d)."""
        cdef Cells s
        s.x = bytes_of(x)
        s.size = cnp.PyArray_ITEMSIZE(x)
        s.type = KIND * x.descr.kind + <int>s.size
        if not is_read(s.type) or cnp.PyArray_ISBYTESWAPPED(x):
            raise TypeError(f"x: expected numbers of up to 8 bytes, got {x.dtype.str}")
        require_aligned(x, "x")
        s.row_step, s.column_step = x.strides[0], x.strides[1]
        if x.shape[1] == 1:
            s.column_step = s.size  # NumPy leaves the stride of a single column arbitrary
        return s

    cdef Rows rows(self, cnp.ndarray a, str name):
        """The rows of an array (outer, K, inner), of this precision or of float16."""
        cdef Rows r
        cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(a)
        r.are_float16 = size == HALF
        require_type(a, name, c"f", size if r.are_float16 else self.element)
        cdef Py_ssize_t outer = a.strides[0] // size, inner = a.strides[2] // size
        r.data = bytes_of(a)
        r.k = a.shape[1]
        r.class_step = a.strides[1] // size
        if a.shape[2] == 1:
            r.planes, r.rows, r.plane_step, r.row_step = 1, a.shape[0], 0, outer
        else:
            r.planes, r.rows, r.plane_step, r.row_step = a.shape[0], a.shape[2], outer, inner
        return r

    cdef Sparse sparse(self, cnp.ndarray values, cnp.ndarray at, cnp.ndarray starts):
        cdef Sparse x
        x.values = self.reals(values, "values")
        x.at = elements(at, "at", c"i", starts.itemsize)
        x.starts = elements(starts, "starts", c"i", starts.itemsize)
        x.wide = starts.itemsize == 8
        return x

    cdef Sparse columns(self, cnp.ndarray values, cnp.ndarray rows, cnp.ndarray starts):
        """The same by columns: row numbers are int32, and starts int64."""
        cdef Sparse x
        x.values = self.reals(values, "values")
        x.at = ints(rows, "rows")
        x.starts = longs(starts, "starts")
        x.wide = True
        return x

    cdef int set_targets(self, Problem *p, targets) except -1:
        """int32 labels (n,), `real` probabilities (n, k), uint8 indicators (n, k) or None; rows
        contiguous.

        One logit is the log-odds of label 1, indicators make several of them logistic too: 0 and 1, or
        2 for a missing one, which counts as if the logit were not there.
        """
        cdef cnp.ndarray array
        p.labels = NULL
        p.targets = NULL
        p.indicators = NULL
        p.eliminated = -1
        p.target_step = 0
        p.logistic = p.k == 1
        if targets is None:
            return 0
        array = targets
        if array.shape[0] < p.n:
            raise ValueError(f"targets: expected {p.n} rows, got {array.shape[0]}")
        if array.ndim == 1:
            p.labels = ints(array, "targets")
            return 0
        p.target_step = array.strides[0] // array.itemsize
        if array.shape[1] != p.k or (p.k > 1 and array.strides[1] != array.itemsize):
            raise ValueError(f"targets: expected {p.k} numbers side by side in each row")
        if array.itemsize == 1:
            require_type(array, "targets", c"u", 1)
            p.indicators = <const unsigned char *>bytes_of(array)
            p.logistic = True
        else:
            require_type(array, "targets", c"f", self.element)
            p.targets = <const real *>bytes_of(array)
        return 0

    cdef int set_weights(self, Problem *p, weights) except -1:
        """`real` weights (n,), or None where all are 1."""
        p.weights = self.reals(weights, "weights")
        if weights is not None:
            require_length(weights, "weights", p.n)
        return 0

    cdef Problem stored_problem(self, cnp.ndarray stored, targets, weights, Py_ssize_t n):
        """The losses of n rows at stored logits (any, k, ROWS)."""
        cdef Problem p
        memset(&p, 0, sizeof(Problem))
        p.n, p.k = n, stored.shape[1]
        p.stored = self.reals(stored, "stored")
        self.set_targets(&p, targets)
        self.set_weights(&p, weights)
        return p
