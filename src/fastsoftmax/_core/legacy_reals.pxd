from fastsoftmax._core.arrays cimport elements
from fastsoftmax._core.simd cimport real


cdef inline real *reals(array, str name) except? NULL:
    return <real *>elements(array, name, c"f", sizeof(real))
