"""The level of the matrix units: v4's `linear`, but many classes and features go to `linear_units`.

Only this module is compiled for the level, and only for float32. What the units do not serve goes to
v4's functions. Measurements: docs/experiments/0081-matrix-units.md.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.string cimport memset

from fastsoftmax._core.arguments cimport FLOAT32, Problem
from fastsoftmax._core.gemm.split_terms cimport SIDE
from fastsoftmax._core.linear.linear_kernels cimport Sizes, Table
from fastsoftmax._core.linear.linear_units cimport (
    Units, carve_units, plan_units, rows_units, run_units, store_units,
)
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.v4_f32.linear_kernels import capsule as of_v4

cdef const Table *base = <const Table *>PyCapsule_GetPointer(of_v4, "linear")
cdef Table table


# Classes and features from which on the units are as fast as v4, or faster; at least SIDE. Tests set it
# by its capsule.
cdef Py_ssize_t least = 256


cdef bint is_served(const Problem *p) noexcept nogil:
    """Whether the units take it: by its shape, not by its type, which must not change a bit."""
    return p.k >= least and p.d >= least


cdef Py_ssize_t bytes_of(const Problem *p, int n_threads) noexcept nogil:
    cdef Units s = plan_units(p, &n_threads)
    return carve_units(&s, n_threads, NULL)


cdef Py_ssize_t gradient_bytes(
    const Problem *p, bint narrow, bint wants_x, int n_threads
) noexcept nogil:
    if wants_x or not is_served(p):
        return base.gradient_bytes(p, narrow, wants_x, n_threads)
    return bytes_of(p, n_threads)


cdef double gradient(
    const Problem *p, double *wide_w, real *narrow_w, double *to_b, real *to_x, char *memory,
    int n_threads,
) noexcept nogil:
    cdef Units s
    if to_x or not is_served(p):
        return base.gradient(p, wide_w, narrow_w, to_b, to_x, memory, n_threads)
    s = plan_units(p, &n_threads)
    carve_units(&s, n_threads, memory)
    return run_units(p, &s, wide_w, narrow_w, to_b, n_threads)


cdef Py_ssize_t logits_bytes(const Problem *p, int n_threads) noexcept nogil:
    return bytes_of(p, n_threads) if is_served(p) else base.logits_bytes(p, n_threads)


cdef void logits(const Problem *p, real *to, char *memory, int n_threads) noexcept nogil:
    cdef Units s
    if not is_served(p):
        base.logits(p, to, memory, n_threads)
        return
    s = plan_units(p, &n_threads)
    carve_units(&s, n_threads, memory)
    rows_units(p, &s, to, n_threads)


cdef Py_ssize_t store_bytes(const Problem *p, int n_threads) noexcept nogil:
    return bytes_of(p, n_threads) if is_served(p) else base.store_bytes(p, n_threads)


cdef void store_logits(const Problem *p, char *memory, int n_threads) noexcept nogil:
    cdef Units s
    if not is_served(p):
        base.store_logits(p, memory, n_threads)
        return
    s = plan_units(p, &n_threads)
    carve_units(&s, n_threads, memory)
    store_units(p, &s, n_threads)


cdef Sizes sizes(const Problem *given, int n_threads) noexcept nogil:
    cdef Problem p = given[0]
    cdef Units s
    cdef Sizes found
    p.cells.type = FLOAT32
    if not is_served(&p):
        return base.sizes(given, n_threads)
    s = plan_units(&p, &n_threads)
    memset(&found, 0, sizeof(Sizes))
    found.summed, found.block = s.rows, s.rows
    found.features, found.rows = p.d, found.summed
    found.packed, found.chunk = min(s.packed * SIDE, p.k), SIDE
    found.group = min(s.group * SIDE, p.k)
    found.bytes = carve_units(&s, n_threads, NULL)
    return found


table = base[0]
table.sizes = sizes
table.gradient_bytes = gradient_bytes
table.gradient = gradient
table.logits_bytes = logits_bytes
table.logits = logits
table.store_bytes = store_bytes
table.store_logits = store_logits
capsule = PyCapsule_New(&table, "linear", NULL)
capsule_of_least = PyCapsule_New(&least, "least", NULL)
