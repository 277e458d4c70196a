"""Rows drawn by importance, for each class, from tiles of weights laid out as logits are.

Each class is a thread's; a row is drawn by a random number that seed, class and row name (SplitMix64),
so that the sample is the same for any number of threads. Finding the probabilities takes 3 to 6 sums
over the weights. Systematic sampling, one number per class, would see one class alone where rows
alternate between classes. Measurements: docs/experiments/0012-gram-matrices-and-row-sampling.md.
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport uint64_t
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, ints, intps
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.simd cimport (
    VL, add_to_doubles, load, real, select_gt, set1, vreal, vreal_inlined,
)
from fastsoftmax._core.splitmix cimport scrambled, uniform
from fastsoftmax._core.tiles cimport ROWS

cnp.import_array()


def sample_rows(
    cnp.ndarray variances not None, emphasis, Py_ssize_t n, Py_ssize_t wanted, unsigned long long seed,
    cnp.ndarray rows not None, cnp.ndarray factors not None, cnp.ndarray counts not None,
    cnp.ndarray totals not None, int n_threads,
):
    """For each class, about `wanted` rows drawn by importance, v from `variances` times an emphasis.

    Row i is kept with probability q = min(1, c e_i v_i), c such that these sum to `wanted`, and gets the
    factor sqrt(v_i / q): the sum over the rows kept of factor^2 x xᵀ is that of v x xᵀ on average.
    The emphasis is of whole tiles, or None; the rows that the last tile lacks must have a v of 0.
    rows (k, most) int32 and factors (k, most) hold the counts (k,) of each class, int64, in the order
    of the rows; totals (k,), float64, the sums of v. What is drawn depends on seed, class and row.
    """
    cdef const real *v = reals(variances, "variances")
    cdef const real *e = reals(emphasis, "emphasis")
    cdef Py_ssize_t k = variances.shape[1], most = rows.shape[1], i
    cdef int *to_rows = ints(rows, "rows")
    cdef real *to_factors = reals(factors, "factors")
    cdef Py_ssize_t *to_counts = intps(counts, "counts")
    cdef double *to_totals = doubles(totals, "totals")
    for i in prange(k, nogil=True, schedule="dynamic", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        to_counts[i] = draw_class(
            v + i * ROWS, e, k * ROWS, n, wanted, most, scrambled(seed + <uint64_t>i + 1),
            to_rows + i * most, to_factors + i * most, to_totals + i)


cdef inline vreal_inlined importance(const real *v, const real *e) noexcept nogil:
    return load(v) * load(e) if e else load(v)


cdef void add_importance(
    const real *v, const real *e, Py_ssize_t tile, Py_ssize_t tiles, double least, double *below,
    double *above,
) noexcept nogil:
    """The sum of what is below `least`, and how many are not; neither counts what is 0."""
    cdef double sums[VL]
    cdef double counts[VL]
    cdef vreal x, one
    cdef Py_ssize_t i, j
    for j in range(VL):
        sums[j] = 0.
        counts[j] = 0.
    for i in range(tiles):
        for j from 0 <= j < ROWS by VL:
            x = importance(v + i * tile + j, e + i * ROWS + j if e else NULL)
            one = select_gt(set1(least), x, set1(0.), set1(1.))
            add_to_doubles(sums, select_gt(set1(least), x, x, set1(0.)))
            add_to_doubles(counts, select_gt(x, set1(0.), one, set1(0.)))
    below[0] = 0.
    above[0] = 0.
    for j in range(VL):
        below[0] += sums[j]
        above[0] += counts[j]


cdef Py_ssize_t draw_class(
    const real *v, const real *e, Py_ssize_t tile, Py_ssize_t n, Py_ssize_t wanted, Py_ssize_t most,
    uint64_t key, int *rows, real *factors, double *total,
) noexcept nogil:
    cdef double c, sum, certain, before = 0.
    cdef Py_ssize_t tiles = (n + ROWS - 1) // ROWS, i, j, count = 0
    cdef int _round, found, h
    cdef bint everything = wanted >= n
    cdef double chances[ROWS]
    cdef real kept[ROWS]
    cdef int places[ROWS + 1]
    cdef real x
    add_importance(v, NULL, tile, tiles, INFINITY, total, &certain)
    if not total[0] > 0.:
        return 0
    add_importance(v, e, tile, tiles, INFINITY, &sum, &certain)
    c = wanted / sum
    for _round in range(0 if everything else 20):  # those that are certain leave more for the others
        add_importance(v, e, tile, tiles, 1. / c, &sum, &certain)
        if certain == before or not sum > 0. or certain >= wanted:
            break
        before = certain
        c = (wanted - certain) / sum
    for i in range(tiles):
        for j in range(ROWS):
            chances[j] = uniform(key, i * ROWS + j)
        for j in range(ROWS):
            kept[j] = <real>min(c * v[i * tile + j] * (e[i * ROWS + j] if e else 1.), 1.)
        for j in range(ROWS if everything else 0):
            kept[j] = 1. if v[i * tile + j] > 0. else 0.
        found = 0
        for j in range(ROWS):  # which of them are few, so no branch foresees
            places[found] = <int>j
            found += chances[j] < kept[j]
        for h in range(min(found, <int>(most - count))):
            x = v[i * tile + places[h]]
            rows[count] = <int>(i * ROWS) + places[h]
            factors[count] = <real>sqrt(x if kept[places[h]] >= 1. else x / <double>kept[places[h]])
            count += 1
    return count
