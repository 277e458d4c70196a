"""Block coordinate descent for norms of groups, on quadratic models of a loss.

The model is Σ_k (g_k·d_k + ½ d_kᵀ H_k d_k) + Σ_G ‖t∘(v + d)‖_G, d_k the change of class k's weights, H_k
its block of the Hessian, and G a group of places, each with a weight of every class. A place with t = 0
has no penalty. A diagonal h bounds the curvature of a group. Its minimum then has the weights
a / (h + t²/r), a = h∘(v + d) - slopes, with the r for which ‖t∘a / (h r + t²)‖ = 1; where ‖a / t‖ <= 1
it is 0, and d exactly -v. H is held in the two ways of `coordinate_kernels.pyx`, by matrices or as
Xᵀ diag(w) X. One thread: a step needs the one before it.
Measurements: docs/experiments/0076-groups-and-paths.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport sqrt

from fastsoftmax._core.simd.multiples cimport add_multiple
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.group_kernels cimport Blocks, Entries, Table

cdef enum:
    ROOTS = 50  # steps of Newton's method for r, at most

cdef double NEAR = 1e-12  # of r, the last of them
cdef double LEAST = 1e-6  # of a group's largest bound: each of its others


cdef bint minimum(const Blocks *b, Py_ssize_t group, const real *slopes) noexcept nogil:
    """Write what is to be added to the change of a group; whether it is not 0."""
    cdef Py_ssize_t i, c, at, first = b.starts[group], end = b.starts[group + 1]
    cdef double h, t, v, r, least = 0., size = 0.
    cdef double *a = b.step
    cdef bint moves = False
    for i in range(first, end):
        for c in range(b.k):
            least = max(least, LEAST * b.bounds[c * b.m + b.places[i]])
    if not least > 0.:
        return False
    for i in range(first, end):
        for c in range(b.k):
            at = c * b.m + b.places[i]
            h = max(b.bounds[at], least)
            a[0] = h * (<double>b.values[at] + b.change[at]) - slopes[at]
            a += 1
    a = b.step
    for i in range(first, end):  # a sum apart from what is written: docs/experiments/0093
        for c in range(b.k):
            t = b.thresholds[c * b.m + b.places[i]]
            if t > 0.:
                size += (a[0] / t) ** 2
            a += 1
    r = length(b, first, end, least) if size > 1. else 0.
    a = b.step
    for i in range(first, end):
        for c in range(b.k):
            at = c * b.m + b.places[i]
            h, t = max(b.bounds[at], least), b.thresholds[at]
            v = <double>b.values[at] + b.change[at]
            if not t > 0.:
                a[0] = a[0] / h - v
            elif size > 1.:
                a[0] = a[0] / (h + t * t / r) - v
            else:
                a[0] = -v
            moves = moves or a[0] != 0.
            a += 1
    return moves


cdef double length(
    const Blocks *b, Py_ssize_t first, Py_ssize_t end, double least
) noexcept nogil:
    """r: by Newton's method on 1 / ‖·‖, which is concave and nearly linear, so that it goes up to
    where that is 1."""
    cdef Py_ssize_t i, c, at
    cdef double r = 0., h, part, square, slope, new
    cdef const double *a
    cdef int _step
    for _step in range(ROOTS):
        square, slope, a = 0., 0., b.step
        for i in range(first, end):
            for c in range(b.k):
                at = c * b.m + b.places[i]
                if b.thresholds[at] > 0.:
                    h = max(b.bounds[at], least) / (<double>b.thresholds[at] * b.thresholds[at])
                    part = (a[0] / b.thresholds[at]) / (1. + h * r)
                    square += part * part
                    slope += part * part * h / (1. + h * r)
                a += 1
        new = r + (sqrt(square) - 1.) * square / slope
        if not new > r * (1. + NEAR):
            break
        r = new
    return r


cdef double move(const Blocks *b, Py_ssize_t group) noexcept nogil:
    """Add the step to the change; Σ h δ²."""
    cdef Py_ssize_t i, c, at
    cdef double moved = 0.
    cdef const double *x = b.step
    for i in range(b.starts[group], b.starts[group + 1]):
        for c in range(b.k):
            moved += b.bounds[c * b.m + b.places[i]] * x[0] * x[0]
            x += 1
    x = b.step
    for i in range(b.starts[group], b.starts[group + 1]):
        for c in range(b.k):
            at = c * b.m + b.places[i]
            if x[0] == -(<double>b.values[at] + b.change[at]):
                b.change[at] = -b.values[at]
            else:
                b.change[at] = <real>(b.change[at] + x[0])
            x += 1
    return moved


cdef inline bint is_done(double moved, double *most, double tolerance) noexcept nogil:
    most[0] = max(most[0], moved)
    return moved <= tolerance * most[0]


cdef void by_grams(const Blocks *b, const real *h, real *slopes) noexcept nogil:
    cdef Py_ssize_t group, i, c
    cdef double moved, most = 0.
    cdef const double *x
    cdef int _cycle
    for i in range(b.k * b.m):
        b.change[i] = 0.
        slopes[i] = b.gradient[i]
    for _cycle in range(b.cycles):
        moved = 0.
        for group in range(b.n):
            if not minimum(b, group, slopes):
                continue
            moved += move(b, group)
            x = b.step
            for i in range(b.starts[group], b.starts[group + 1]):
                for c in range(b.k):
                    add_multiple(
                        slopes + c * b.m, x[0], h + (c * b.m + b.places[i]) * b.m, b.m)
                    x += 1
        if is_done(moved, &most, b.tolerance):
            break


cdef void by_columns(const Blocks *b, const Entries *e) noexcept nogil:
    cdef Py_ssize_t group, i, c, at
    cdef double moved, most = 0.
    cdef int _cycle
    for i in range(b.k * b.m):
        b.change[i] = 0.
    for i in range(e.n * b.k):
        e.residual[i] = 0.
    for c in range(b.k):
        e.totals[c] = b.gradient[c * b.m] if e.intercept else 0.
    for _cycle in range(b.cycles):
        moved = 0.
        for group in range(b.n):
            for i in range(b.starts[group], b.starts[group + 1]):
                add_slopes(b, e, b.places[i])
            if not minimum(b, group, e.slopes):
                continue
            moved += move(b, group)
            for i in range(b.starts[group], b.starts[group + 1]):
                change_residual(b, e, b.places[i], b.step + (i - b.starts[group]) * b.k)
        if is_done(moved, &most, b.tolerance):
            break
    if e.intercept:
        for c in range(b.k):
            at = c * b.m
            if e.diagonals[at] > 0.:
                b.change[at] = <real>(-e.totals[c] / e.diagonals[at])


cdef void add_slopes(const Blocks *b, const Entries *e, Py_ssize_t place) noexcept nogil:
    """The slopes at a place."""
    cdef Py_ssize_t i, c, at
    cdef real *out = e.slopes + place
    cdef const real *row
    for c in range(b.k):
        at = c * b.m + place
        out[c * b.m] = <real>(
            b.gradient[at] + e.ridges[at] * b.change[at]
            - (e.means[at] * e.totals[c] if e.intercept else 0.))
    for i in range(e.starts[e.columns[place]], e.starts[e.columns[place] + 1]):
        row = e.residual + e.rows[i] * b.k
        for c in range(b.k):
            out[c * b.m] += e.x[i] * row[c]


cdef void change_residual(
    const Blocks *b, const Entries *e, Py_ssize_t place, const double *x
) noexcept nogil:
    """Add what a step of a place does to the residual w X d."""
    cdef Py_ssize_t i, c
    cdef real *row
    cdef const real *w
    for i in range(e.starts[e.columns[place]], e.starts[e.columns[place] + 1]):
        row, w = e.residual + e.rows[i] * b.k, e.weights + e.rows[i] * b.k
        for c in range(b.k):
            row[c] += <real>(w[c] * e.x[i] * x[c])
    if e.intercept:
        for c in range(b.k):
            e.totals[c] += e.means[c * b.m + place] * e.diagonals[c * b.m] * x[c]


cdef Table table = Table(by_grams=&by_grams, by_columns=&by_columns)
capsule = PyCapsule_New(&table, "group", NULL)
