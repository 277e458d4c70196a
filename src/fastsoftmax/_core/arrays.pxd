"""Where the elements of an array begin, checked to be of the type that a kernel reads.

A kernel gets addresses: an array of another dtype would be read as other numbers, without a word.
"""

from libc.stdint cimport int64_t
cimport numpy as cnp

cdef enum:
    HALF = 2  # bytes of a float16


cdef inline void *elements(array, str name, char kind, Py_ssize_t size) except? NULL:
    """The first element of a C-contiguous array of this kind and element size; NULL for None."""
    cdef cnp.ndarray a
    if array is None:
        return NULL
    a = <cnp.ndarray?>array
    require_type(a, name, kind, size)
    if not cnp.PyArray_IS_C_CONTIGUOUS(a):
        raise ValueError(f"{name}: expected a C-contiguous array, got strides {array.strides}")
    return cnp.PyArray_DATA(a)


cdef inline int require_type(cnp.ndarray a, str name, char kind, Py_ssize_t size) except -1:
    if a.descr.kind != kind or cnp.PyArray_ITEMSIZE(a) != size or cnp.PyArray_ISBYTESWAPPED(a):
        raise TypeError(f"{name}: expected dtype {chr(kind)}{size}, got {a.dtype.str}")
    return require_aligned(a, name)


cdef inline int require_aligned(cnp.ndarray a, str name) except -1:
    """Raise for elements at addresses at which C may not read such numbers."""
    if not cnp.PyArray_ISALIGNED(a):
        raise ValueError(f"{name}: expected aligned elements, got an array that begins between two")
    return 0


cdef inline int require_length(cnp.ndarray a, str name, Py_ssize_t n) except -1:
    if cnp.PyArray_SIZE(a) < n:
        raise ValueError(f"{name}: expected at least {n} elements, got {cnp.PyArray_SIZE(a)}")
    return 0


cdef inline float *floats(array, str name) except? NULL:
    return <float *>elements(array, name, c"f", sizeof(float))


cdef inline double *doubles(array, str name) except? NULL:
    return <double *>elements(array, name, c"f", sizeof(double))


cdef inline int *ints(array, str name) except? NULL:
    return <int *>elements(array, name, c"i", sizeof(int))


cdef inline int64_t *longs(array, str name) except? NULL:
    return <int64_t *>elements(array, name, c"i", sizeof(int64_t))


cdef inline Py_ssize_t *intps(array, str name) except? NULL:
    return <Py_ssize_t *>elements(array, name, c"i", sizeof(Py_ssize_t))


cdef inline char *flags(array, str name) except? NULL:
    return <char *>elements(array, name, c"b", 1)


cdef inline char *bytes_of(cnp.ndarray array) noexcept nogil:
    """Memory whose type does not matter: a workspace, or numbers whose type the kernel looks up."""
    return cnp.PyArray_BYTES(array)
