"""What the schemes of `linear` share: the problem, and how rows, weights and tiles are laid out."""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.loss.softmax_tile cimport clear_unweighted, tile_gradient
from fastsoftmax._core.simd.simd cimport VL, load, prefetch, real, set1, store, vreal, vreal_inlined
from fastsoftmax._core.sizes cimport LINE

cdef enum:
    SAMPLE = 256  # labels that say which class is common
    COUNTED = 64  # classes, of more one is little
    TILES_AHEAD = 4  # whose labels are fetched: unfetched, a line of them took longer than 5 exps


cdef struct TileRows:  # what targets and weights say of the rows of a tile, those it lacks included
    const int *labels  # or NULL
    const real *weights
    int few_labels[ROWS]
    real few_weights[ROWS]


cdef inline int most_common(const Problem *p) noexcept nogil:
    """The class that most of some labels name, or -1 of more than COUNTED classes."""
    cdef int counts[COUNTED]
    cdef int k, most = 0
    cdef Py_ssize_t i
    if p.k > COUNTED:
        return -1
    for k in range(COUNTED):
        counts[k] = 0
    for i from 0 <= i < p.n by max(p.n // SAMPLE, 1):
        counts[p.labels[i]] += 1
    for k in range(1, <int>p.k):
        if counts[k] > counts[most]:
            most = k
    return most


cdef inline int class_at(const Problem *p, int k) noexcept nogil:
    """The class in place k of a tile, and the place of class k."""
    cdef int last = <int>p.k - 1
    if p.eliminated < 0:
        return k
    return p.eliminated if k == last else last if k == p.eliminated else k


cdef inline void load_rows(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, TileRows *rows
) noexcept nogil:
    """Places of their labels and weights of the n rows from `start` on, read where they lie if they
    can be.

    Rows that the tile lacks weigh nothing.
    """
    cdef Py_ssize_t i
    rows.labels = NULL
    if p.labels:
        rows.labels = p.labels + start
        for i from 0 <= i < ROWS by LINE // 4:
            prefetch(rows.labels + TILES_AHEAD * ROWS + i)
        if n < ROWS or p.eliminated >= 0:
            for i in range(min(n, ROWS)):
                rows.few_labels[i] = class_at(p, p.labels[start + i])
            for i in range(n, ROWS):
                rows.few_labels[i] = 0
            rows.labels = rows.few_labels
    rows.weights = rows.few_weights
    if n < ROWS:
        for i in range(ROWS):
            rows.few_weights[i] = 0. if i >= n else p.weights[start + i] if p.weights else 1.
    elif p.weights:
        rows.weights = p.weights + start
    else:
        for i from 0 <= i < ROWS by VL:
            store(rows.few_weights + i, set1(1.))


cdef inline void take_stored(const Problem *p, Py_ssize_t start, real *z) noexcept nogil:
    """A tile of the stored logits, moved first, where there is a change of them."""
    cdef real *stored = p.stored + start * p.k
    cdef Py_ssize_t i
    cdef const real *change = p.change + start * p.k if p.change else NULL
    cdef vreal moved
    if change == NULL:
        for i from 0 <= i < ROWS * p.k by VL:
            prefetch(stored + 2 * ROWS * p.k + i)
            store(z + i, load(stored + i))
        return
    for i from 0 <= i < ROWS * p.k by VL:
        prefetch(stored + 2 * ROWS * p.k + i)
        prefetch(change + 2 * ROWS * p.k + i)
        moved = load(stored + i) + set1(p.step) * load(change + i)
        store(stored + i, moved)
        store(z + i, moved)


cdef inline void tile_loss(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, real *z, real *targets, double *losses
) noexcept nogil:
    """Turn a tile of logits into weight * (A - Y) and add its loss to VL parts of a total.

    Without labels and targets the tile is taken for what stands in the place of A - Y already.
    """
    cdef TileRows rows
    cdef Py_ssize_t i, k, at
    if p.labels == NULL and p.targets == NULL and p.indicators == NULL:
        return
    load_rows(p, start, n, &rows)
    for i in range(ROWS if p.labels == NULL else 0):
        at = (start + min(i, n - 1)) * p.target_step
        for k in range(p.k):
            targets[k * ROWS + i] = p.targets[at + k] if p.targets else p.indicators[at + k]
    tile_gradient(z, p.k, p.logistic, rows.labels, targets, rows.weights, losses)
    if n < ROWS or p.weights:
        clear_unweighted(z, p.k, rows.weights)


cdef inline vreal_inlined tile_sums(const real *z) noexcept nogil:
    """Sum of one class of a tile, its share of the intercept's gradient, as VL parts."""
    cdef vreal s = load(z)
    cdef Py_ssize_t i
    for i from VL <= i < ROWS by VL:
        s = s + load(z + i)
    return s
