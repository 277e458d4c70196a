"""What the last layer's z cost, and their deltas: weight * (a - y) for all losses but the absolute.

The loss of a row is a sum over its outputs. Deltas overwrite z. A row of weight 0 costs 0 and has
deltas of 0, whatever its outputs.
"""

from libc.math cimport INFINITY

from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.loss.logistic cimport binary_loss
from fastsoftmax._core.loss.rows cimport FEW
from fastsoftmax._core.loss.softmax_tile cimport (
    classes_of, highest, label_loss, lanes_gradient, soft_loss,
)
from fastsoftmax._core.network.network_kernels cimport (
    ABSOLUTE, ARGMAX, BINARY, CROSS_ENTROPY, SQUARED, SQUARES, THRESHOLD, Targets,
)
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, absolute, lane_index, load, load_labels, max_all, maximum, plus_where_equal, real,
    select_eq, select_gt, set1, set1_lane, store, sum_lanes, to_real, transpose, vlane, vreal,
)
from fastsoftmax._core.simd.squares cimport load_upto
from fastsoftmax._core.sizes cimport parts_of

cdef struct Totals:  # of a chunk of rows
    double loss  # of one step
    double hits  # of all steps, by weight
    double *squares  # (k,), of all steps
    real *scratch  # `scratch_size(k)` numbers


cdef inline Py_ssize_t scratch_size(Py_ssize_t k) noexcept nogil:
    """Targets of a row, in whole vectors; of few classes a tile of logits."""
    return k * ROWS if k <= FEW else k + VL


