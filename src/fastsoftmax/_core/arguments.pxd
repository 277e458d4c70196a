"""What the two sides of a kernel say to each other: plain structures, filled where Python calls
(`binding.pyx`) and read by the kernels. Nothing here depends on a precision or a processor level."""

from fastsoftmax._core.simd.simd cimport real

cdef enum:
    KIND = 256  # a type is KIND * NumPy's letter for its kind + bytes
    BOOL = KIND * c"b" + 1
    UINT8 = KIND * c"u" + 1
    UINT16 = KIND * c"u" + 2
    UINT32 = KIND * c"u" + 4
    UINT64 = KIND * c"u" + 8
    INT8 = KIND * c"i" + 1
    INT16 = KIND * c"i" + 2
    INT32 = KIND * c"i" + 4
    INT64 = KIND * c"i" + 8
    FLOAT16 = KIND * c"f" + 2
    FLOAT32 = KIND * c"f" + 4
    FLOAT64 = KIND * c"f" + 8
    BFLOAT16 = KIND * c"V" + 2  # NumPy has no kind of its own for it


cdef struct Cells:  # an array (n, d) of numbers of any of these types
    const char *x
    int type
    Py_ssize_t size  # bytes of a number
    Py_ssize_t row_step, column_step  # in bytes


cdef struct Rows:  # those of an array (outer, K, inner), over whose middle axis a function goes
    char *data
    bint are_float16  # or `real`
    Py_ssize_t planes, rows, k  # rows of a plane are `row_step` apart
    Py_ssize_t plane_step, row_step, class_step  # in elements


cdef struct Sparse:  # by rows, or by columns
    const real *values
    const void *at  # index of each non-zero
    const void *starts  # where each row begins, and the end; both int64 or int32
    bint wide


cdef struct Caches:  # bytes of a core: its first and second cache, its share of the third
    Py_ssize_t l1, l2, l3


cdef struct Problem:  # losses of n rows, and where their logits come from
    Cells cells  # X as it is stored
    const real *x  # the same where it is of `real`, else NULL
    Py_ssize_t n, d, k  # rows, features, logits per row
    Py_ssize_t row_step, column_step  # of x, in elements
    bint in_place  # whether the tiles read rows where they lie: of a type they take, side by side
    const real *w  # (k, d), or NULL
    const real *b  # or NULL
    real *stored  # logits in tiles (n/ROWS, k, ROWS), read instead of W or written; or NULL
    const real *change  # of those that are read, which are moved by `step` times that first; or NULL
    double step
    bint logistic  # whether each logit has a logistic function of its own, rather than all one softmax
    const int *labels  # or NULL
    const real *targets  # (n, k), or NULL
    const unsigned char *indicators  # (n, k): for each logit 0, 1 or missing; or NULL
    Py_ssize_t target_step  # elements from row to row
    int eliminated  # the class that is not multiplied and trades places with the last in tiles; or -1
    const real *weights  # or NULL: all one
    double scale
    Caches caches  # what blocks are cut to: never what sums are
