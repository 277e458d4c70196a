"""Cross-entropy of rows of logits that the caller holds, and its gradient.

Row by row the targets are t_k = c_k (own * y_k + base): y the label's one-hot row or the given target,
c a weight per class, own and base one per row: sample weights, label smoothing and ignored rows are all
in these two, and `softmax_tile` need not know of them. A row whose two are 0 costs nothing and has a
gradient of exactly 0.

Bytes: logits read once, the gradient written once; a target that is given is read once.
Measurements: docs/measured/kernels.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.string cimport memset

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.loss.cross_entropy_kernels cimport Table, Targets
from fastsoftmax._core.loss.rows cimport (
    buffer_size, go_along, n_units, padded, read_row, read_tile, row_at, rows_of_tile, run_at, tile_at,
    write_row, write_tile,
)
from fastsoftmax._core.loss.softmax_tile cimport (
    clear_unweighted, highest, label_loss, soft_loss,
)
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, fence, load, load_labels, max_all, real, select_eq, set1, set1_lane, store, vlane,
    vreal,
)
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned_start

cdef enum:
    PAST_CACHE = 16 * 1024 * 1024  # bytes of a gradient that is not kept in cache


cdef inline void make_target(
    const Targets *t, real *y, Py_ssize_t k, double own, double base, int label
) noexcept nogil:
    """The targets of one row, along, from the given ones in y."""
    cdef Py_ssize_t j
    cdef double c
    for j in range(k):
        c = t.of_class[j] if t.of_class else 1.
        if t.labels:
            y[j] = c * (base + (own if j == label else 0.))
        else:
            y[j] = c * (base + own * y[j])


cdef void row(
    const Rows *x, const Rows *out, const Targets *t, Py_ssize_t i, double factor, double scale,
    bint past_cache, real *z, real *y, real *losses,
) noexcept nogil:
    cdef Py_ssize_t j, k = x.k, n = padded(x.k) // VL, at = row_at(x, i)
    cdef bint soft = t.base != NULL or t.labels == NULL
    cdef double base = t.base[i] if t.base else 0.
    cdef double own = t.own[i]
    cdef int label = t.labels[i] if t.labels else 0
    cdef vreal top, loss, own_logit, weight
    cdef real element[VL_MOST]
    cdef const real *next = run_at(x, at + x.row_step)
    if own == 0. and base == 0.:
        losses[i] = 0.
        if out.data:
            memset(z, 0, padded(k) * sizeof(real))
            write_row(out, row_at(out, i), k, z, set1(0.), set1(1.), set1(0.), past_cache)
        return
    top = max_all(read_row(x, at, k, factor, -INFINITY, z))
    if soft:
        if t.labels == NULL:
            read_row(&t.given, row_at(&t.given, i), k, 1., 0., y)
        for j in range(k, padded(k)):
            y[j] = 0.
        make_target(t, y, k, own, base, label)
        if out.data:
            loss = soft_loss(z, y, n, VL, True, True, False, top, set1(scale), next)
        else:
            loss = soft_loss(z, y, n, VL, True, False, False, top, set1(scale), next)
    else:
        own_logit = set1(z[label])
        weight = set1(own * scale)
        if out.data:
            loss = label_loss(
                z, n, VL, True, True, False, top, set1_lane(label), own_logit, weight, next)
        else:
            loss = label_loss(
                z, n, VL, True, False, False, top, set1_lane(label), own_logit, weight, next)
        loss = loss * set1(own)
    store(element, loss)
    losses[i] = element[0]
    if out.data:
        write_row(out, row_at(out, i), k, z, set1(0.), set1(1.), set1(0.), past_cache)


cdef void tile(
    const Rows *x, const Rows *out, const Targets *t, Py_ssize_t unit, double factor, double scale,
    real *z, real *y, real *losses,
) noexcept nogil:
    cdef Py_ssize_t first, i, k, v, n = rows_of_tile(x, unit), at = tile_at(x, unit, &first)
    cdef bint soft = t.base != NULL or t.labels == NULL
    cdef int labels[ROWS]
    cdef real own[ROWS]
    cdef real base[ROWS]
    cdef real unweighted[ROWS]
    cdef real loss_of[ROWS]
    cdef vlane label
    cdef vreal top, own_logit, loss, c, one_hot
    for i in range(ROWS):
        labels[i] = t.labels[first + i] if i < n and t.labels else 0
        own[i] = t.own[first + i] if i < n else 0.
        base[i] = t.base[first + i] if i < n and t.base else 0.
        unweighted[i] = own[i] + base[i]
    read_tile(x, at, n, factor, z)
    if t.labels == NULL:
        read_tile(&t.given, tile_at(&t.given, unit, &first), n, 1., y)
    for v from 0 <= v < n by VL:
        label = load_labels(labels + v)
        top = highest(z + v, x.k, ROWS)
        if soft:
            for k in range(x.k):
                c = set1(t.of_class[k] if t.of_class else 1.)
                if t.labels:
                    one_hot = select_eq(label, set1_lane(k), set1(1.), set1(0.))
                else:
                    one_hot = load(y + k * ROWS + v)
                store(y + k * ROWS + v, c * (load(base + v) + load(own + v) * one_hot))
            loss = soft_loss(z + v, y + v, x.k, ROWS, False, True, False, top, set1(scale), NULL)
        else:
            own_logit = load(z + v)
            for k in range(1, x.k):
                own_logit = select_eq(label, set1_lane(k), load(z + k * ROWS + v), own_logit)
            loss = label_loss(
                z + v, x.k, ROWS, False, True, False, top, label, own_logit,
                load(own + v) * set1(scale), NULL)
            loss = loss * load(own + v)
        store(loss_of + v, loss)
    for i in range(n):
        losses[first + i] = loss_of[i] if unweighted[i] != 0. else 0.
    if out.data:
        clear_unweighted(z, x.k, unweighted)
        write_tile(out, tile_at(out, unit, &first), n, z)


cdef Py_ssize_t buffers_of(const Targets *t) noexcept nogil:
    """One for logits, and one for targets that are not labels alone."""
    return 2 if t.base != NULL or t.labels == NULL else 1


cdef Py_ssize_t cross_entropy_bytes(const Rows *x, const Targets *t, int n_threads) noexcept nogil:
    return ALIGNMENT + n_threads * buffers_of(t) * buffer_size(x) * sizeof(real)


cdef void cross_entropy(
    const Rows *x, const Targets *t, double factor, double scale, real *losses, const Rows *gradient,
    Py_ssize_t gradient_bytes, char *memory, int n_threads,
) noexcept nogil:
    cdef bint along = go_along(x), past_cache = gradient_bytes > PAST_CACHE
    cdef Py_ssize_t i, size = buffer_size(x), buffers = buffers_of(t)
    cdef real *z = <real *>aligned_start(memory)
    for i in prange(n_units(x), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        unit(x, gradient, t, i, along, factor, scale, past_cache, z + threadid() * buffers * size, size,
             losses)
    fence()


cdef void unit(
    const Rows *x, const Rows *out, const Targets *t, Py_ssize_t i, bint along, double factor,
    double scale, bint past_cache, real *z, Py_ssize_t size, real *losses,
) noexcept nogil:
    if along:
        row(x, out, t, i, factor, scale, past_cache, z, z + size, losses)
    else:
        tile(x, out, t, i, factor, scale, z, z + size, losses)


cdef Table table = Table(cross_entropy_bytes=&cross_entropy_bytes, cross_entropy=&cross_entropy)
capsule = PyCapsule_New(&table, "cross_entropy", NULL)
