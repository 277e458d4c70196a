"""Functions of single numbers over arrays."""

cimport numpy as cnp

from fastsoftmax._core.rowmath cimport exp as vector_exp, log1p as vector_log1p
from fastsoftmax._core.simd cimport VL, load, load_first, real, store, store_first

cnp.import_array()


def exp(cnp.ndarray x not None, cnp.ndarray out not None):
    """exp of x into out, both contiguous and `real`."""
    cdef const real *a = <const real *>cnp.PyArray_DATA(x)
    cdef real *b = <real *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t i = 0, n = x.size
    with nogil:
        for i from 0 <= i <= n - VL by VL:
            store(b + i, vector_exp(load(a + i)))
        i = n - n % VL
        store_first(b + i, vector_exp(load_first(a + i, n % VL)), n % VL)


def log1p(cnp.ndarray x not None, cnp.ndarray out not None):
    """log1p of x >= 0 into out, both contiguous and `real`."""
    cdef const real *a = <const real *>cnp.PyArray_DATA(x)
    cdef real *b = <real *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t i = 0, n = x.size
    with nogil:
        for i from 0 <= i <= n - VL by VL:
            store(b + i, vector_log1p(load(a + i)))
        i = n - n % VL
        store_first(b + i, vector_log1p(load_first(a + i, n % VL)), n % VL)


def vector_bytes():
    """Width of the vectors of this build."""
    return VL * sizeof(real)