cdef inline Py_ssize_t first_highest(const real *z, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t j, best = 0
    for j in range(1, k):
        if z[j] > z[best]:
            best = j
    return best


cdef inline void measure(
    const Targets *t, const real *z, Py_ssize_t at, double weight, Totals *totals
) noexcept nogil:
    cdef Py_ssize_t j, k = t.k
    cdef const real *y = t.given + at * k if t.given else NULL
    cdef double error
    cdef bint hit = True
    if t.measure == ARGMAX:
        hit = first_highest(z, k) == (t.labels[at] if t.labels else first_highest(y, k))
    elif t.measure == THRESHOLD:
        for j in range(k):
            hit = hit and (z[j] > t.threshold) == (y[j] > .5)
    elif t.measure == SQUARES:
        for j in range(k):
            error = z[j] - y[j]
            totals.squares[j] += weight * error * error
    if hit:
        totals.hits += weight


cdef inline double softmax_row(
    const Targets *t, real *z, Py_ssize_t at, double weight, real *row
) noexcept nogil:
    cdef Py_ssize_t j, k = t.k, n = parts_of(k, VL)
    cdef real element[VL_MOST]
    cdef vreal loss, top
    for j in range(k, n * VL):
        z[j] = -INFINITY
    top = max_all(highest(z, n, VL))
    if t.labels:
        loss = label_loss(
            z, n, VL, True, True, True, top, set1_lane(t.labels[at]), set1(z[t.labels[at]]),
            set1(weight), NULL)
    else:
        for j in range(n * VL):
            row[j] = t.given[at * k + j] if j < k else 0.
        loss = soft_loss(z, row, n, VL, True, True, True, top, set1(weight), NULL)
    store(element, loss)
    return element[0]


cdef inline double row_of_outputs(
    const int loss, const Targets *t, real *z, Py_ssize_t at, double weight
) noexcept nogil:
    """Outputs that cost each on its own."""
    cdef vreal total = set1(0.), one = set1(1.), zero = set1(0.), x, y, cost, delta, left
    cdef vlane label = set1_lane(t.labels[at] if t.labels else 0)
    cdef Py_ssize_t j
    for j from 0 <= j < t.k by VL:
        x = load(z + j)
        if t.labels:
            y = select_eq(label, classes_of(j // VL, True), one, zero)
        else:
            y = load_upto(t.given + at * t.k + j, t.k - j)
        if loss == BINARY:
            cost = binary_loss(x, y, True, &delta)
        elif loss == SQUARED:
            delta = x - y
            cost = set1(.5) * delta * delta
        else:
            delta = x - y
            cost = absolute(delta)
            delta = select_gt(delta, zero, one, select_gt(zero, delta, zero - one, zero))
        left = set1(t.k - j)
        total = total + select_gt(left, to_real(lane_index()), cost, zero)
        store(z + j, select_gt(left, to_real(lane_index()), set1(weight) * delta, zero))
    return sum_lanes(total)


cdef inline void add_loss(
    const Targets *t, real *z, Py_ssize_t at, Totals *totals
) noexcept nogil:
    """The loss of row `at` of the targets, whose outputs are z; they become its deltas."""
    cdef double weight = t.weights[at] if t.weights else 1., loss
    cdef Py_ssize_t j
    if weight == 0.:
        for j in range(t.k):
            z[j] = 0.
        return
    measure(t, z, at, weight, totals)
    if t.loss == CROSS_ENTROPY:
        loss = softmax_row(t, z, at, weight, totals.scratch)
    elif t.loss == BINARY:
        loss = row_of_outputs(BINARY, t, z, at, weight)
    elif t.loss == SQUARED:
        loss = row_of_outputs(SQUARED, t, z, at, weight)
    else:
        loss = row_of_outputs(ABSOLUTE, t, z, at, weight)
    totals.loss += weight * loss


cdef inline double hits_of_lanes(
    const real *z, Py_ssize_t k, const int *labels, const real *weights
) noexcept nogil:
    """Weight of those of VL rows of a tile whose first largest output is that of the label."""
    cdef vreal best = set1(0.), top = load(z), x
    cdef Py_ssize_t j
    for j in range(1, k):
        x = load(z + j * ROWS)
        best = select_gt(x, top, set1(j), best)
        top = maximum(top, x)
    return sum_lanes(
        plus_where_equal(set1(0.), best, to_real(load_labels(labels)), load(weights)))


cdef inline void add_tile_losses(
    const Targets *t, real *z, Py_ssize_t step, Py_ssize_t rows, const Py_ssize_t *at,
    Totals *totals,
) noexcept nogil:
    """Cross-entropy of up to ROWS rows against labels, side by side: few classes leave a row's own
    vectors half empty, and its lanes would be summed row by row.
    """
    cdef vreal v[VL_MOST]
    cdef int labels[ROWS]
    cdef real weights[ROWS]
    cdef double losses[VL_MOST]
    cdef Py_ssize_t i, k, c, count
    cdef real *tile = totals.scratch
    for i in range(ROWS):
        labels[i] = t.labels[at[i]] if i < rows else 0
        weights[i] = 0. if i >= rows else t.weights[at[i]] if t.weights else 1.
    for i in range(VL):
        losses[i] = 0.
    for i from 0 <= i < rows by VL:
        count = min(VL, rows - i)
        for k from 0 <= k < t.k by VL:
            for c in range(VL):
                v[c] = load(z + (i + c) * step + k) if c < count else set1(0.)
            transpose(v)
            for c in range(min(VL, t.k - k)):
                store(tile + (k + c) * ROWS + i, v[c])
        if t.measure == ARGMAX:
            totals.hits += hits_of_lanes(tile + i, t.k, labels + i, weights + i)
        lanes_gradient(tile + i, t.k, t.k == 1, labels + i, NULL, weights + i, losses)
        for k from 0 <= k < t.k by VL:
            for c in range(VL):
                v[c] = load(tile + (k + c) * ROWS + i) if k + c < t.k else set1(0.)
            transpose(v)
            for c in range(count):
                store(z + (i + c) * step + k, v[c] if weights[i + c] != 0. else set1(0.))
    for i in range(VL):
        totals.loss += losses[i]


cdef inline void add_losses(
    const Targets *t, real *z, Py_ssize_t step, Py_ssize_t rows, const Py_ssize_t *at,
    Totals *totals,
) noexcept nogil:
    """The losses of rows at[i] of the targets, whose outputs are z + i * step."""
    cdef Py_ssize_t i
    if t.loss == CROSS_ENTROPY and t.labels and 1 < t.k <= FEW and rows >= 4:
        add_tile_losses(t, z, step, rows, at, totals)
        return
    for i in range(rows):
        add_loss(t, z + i * step, at[i], totals)
