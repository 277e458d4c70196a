"""What the machine can do at most: multiply-adds per second, bytes per second. For rooflines."""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange

from fastsoftmax._core.simd.machine_kernels cimport Table
from fastsoftmax._core.simd.simd cimport VL, load, real, set1, sum_lanes, vreal

cdef enum:
    CHAINS = 12  # of multiply-adds that do not wait for each other: latency times issue rate, and some


cdef double multiply_add(Py_ssize_t n) noexcept nogil:
    cdef vreal sums[CHAINS]
    cdef vreal a = set1(1e-9), b = set1(0.5), total = set1(0.)
    cdef Py_ssize_t _i
    cdef int c
    for c in range(CHAINS):
        sums[c] = set1(c)
    for _i in range(n):
        for c in range(CHAINS):
            sums[c] = sums[c] * b + a
    for c in range(CHAINS):
        total = total + sums[c]
    return sum_lanes(total)


cdef double read_part(const real *x, Py_ssize_t n) noexcept nogil:
    cdef vreal sums[8]
    cdef vreal total = set1(0.)
    cdef Py_ssize_t i
    cdef int c
    for c in range(8):
        sums[c] = set1(0.)
    for i from 0 <= i <= n - 8 * VL by 8 * VL:
        for c in range(8):
            sums[c] = sums[c] + load(x + i + c * VL)
    for c in range(8):
        total = total + sums[c]
    return sum_lanes(total)


cdef double multiply_adds(Py_ssize_t n, int n_threads) noexcept nogil:
    """Do about n multiply-adds per thread; the flops done in all."""
    cdef Py_ssize_t steps = n // (CHAINS * VL) + 1
    cdef double sink = 0.
    cdef int _t
    for _t in prange(n_threads, num_threads=n_threads):
        sink += multiply_add(steps)
    return 2. * CHAINS * VL * steps * n_threads if sink == sink else 0.


cdef Py_ssize_t read(const real *start, Py_ssize_t n, int n_threads) noexcept nogil:
    """Read n numbers once; the bytes read."""
    cdef Py_ssize_t part = n // n_threads // (8 * VL) * 8 * VL
    cdef double sink = 0.
    cdef int t
    for t in prange(n_threads, num_threads=n_threads):
        sink += read_part(start + t * part, part)
    return <Py_ssize_t>sizeof(real) * part * n_threads if sink == sink else 0


cdef Table table = Table(multiply_adds=&multiply_adds, read=&read)
capsule = PyCapsule_New(&table, "machine", NULL)
