"""Dot products and sums of long vectors, for solvers."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, elements, intps, require_length
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.vectors_kernels cimport Table, blocks_of

cnp.import_array()


cdef double *partial_sums(Py_ssize_t n) except NULL:
    cdef double *parts = <double *>malloc((n + 1) * sizeof(double))
    if parts == NULL:
        raise MemoryError(f"{n} partial sums")
    return parts


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "vectors")

    def dot(self, cnp.ndarray a not None, cnp.ndarray b not None, int n_threads):
        """aᵀb of contiguous `real` (n,)."""
        cdef const real *x = self.reals(a, "a")
        cdef const real *y = self.reals(b, "b")
        cdef Py_ssize_t n = a.shape[0]
        cdef double *parts = partial_sums(blocks_of(n))
        cdef double total
        with nogil:
            total = self.kernels.dot(x, y, n, parts, n_threads)
        free(parts)
        return total

    def dots(
        self, cnp.ndarray rows not None, cnp.ndarray order not None, cnp.ndarray v not None,
        cnp.ndarray out not None, int n_threads,
    ):
        """out[i] = vᵀ rows[order[i]], of contiguous `real` rows (m, n) and v (n,); v is read once.

        order is of intp, out of float64, here and below.
        """
        cdef const Py_ssize_t *which = intps(order, "order")
        cdef double *to = doubles(out, "out")
        cdef const real *x = self.reals(rows, "rows")
        cdef const real *y = self.reals(v, "v")
        cdef Py_ssize_t n = v.shape[0], m = order.shape[0]
        cdef double *parts = partial_sums(blocks_of(n) * m)
        with nogil:
            self.kernels.dots(x, which, m, y, n, to, parts, n_threads)
        free(parts)

    def combine(
        self, double by, cnp.ndarray base not None, cnp.ndarray factors not None,
        cnp.ndarray rows not None, cnp.ndarray order not None, cnp.ndarray out not None, int n_threads,
    ):
        """out = by * base + sum of factors[i] * rows[order[i]], contiguous `real`, the factors float64;
        out is written once."""
        cdef const Py_ssize_t *which = intps(order, "order")
        cdef const double *factor = doubles(factors, "factors")
        cdef const real *x = self.reals(rows, "rows")
        cdef const real *y = self.reals(base, "base")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t n = base.shape[0], m = order.shape[0]
        with nogil:
            self.kernels.combine(by, y, n, factor, x, which, m, to, n_threads)

    def add_wide(self, cnp.ndarray a not None, double t, cnp.ndarray b not None, int n_threads):
        """a += t * b, where a is float64 and b `real`."""
        cdef double *x = doubles(a, "a")
        cdef const real *y = self.reals(b, "b")
        cdef Py_ssize_t n = a.shape[0]
        with nogil:
            self.kernels.add_wide(x, t, y, n, n_threads)

    def pair(
        self, cnp.ndarray direction not None, double t, cnp.ndarray before not None,
        cnp.ndarray after not None, cnp.ndarray s not None, cnp.ndarray y not None, int n_threads,
    ):
        """s = t * direction and y = after - before, `real`, of three vectors of float32 or float64."""
        cdef bint wide = cnp.PyArray_ITEMSIZE(direction) == sizeof(double)
        cdef Py_ssize_t size = sizeof(double) if wide else sizeof(float)
        cdef const void *d = elements(direction, "direction", c"f", size)
        cdef const void *x = elements(before, "before", c"f", size)
        cdef const void *z = elements(after, "after", c"f", size)
        cdef real *to_s = self.reals(s, "s")
        cdef real *to_y = self.reals(y, "y")
        cdef Py_ssize_t n = s.shape[0]
        with nogil:
            self.kernels.pair(wide, d, t, x, z, to_s, to_y, n, n_threads)

    def products(
        self, cnp.ndarray a not None, cnp.ndarray b not None, Py_ssize_t n, cnp.ndarray out not None,
        int n_threads
    ):
        """out = aᵀa, aᵀb, bᵀb of the first n numbers; a is float64, b `real`."""
        cdef double *to = doubles(out, "out")
        cdef const double *x = doubles(a, "a")
        cdef const real *y = self.reals(b, "b")
        cdef double *parts = partial_sums(3 * blocks_of(n))
        with nogil:
            self.kernels.products(x, y, n, to, parts, n_threads)
        free(parts)

    def largest(self, cnp.ndarray a not None, int n_threads):
        """max |a| of contiguous `real` (n,), NaN if one is."""
        cdef const real *x = self.reals(a, "a")
        cdef Py_ssize_t n = a.shape[0]
        cdef double *parts = partial_sums(blocks_of(n))
        cdef double top
        with nogil:
            top = self.kernels.largest(x, n, parts, n_threads)
        free(parts)
        return top

    def add(self, cnp.ndarray a not None, double t, cnp.ndarray b not None, int n_threads):
        """a += t * b, contiguous `real` (n,)."""
        cdef real *x = self.reals(a, "a")
        cdef const real *y = self.reals(b, "b")
        cdef Py_ssize_t n = a.shape[0]
        with nogil:
            self.kernels.add(x, t, y, n, n_threads)


def substitute(cnp.ndarray upper not None, cnp.ndarray z not None, bint transposed):
    """Solve U x = z, or Uᵀ x = z, in place of z, for an upper triangle (m, m) of a few rows."""
    cdef const double *u = doubles(upper, "upper")
    cdef double *x = doubles(z, "z")
    cdef Py_ssize_t i, j, m = z.shape[0]
    cdef double known
    require_length(upper, "upper", m * m)
    if transposed:
        for i in range(m):
            known = 0.
            for j in range(i):
                known += u[j * m + i] * x[j]
            x[i] = (x[i] - known) / u[i * m + i]
        return
    for i in range(m - 1, -1, -1):
        x[i] /= u[i * m + i]
        for j in range(i):
            x[j] -= u[j * m + i] * x[i]
