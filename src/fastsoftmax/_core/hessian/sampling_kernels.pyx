"""Rows drawn by importance, for each class, from tiles of weights laid out as logits are.

Each class is a thread's; a row is drawn by a random number that seed, class and row name (SplitMix64),
so that the sample is the same for any number of threads. Finding the probabilities takes 3 to 6 sums
over the weights. Systematic sampling, one number per class, would see one class alone where rows
alternate between classes. Measurements: docs/experiments/0012-gram-matrices-and-row-sampling.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport uint64_t

from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.hessian.sampling_kernels cimport Table
from fastsoftmax._core.simd.simd cimport (
    VL, add_to_doubles, load, real, select_gt, set1, vreal, vreal_inlined,
)
from fastsoftmax._core.simd.splitmix cimport scrambled, uniform
from fastsoftmax._core.sizes cimport parts_of


cdef void sample_rows(
    const real *v, const real *e, Py_ssize_t k, Py_ssize_t n, Py_ssize_t wanted, uint64_t seed,
    Py_ssize_t most, int *to_rows, real *to_factors, Py_ssize_t *to_counts, double *to_totals,
    int n_threads,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(k, schedule="dynamic", num_threads=n_threads,
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
    cdef Py_ssize_t tiles = parts_of(n, ROWS), i, j, count = 0
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


cdef Table table = Table(sample_rows=&sample_rows)
capsule = PyCapsule_New(&table, "sampling", NULL)
