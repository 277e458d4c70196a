"""The loss along a line, on stored logits: N*K work instead of the N*D*K of a pass over X.

Logits lie in tiles (n/ROWS, k, ROWS), as `linear.store_logits` writes them. With step t along the
logits' change d, g = weight * (A - Y) the gradient of a row's loss and a = weight * A,

    phi'  = sum g_k d_k,        phi'' = sum a_k (d_k - m)^2,  m = sum a_k d_k / sum a_k.

phi and phi' have all digits where rows are confidently predicted (`softmax_tile`), and m is taken out
before squaring: sum a d^2 - m^2 would cancel. Where each logit has a logistic function of its own, phi''
= sum a_k (1 - A_k) d_k^2. A step reads both arrays once, one exp per logit.

Sums: rows side by side in VL lanes, tiles in order within one of PARTS parts, parts in order, in
float64: the same to the bit for any number of threads. Measurements:
docs/experiments/0015-stored-logits.md.
"""

from cython.parallel cimport prange, threadid
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.linear_problem cimport (
    ALIGNMENT, Problem, TileRows, aligned, load_rows, part_start, set_targets, set_weights,
    tile_loss,
)
from fastsoftmax._core.probabilities cimport tile_probabilities, tile_variances
from fastsoftmax._core.simd cimport (
    VL, VL_MOST, absolute, add_to_doubles, divide, load, load_labels, maximum, real, select_eq,
    select_gt, set1, set1_lane, store, vlane, vreal,
)
from fastsoftmax._core.tiles cimport ROWS

cnp.import_array()

cdef enum:
    PARTS = 64
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


