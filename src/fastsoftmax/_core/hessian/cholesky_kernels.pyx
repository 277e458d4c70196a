"""Cholesky factors of a few positive definite matrices, Uᵀ U, and solves with them.

`factor`: BLOCK rows at a time, of these CLASS_BLOCK at a time; the products with the rows above by a
register tile (`tiles.product_down`), the rest row by row: first on the diagonal, then for each 2*VL
columns to the right of it. Each thread factors matrices of its own; where there are fewer matrices than
threads, threads share the columns. Every element is computed in the same order either way. n^3 / 3 flops
for each matrix.

`solve`: see `substitution.pxd`. Several right-hand sides share the reading of the factors, classes are
shared among the threads.

Measurements, also of LAPACK: docs/experiments/0011-cholesky-factors.md; of one thread, which opens no
parallel region: 0084-small-fits-without-regions.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange
from libc.math cimport fabs, sqrt

from fastsoftmax._core.gemm.tiles cimport MOST, product_down
from fastsoftmax._core.hessian.cholesky_kernels cimport Table
from fastsoftmax._core.hessian.substitution cimport RIGHT, substitute
from fastsoftmax._core.simd.multiples cimport add_multiple
from fastsoftmax._core.simd.simd cimport CLASS_BLOCK, VL, VL_MOST, load, real, set1, store, vreal
from fastsoftmax._core.sizes cimport parts_of

cdef enum:
    BLOCK = 48  # rows: a multiple of CLASS_BLOCK, and more than 2*VL
    SQUARE = 16  # rows and columns copied at a time


cdef void factor(
    real *a, Py_ssize_t m, Py_ssize_t size, const real *scale, const double *jitter, int *failed,
    int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    if m < n_threads:
        for i in range(m):
            if failed[i]:
                failed[i] = factor_together(
                    a + i * size * size, scale + i * size, jitter[i], size, n_threads)
        return
    if n_threads == 1:
        for i in range(m):
            if failed[i]:
                failed[i] = factor_alone(a + i * size * size, scale + i * size, jitter[i], size)
        return
    for i in prange(m, schedule="dynamic", num_threads=n_threads):
        if failed[i]:
            failed[i] = factor_alone(a + i * size * size, scale + i * size, jitter[i], size)


cdef int factor_alone(real *a, const real *scales, double jitter, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < size by SQUARE:
        transpose_rows(a, scales, jitter, size, i)
    return factor_diagonal(a, size, 0, size, NULL)


cdef int factor_together(
    real *a, const real *scales, double jitter, Py_ssize_t size, int n_threads
) noexcept nogil:
    cdef real inverses[BLOCK]
    cdef Py_ssize_t first, end, i, j
    for i in prange(parts_of(size, SQUARE), schedule="dynamic", num_threads=n_threads):
        transpose_rows(a, scales, jitter, size, i * SQUARE)
    for first from 0 <= first < size by BLOCK:
        end = min(first + BLOCK, size)
        if factor_diagonal(a, size, first, end, inverses):
            return 1
        for j in prange(parts_of(size - end, 2 * VL), schedule="static",
                        num_threads=n_threads):
            factor_columns(a, size, first, end, inverses, end + j * 2 * VL)
    return 0


cdef inline void transpose_rows(
    real *a, const real *scales, double jitter, Py_ssize_t size, Py_ssize_t first
) noexcept nogil:
    """SQUARE rows left of the diagonal, scaled, into the columns above it."""
    cdef Py_ssize_t end = min(first + SQUARE, size), j0, i, j
    for j0 from 0 <= j0 <= first by SQUARE:
        for j in range(j0, min(j0 + SQUARE, size)):
            for i in range(max(first, j + 1), end):
                a[j * size + i] = a[i * size + j] * scales[i] * scales[j]
    for i in range(first, end):
        a[i * size + i] = <real>(1. + jitter)


cdef inline int factor_diagonal(
    real *a, Py_ssize_t size, Py_ssize_t first, Py_ssize_t end, real *inverses
) noexcept nogil:
    """Rows and columns first .. end, and one over their diagonal, if it is asked for; whether a pivot
    is not positive."""
    cdef Py_ssize_t top, bottom, i, j
    # `product_down` reads two whole vectors, past the end of a row into the next
    cdef Py_ssize_t height = CLASS_BLOCK if size >= 2 * VL else size
    cdef double pivot
    cdef real inverse
    for top from first <= top < end by height:
        bottom = min(top + height, end)
        for j from top <= j < (end if top else 0) by 2 * VL:
            subtract_products(a, size, top, bottom, j, end)
        for i in range(top, bottom):
            pivot = a[i * size + i]
            if not pivot > 0.:
                return 1
            inverse = <real>(1. / sqrt(pivot))
            if inverses:
                inverses[i - first] = inverse
            eliminate(a, size, i, bottom, inverse, i, end)
    return 0


cdef inline void factor_columns(
    real *a, Py_ssize_t size, Py_ssize_t first, Py_ssize_t end, const real *inverses, Py_ssize_t j
) noexcept nogil:
    """Rows first .. end, whose diagonal is done, of columns j .. j + 2*VL."""
    cdef Py_ssize_t top, bottom, i, left = min(2 * VL, size - j)
    for top from first <= top < end by CLASS_BLOCK:
        bottom = min(top + CLASS_BLOCK, end)
        if top:
            subtract_products(a, size, top, bottom, j, size)
        for i in range(top, bottom):
            if left == 2 * VL:
                eliminate_pair(a + i * size + j, size, bottom - i, a + i * size + i, inverses[i - first])
            else:
                eliminate(a, size, i, bottom, inverses[i - first], j, size)


cdef inline void eliminate_pair(
    real *row, Py_ssize_t size, Py_ssize_t rows, const real *factors, real inverse
) noexcept nogil:
    """Two vectors of a row times `inverse`, and so many times that, less one, from the rows below."""
    cdef vreal x = load(row) * set1(inverse), y = load(row + VL) * set1(inverse), by
    cdef Py_ssize_t r
    store(row, x)
    store(row + VL, y)
    for r in range(1, rows):
        row = row + size
        by = set1(factors[r])
        store(row, load(row) - by * x)
        store(row + VL, load(row + VL) - by * y)


cdef inline void eliminate(
    real *a, Py_ssize_t size, Py_ssize_t i, Py_ssize_t bottom, real inverse, Py_ssize_t first,
    Py_ssize_t end
) noexcept nogil:
    """The same of row i in columns first .. end, right of the diagonal, from rows up to `bottom`."""
    cdef Py_ssize_t c, r
    for c in range(first, end):
        a[i * size + c] = a[i * size + c] * inverse
    for r in range(i + 1, bottom):
        c = max(r, first)
        add_multiple(a + r * size + c, -a[i * size + r], a + i * size + c, end - c)


cdef inline void subtract_products(
    real *a, Py_ssize_t size, Py_ssize_t first, Py_ssize_t end, Py_ssize_t j, Py_ssize_t right
) noexcept nogil:
    """From rows first .. end, columns j .. j + 2*VL before `right` and on and right of the diagonal,
    those of the rows above."""
    cdef vreal sums[2 * MOST]
    cdef real element[2 * VL_MOST]
    cdef real *row
    cdef Py_ssize_t i, c
    product_down(<int>(end - first), a + first, size, a + j, size, first, sums)
    for i in range(first, end):
        row = a + i * size + j
        if j >= end and j + 2 * VL <= right:
            store(row, load(row) - sums[2 * (i - first)])
            store(row + VL, load(row + VL) - sums[2 * (i - first) + 1])
        else:
            store(element, sums[2 * (i - first)])
            store(element + VL, sums[2 * (i - first) + 1])
            for c in range(max(0, i - j), min(2 * VL, right - j)):
                row[c] -= element[c]


cdef void solve(
    const real *upper, Py_ssize_t step, const double *scale, Py_ssize_t scale_step,
    const double *given, double *to, Py_ssize_t m, Py_ssize_t k, Py_ssize_t size, real *z,
    int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    if n_threads == 1:
        for i in range(k):
            solve_scaled(i, upper, step, scale, scale_step, given, to, m, k, size, z)
        return
    for i in prange(k, schedule="dynamic", num_threads=n_threads):
        solve_scaled(i, upper, step, scale, scale_step, given, to, m, k, size, z)


cdef void solve_scaled(
    Py_ssize_t i, const real *upper, Py_ssize_t upper_step, const double *scale, Py_ssize_t scale_step,
    const double *given, double *to, Py_ssize_t m, Py_ssize_t k, Py_ssize_t size, real *z,
) noexcept nogil:
    """Those of class i, each divided by its largest number, which `real` may not hold."""
    cdef const double *scales = scale + i * scale_step
    cdef const double *right = given + i * size
    cdef double *out = to + i * size
    cdef double largest[RIGHT]
    cdef Py_ssize_t step = k * size, r, j
    z = z + i * m * size
    for r in range(m):
        largest[r] = 0.
        for j in range(size):
            largest[r] = max(largest[r], fabs(right[r * step + j] * scales[j]))
        largest[r] = largest[r] if largest[r] > 0. else 1.
        for j in range(size):
            z[r * size + j] = <real>(right[r * step + j] * scales[j] / largest[r])
    substitute(upper + i * upper_step * size * size, size, z, size, <int>m)
    for r in range(m):
        for j in range(size):
            out[r * step + j] = z[r * size + j] * largest[r] * scales[j]


cdef Table table = Table(factor=&factor, solve=&solve)
capsule = PyCapsule_New(&table, "cholesky", NULL)
