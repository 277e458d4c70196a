"""X Wᵀ by `product`: W is transposed, so that classes lie side by side, and X is read where it lies.

No features of rows are transposed as in `transposed_rows`: logits are, where they are wanted in tiles,
and where there are fewer classes than features that is less. In exchange the lanes behind the last class
are multiplied too. Two vectors of classes by 11 rows are 22 multiply-adds for 13 loads, a single one at
the end 11 for 12. Each sum runs over the features in the same order as with transposed rows, to the same
bits.

Measurements: docs/experiments/0006-transposed-weights-or-rows.md.
"""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.convert cimport read_rows
from fastsoftmax._core.gemm.tiles cimport MOST, ROWS, Ahead, product_along, product_along_narrow
from fastsoftmax._core.simd.simd cimport (
    CLASS_BLOCK, VL, VL_MOST, load, real, set1, store, transpose, vreal,
)
from fastsoftmax._core.simd.squares cimport load_square, load_upto, store_upto
from fastsoftmax._core.sizes cimport part_start, parts_of, rounded_up


cdef inline Py_ssize_t panel(const Problem *p, Py_ssize_t c) noexcept nogil:
    """Classes, empty lanes included, that are multiplied together from c on."""
    return min(2 * VL, rounded_up(p.k - c, VL))


cdef inline void transpose_weights(const Problem *p, real *w) noexcept nogil:
    """W into panels (d, panel) of classes, one after another; zeros behind the last class."""
    cdef vreal v[VL_MOST]
    cdef Py_ssize_t c, j, r, width, half
    for c from 0 <= c < p.k by 2 * VL:
        width = panel(p, c)
        for half from 0 <= half < width by VL:
            for j from 0 <= j < p.d by VL:
                load_square(p.w + (c + half) * p.d + j, p.d, 1, p.k - c - half, p.d - j, v)
                transpose(v)
                for r in range(min(VL, p.d - j)):
                    store(w + c * p.d + (j + r) * width + half, v[r])


cdef inline const real *rows_in_place(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, real *buffer, Py_ssize_t *stride
) noexcept nogil:
    """n rows from `start` on with their features side by side, in the buffer only if they must."""
    if p.x and p.column_step == 1:
        stride[0] = p.row_step
        return p.x + start * p.row_step
    stride[0] = rounded_up(p.d, VL)
    read_rows(&p.cells, start, n, 0, p.d, buffer, stride[0])
    return buffer


cdef inline void multiply_panel(
    const Problem *p, const real *w, const real *rows, Py_ssize_t stride, Py_ssize_t n,
    Py_ssize_t c, const Ahead *next, real *out,
) noexcept nogil:
    """X Wᵀ of n <= ROWS rows and the classes of the panel from c on into out (n, panel).

    With the first rows, what is needed `next` is fetched as by `product`.
    """
    cdef vreal sums[2 * MOST]
    cdef Py_ssize_t parts = parts_of(n, CLASS_BLOCK), part, i0, i1, i
    cdef Py_ssize_t width = panel(p, c)
    for part in range(parts):
        i0 = part_start(n, parts, part)
        i1 = part_start(n, parts, part + 1)
        (product_along if width > VL else product_along_narrow)(
            <int>(i1 - i0), rows + i0 * stride, stride, w + c * p.d, width, p.d,
            next if part == 0 else NULL, sums)
        for i in range((i1 - i0) * width // VL):
            store(out + i0 * width + i * VL, sums[i])


cdef inline void logits_in_tile(
    const Problem *p, const real *w, Py_ssize_t start, Py_ssize_t n, real *scratch, const Ahead *next,
    real *z,
) noexcept nogil:
    """z[k*ROWS + i] of n <= ROWS rows from `start` on; b_k for the rows that the tile lacks."""
    cdef real *products = scratch
    cdef Py_ssize_t stride, c, i, k, half, width
    cdef const real *rows = rows_in_place(p, start, n, scratch + 2 * VL * ROWS, &stride)
    cdef vreal v[VL_MOST]
    cdef double b
    for c from 0 <= c < p.k by 2 * VL:
        width = panel(p, c)
        multiply_panel(p, w, rows, stride, n, c, next if c == 0 else NULL, products)
        for i in range(n * width, ROWS * width):
            products[i] = 0.
        for half from 0 <= half < width by VL:
            for i from 0 <= i < ROWS by VL:
                for k in range(VL):
                    v[k] = load(products + (i + k) * width + half)
                transpose(v)
                for k in range(min(VL, p.k - c - half)):
                    b = p.b[c + half + k] if p.b else 0.
                    store(z + (c + half + k) * ROWS + i, v[k] + set1(b))


cdef inline void logits_in_rows(
    const Problem *p, const real *w, Py_ssize_t start, Py_ssize_t n, real *scratch, const Ahead *next,
    real *out,
) noexcept nogil:
    """The same into out (n, k)."""
    cdef real *products = scratch
    cdef Py_ssize_t stride, c, i, half, width, left
    cdef const real *rows = rows_in_place(p, start, n, scratch + 2 * VL * ROWS, &stride)
    cdef vreal b
    for c from 0 <= c < p.k by 2 * VL:
        width = panel(p, c)
        multiply_panel(p, w, rows, stride, n, c, next if c == 0 else NULL, products)
        for half from 0 <= half < width by VL:
            left = p.k - c - half
            b = load_upto(p.b + c + half, left) if p.b else set1(0.)
            for i in range(n):
                store_upto(
                    out + i * p.k + c + half, load(products + i * width + half) + b, left)
