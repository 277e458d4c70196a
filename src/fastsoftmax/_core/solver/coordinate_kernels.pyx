"""Coordinate descent for an L1 penalty, on quadratic models of a loss; one class per thread.

The model of a class k is g·d + ½ dᵀ H d + Σ_j t_j |v_j + d_j|, d the change of its weights v and H its
block of the Hessian; t_0 = 0 is the intercept's. A coordinate's minimum is a soft threshold; where it is
0, d_j is exactly -v_j. Two ways to hold H:

- `by_grams`: as a matrix, for dense X. A step of a coordinate adds a row of it to H d.
- `by_columns`: as Xᵀ diag(w) X, for sparse X. A step goes down a column of X twice, once to add up its
  slope from w X d and once to change that. The intercept is eliminated: with m_j = Σ w x_j / Σ w the
  columns are x_j - m_j, which stay sparse, the means being added up apart.

A cycle visits all coordinates in order; a class is done when what a cycle moves it by, Σ h δ², is below
`tolerance` times the most that one did. Threads share nothing that is written.
Measurements: docs/experiments/0033-proximal-newton.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t

from fastsoftmax._core.simd.multiples cimport add_multiple
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sizes cimport part_start
from fastsoftmax._core.solver.coordinate_kernels cimport Columns, Table

cdef enum:
    PARTS = 64  # of the parameters, whose sums are added in order


cdef inline double step(double slope, double h, double t, double v, double d) noexcept nogil:
    """What to add to d so that slope * x + ½ h x² + t |v + d + x| is least."""
    cdef double at = h * (v + d) - slope
    if t == 0.:
        return -slope / h
    if at > t:
        return (at - t) / h - (v + d)
    if at < -t:
        return (at + t) / h - (v + d)
    return -(v + d)


cdef inline bint is_done(double moved, double *most, double tolerance) noexcept nogil:
    most[0] = max(most[0], moved)
    return moved <= tolerance * most[0]


cdef void by_grams(
    const real *h, const int64_t *count, Py_ssize_t k, Py_ssize_t m, const real *g, const real *v,
    const real *t, real *d, real *s, int cycles, double tolerance, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        class_by_gram(
            h + i * m * m, m, count[i], g + i * m, v + i * m, t + i * m, d + i * m, s + i * m, cycles,
            tolerance)


cdef void class_by_gram(
    const real *h, Py_ssize_t m, Py_ssize_t count, const real *g, const real *v, const real *t,
    real *d, real *s, int cycles, double tolerance,
) noexcept nogil:
    cdef double moved, most = 0., x
    cdef Py_ssize_t j
    cdef int _cycle
    for j in range(count):
        d[j] = 0.
        s[j] = g[j]
    for _cycle in range(cycles):
        moved = 0.
        for j in range(count):
            if not h[j * m + j] > 0.:
                continue
            x = step(s[j], h[j * m + j], t[j], v[j], d[j])
            if x == 0.:
                continue
            moved += h[j * m + j] * x * x
            # exactly -v where the weight becomes 0
            d[j] = -v[j] if x == -(<double>v[j] + d[j]) else <real>(d[j] + x)
            add_multiple(s, x, h + j * m, count)
        if is_done(moved, &most, tolerance):
            break


cdef void by_columns(
    const Columns *c, Py_ssize_t k, Py_ssize_t m, const double *mean, const double *h, const real *g,
    const real *v, const real *t, bint intercept, const double *ridge, real *d, real *r, int cycles,
    double tolerance, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        class_by_columns(
            c, c.weights + i * c.n, c.columns + i * m, c.counts[i], mean + i * m, h + i * m, g + i * m,
            v + i * m, t + i * m, intercept, ridge + i * m, d + i * m, r + threadid() * c.n, cycles,
            tolerance)


cdef void class_by_columns(
    const Columns *c, const real *w, const int64_t *at, Py_ssize_t count, const double *mean,
    const double *h, const real *g, const real *v, const real *t, bint intercept, const double *ridge,
    real *d, real *r, int cycles, double tolerance,
) noexcept nogil:
    cdef double moved, most = 0., x, slope, total = g[0] if intercept else 0., mass = h[0]
    cdef Py_ssize_t j, i
    cdef int _cycle
    for j in range(count):
        d[j] = 0.
    for i in range(c.n):
        r[i] = 0.
    for _cycle in range(cycles):
        moved = 0.
        for j in range(intercept, count):
            if not h[j] > 0.:
                continue
            slope = 0.
            for i in range(c.starts[at[j]], c.starts[at[j] + 1]):
                slope += c.x[i] * r[c.rows[i]]
            slope += g[j] + ridge[j] * d[j] - (mean[j] * total if intercept else 0.)
            x = step(slope, h[j], t[j], v[j], d[j])
            if x == 0.:
                continue
            moved += h[j] * x * x
            d[j] = -v[j] if x == -(<double>v[j] + d[j]) else <real>(d[j] + x)
            for i in range(c.starts[at[j]], c.starts[at[j] + 1]):
                r[c.rows[i]] += <real>(w[c.rows[i]] * c.x[i] * x)
            if intercept:
                total += mean[j] * mass * x
        if is_done(moved, &most, tolerance):
            break
    if intercept and mass > 0.:
        d[0] = <real>(-total / mass)


cdef void moments(
    const Columns *c, Py_ssize_t k, Py_ssize_t m, bint intercept, double *mean, double *h,
    int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        class_moments(
            c, c.weights + i * c.n, c.columns + i * m, c.counts[i], intercept, mean + i * m, h + i * m)


cdef void class_moments(
    const Columns *c, const real *w, const int64_t *at, Py_ssize_t count, bint intercept, double *mean,
    double *h,
) noexcept nogil:
    cdef double mass = 0., first, second
    cdef Py_ssize_t j, i
    for i in range(c.n if intercept else 0):
        mass += w[i]
    if intercept:
        mean[0], h[0] = 0., mass
    for j in range(intercept, count):
        first = second = 0.
        for i in range(c.starts[at[j]], c.starts[at[j] + 1]):
            first += w[c.rows[i]] * c.x[i]
            second += w[c.rows[i]] * c.x[i] * c.x[i]
        mean[j] = first / mass if intercept and mass > 0. else 0.
        h[j] = max(second - mean[j] * first, 1e-6 * second)


cdef void grams(
    const Columns *c, Py_ssize_t k, Py_ssize_t m, bint intercept, real *to, int64_t *begin, int *place,
    real *entry, Py_ssize_t most, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        class_gram(
            c, c.weights + i * c.n, c.columns + i * m, c.counts[i], intercept, to + i * m * m, m,
            begin + threadid() * (c.n + 1), place + threadid() * most, entry + threadid() * most)


cdef void class_gram(
    const Columns *c, const real *w, const int64_t *at, Py_ssize_t count, bint intercept, real *out,
    Py_ssize_t m, int64_t *begin, int *place, real *entry,
) noexcept nogil:
    cdef Py_ssize_t i, j, row, total = 0, a, b, to
    cdef real value
    for row in range(c.n + 1):
        begin[row] = 0
    for j in range(intercept, count):
        for i in range(c.starts[at[j]], c.starts[at[j] + 1]):
            begin[c.rows[i]] += 1
    for row in range(c.n + 1):  # the end of each row, which moves to its beginning
        total += begin[row]
        begin[row] = total
    for j in range(count - 1, intercept - 1, -1):
        for i in range(c.starts[at[j]], c.starts[at[j] + 1]):
            to = begin[c.rows[i]] - 1
            begin[c.rows[i]] = to
            place[to], entry[to] = <int>j, c.x[i]
    for row in range(c.n):
        if intercept:
            out[0] += w[row]
        for i in range(begin[row], begin[row + 1]):
            a, value = place[i], w[row] * entry[i]
            if intercept:
                out[a * m] += value
            for j in range(begin[row], begin[row + 1]):
                b = place[j]
                if b > a:
                    break
                out[a * m + b] += value * entry[j]


cdef double subgradient(
    const double *g, const double *v, const double *t, Py_ssize_t width, Py_ssize_t run,
    Py_ssize_t runs, double *to, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef double sums[PARTS]
    cdef double total = 0.
    for i in prange(PARTS, schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        sums[i] = part_subgradient(
            g, v, t, width, run, part_start(runs, PARTS, i), part_start(runs, PARTS, i + 1), to)
    for i in range(PARTS):
        total += sums[i]
    return total


cdef double part_subgradient(
    const double *g, const double *v, const double *t, Py_ssize_t width, Py_ssize_t run,
    Py_ssize_t first, Py_ssize_t end, double *to
) noexcept nogil:
    """Runs first .. end."""
    cdef double sum = 0., magnitudes, at
    cdef Py_ssize_t r, i
    for r in range(first, end):
        at, magnitudes = t[r % width], 0.
        for i in range(r * run, (r + 1) * run):
            magnitudes += abs(v[i])  # without a product: docs/experiments/0093
            if v[i] > 0.:
                to[i] = g[i] + at
            elif v[i] < 0.:
                to[i] = g[i] - at
            else:
                to[i] = g[i] - at if g[i] > at else g[i] + at if g[i] < -at else 0.
        sum += at * magnitudes
    return sum


cdef Table table = Table(
    by_grams=&by_grams, by_columns=&by_columns, moments=&moments, grams=&grams, subgradient=&subgradient)
capsule = PyCapsule_New(&table, "coordinate", NULL)
