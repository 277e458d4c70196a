"""Pairs of classes sampled by importance, and the Hessian that their Gram matrices add up to.

The Hessian of a softmax is the Laplacian of a complete graph whose edges weigh p_k p_l: diag(p) - p pᵀ =
Σ_(k > l) p_k p_l (e_k - e_l)(e_k - e_l)ᵀ. A sample of rows and pairs is thus positive semi-definite,
too. Pairs are drawn by the effective resistance of their edge, about 1/s_k + 1/s_l for classes of
curvature mass s (Spielman & Srivastava 2011), so that rare classes are drawn.

`sample_pairs`: the weights of rows add up along X; that sum is cut into equal lengths, in each a point
is drawn, whose row and place within it name a row and a pair; a second pair is half of the row's weight
away. Length and seed name the point, whatever thread draws it. Then pairs are sorted by counting.

`assemble`: blocks off the diagonal are negated Grams of the pairs, those on it the sums of their row and
column. It writes 4 (K size)^2 / 2 bytes and reads twice as many. Measurements:
docs/experiments/0013-class-pair-sampling-kernel.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport uint64_t

from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.hessian.coupling_kernels cimport Draws, Table, pair_number
from fastsoftmax._core.loss.probabilities cimport tile_probabilities
from fastsoftmax._core.simd.simd cimport (
    VL, VL_MOST, divide, load, load_labels, pick, real, select_eq, select_gt, set1, set1_lane,
    store, vlane, vreal,
)
from fastsoftmax._core.simd.splitmix cimport scrambled, uniform
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of

cdef enum:
    PARTS = 64  # of the tiles, in each of which one thread draws
    SHARES = 8  # of the draws, each counted and put in order by a thread


cdef struct Scratch:
    double *sums  # of the weights of rows up to each
    int *row
    Py_ssize_t *pair  # beyond 65 536 classes there are more than an int can number
    real *root
    Py_ssize_t *at  # where a share's of a pair go
    char *threads  # of each thread: a few rows of probabilities side by side
    Py_ssize_t each, size  # bytes of a thread, and of all


cdef Scratch scratch_of(const Draws *s, int n_threads, char *memory) noexcept nogil:
    cdef Py_ssize_t upto = aligned(s.n * sizeof(double)), drawn = aligned(s.m * sizeof(real))
    cdef Py_ssize_t rows = aligned(s.m * sizeof(int)), numbered = aligned(s.m * sizeof(Py_ssize_t))
    cdef Py_ssize_t begins = aligned(SHARES * s.pairs * sizeof(Py_ssize_t))
    cdef Scratch c
    c.each = aligned((s.k + 2) * VL * sizeof(real))
    c.size = ALIGNMENT + upto + rows + numbered + drawn + begins + n_threads * c.each
    memory = aligned_start(memory)
    c.sums = <double *>memory
    c.row = <int *>(memory + upto)
    c.pair = <Py_ssize_t *>(memory + upto + rows)
    c.root = <real *>(memory + upto + rows + numbered)
    c.at = <Py_ssize_t *>(memory + upto + rows + numbered + drawn)
    c.threads = memory + upto + rows + numbered + drawn + begins
    return c


cdef Py_ssize_t sample_bytes(const Draws *s, int n_threads) noexcept nogil:
    return scratch_of(s, n_threads, NULL).size


cdef void sample_pairs(const Draws *s, uint64_t seed, char *memory, int n_threads) noexcept nogil:
    cdef Scratch c = scratch_of(s, n_threads, memory)
    cdef Py_ssize_t k = s.k, m = s.m, n = s.n, pairs = s.pairs, tiles = parts_of(n, ROWS), i, j
    cdef uint64_t key = scrambled(seed + 1)
    cdef double sum = 0., length
    cdef Py_ssize_t begin = 0
    for i in prange(tiles, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        if s.logits:
            tile_probabilities(
                s.logits + i * k * ROWS, False, k, s.probabilities + i * k * ROWS)
        weigh_tile(
            s.probabilities + i * k * ROWS, k, s.resistances, s.emphasis + i * ROWS,
            min(ROWS, n - i * ROWS), c.sums + i * ROWS)
    for i in range(n):
        sum = sum + c.sums[i]
        c.sums[i] = sum
    for i in range(pairs):
        s.counts[i] = 0
    length = sum * (1. - 1e-12) / (m // 2)  # the last point stays below the sum
    if length > 0.:
        for i in prange(PARTS, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            draw_part(
                s.probabilities, k, s.resistances, s.emphasis, c.sums, n, length, key, m // 2,
                part_start(tiles, PARTS, i), part_start(tiles, PARTS, i + 1),
                <real *>(c.threads + threadid() * c.each), c.row, c.pair, c.root)
        for i in prange(SHARES, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            weigh_and_count(
                s.squares, sum / m, c.row, c.pair, part_start(m, SHARES, i),
                part_start(m, SHARES, i + 1), c.root, c.at + i * pairs, pairs)
        for i in range(pairs):
            for j in range(SHARES):
                s.counts[i] += c.at[j * pairs + i]
                c.at[j * pairs + i] = begin + s.counts[i] - c.at[j * pairs + i]
            begin = begin + s.counts[i]
        for i in prange(SHARES, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            put_in_order(
                c.row, c.pair, c.root, part_start(m, SHARES, i), part_start(m, SHARES, i + 1),
                c.at + i * pairs, s.rows, s.factors)
    for i in prange(pairs, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        s.totals[i] = sum_of_squares(
            s.factors + c.at[(SHARES - 1) * pairs + i] - s.counts[i] if s.counts[i] else s.factors,
            s.counts[i])


cdef void weigh_and_count(
    const double *squares, double weight, const int *rows, const Py_ssize_t *pairs, Py_ssize_t first,
    Py_ssize_t last, real *factors, Py_ssize_t *counts, Py_ssize_t n_pairs
) noexcept nogil:
    """The factors of draws first .. last, from their r_k + r_l; how many of them are of each pair."""
    cdef Py_ssize_t i
    for i in range(n_pairs):
        counts[i] = 0
    for i in range(first, last):
        factors[i] = <real>sqrt(weight / (squares[rows[i]] * factors[i]))
    for i in range(first, last):
        counts[pairs[i]] += 1


cdef void put_in_order(
    const int *rows, const Py_ssize_t *pairs, const real *factors, Py_ssize_t first, Py_ssize_t last,
    Py_ssize_t *at, int *to_rows, real *to_factors
) noexcept nogil:
    """Draws first .. last to where those of their pairs go next."""
    cdef Py_ssize_t i
    for i in range(first, last):
        to_rows[at[pairs[i]]] = rows[i]
        to_factors[at[pairs[i]]] = factors[i]
        at[pairs[i]] += 1


cdef double sum_of_squares(const real *x, Py_ssize_t n) noexcept nogil:
    cdef double sum = 0.
    cdef Py_ssize_t i
    for i in range(n):
        sum += x[i] * x[i]
    return sum


cdef void weigh_tile(
    const real *p, Py_ssize_t k, const real *r, const double *e, Py_ssize_t rows, double *out
) noexcept nogil:
    """e times the sum of p_k p_l (r_k + r_l) over pairs, of positive terms: no digits are lost."""
    cdef real weights[ROWS]
    cdef vreal before, resisting, weight, x
    cdef Py_ssize_t v, i
    for v from 0 <= v < ROWS by VL:
        before = load(p + v)
        resisting = before * set1(r[0])
        weight = set1(0.)
        for i in range(1, k):
            x = load(p + i * ROWS + v)
            weight = weight + x * (set1(r[i]) * before + resisting)
            before = before + x
            resisting = resisting + x * set1(r[i])
        store(weights + v, weight)
    for i in range(rows):
        out[i] = e[i] * <double>weights[i]


cdef void draw_part(
    const real *p, Py_ssize_t k, const real *resistances, const double *e, const double *sums,
    Py_ssize_t n, double length, uint64_t key, Py_ssize_t m, Py_ssize_t first, Py_ssize_t last,
    real *memory, int *rows, Py_ssize_t *pairs, real *of_pairs,
) noexcept nogil:
    """Those whose points lie in the tiles first .. last; in `memory`, (k + 2, VL), VL at a time."""
    cdef double below = sums[first * ROWS - 1] if first else 0., point
    cdef Py_ssize_t tile, i, j = max(0, <Py_ssize_t>(below / length) - 1)
    cdef Py_ssize_t numbers[VL_MOST]
    cdef int places[VL_MOST]
    cdef int count
    for count in range(VL_MOST):
        places[count] = 0
    while j < m and (j + uniform(key, j)) * length < below:
        j = j + 1
    point = (j + uniform(key, j)) * length if j < m else INFINITY
    for tile in range(first, last):
        count = 0
        for i in range(tile * ROWS, min(n, (tile + 1) * ROWS)):
            while point < sums[i]:
                memory[k * VL + count] = <real>((point - below) / e[i])
                memory[(k + 1) * VL + count] = <real>((sums[i] - below) / e[i])
                rows[2 * j] = rows[2 * j + 1] = <int>i
                places[count] = <int>(i % ROWS)
                numbers[count] = j
                count += 1
                if count == VL:
                    pick_rows(p + tile * k * ROWS, k, places, memory)
                    choose(memory, k, resistances, count, numbers, pairs, of_pairs)
                    count = 0
                j = j + 1
                point = (j + uniform(key, j)) * length if j < m else INFINITY
            below = sums[i]
        if count:
            pick_rows(p + tile * k * ROWS, k, places, memory)
            choose(memory, k, resistances, count, numbers, pairs, of_pairs)


cdef inline void pick_rows(
    const real *tile, Py_ssize_t k, const int *places, real *out
) noexcept nogil:
    """VL rows of a tile, by their places, side by side: (k, VL)."""
    cdef vlane at = load_labels(places)
    cdef vreal x
    cdef Py_ssize_t c, v
    for c in range(k if ROWS > 4 * VL else 0):  # where that is less than so many shuffles
        for v in range(VL):
            out[c * VL + v] = tile[c * ROWS + places[v]]
    for c in range(0 if ROWS > 4 * VL else k):
        x = pick(load(tile), load(tile + VL), at)
        for v from 2 * VL <= v < ROWS by 2 * VL:
            x = select_eq(
                at & set1_lane(-2 * VL), set1_lane(v), pick(load(tile + v), load(tile + v + VL), at),
                x)
        store(out + c * VL, x)
        tile = tile + ROWS


cdef void choose(
    const real *p, Py_ssize_t k, const real *resistances, int count, const Py_ssize_t *numbers,
    Py_ssize_t *pairs, real *of_pairs,
) noexcept nogil:
    """The pairs in whose weights the points of so many rows lie: those of a row, p[i * VL + row], lie
    one after another, and behind them are one point and their sum; the other is half of that away.

    Classes that weigh nothing begin nowhere; a point that rounding puts past the end is in the last.
    """
    cdef real larger[2][VL_MOST]
    cdef real other[2][VL_MOST]
    cdef vreal point[2]
    cdef vreal chosen[2]
    cdef vreal share[2]
    cdef vreal own[2]
    cdef vreal taken[2]  # of the point, by the pairs of smaller classes
    cdef vreal upto[2]
    cdef vreal never = set1(INFINITY), zero = set1(0.), half = load(p + (k + 1) * VL) * set1(0.5)
    cdef vreal before = load(p), resisting = before * set1(resistances[0]), sum = zero
    cdef vreal begin, x, r, weight
    cdef Py_ssize_t i, j, draw
    cdef int q, row
    point[0] = load(p + k * VL)
    point[1] = select_gt(half, point[0], point[0] + half, point[0] - half)
    for q in range(2):
        chosen[q] = set1(1.)
        taken[q] = zero
        share[q] = load(p + VL)
        own[q] = set1(resistances[1])
    for i in range(1, k):
        x = load(p + i * VL)
        r = set1(resistances[i])
        weight = x * (r * before + resisting)
        begin = select_gt(weight, zero, sum, never)
        for q in range(2):
            chosen[q] = select_gt(begin, point[q], chosen[q], set1(<double>i))
            taken[q] = select_gt(begin, point[q], taken[q], sum)
            share[q] = select_gt(begin, point[q], share[q], x)
            own[q] = select_gt(begin, point[q], own[q], r)
        sum = sum + weight
        before = before + x
        resisting = resisting + x * r
    for q in range(2):
        point[q] = divide(point[q] - taken[q], share[q])
        store(larger[q], chosen[q])
        upto[q] = zero
        taken[q] = zero
    for i in range(k - 1):
        x = load(p + i * VL)
        for q in range(2):
            begin = select_gt(x, zero, select_gt(chosen[q], set1(<double>i), upto[q], never), never)
            taken[q] = select_gt(begin, point[q], taken[q], set1(<double>i))
            upto[q] = upto[q] + x * (own[q] + set1(resistances[i]))
    for q in range(2):
        store(other[q], taken[q])
        for row in range(count):
            i, j = <Py_ssize_t>larger[q][row], <Py_ssize_t>other[q][row]
            draw = 2 * numbers[row] + q
            pairs[draw] = pair_number(i, j)
            of_pairs[draw] = resistances[i] + resistances[j]


cdef void assemble(
    const real *g, const real *shared, const double *share, const double *z, const double *r, real *to,
    Py_ssize_t k, Py_ssize_t size, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        assemble_class(g, shared, share[i], z, r, i, k, size, to + i * size * (k * size))


cdef void assemble_class(
    const real *grams, const real *shared, double share, const double *common, const double *ridge,
    Py_ssize_t k, Py_ssize_t classes, Py_ssize_t size, real *out
) noexcept nogil:
    """Rows of the Hessian up to the block on the diagonal, all of which is written."""
    cdef Py_ssize_t width = classes * size, square = size * size, c, i, j
    cdef const real *gram
    cdef real *block = out + k * size
    cdef real both
    for i in range(size):
        for j in range(size):
            block[i * width + j] = <real>((share + common[k] * common[k]) * shared[i * size + j])
        block[i * width + i] += <real>ridge[i]
    for c in range(classes):
        if c == k:
            continue
        both = <real>(common[k] * common[c])
        gram = grams + pair_number(max(k, c), min(k, c)) * square
        for i in range(size):
            for j in range(size):
                block[i * width + j] += gram[i * size + j]
            for j in range(size if c < k else 0):
                out[i * width + c * size + j] = both * shared[i * size + j] - gram[i * size + j]


cdef Table table = Table(sample_bytes=&sample_bytes, sample_pairs=&sample_pairs, assemble=&assemble)
capsule = PyCapsule_New(&table, "coupling", NULL)
