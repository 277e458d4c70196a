"""Squares of VL by VL numbers between memory of any strides and registers.

Whichever way the numbers lie side by side is the way they are loaded; registers transpose the rest.
"""

from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, inlined, load, load_first, real, set1, store, store_first, transpose, vreal,
    vreal_inlined,
)


cdef inline vreal_inlined load_upto(const real *x, Py_ssize_t n) noexcept nogil:
    """The first n numbers, zeros behind them; a whole vector where n is larger."""
    return load(x) if n >= VL else load_first(x, <int>n)


cdef inline void store_upto(real *x, vreal v, Py_ssize_t n) noexcept nogil:
    if n >= VL:
        store(x, v)
    else:
        store_first(x, v, <int>n)


cdef inline inlined load_square(
    const real *x, Py_ssize_t row_step, Py_ssize_t column_step, Py_ssize_t rows,
    Py_ssize_t columns, vreal *v,
) noexcept nogil:
    """v[r] = VL columns of row r, zeros past the last of `rows` and of `columns`."""
    cdef real element[VL_MOST]
    cdef Py_ssize_t r, c
    if column_step == 1:
        for r in range(VL):
            v[r] = load_upto(x + r * row_step, max(columns, 0)) if r < rows else set1(0.)
    elif row_step == 1:
        for c in range(VL):
            v[c] = load_upto(x + c * column_step, max(rows, 0)) if c < columns else set1(0.)
        transpose(v)
    else:
        for r in range(VL):
            for c in range(VL):
                element[c] = (
                    x[r * row_step + c * column_step] if r < rows and c < columns else 0.)
            v[r] = load(element)
    return 0


cdef inline void store_square(
    real *x, Py_ssize_t row_step, Py_ssize_t column_step, Py_ssize_t rows, Py_ssize_t columns,
    vreal *v,
) noexcept nogil:
    """The way back; v is overwritten."""
    cdef real element[VL_MOST]
    cdef Py_ssize_t r, c
    if column_step == 1:
        for r in range(min(rows, VL)):
            store_upto(x + r * row_step, v[r], columns)
    elif row_step == 1:
        transpose(v)
        for c in range(min(columns, VL)):
            store_upto(x + c * column_step, v[c], rows)
    else:
        for r in range(min(rows, VL)):
            store(element, v[r])
            for c in range(min(columns, VL)):
                x[r * row_step + c * column_step] = element[c]
