"""The loss along a line, on stored logits: N*K work instead of the N*D*K of a pass over X.

Logits lie in tiles (n/ROWS, k, ROWS), as `linear.store_logits` writes them. With step t along the
logits' change d, g = weight * (A - Y) the gradient of a row's loss and a = weight * A,

    phi'  = sum g_k d_k,        phi'' = sum a_k (d_k - m)^2,  m = sum a_k d_k / sum a_k.

phi and phi' have all digits where rows are confidently predicted (`softmax_tile`), and m is taken out
before squaring: sum a d^2 - m^2 would cancel. Where each logit has a logistic function of its own, phi''
= sum a_k (1 - A_k) d_k^2. A step reads both arrays once, one exp per logit.

Sums: rows side by side in VL lanes, tiles in order within one of PARTS parts, parts in order, in
float64: the same to the bit for any number of threads. What small fits call opens no parallel region for
one thread. Measurements: docs/experiments/0015-stored-logits.md, 0084-small-fits-without-regions.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.linear.linear_problem cimport TileRows, load_rows, take_stored, tile_loss
from fastsoftmax._core.loss.probabilities cimport tile_probabilities, tile_variances
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, absolute, add_to_doubles, divide, load, load_labels, maximum, real, select_eq,
    select_gt, set1, set1_lane, store, vlane, vreal,
)
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of
from fastsoftmax._core.solver.line_kernels cimport Table

cdef enum:
    PARTS = 64  # of the tiles: the same for any number of threads, which are seldom more
    SUMS = 3  # phi, phi', phi''


cdef inline void tile_along(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, const real *s, const real *d, vreal t, real *z,
    real *targets, double *sums,
) noexcept nogil:
    """Add phi, phi' and phi'' of a tile of n rows to VL parts of each total."""
    cdef TileRows rows
    cdef vreal slope, curvature, mean, mass, weight, a, t_k, x
    cdef vlane label
    cdef Py_ssize_t i, k, v
    for i from 0 <= i < ROWS * p.k by VL:
        store(z + i, load(s + i) + t * load(d + i))
    tile_loss(p, start, n, z, targets, sums)
    load_rows(p, start, n, &rows)
    for v from 0 <= v < ROWS by VL:
        if rows.labels:
            label = load_labels(rows.labels + v)
        weight = load(rows.weights + v)
        slope = set1(0.)
        curvature = set1(0.)
        if p.logistic:
            for k in range(p.k):
                x = load(d + k * ROWS + v)
                a = load(z + k * ROWS + v)
                slope = slope + a * x
                # weight times the probability of being on, or off where that is what the target says
                if p.labels == NULL:
                    t_k = load(targets + k * ROWS + v)
                    a = a + weight * select_gt(t_k, set1(0.5), t_k - set1(1.), t_k)
                a = absolute(a)
                a = a - divide(a * a, select_gt(weight, set1(0.), weight, set1(1.)))
                curvature = curvature + a * x * x
        else:
            mean = set1(0.)
            mass = set1(0.)
            for k in range(p.k):
                x = load(d + k * ROWS + v)
                a = load(z + k * ROWS + v)
                slope = slope + a * x
                if p.labels:
                    a = a + select_eq(label, set1_lane(k), weight, set1(0.))
                else:
                    a = a + weight * load(targets + k * ROWS + v)
                store(z + k * ROWS + v, a)
                mean = mean + a * x
                mass = mass + a
            mean = divide(mean, select_gt(mass, set1(0.), mass, set1(1.)))
            for k in range(p.k):
                x = load(d + k * ROWS + v) - mean
                curvature = curvature + load(z + k * ROWS + v) * x * x
        # a row that weighs nothing may hold anything
        add_to_doubles(sums + VL, select_gt(weight, set1(0.), slope, set1(0.)))
        add_to_doubles(sums + 2 * VL, select_gt(weight, set1(0.), curvature, set1(0.)))


cdef Py_ssize_t tile_and_targets(const Problem *p) noexcept nogil:
    """Bytes of a thread."""
    return aligned(2 * p.k * ROWS * sizeof(real))


cdef Py_ssize_t totals_bytes() noexcept nogil:
    return PARTS * SUMS * VL * <Py_ssize_t>sizeof(double)


cdef Py_ssize_t along_bytes(const Problem *p, int n_threads) noexcept nogil:
    return ALIGNMENT + totals_bytes() + n_threads * tile_and_targets(p)


