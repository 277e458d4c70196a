"""What the schemes of `linear` share: the problem, and how rows, weights and tiles are laid out."""

from fastsoftmax._core.simd cimport (
    VL, VL_MOST, load, load_first, real, set1, transpose, vreal, vreal_inlined,
)
from fastsoftmax._core.softmax_tile cimport (
    clear_unweighted, logistic_tile, soft_tile, softmax_tile,
)
from fastsoftmax._core.tiles cimport ROWS

cdef enum:
    ALIGNMENT = 64


cdef struct Problem:
    const real *x
    Py_ssize_t n, d, k  # rows, features, logits a row
    Py_ssize_t row_step, column_step  # of x, in elements
    const real *w  # (k, d), or NULL
    const real *b  # or NULL
    real *stored  # logits in tiles (n/ROWS, k, ROWS), read instead of W or written; or NULL
    const int *labels  # or NULL
    const real *targets  # (n, k), where there are no labels
    Py_ssize_t target_step  # elements from row to row
    const real *weights  # or NULL: all one
    double scale


cdef inline Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef inline Py_ssize_t rounded_up(Py_ssize_t size, Py_ssize_t unit) noexcept nogil:
    return (size + unit - 1) // unit * unit


cdef inline Py_ssize_t part_start(Py_ssize_t size, Py_ssize_t parts, Py_ssize_t i) noexcept nogil:
    """Where part i of so many, as equal as can be, begins."""
    return i * size // parts


cdef inline void load_square(
    const Problem *p, Py_ssize_t i, Py_ssize_t j, Py_ssize_t rows, Py_ssize_t columns, vreal *v
) noexcept nogil:
    """v[r] = X[i + r, j : j + VL], zeros outside of the first `rows` and `columns`."""
    cdef const real *x = p.x + i * p.row_step + j * p.column_step
    cdef real element[VL_MOST]
    cdef Py_ssize_t r, c
    if p.column_step == 1:
        for r in range(VL):
            if r >= rows:
                v[r] = set1(0.)
            elif columns >= VL:
                v[r] = load(x + r * p.row_step)
            else:
                v[r] = load_first(x + r * p.row_step, <int>max(columns, 0))
    elif p.row_step == 1 and rows >= VL:
        for c in range(VL):
            v[c] = load(x + c * p.column_step) if c < columns else set1(0.)
        transpose(v)
    else:
        for r in range(VL):
            for c in range(VL):
                element[c] = (
                    x[r * p.row_step + c * p.column_step] if r < rows and c < columns else 0.)
            v[r] = load(element)


cdef inline void tile_loss(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, real *z, real *targets, double *losses
) noexcept nogil:
    """Turn a tile of logits into weight * (A - Y) and add its loss to VL parts of a total.

    Rows that the tile lacks weigh nothing.
    """
    cdef int labels[ROWS]
    cdef real weights[ROWS]
    cdef Py_ssize_t i, k
    for i in range(ROWS):
        labels[i] = p.labels[start + i] if i < n and p.labels else 0
        weights[i] = 0. if i >= n else p.weights[start + i] if p.weights else 1.
    if p.labels == NULL:
        for i in range(ROWS):
            for k in range(p.k):
                targets[k * ROWS + i] = p.targets[(start + i) * p.target_step + k] if i < n else 0.
        soft_tile(z, p.k, targets, weights, losses)
    elif p.k == 1:
        logistic_tile(z, labels, weights, losses)
    else:
        softmax_tile(z, p.k, labels, weights, losses)
    if n < ROWS or p.weights:
        clear_unweighted(z, p.k, weights)


cdef inline vreal_inlined tile_sums(const real *z) noexcept nogil:
    """Sum of one class of a tile, its share of the intercept's gradient, as VL parts."""
    cdef vreal s = load(z)
    cdef Py_ssize_t i
    for i from VL <= i < ROWS by VL:
        s = s + load(z + i)
    return s
