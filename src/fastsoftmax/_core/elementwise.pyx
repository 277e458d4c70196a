"""Functions of single numbers over arrays; each number is read and written once."""

cimport numpy as cnp

from cython.parallel cimport prange

from fastsoftmax._core.arrays cimport reals
from fastsoftmax._core.logistic cimport binary_loss, sigmoid
from fastsoftmax._core.rowmath cimport exp as vector_exp, log1p as vector_log1p
from fastsoftmax._core.simd cimport VL, absolute, minimum, real, set1, vreal, vreal_inlined
from fastsoftmax._core.squares cimport load_upto, store_upto

cnp.import_array()

cdef enum:
    BLOCK = 4096  # elements a thread takes at a time; a multiple of VL

cpdef enum Function:
    EXP
    LOG1P  # of x >= 0
    SIGMOID
    LOG_SIGMOID


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
            v = sigmoid(v)
        else:
            v = log_sigmoid(v)
        store_upto(out + i, v, n - i)


def apply(int function, cnp.ndarray x not None, cnp.ndarray out not None, int n_threads=1):
    """A function of x into out, both contiguous and `real`; they may be the same."""
    cdef const real *a = reals(x, "x")
    cdef real *b = reals(out, "out")
    cdef Py_ssize_t i, n = x.size
    for i in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        apply_block(a + i * BLOCK, b + i * BLOCK, min(BLOCK, n - i * BLOCK), function)


cdef void logistic_block(const real *x, const real *y, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef vreal loss, unused
    for i from 0 <= i < n by VL:
        loss = binary_loss(load_upto(x + i, n - i), load_upto(y + i, n - i), &unused)
        store_upto(out + i, loss, n - i)


def binary_cross_entropy(
    cnp.ndarray x not None, cnp.ndarray y not None, cnp.ndarray out not None, int n_threads
):
    """-y log sigmoid(x) - (1 - y) log sigmoid(-x) into out, all contiguous and `real`."""
    cdef const real *a = reals(x, "x")
    cdef const real *b = reals(y, "y")
    cdef real *c = reals(out, "out")
    cdef Py_ssize_t i, n = x.size
    for i in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        logistic_block(a + i * BLOCK, b + i * BLOCK, c + i * BLOCK, min(BLOCK, n - i * BLOCK))


def vector_bytes():
    """Width of the vectors of this build."""
    return VL * sizeof(real)
