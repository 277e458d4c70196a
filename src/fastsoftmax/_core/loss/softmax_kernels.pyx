"""Softmax, log-softmax, log-sum-exp of rows, and the softmax's vector-Jacobian product.

Bytes: softmax reads and writes each number once, where a row fits the buffer: the maximum is found
while the row comes in, the exponentials stay in cache until their sum is known, the results go past
the caches where they exceed them. One exponential per number: 20 instructions for 16 lanes.
Longer rows are read twice, for the log-sum-exp and for the result, with two exponentials per number
(the two passes of Dukhan & Ablavatski, arXiv 2001.04438, but with a running maximum in place of
their pairs of mantissa and exponent). The log-sum-exp is one pass for any length.

Measurements: docs/experiments/0007-softmax-of-rows.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY

from fastsoftmax._core.arguments cimport Rows
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.loss.rows cimport (
    buffer_size, go_along, n_units, padded, read_row, read_tile, row_at, rows_of_tile, run_at, tile_at,
    write_row, write_tile,
)
from fastsoftmax._core.loss.softmax_kernels cimport SOFTMAX, Table
from fastsoftmax._core.loss.softmax_tile cimport (
    across_lanes, highest, nan_or_zero, normaliser, sum_of_others, to_probabilities,
)
from fastsoftmax._core.simd.rowmath cimport exp, exp_in_range, log1p
from fastsoftmax._core.simd.simd cimport (
    LARGEST, VL, absolute, any_gt, divide, fence, load, max_all, maximum, minimum, real,
    select_gt, set1, store, sum_all, vreal, vreal_inlined,
)
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned_start

cdef enum:
    RUN = 1024  # elements whose maximum is taken before their exponentials
    TERMS = 128  # of a dot product that are added before they join the others
    AHEAD = 4096  # elements between a run and the one that is fetched meanwhile
    LONGEST = 128 * 1024  # elements of a row that is kept between sum and result
    PAST_CACHE = 16 * 1024 * 1024  # bytes of a result that is not kept in cache


cdef struct LogSum:
    vreal top, others, undefined  # the sum is exp(top) (1 + others)


cdef inline void add_run(
    LogSum *s, real *z, Py_ssize_t n, vreal top, const real *following
) noexcept nogil:
    """The sum of the exponentials of n elements, whose maximum is known, added to the sum so far."""
    cdef vreal others
    if any_gt(absolute(top), set1(LARGEST)):
        s.undefined = s.undefined + sum_all(nan_or_zero(z, padded(n) // VL, VL))
        s.top = maximum(top, s.top)
        return
    others = sum_of_others(z, padded(n) // VL, VL, True, False, False, top, following)
    if any_gt(top, s.top):
        s.others = others + (set1(1.) + s.others) * exp(s.top - top)
        s.top = top
    else:
        s.others = s.others + (set1(1.) + others) * exp(top - s.top)


cdef inline LogSum sum_row(const Rows *x, Py_ssize_t at, double factor, real *z) noexcept nogil:
    cdef LogSum s
    cdef Py_ssize_t j, n
    cdef vreal top
    cdef real *run
    cdef const real *numbers = run_at(x, at)
    s.top, s.others, s.undefined = set1(-INFINITY), set1(-1.), set1(0.)
    for j from 0 <= j < x.k by RUN:
        n = min(RUN, x.k - j)
        if numbers != NULL and factor == 1. and n % VL == 0:
            run = <real *>numbers + j  # which is only read
            top = max_all(highest(run, n // VL, VL))
        else:
            run = z
            top = max_all(read_row(x, at + j * x.class_step, n, factor, -INFINITY, z))
        add_run(&s, run, n, top, numbers + j + AHEAD if numbers != NULL else NULL)
    return s


cdef inline vreal log_of(const LogSum *s) noexcept nogil:
    """Log-sum-exp less the maximum: of an infinite maximum 0, or NaN if there is one."""
    cdef vreal undefined = s.undefined + minimum(set1(0.), maximum(set1(0.), s.others))
    return select_gt(absolute(s.top), set1(LARGEST), undefined, log1p(s.others)) + s.undefined


cdef void row(
    const Rows *x, const Rows *out, Py_ssize_t i, int kind, double factor, bint past_cache, real *z
) noexcept nogil:
    cdef Py_ssize_t j, v, n, k = x.k, at = row_at(x, i), to = row_at(out, i)
    cdef const real *following = run_at(x, at + x.row_step)
    cdef LogSum s
    cdef vreal top, log_sum, inverse, zero = set1(0.), one = set1(1.)
    if k <= LONGEST:
        n = padded(k) // VL
        top = max_all(read_row(x, at, k, factor, -INFINITY, z))
        if kind == SOFTMAX:
            inverse = one + normaliser(z, n, VL, True, True, False, top, following, &log_sum)
            write_row(out, to, k, z, zero, divide(one, inverse), zero, past_cache)
        else:
            normaliser(z, n, VL, True, False, False, top, following, &log_sum)
            write_row(out, to, k, z, top, one, log_sum, past_cache)
        return
    s = sum_row(x, at, factor, z)
    # NaN where there is one, or where the maximum is infinite
    inverse = divide(one, one + s.others) + s.undefined + (s.top - s.top)
    log_sum = log_of(&s)
    for j from 0 <= j < k by RUN:
        n = min(RUN, k - j)
        read_row(x, at + j * x.class_step, n, factor, -INFINITY, z)
        if kind == SOFTMAX:
            for v from 0 <= v < n by VL:
                store(z + v, exp_in_range(load(z + v) - s.top))
        write_row(
            out, to + j * out.class_step, n, z, zero if kind == SOFTMAX else s.top,
            inverse if kind == SOFTMAX else one, zero if kind == SOFTMAX else log_sum, past_cache)


cdef void tile(
    const Rows *x, const Rows *out, Py_ssize_t unit, int kind, double factor, real *z
) noexcept nogil:
    cdef Py_ssize_t first, k, v, n = rows_of_tile(x, unit)
    cdef vreal top, log_sum
    read_tile(x, tile_at(x, unit, &first), n, factor, z)
    for v from 0 <= v < n by VL:
        top = highest(z + v, x.k, ROWS)
        if kind == SOFTMAX:
            to_probabilities(z + v, x.k, ROWS, False, top)
        else:
            normaliser(z + v, x.k, ROWS, False, False, False, top, NULL, &log_sum)
            for k in range(x.k):
                store(z + k * ROWS + v, (load(z + k * ROWS + v) - top) - log_sum)
    write_tile(out, tile_at(out, unit, &first), n, z)


cdef Py_ssize_t buffer_of(const Rows *x, Py_ssize_t longest) noexcept nogil:
    """Elements of a thread's buffer, for rows that are taken in parts of so many where they are
    longer."""
    return min(buffer_size(x), longest) if go_along(x) else buffer_size(x)


cdef Py_ssize_t softmax_bytes(const Rows *x, int n_threads) noexcept nogil:
    return ALIGNMENT + n_threads * buffer_of(x, LONGEST) * sizeof(real)


cdef void softmax(
    const Rows *x, const Rows *out, int kind, double factor, Py_ssize_t out_bytes, char *memory,
    int n_threads,
) noexcept nogil:
    cdef bint along = go_along(x), past_cache = out_bytes > PAST_CACHE
    cdef Py_ssize_t i, size = buffer_of(x, LONGEST)
    cdef real *z = <real *>aligned_start(memory)
    for i in prange(n_units(x), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        if along:
            row(x, out, i, kind, factor, past_cache, z + threadid() * size)
        else:
            tile(x, out, i, kind, factor, z + threadid() * size)
    fence()


cdef void sum_unit(
    const Rows *x, const Rows *out, Py_ssize_t unit, bint along, double factor, real *z
) noexcept nogil:
    cdef Py_ssize_t first, v, n
    cdef vreal top, log_sum
    cdef LogSum s
    if along:
        s = sum_row(x, row_at(x, unit), factor, z)
        store(z, s.top + log_of(&s))
        write_row(out, row_at(out, unit), 1, z, set1(0.), set1(1.), set1(0.), False)
        return
    n = rows_of_tile(x, unit)
    read_tile(x, tile_at(x, unit, &first), n, factor, z)
    for v from 0 <= v < n by VL:
        top = highest(z + v, x.k, ROWS)
        normaliser(z + v, x.k, ROWS, False, False, False, top, NULL, &log_sum)
        store(z + v, top + log_sum)
    write_tile(out, tile_at(out, unit, &first), n, z)


cdef Py_ssize_t logsumexp_bytes(const Rows *x, int n_threads) noexcept nogil:
    return ALIGNMENT + n_threads * buffer_of(x, RUN) * sizeof(real)


cdef void logsumexp(
    const Rows *x, const Rows *out, double factor, char *memory, int n_threads
) noexcept nogil:
    cdef bint along = go_along(x)
    cdef Py_ssize_t i, size = buffer_of(x, RUN)
    cdef real *z = <real *>aligned_start(memory)
    for i in prange(n_units(x), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        sum_unit(x, out, i, along, factor, z + threadid() * size)


cdef inline vreal_inlined dot_with(
    const real *p, const real *u, Py_ssize_t n, Py_ssize_t step, vreal dot
) noexcept nogil:
    """The sum so far, lane by lane, and of p u, in runs: rounding does not grow with all terms."""
    cdef Py_ssize_t first, k
    cdef vreal run
    for first from 0 <= first < n by TERMS:
        run = set1(0.)
        for k in range(first, min(first + TERMS, n)):
            run = run + load(p + k * step) * load(u + k * step)
        dot = dot + run
    return dot


cdef inline void product_with_jacobian(
    real *p, const real *u, Py_ssize_t n, Py_ssize_t step, vreal dot
) noexcept nogil:
    """p = p * (u - dot)."""
    cdef Py_ssize_t k
    for k in range(n):
        store(p + k * step, load(p + k * step) * (load(u + k * step) - dot))


cdef void vjp_row(
    const Rows *p, const Rows *u, const Rows *out, Py_ssize_t i, double factor, real *z,
    Py_ssize_t size,
) noexcept nogil:
    """A row that is longer than the buffers is read twice."""
    cdef Py_ssize_t j, n, at = row_at(p, i), beside = row_at(u, i), to = row_at(out, i)
    cdef vreal dot = set1(0.)
    for j from 0 <= j < p.k by size:
        n = min(size, p.k - j)
        read_row(p, at + j * p.class_step, n, 1., 0., z)
        read_row(u, beside + j * u.class_step, n, factor, 0., z + size)
        dot = dot_with(z, z + size, padded(n) // VL, VL, dot)
    dot = across_lanes(dot, True)
    for j from 0 <= j < p.k by size:
        n = min(size, p.k - j)
        if size < p.k:
            read_row(p, at + j * p.class_step, n, 1., 0., z)
            read_row(u, beside + j * u.class_step, n, factor, 0., z + size)
        product_with_jacobian(z, z + size, padded(n) // VL, VL, dot)
        write_row(out, to + j * out.class_step, n, z, set1(0.), set1(1.), set1(0.), False)


cdef void vjp_tile(
    const Rows *p, const Rows *u, const Rows *out, Py_ssize_t unit, double factor, real *z,
    Py_ssize_t size,
) noexcept nogil:
    cdef Py_ssize_t first, v, n = rows_of_tile(p, unit)
    read_tile(p, tile_at(p, unit, &first), n, 1., z)
    read_tile(u, tile_at(u, unit, &first), n, factor, z + size)
    for v from 0 <= v < n by VL:
        product_with_jacobian(
            z + v, z + size + v, p.k, ROWS, dot_with(z + v, z + size + v, p.k, ROWS, set1(0.)))
    write_tile(out, tile_at(out, unit, &first), n, z)


cdef Py_ssize_t vjp_bytes(const Rows *p, int n_threads) noexcept nogil:
    return ALIGNMENT + n_threads * 2 * buffer_of(p, LONGEST // 2) * sizeof(real)


cdef void vjp(
    const Rows *p, const Rows *u, const Rows *out, double factor, char *memory, int n_threads
) noexcept nogil:
    cdef bint along = go_along(p)
    cdef Py_ssize_t i, size = buffer_of(p, LONGEST // 2)
    cdef real *z = <real *>aligned_start(memory)
    for i in prange(n_units(p), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        if along:
            vjp_row(p, u, out, i, factor, z + threadid() * 2 * size, size)
        else:
            vjp_tile(p, u, out, i, factor, z + threadid() * 2 * size, size)


cdef Table table = Table(
    softmax_bytes=&softmax_bytes, softmax=&softmax, logsumexp_bytes=&logsumexp_bytes,
    logsumexp=&logsumexp, vjp_bytes=&vjp_bytes, vjp=&vjp)
capsule = PyCapsule_New(&table, "softmax", NULL)
