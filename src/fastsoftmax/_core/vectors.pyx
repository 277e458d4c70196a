"""Dot products and sums of long vectors, for solvers.

Bound by memory, 2 and 3 numbers an element. Not by BLAS, whose threads would go on spinning where the
kernels' should run. A dot is summed in blocks of fixed length, each in `real` and their sums in double,
so that it is the same to the bit for any number of threads.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.multiples cimport add_multiple
from fastsoftmax._core.simd cimport VL, load, load_first, real, set1, sum_lanes, vreal

cnp.import_array()

cdef enum:
    BLOCK = 4096  # elements
    WAYS = 4  # sums side by side: a multiply-add takes four cycles


cdef double dot_block(const real *a, const real *b, Py_ssize_t n) noexcept nogil:
    cdef vreal sums[WAYS]
    cdef Py_ssize_t i = 0
    cdef int w
    for w in range(WAYS):
        sums[w] = set1(0.)
    while i + WAYS * VL <= n:
        for w in range(WAYS):
            sums[w] = sums[w] + load(a + i + w * VL) * load(b + i + w * VL)
        i = i + WAYS * VL
    while i + VL <= n:
        sums[0] = sums[0] + load(a + i) * load(b + i)
        i = i + VL
    if i < n:
        sums[1] = sums[1] + load_first(a + i, <int>(n - i)) * load_first(b + i, <int>(n - i))
    return sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]))


cdef inline Py_ssize_t block_length(Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    return min(<Py_ssize_t>BLOCK, n - i * BLOCK)


def dot(cnp.ndarray a not None, cnp.ndarray b not None, int n_threads):
    """aᵀb of contiguous `real` (n,)."""
    cdef const real *x = <const real *>cnp.PyArray_DATA(a)
    cdef const real *y = <const real *>cnp.PyArray_DATA(b)
    cdef Py_ssize_t n = a.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    cdef double *parts = <double *>malloc((blocks + 1) * sizeof(double))
    cdef double total = 0.
    if parts == NULL:
        raise MemoryError(f"{blocks} partial sums")
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        parts[i] = dot_block(x + i * BLOCK, y + i * BLOCK, block_length(n, i))
    for i in range(blocks):
        total += parts[i]
    free(parts)
    return total


def add(cnp.ndarray a not None, double t, cnp.ndarray b not None, int n_threads):
    """a += t * b, contiguous `real` (n,)."""
    cdef real *x = <real *>cnp.PyArray_DATA(a)
    cdef const real *y = <const real *>cnp.PyArray_DATA(b)
    cdef Py_ssize_t n = a.shape[0], blocks = (n + BLOCK - 1) // BLOCK, i
    for i in prange(blocks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        add_multiple(x + i * BLOCK, t, y + i * BLOCK, block_length(n, i))
