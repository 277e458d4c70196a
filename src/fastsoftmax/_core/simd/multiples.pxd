"""y += t * x, of `real` in memory."""

from fastsoftmax._core.simd.simd cimport VL, load, load_first, real, set1, store, store_first, vreal


cdef inline void add_multiple(real *y, double t, const real *x, Py_ssize_t n) noexcept nogil:
    cdef vreal by = set1(t)
    cdef Py_ssize_t j = 0
    while j + VL <= n:
        store(y + j, load(y + j) + by * load(x + j))
        j = j + VL
    if j < n:
        store_first(
            y + j, load_first(y + j, <int>(n - j)) + by * load_first(x + j, <int>(n - j)),
            <int>(n - j))
