"""Dual coordinate ascent for one logit, a row of a sparse X at a time.

F(w, b) = (1/S) Σ sᵢ CEᵢ + ½μ(‖w‖² + (b - b₀)²/β) has the dual problem of the probabilities a: with
w = Σ cᵢ (yᵢ - aᵢ) xᵢ and b = b₀ + β Σ cᵢ (yᵢ - aᵢ), cᵢ = sᵢ/(μS), it is solved where each log-odds
u = log(a/(1 - a)) are the logit z that w and b give. A step takes one row there while all others stay
(Yu, Huang & Lin 2011; Shalev-Shwartz & Zhang 2013): z changes with a, so that

    u + q (σ(u) - a) = z,    q = c (‖x‖² + β).

The left side increases with a slope of at least 1, and u lies between the former log-odds and z. A step
reads a row of X twice and w where the row has entries: all in order, by one thread.
Measurements: docs/experiments/0065-dual-ascent.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t

from fastsoftmax._core.arguments cimport Sparse
from fastsoftmax._core.loss.logistic cimport sigmoid
from fastsoftmax._core.simd.simd cimport (
    VL, load, load_first, prefetch, real, set1, sum_lanes, vreal,
)
from fastsoftmax._core.sizes cimport LINE
from fastsoftmax._core.solver.ascent_kernels cimport Table
from fastsoftmax._core.sparse.gather cimport gather_few, index
from fastsoftmax._core.sparse.scatter cimport scatter_few

cdef enum:
    STEPS = 12  # of Newton's method for u, at most
    AHEAD = 8  # rows whose numbers are fetched,
    NEXT = 2  # and whose entries

cdef struct Row:
    real scale  # c
    real square  # ‖x‖² + β
    real offset
    real log_odds  # u

cdef real NEAR = 1e-2  # of the way that u goes: the last step


cdef inline real probability(real u) noexcept nogil:
    cdef vreal p = sigmoid(set1(u), False)
    return (<real *>&p)[0]


cdef inline real increase(real u, real v) noexcept nogil:
    """σ(u) - σ(v), to all its digits where both are near 1."""
    if u > 0 and v > 0:
        return probability(-v) - probability(-u)
    return probability(u) - probability(v)


cdef inline real solution(real z, real q, real v) noexcept nogil:
    """u with u + q (σ(u) - σ(v)) = z, nearly."""
    cdef real low = max(min(v, z), z - q * probability(-v))
    cdef real high = min(max(v, z), z + q * probability(v))
    cdef real u = max(low, min(v, high)), excess, step, near = NEAR * abs(z - v)
    cdef int _
    for _ in range(STEPS):
        excess = u - z + q * increase(u, v)
        if excess > 0:
            high = u
        else:
            low = u
        step = excess / (1 + q * probability(u) * probability(-u))
        u -= step
        if abs(step) <= near:
            break
        if not low <= u <= high:
            u = (low + high) / 2
    return u


cdef inline void fetch(const real *values, const index *at, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < n by LINE // sizeof(real):
        prefetch(values + i)
    for i from 0 <= i < n by LINE // sizeof(index):
        prefetch(at + i)


cdef double epoch_of(
    const real *values, const index *at, const index *starts, const int *order, Py_ssize_t count,
    Row *rows, real *w, real *b, real constant,
) noexcept nogil:
    cdef double gain = 0.
    cdef Py_ssize_t t, first, length
    cdef real z, u, change
    cdef Row *row
    for t in range(count):
        if t + AHEAD < count:
            prefetch(rows + order[t + AHEAD])
            prefetch(starts + order[t + AHEAD])
        if t + NEXT < count:
            first = starts[order[t + NEXT]]
            fetch(values + first, at + first, starts[order[t + NEXT] + 1] - first)
        row, first = rows + order[t], starts[order[t]]
        length = starts[order[t] + 1] - first
        z = b[0] + row.offset
        gather_few(1, values + first, at + first, length, w, &z)
        u = row.log_odds
        gain += row.scale * (z - u) * (z - u) * probability(u) * probability(-u)
        u = solution(z, row.scale * row.square, u)
        change = -row.scale * increase(u, row.log_odds)
        row.log_odds = u
        b[0] += change * constant
        scatter_few(1, values + first, at + first, length, &change, w)
    return gain / 2


cdef double epoch(
    const Sparse *x, const int *order, Py_ssize_t count, real *rows, real *w, real *b, double constant,
) noexcept nogil:
    """Take `count` rows in this order; about what F - F* was, divided by μ, as they were met."""
    if x.wide:
        return epoch_of(
            x.values, <const int64_t *>x.at, <const int64_t *>x.starts, order, count, <Row *>rows, w, b,
            <real>constant)
    return epoch_of(
        x.values, <const int *>x.at, <const int *>x.starts, order, count, <Row *>rows, w, b,
        <real>constant)


cdef void squares_of(
    const real *values, const index *starts, const int *order, Py_ssize_t count, Row *rows,
) noexcept nogil:
    cdef vreal sums, x
    cdef Py_ssize_t t, i, first, length
    for t in range(count):
        first = starts[order[t]]
        length = starts[order[t] + 1] - first
        sums = set1(0.)
        for i from 0 <= i <= length - VL by VL:
            x = load(values + first + i)
            sums = sums + x * x
        if length % VL:
            x = load_first(values + first + length - length % VL, length % VL)
            sums = sums + x * x
        rows[order[t]].square = sum_lanes(sums)


cdef void squares(const Sparse *x, const int *order, Py_ssize_t count, real *rows) noexcept nogil:
    """The sum of squares of each row's entries."""
    if x.wide:
        squares_of(x.values, <const int64_t *>x.starts, order, count, <Row *>rows)
    else:
        squares_of(x.values, <const int *>x.starts, order, count, <Row *>rows)


cdef Table table = Table(squares=&squares, epoch=&epoch)
capsule = PyCapsule_New(&table, "ascent", NULL)