cdef void along(
    const Problem *p, const real *d, double t, Py_ssize_t every, double *to, char *memory,
    int n_threads,
) noexcept nogil:
    cdef Py_ssize_t each = tile_and_targets(p), i, j
    memory = aligned_start(memory)
    cdef double *sums = <double *>memory
    cdef char *scratch = memory + totals_bytes()
    if n_threads == 1:
        for i in range(PARTS):
            part_along(p, i, every, d, t, <real *>scratch, sums + i * SUMS * VL)
    else:
        for i in prange(PARTS, schedule="static", num_threads=n_threads):
            part_along(
                p, i, every, d, t, <real *>(scratch + threadid() * each), sums + i * SUMS * VL)
    for j in range(SUMS):
        to[j] = 0.
    for i in range(PARTS):
        for j in range(SUMS * VL):
            to[j // VL] += sums[i * SUMS * VL + j]
    for j in range(SUMS):
        to[j] *= p.scale


cdef void part_along(
    const Problem *p, Py_ssize_t part, Py_ssize_t every, const real *d, double t, real *z,
    double *sums
) noexcept nogil:
    cdef Py_ssize_t tiles = parts_of(parts_of(p.n, ROWS), every), i, j
    for i in range(SUMS * VL):
        sums[i] = 0.
    for j in range(part_start(tiles, PARTS, part), part_start(tiles, PARTS, part + 1)):
        i = j * every
        tile_along(
            p, i * ROWS, min(ROWS, p.n - i * ROWS), p.stored + i * p.k * ROWS, d + i * p.k * ROWS,
            set1(t), z, z + p.k * ROWS, sums)


cdef void move(
    real *s, const real *d, double t, Py_ssize_t tiles, Py_ssize_t k, int n_threads
) noexcept nogil:
    cdef Py_ssize_t tile = k * ROWS, i
    if n_threads == 1:
        for i in range(tiles):
            move_tile(s + i * tile, d + i * tile, t, tile)
        return
    for i in prange(tiles, schedule="static", num_threads=n_threads):
        move_tile(s + i * tile, d + i * tile, t, tile)


cdef void move_tile(real *s, const real *d, double t, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < size by VL:
        store(s + i, load(s + i) + set1(t) * load(d + i))


cdef Py_ssize_t gradient_bytes(const Problem *p, int n_threads) noexcept nogil:
    return ALIGNMENT + PARTS * VL * <Py_ssize_t>sizeof(double) + n_threads * tile_and_targets(p)


cdef double gradient(
    const Problem *p, Py_ssize_t tiles, real *to, Py_ssize_t classes, Py_ssize_t first, char *memory,
    int n_threads,
) noexcept nogil:
    """That of the losses by the logits, into some of the classes of other tiles; the sum of losses."""
    cdef Py_ssize_t each = tile_and_targets(p), i
    cdef double loss = 0.
    memory = aligned_start(memory)
    cdef double *sums = <double *>memory
    cdef char *scratch = memory + PARTS * VL * sizeof(double)
    for i in prange(PARTS, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        part_gradient(
            p, tiles, i, to + first * ROWS, classes * ROWS, <real *>(scratch + threadid() * each),
            sums + i * VL)
    for i in range(PARTS * VL):
        loss += sums[i]
    return loss


cdef void part_gradient(
    const Problem *p, Py_ssize_t tiles, Py_ssize_t part, real *to, Py_ssize_t step, real *targets,
    double *sums,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(VL):
        sums[i] = 0.
    for i in range(part_start(tiles, PARTS, part), part_start(tiles, PARTS, part + 1)):
        take_stored(p, i * ROWS, to + i * step)
        tile_loss(p, i * ROWS, min(ROWS, p.n - i * ROWS), to + i * step, targets, sums)


cdef Py_ssize_t residuals_bytes(const Problem *p, int n_threads) noexcept nogil:
    return ALIGNMENT + n_threads * tile_and_targets(p)


cdef void residuals(
    const Problem *p, Py_ssize_t tiles, real *to, char *memory, int n_threads
) noexcept nogil:
    cdef Py_ssize_t each = tile_and_targets(p), i
    memory = aligned_start(memory)
    for i in prange(tiles, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        tile_residuals(p, i * ROWS, <real *>(memory + threadid() * each), to + i * ROWS)


cdef void tile_residuals(const Problem *p, Py_ssize_t start, real *z, real *out) noexcept nogil:
    cdef double unused[VL]
    cdef real largest[ROWS]
    cdef vreal most, x
    cdef Py_ssize_t n = min(ROWS, p.n - start), i, v
    for i in range(VL):
        unused[i] = 0.
    for i from 0 <= i < ROWS * p.k by VL:
        store(z + i, load(p.stored + start * p.k + i))
    tile_loss(p, start, n, z, z + p.k * ROWS, unused)
    for v from 0 <= v < ROWS by VL:
        most = set1(0.)
        for i in range(p.k):
            x = absolute(load(z + i * ROWS + v))
            most = select_gt(x, most, x, most)
        store(largest + v, most)
    for i in range(n):
        out[i] = largest[i]


cdef void variances(
    const real *s, bint logistic, const real *weight, Py_ssize_t n, Py_ssize_t tiles, Py_ssize_t k,
    real *to, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    if n_threads == 1:
        for i in range(tiles):
            weighted_variances(s + i * k * ROWS, logistic, weight, i * ROWS, n, k, to + i * k * ROWS)
        return
    for i in prange(tiles, schedule="static", num_threads=n_threads):
        weighted_variances(s + i * k * ROWS, logistic, weight, i * ROWS, n, k, to + i * k * ROWS)


cdef void weighted_variances(
    const real *s, bint logistic, const real *weight, Py_ssize_t start, Py_ssize_t n, Py_ssize_t k,
    real *z
) noexcept nogil:
    cdef real factors[ROWS]
    cdef vreal w
    cdef Py_ssize_t i, v
    tile_variances(s, logistic, k, z)
    for i in range(ROWS):
        factors[i] = 0. if start + i >= n else weight[start + i] if weight else 1.
    for i in range(k):
        for v from 0 <= v < ROWS by VL:
            w = load(factors + v)
            store(z + i * ROWS + v, select_gt(w, set1(0.), load(z + i * ROWS + v) * w, set1(0.)))


cdef void class_sums(
    const real *s, const real *other, Py_ssize_t tiles, Py_ssize_t k, double *to
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(k):
        to[i] = class_sum(s + i * ROWS, other + i * ROWS if other else NULL, tiles, k * ROWS)


cdef double class_sum(
    const real *s, const real *less, Py_ssize_t tiles, Py_ssize_t step
) noexcept nogil:
    cdef double sums[VL_MOST]
    cdef double total = 0.
    cdef vreal x
    cdef Py_ssize_t i, v
    for v in range(VL):
        sums[v] = 0.
    for i in range(tiles):
        x = set1(0.)
        for v from i * step <= v < i * step + ROWS by VL:
            x = x + (absolute(load(s + v) - load(less + v)) if less else load(s + v))
        add_to_doubles(sums, x)
    for v in range(VL):
        total += sums[v]
    return total


cdef void squares(
    const real *s, Py_ssize_t n, Py_ssize_t tiles, Py_ssize_t k, double *to, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(tiles, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        tile_squares(s + i * k * ROWS, k, min(ROWS, n - i * ROWS), to + i * ROWS)


cdef void tile_squares(const real *s, Py_ssize_t k, Py_ssize_t n, double *out) noexcept nogil:
    cdef real sums[ROWS]
    cdef vreal x, sum
    cdef Py_ssize_t i, v
    for v from 0 <= v < ROWS by VL:
        sum = set1(0.)
        for i in range(k):
            x = load(s + i * ROWS + v)
            sum = sum + x * x
        store(sums + v, sum)
    for i in range(n):
        out[i] = sums[i]


cdef void probabilities(
    const real *s, bint logistic, Py_ssize_t tiles, Py_ssize_t k, real *to, int n_threads
) noexcept nogil:
    cdef Py_ssize_t i
    if n_threads == 1:
        for i in range(tiles):
            tile_probabilities(s + i * k * ROWS, logistic, k, to + i * k * ROWS)
        return
    for i in prange(tiles, schedule="static", num_threads=n_threads):
        tile_probabilities(s + i * k * ROWS, logistic, k, to + i * k * ROWS)


cdef void curve(
    const real *p, bint logistic, const real *d, const real *weight, Py_ssize_t n, Py_ssize_t tiles,
    Py_ssize_t k, real *to, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(tiles, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        tile_curve(
            p + i * k * ROWS, logistic, d + i * k * ROWS, weight, i * ROWS, n, k, to + i * k * ROWS)


cdef void tile_curve(
    const real *p, bint logistic, const real *d, const real *weight, Py_ssize_t start, Py_ssize_t n,
    Py_ssize_t k, real *z
) noexcept nogil:
    cdef real factors[ROWS]
    cdef vreal mean, top, most, w, x
    cdef Py_ssize_t i, v
    for i in range(ROWS):
        factors[i] = 0. if start + i >= n else weight[start + i] if weight else 1.
    for v from 0 <= v < ROWS by VL:
        w = load(factors + v)
        mean = top = set1(0.)
        if not logistic:
            most = set1(-1.)
            for i in range(k):
                x = load(p + i * ROWS + v)
                top = select_gt(x, most, load(d + i * ROWS + v), top)
                most = maximum(most, x)
            for i in range(k):
                mean = mean + load(p + i * ROWS + v) * (load(d + i * ROWS + v) - top)
        for i in range(k):
            if logistic:
                mean = load(p + i * ROWS + v) * load(d + i * ROWS + v)
            x = load(p + i * ROWS + v) * (load(d + i * ROWS + v) - top - mean) * w
            store(z + i * ROWS + v, select_gt(w, set1(0.), x, set1(0.)))


cdef Table table = Table(
    along_bytes=&along_bytes, along=&along, move=&move, gradient_bytes=&gradient_bytes,
    gradient=&gradient, residuals_bytes=&residuals_bytes, residuals=&residuals, variances=&variances,
    class_sums=&class_sums, squares=&squares, probabilities=&probabilities, curve=&curve)
capsule = PyCapsule_New(&table, "line", NULL)