def along(
    cnp.ndarray stored not None, cnp.ndarray change not None, double t, targets, weights,
    Py_ssize_t n, double scale, Py_ssize_t every, cnp.ndarray out not None, workspace,
    int n_threads,
):
    """scale * (phi, phi', phi'') of the weighted sum of losses at stored + t * change, into out (3,).

    Of every so manieth tile alone. Targets are as `set_targets` takes them; weights (n,) or None.
    """
    cdef Problem p
    p.n, p.k, p.d = n, stored.shape[1], 0
    p.stored = reals(stored, "stored")
    set_targets(&p, targets)
    set_weights(&p, weights)
    cdef const real *d = reals(change, "change")
    cdef double *to = doubles(out, "out")
    cdef Py_ssize_t each = aligned(2 * p.k * ROWS * sizeof(real)), i, j
    cdef Py_ssize_t totals = PARTS * SUMS * VL * <Py_ssize_t>sizeof(double)
    cdef cnp.ndarray block = workspace(ALIGNMENT + totals + n_threads * each)
    cdef char *memory = bytes_of(block)
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    cdef double *sums = <double *>memory
    cdef char *scratch = memory + totals
    with nogil:
        for i in prange(PARTS, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            part_along(
                &p, i, every, d, t, <real *>(scratch + threadid() * each), sums + i * SUMS * VL)
        for j in range(SUMS):
            to[j] = 0.
        for i in range(PARTS):
            for j in range(SUMS * VL):
                to[j // VL] += sums[i * SUMS * VL + j]
        for j in range(SUMS):
            to[j] *= scale


cdef void part_along(
    const Problem *p, Py_ssize_t part, Py_ssize_t every, const real *d, double t, real *z,
    double *sums
) noexcept nogil:
    cdef Py_ssize_t tiles = ((p.n + ROWS - 1) // ROWS + every - 1) // every, i, j
    for i in range(SUMS * VL):
        sums[i] = 0.
    for j in range(part_start(tiles, PARTS, part), part_start(tiles, PARTS, part + 1)):
        i = j * every
        tile_along(
            p, i * ROWS, min(ROWS, p.n - i * ROWS), p.stored + i * p.k * ROWS, d + i * p.k * ROWS,
            set1(t), z, z + p.k * ROWS, sums)


def move(cnp.ndarray stored not None, cnp.ndarray change not None, double t, int n_threads):
    """stored += t * change, rounded as `along` rounds it."""
    cdef real *s = reals(stored, "stored")
    cdef const real *d = reals(change, "change")
    cdef Py_ssize_t tile = stored.shape[1] * ROWS, i
    for i in prange(stored.shape[0], nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        move_tile(s + i * tile, d + i * tile, t, tile)


cdef void move_tile(real *s, const real *d, double t, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < size by VL:
        store(s + i, load(s + i) + set1(t) * load(d + i))


def residuals(
    cnp.ndarray stored not None, targets, weights, Py_ssize_t n, cnp.ndarray out not None, workspace,
    int n_threads,
):
    """max_k |weight * (A - Y)| of each row into out (n,): what it can still pull with."""
    cdef Problem p
    p.n, p.k, p.d = n, stored.shape[1], 0
    p.stored = reals(stored, "stored")
    set_targets(&p, targets)
    set_weights(&p, weights)
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t each = aligned(2 * p.k * ROWS * sizeof(real)), i
    cdef cnp.ndarray block = workspace(ALIGNMENT + n_threads * each)
    cdef char *memory = bytes_of(block)
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    for i in prange(stored.shape[0], nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        tile_residuals(&p, i * ROWS, <real *>(memory + threadid() * each), to + i * ROWS)


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


def variances(
    cnp.ndarray stored not None, bint logistic, weights, Py_ssize_t n, cnp.ndarray out not None,
    int n_threads,
):
    """weight * p(1 - p) of each logit into out, laid out as stored; 0 for the rows past n.

    They weigh the rows in a class's block of the Hessian.
    """
    cdef const real *s = reals(stored, "stored")
    cdef const real *weight = reals(weights, "weights")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t k = stored.shape[1], i
    for i in prange(stored.shape[0], nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
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


def class_sums(cnp.ndarray stored not None, less, cnp.ndarray out not None):
    """The sum of each class into out (k,), float64; or of |stored - less|, laid out like it."""
    cdef const real *s = reals(stored, "stored")
    cdef const real *other = reals(less, "less")
    cdef double *to = doubles(out, "out")
    cdef Py_ssize_t tiles = stored.shape[0], k = stored.shape[1], i
    with nogil:
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


def squares(cnp.ndarray stored not None, Py_ssize_t n, cnp.ndarray out not None, int n_threads):
    """The sum of the squares of each row into out (n,), float64."""
    cdef const real *s = reals(stored, "stored")
    cdef double *to = doubles(out, "out")
    cdef Py_ssize_t k = stored.shape[1], i
    for i in prange(stored.shape[0], nogil=True, schedule="static", num_threads=n_threads,
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


def probabilities(
    cnp.ndarray stored not None, bint logistic, Py_ssize_t n, cnp.ndarray out not None, int n_threads
):
    """Softmax of each row, or the logistic function of each logit, into out, laid out as stored."""
    cdef const real *s = reals(stored, "stored")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t k = stored.shape[1], i
    for i in prange(stored.shape[0], nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        tile_probabilities(s + i * k * ROWS, logistic, k, to + i * k * ROWS)


def curve(
    cnp.ndarray probabilities not None, bint logistic, cnp.ndarray change not None, weights,
    Py_ssize_t n, cnp.ndarray out not None, int n_threads
):
    """weight * (diag(p) - p pᵀ) d of each row into out, laid out as p and d; 0 for the rows past n.

    d is the logits' change, p their softmax: the Hessian of the losses times a direction is Xᵀ of it.
    Changes are taken relative to that of the most probable class: where that has p near 1, the mean of d
    is near its own, and their difference would have few digits. Of logistic functions it is
    weight * p (1 - p) d.
    """
    cdef const real *p = reals(probabilities, "probabilities")
    cdef const real *d = reals(change, "change")
    cdef const real *weight = reals(weights, "weights")
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t k = change.shape[1], i
    for i in prange(change.shape[0], nogil=True, schedule="static", num_threads=n_threads,
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
