"""What the schemes of `linear` share: the problem, and how rows, weights and tiles are laid out."""

from fastsoftmax._core.convert cimport Cells
from fastsoftmax._core.simd cimport VL, load, real, vreal, vreal_inlined
from fastsoftmax._core.softmax_tile cimport clear_unweighted, tile_gradient
from fastsoftmax._core.tiles cimport ROWS

cdef enum:
    ALIGNMENT = 64


cdef struct Problem:
    Cells cells  # X as it is stored
    const real *x  # the same where it is of `real`, else NULL
    Py_ssize_t n, d, k  # rows, features, logits a row
    Py_ssize_t row_step, column_step  # of x, in elements
    bint in_place  # whether rows can be read where they lie: `real`, features side by side
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


cdef inline void tile_loss(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, real *z, real *targets, double *losses
) noexcept nogil:
    """Turn a tile of logits into weight * (A - Y) and add its loss to VL parts of a total.

    Rows that the tile lacks weigh nothing. Without labels and targets the tile is taken for what
    stands in the place of A - Y already.
    """
    cdef int labels[ROWS]
    cdef real weights[ROWS]
    cdef Py_ssize_t i, k
    if p.labels == NULL and p.targets == NULL:
        return
    for i in range(ROWS):
        labels[i] = p.labels[start + i] if i < n and p.labels else 0
        weights[i] = 0. if i >= n else p.weights[start + i] if p.weights else 1.
    for i in range(ROWS if p.labels == NULL else 0):
        for k in range(p.k):
            targets[k * ROWS + i] = p.targets[(start + i) * p.target_step + k] if i < n else 0.
    tile_gradient(z, p.k, labels if p.labels else NULL, targets, weights, losses)
    if n < ROWS or p.weights:
        clear_unweighted(z, p.k, weights)


cdef inline vreal_inlined tile_sums(const real *z) noexcept nogil:
    """Sum of one class of a tile, its share of the intercept's gradient, as VL parts."""
    cdef vreal s = load(z)
    cdef Py_ssize_t i
    for i from VL <= i < ROWS by VL:
        s = s + load(z + i)
    return s
