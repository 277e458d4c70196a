"""A point of the dual problem near the probabilities p of stored logits, for a bound on F - F*.

Along a change e of the logits the probabilities are linearised and kept in the simplex,

    a_k = p_k (1 + zeta_k) / sum,    zeta_k = max(e_k - sum_j p_j e_j, -1),

or a = p + p (1 - p) e within [0, 1] where each logit has a logistic function of its own. Bounded from
above, KL(a || p) <= sum_k p_k h(zeta_k), h(t) = (1 + t) log1p(t) - t, with equality where nothing was
clipped; for alpha < 1 the point is y + alpha (a - y), and where zeta is huge a (z_top - z_k + log K) at
most. Changes are taken relative to that of the most probable class, and p - y is that of
`softmax_tile`, so that a - y keeps its relative precision in confidently predicted rows. Two arrays are
read and one is written, with one exp per logit (docs/experiments/0043). Lanes, tiles of a part and parts
are summed in float64 in a fixed order: equal to the bit for any number of threads.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.math cimport log

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.linear.linear_problem cimport TileRows, load_rows, tile_loss
from fastsoftmax._core.simd.rowmath cimport log1p
from fastsoftmax._core.simd.simd cimport (
    VL, absolute, add_to_doubles, any_gt, divide, load, load_labels, maximum, minimum, real, select_eq,
    select_gt, set1, set1_lane, store, vlane, vreal, vreal_inlined,
)
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of
from fastsoftmax._core.solver.dual_kernels cimport Table

cdef double NEVER = 1e-25  # a probability that a change of no longer counts
cdef double HUGE = 1e6  # relative change, from a p of which 1 - (1 - p) may have few digits

cdef enum:
    PARTS = 64  # of the tiles: the same for any number of threads, which are seldom more
    SUMS = 4  # losses, divergences, squares of residuals, least zeta
    TILES = 4  # of a thread: residuals, targets, weight * p, change
    TALL = 2  # classes whose moments with
    WIDE = 4  # others are summed at once
    CHUNK = 32  # tiles


cdef inline vreal_inlined divergence(vreal t) noexcept nogil:
    """h(t) for t >= -1, or a little more: the series up to t^6, which stands for all of the rest.

    For t < 0 that is t^6 / 5, the sum of 1 / (m (m - 1)) from m = 6 on.
    """
    cdef vreal square = t * t
    cdef vreal last = select_gt(set1(0.), t, set1(1. / 5.), set1(1. / 30.))
    cdef vreal h = set1(1. / 12.) - t * set1(1. / 20.) + square * last
    h = square * (set1(0.5) - t * set1(1. / 6.) + square * h)
    if any_gt(t, set1(0.5)):
        h = select_gt(t, set1(0.5), (set1(1.) + t) * log1p(maximum(t, set1(0.))) - t, h)
    return h


cdef inline vreal_inlined from_change(vreal change, vreal p, vreal far) noexcept nogil:
    """p h(change / p); where the change is huge (p + change) far, -log p being far at most."""
    cdef vreal t = maximum(divide(change, select_gt(p, set1(0.), p, set1(1.))), set1(-1.))
    return select_gt(change, set1(HUGE) * p, (p + change) * far, p * divergence(t))


cdef inline void softmax_lanes(
    const Problem *p, double alpha, const TileRows *rows, Py_ssize_t v, const real *logits,
    const real *z, const real *e, const real *targets, real *a, real *out, double *sums, vreal *least,
) noexcept nogil:
    cdef vreal weight = load(rows.weights + v), mass = set1(0.), mean = set1(0.), most = set1(-1.)
    cdef vreal top = set1(0.), total = set1(0.), excess = set1(0.), high = load(logits + v), x, y
    cdef vlane label
    cdef Py_ssize_t k
    if rows.labels:
        label = load_labels(rows.labels + v)
    for k in range(p.k):
        if rows.labels:
            y = select_eq(label, set1_lane(k), weight, set1(0.))
        else:
            y = weight * load(targets + k * ROWS + v)
        x = maximum(load(z + k * ROWS + v) + y, set1(0.))
        store(a + k * ROWS + v, x)
        top = select_gt(x, most, load(e + k * ROWS + v), top)
        most = maximum(most, x)
        high = maximum(high, load(logits + k * ROWS + v))
        mass = mass + x
    for k in range(p.k):
        mean = mean + load(a + k * ROWS + v) * (load(e + k * ROWS + v) - top)
    mass = select_gt(mass, set1(0.), mass, set1(1.))
    mean = divide(mean, mass)
    for k in range(p.k):
        y = load(a + k * ROWS + v)
        x = (load(e + k * ROWS + v) - top) - mean
        x = select_gt(y, set1(0.), x, set1(0.))
        least[0] = minimum(least[0], select_gt(y, set1(NEVER) * weight, x, set1(0.)))
        x = maximum(x, set1(-1.))
        total = total + y * divergence(x)
        excess = excess + y * x
        store(out + k * ROWS + v, x)
    excess = divide(excess, mass)
    mass = divide(set1(1.), set1(1.) + excess)
    if alpha < 1:
        total = set1(0.)
    for k in range(p.k):
        x = (load(out + k * ROWS + v) - excess) * mass
        x = load(z + k * ROWS + v) + load(a + k * ROWS + v) * x
        if alpha < 1:
            x = x * set1(alpha)
            y = high - load(logits + k * ROWS + v) + set1(log(p.k))
            total = total + from_change(
                x - load(z + k * ROWS + v), load(a + k * ROWS + v), y)
        store(out + k * ROWS + v, select_gt(weight, set1(0.), x, set1(0.)))
    add_to_doubles(sums + VL, select_gt(weight, set1(0.), total, set1(0.)))


cdef inline void logistic_lanes(
    const Problem *p, double alpha, const TileRows *rows, Py_ssize_t v, const real *logits,
    const real *z, const real *e, const real *targets, real *out, double *sums, vreal *least,
) noexcept nogil:
    """q is the probability of the side that the target is against, on or off."""
    cdef vreal weight = load(rows.weights + v), one = set1(1.), total = set1(0.)
    cdef vreal t, g, q, c, x, y, sign, change
    cdef Py_ssize_t k
    cdef vreal safe = select_gt(weight, set1(0.), weight, one)
    for k in range(p.k):
        if rows.labels:
            t = select_eq(load_labels(rows.labels + v), set1_lane(1), one, set1(0.))
        else:
            t = load(targets + k * ROWS + v)
        g = load(z + k * ROWS + v)
        sign = select_gt(t, set1(0.5), set1(-1.), one)
        q = divide(sign * (g + weight * select_gt(t, set1(0.5), t - one, t)), safe)
        q = select_gt(t, one, set1(0.), minimum(maximum(q, set1(0.)), one))
        c = one - q
        x = sign * load(e + k * ROWS + v)
        change = minimum(c * x, set1(0.) - q * x)
        change = select_gt(weight * q, set1(NEVER) * weight, change, set1(0.))
        least[0] = minimum(least[0], change)
        x = maximum(x, divide(set1(-1.), maximum(c, set1(1e-30))))
        x = minimum(x, divide(one, maximum(q, set1(1e-30))))
        x = select_gt(q, set1(0.), x, set1(0.))
        if alpha < 1:
            change = g + sign * weight * q * c * x
            x = change * set1(alpha)
            change = sign * (x - g)
            y = absolute(load(logits + k * ROWS + v)) + set1(log(2.))
            total = total + from_change(change, weight * q, y)
            total = total + from_change(set1(0.) - change, weight * c, y)
        else:
            total = total + weight * q * divergence(maximum(c * x, set1(-1.)))
            total = total + weight * c * divergence(maximum(set1(0.) - q * x, set1(-1.)))
            x = g + sign * weight * q * c * x
        store(out + k * ROWS + v, select_gt(weight, set1(0.), x, set1(0.)))
    add_to_doubles(sums + VL, select_gt(weight, set1(0.), total, set1(0.)))


cdef void part_dual(
    const Problem *p, double alpha, Py_ssize_t part, const real *e, const real *shift, real *out,
    real *scratch, double *class_lanes, double *sums, double *class_sums,
) noexcept nogil:
    cdef Py_ssize_t tiles = parts_of(p.n, ROWS), size = p.k * ROWS, i, j, v, n
    cdef real *z = scratch
    cdef real *targets = scratch + size
    cdef real *a = scratch + 2 * size
    cdef real *change = scratch + 3 * size
    cdef real lanes[VL]
    cdef vreal least = set1(0.)
    cdef TileRows rows
    for i in range(SUMS * VL):
        sums[i] = 0.
    for i in range(2 * p.k * VL):
        class_lanes[i] = 0.
    for i in range(part_start(tiles, PARTS, part), part_start(tiles, PARTS, part + 1)):
        n = min(ROWS, p.n - i * ROWS)
        for j from 0 <= j < size by VL:
            store(z + j, load(p.stored + i * size + j))
            store(change + j, load(e + i * size + j) + set1(shift[j // ROWS]))
        tile_loss(p, i * ROWS, n, z, targets, sums)
        load_rows(p, i * ROWS, n, &rows)
        for v from 0 <= v < ROWS by VL:
            if p.logistic:
                logistic_lanes(
                    p, alpha, &rows, v, p.stored + i * size, z, change, targets, out + i * size,
                    sums, &least)
            else:
                softmax_lanes(
                    p, alpha, &rows, v, p.stored + i * size, z, change, targets, a,
                    out + i * size, sums, &least)
        add_classes(out + i * size, p.k, class_lanes, sums + 2 * VL)
    store(lanes, least)
    for j in range(VL):
        sums[3 * VL + j] = lanes[j]
    for i in range(2 * p.k):
        class_sums[i] = 0.
        for j in range(VL):
            class_sums[i] += class_lanes[i * VL + j]


cdef inline void add_classes(
    const real *residuals, Py_ssize_t k, double *class_lanes, double *squares
) noexcept nogil:
    """The sums and sums of magnitudes of each class of a tile, and its sum of squares."""
    cdef vreal total, size, square = set1(0.), x
    cdef Py_ssize_t i, v
    for i in range(k):
        total = size = set1(0.)
        for v from i * ROWS <= v < (i + 1) * ROWS by VL:
            x = load(residuals + v)
            total = total + x
            size = size + absolute(x)
            square = square + x * x
        add_to_doubles(class_lanes + i * VL, total)
        add_to_doubles(class_lanes + (k + i) * VL, size)
    add_to_doubles(squares, square)


cdef struct Scratch:
    double *parts
    double *class_parts
    char *each  # of a thread
    Py_ssize_t tile, thread, size  # bytes: of tiles of a thread, of a thread, of all


cdef Scratch scratch_of(const Problem *p, int n_threads, char *memory) noexcept nogil:
    cdef Py_ssize_t totals = aligned(PARTS * SUMS * VL * sizeof(double))
    cdef Py_ssize_t classes = aligned(PARTS * 2 * p.k * sizeof(double))
    cdef Scratch c
    c.tile = aligned(TILES * p.k * ROWS * sizeof(real))
    c.thread = c.tile + aligned(2 * p.k * VL * sizeof(double))
    c.size = ALIGNMENT + totals + classes + n_threads * c.thread
    memory = aligned_start(memory)
    c.parts = <double *>memory
    c.class_parts = <double *>(memory + totals)
    c.each = memory + totals + classes
    return c


cdef Py_ssize_t dual_bytes(const Problem *p, int n_threads) noexcept nogil:
    return scratch_of(p, n_threads, NULL).size


cdef void dual_point(
    const Problem *p, double alpha, const real *e, const real *shift, real *to, double *total,
    double *of_classes, char *memory, int n_threads,
) noexcept nogil:
    cdef Scratch c = scratch_of(p, n_threads, memory)
    cdef Py_ssize_t i, j
    for i in prange(PARTS, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        part_dual(
            p, alpha, i, e, shift, to, <real *>(c.each + threadid() * c.thread),
            <double *>(c.each + threadid() * c.thread + c.tile), c.parts + i * SUMS * VL,
            c.class_parts + i * 2 * p.k)
    for j in range(SUMS):
        total[j] = 0.
    for j in range(2 * p.k):
        of_classes[j] = 0.
    for i in range(PARTS):
        for j in range(3 * VL):
            total[j // VL] += c.parts[i * SUMS * VL + j]
        for j in range(3 * VL, 4 * VL):
            total[3] = min(total[3], c.parts[i * SUMS * VL + j])
        for j in range(2 * p.k):
            of_classes[j] += c.class_parts[i * 2 * p.k + j]


cdef Py_ssize_t tile_rows() noexcept nogil:
    return ROWS


cdef void class_moments(
    const real *p, const real *w, Py_ssize_t tiles, Py_ssize_t k, double *to, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(n_threads, schedule="static", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        moments_of_some(p, w, tiles, k, i * TALL, n_threads * TALL, to)


cdef void moments_of_some(
    const real *p, const real *weights, Py_ssize_t tiles, Py_ssize_t k, Py_ssize_t begin,
    Py_ssize_t step, double *out,
) noexcept nogil:
    """Those of the TALL classes from `begin` on, and from every step-th after it."""
    cdef Py_ssize_t chunk, first, other, i, j
    for first from begin <= first < k by step:
        for i in range(first, min(first + TALL, k)):
            for j in range(i + 1):
                out[i * k + j] = 0.
    for chunk from 0 <= chunk < tiles by CHUNK:
        for first from begin <= first < k by step:
            for other from 0 <= other < min(first + TALL, k) by WIDE:
                add_moments(p, weights, chunk, min(chunk + CHUNK, tiles), k, first, other, out)
    for first from begin <= first < k by step:
        for i in range(first, min(first + TALL, k)):
            for j in range(i):
                out[j * k + i] = out[i * k + j]


cdef void add_moments(
    const real *p, const real *weights, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k,
    Py_ssize_t first, Py_ssize_t other, double *out,
) noexcept nogil:
    """Those of TALL classes with WIDE others; where there are fewer, the last of all stands in."""
    cdef vreal sums[TALL][WIDE]
    cdef vreal x[TALL]
    cdef vreal y
    cdef real lanes[VL]
    cdef Py_ssize_t rows[TALL]
    cdef Py_ssize_t columns[WIDE]
    cdef Py_ssize_t t, v, i, j, lane
    for i in range(TALL):
        rows[i] = min(first + i, k - 1) * ROWS
        for j in range(WIDE):
            columns[j] = min(other + j, k - 1) * ROWS
            sums[i][j] = set1(0.)
    for t in range(begin, end):
        for v from 0 <= v < ROWS by VL:
            y = load(weights + t * ROWS + v)
            for i in range(TALL):
                x[i] = y * load(p + t * k * ROWS + rows[i] + v)
            for j in range(WIDE):
                y = load(p + t * k * ROWS + columns[j] + v)
                for i in range(TALL):
                    sums[i][j] = sums[i][j] + x[i] * y
    for i in range(min(TALL, k - first)):
        for j in range(min(WIDE, first + i + 1 - other)):
            store(lanes, sums[i][j])
            for lane in range(VL):
                out[(first + i) * k + other + j] += lanes[lane]


cdef Table table = Table(
    dual_bytes=&dual_bytes, dual_point=&dual_point, tile_rows=&tile_rows, class_moments=&class_moments)
capsule = PyCapsule_New(&table, "dual", NULL)
