"""Functions of single numbers over arrays; each number is read and written once.

How exact they are: docs/experiments/0008-accuracy-of-elementary-functions.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange
from libc.string cimport memcpy, memset

from fastsoftmax._core.loss.elementwise_kernels cimport EXP, LOG1P, SIGMOID, Table
from fastsoftmax._core.loss.logistic cimport binary_loss, sigmoid
from fastsoftmax._core.simd.rowmath cimport exp as vector_exp, log1p as vector_log1p
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, absolute, float16, load_stored, load_stored_first, minimum, real, set1, store,
    store_first, store_float16, vreal, vreal_inlined,
)
from fastsoftmax._core.simd.squares cimport load_upto, store_upto
from fastsoftmax._core.sizes cimport parts_of

cdef enum:
    BLOCK = 4096  # elements a thread takes at a time; a multiple of VL


cdef inline vreal_inlined log_sigmoid(vreal x) noexcept nogil:
    return minimum(set1(0.), x) - vector_log1p(vector_exp(set1(0.) - absolute(x)))


cdef void apply_block(const real *x, real *out, Py_ssize_t n, int function) noexcept nogil:
    cdef Py_ssize_t i
    cdef vreal v
    for i from 0 <= i < n by VL:
        v = load_upto(x + i, n - i)
        if function == EXP:
            v = vector_exp(v)
        elif function == LOG1P:
            v = vector_log1p(v)
        elif function == SIGMOID:
            v = sigmoid(v, False)
        else:
            v = log_sigmoid(v)
        store_upto(out + i, v, n - i)


cdef void apply(
    int function, const real *x, real *out, Py_ssize_t n, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(parts_of(n, BLOCK), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        apply_block(x + i * BLOCK, out + i * BLOCK, min(BLOCK, n - i * BLOCK), function)


cdef void logistic_block(const real *x, const real *y, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef vreal loss, unused
    for i from 0 <= i < n by VL:
        loss = binary_loss(load_upto(x + i, n - i), load_upto(y + i, n - i), False, &unused)
        store_upto(out + i, loss, n - i)


cdef void binary_cross_entropy(
    const real *x, const real *y, real *out, Py_ssize_t n, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(parts_of(n, BLOCK), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        logistic_block(x + i * BLOCK, y + i * BLOCK, out + i * BLOCK, min(BLOCK, n - i * BLOCK))


cdef void from_float16(const void *x, real *out, Py_ssize_t n) noexcept nogil:
    cdef const float16 *halves = <const float16 *>x
    cdef Py_ssize_t i = 0
    while i + VL <= n:
        store(out + i, load_stored(halves + i))
        i += VL
    if i < n:
        store_first(out + i, load_stored_first(halves + i, <int>(n - i)), <int>(n - i))


cdef void to_float16(const float *x, void *out, Py_ssize_t n) noexcept nogil:
    cdef float16 *halves = <float16 *>out
    cdef float last[VL_MOST]
    cdef float16 rounded[VL_MOST]
    cdef Py_ssize_t i = 0
    while i + VL <= n:
        store_float16(halves + i, x + i)
        i += VL
    if i < n:
        memset(last, 0, sizeof(last))
        memcpy(last, x + i, (n - i) * sizeof(float))
        store_float16(rounded, last)
        memcpy(halves + i, rounded, (n - i) * sizeof(float16))


cdef int vector_bytes() noexcept nogil:
    return VL * sizeof(real)


cdef Table table = Table(
    apply=&apply, binary_cross_entropy=&binary_cross_entropy, from_float16=&from_float16,
    to_float16=&to_float16, vector_bytes=&vector_bytes)
capsule = PyCapsule_New(&table, "elementwise", NULL)
