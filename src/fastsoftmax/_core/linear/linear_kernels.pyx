"""Loss, gradient and logits of softmax regression, dense X: one pass over X, no N x K array.

Bytes and flops of one loss + gradient: N*D*sizeof(real) read from memory, 4*N*D*K flops.

`by_partitions` chooses between two schemes: each thread computes both products for rows of its own
(`linear_partitions.pxd`), or threads share one gradient (`linear_panels.pxd`). Measurements:
docs/experiments/0004-two-dense-schemes.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.string cimport memset

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.convert cimport REAL
from fastsoftmax._core.gemm.stored_tiles cimport tiles_read
from fastsoftmax._core.gemm.tiles cimport ROWS
from fastsoftmax._core.linear.linear_kernels cimport Sizes, Table
from fastsoftmax._core.linear.linear_panels cimport run_panels, store_panels
from fastsoftmax._core.linear.linear_partitions cimport run_partitions, store_partitions
from fastsoftmax._core.linear.linear_plan cimport (
    DOTS, ROWS_TRANSPOSED, SUM_ROWS, Partitions, Plan, by_partitions, carve_panels, carve_partitions,
    panels_bytes, partition_start, partitions_bytes, plan_gradient, plan_known, plan_panels,
    plan_partitions,
)
from fastsoftmax._core.linear.linear_problem cimport COUNTED
from fastsoftmax._core.linear.partitions_logits cimport pack_partitions, rows_logits
from fastsoftmax._core.simd.simd cimport CLASS_BLOCK, real
from fastsoftmax._core.sizes cimport parts_of

cdef enum:
    TILES = 4  # that a thread takes at a time: two rarely run at the same speed


cdef Problem located(const Problem *given) noexcept nogil:
    """The problem, and how the tiles read its X."""
    cdef Problem p = given[0]
    cdef Py_ssize_t size = sizeof(real)
    p.x = <const real *>p.cells.x if p.cells.type == REAL else NULL
    p.row_step, p.column_step = p.cells.row_step // size, p.cells.column_step // size
    p.in_place = tiles_read(p.cells.type) and p.cells.column_step == p.cells.size
    return p


cdef Py_ssize_t gradient_bytes(
    const Problem *given, bint narrow, bint wants_x, int n_threads
) noexcept nogil:
    cdef Problem p = located(given)
    return plan_gradient(&p, narrow, wants_x, n_threads).bytes


cdef double gradient(
    const Problem *given, double *wide_w, real *narrow_w, double *to_b, real *to_x, char *memory,
    int n_threads,
) noexcept nogil:
    cdef Problem p = located(given)
    cdef Plan s = plan_gradient(&p, narrow_w != NULL, to_x != NULL, n_threads)
    if s.by_partitions:
        carve_partitions(&p, &s.partitions, memory)
        return run_partitions(&p, &s.partitions, wide_w, to_b, s.n_threads)
    carve_panels(&p, &s.panels, memory)
    return run_panels(&p, &s.panels, wide_w, narrow_w, to_b, to_x, s.n_threads)


cdef Problem problem_of_moments(const Problem *given, const int *label) noexcept nogil:
    """One class, and labels that are not read: any will do."""
    cdef Problem p = located(given)
    p.in_place = p.in_place and (p.x != NULL or p.b == NULL)  # `add_squares` takes `real`
    p.labels = label
    return p


cdef Py_ssize_t moments_bytes(const Problem *given, int n_threads) noexcept nogil:
    cdef int label = 0
    cdef Problem p = problem_of_moments(given, &label)
    cdef Partitions s = plan_partitions(&p, False)
    return partitions_bytes(&p, &s, n_threads)


cdef void moments(const Problem *given, double *to, char *memory, int n_threads) noexcept nogil:
    cdef int label = 0
    cdef double unused
    cdef Problem p = problem_of_moments(given, &label)
    cdef Partitions s = plan_partitions(&p, False)
    carve_partitions(&p, &s, memory)
    run_partitions(&p, &s, to, &unused, n_threads)


cdef Partitions plan_logits(Problem *p, const int *label) noexcept nogil:
    """By rows, without totals; labels are not read."""
    p.labels = label
    cdef Partitions s = plan_partitions(p, True)
    s.n_partitions = 0
    return s


cdef Py_ssize_t logits_bytes(const Problem *given, int n_threads) noexcept nogil:
    cdef int label = 0
    cdef Problem p = located(given)
    cdef Partitions s = plan_logits(&p, &label)
    return partitions_bytes(&p, &s, n_threads)


cdef void logits(const Problem *given, real *to, char *memory, int n_threads) noexcept nogil:
    cdef int label = 0
    cdef Problem p = located(given)
    cdef Partitions s = plan_logits(&p, &label)
    cdef Py_ssize_t t
    carve_partitions(&p, &s, memory)
    pack_partitions(&p, &s)
    for t in prange(parts_of(p.n, ROWS), schedule="dynamic", chunksize=TILES,
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        rows_logits(&p, &s, t * ROWS, s.scratches + threadid() * s.scratch, to)


cdef Py_ssize_t tile_rows() noexcept nogil:
    return ROWS


cdef Plan plan_store(Problem *p, const int *label, int n_threads) noexcept nogil:
    cdef Plan s
    p.labels = label
    s.partitions = plan_partitions(p, False)
    s.n_threads = n_threads
    s.by_partitions = by_partitions(p, &s.partitions, False)
    if s.by_partitions:
        s.partitions.n_partitions = 0  # no totals
        s.bytes = partitions_bytes(p, &s.partitions, n_threads)
    else:
        s.panels = plan_panels(p, n_threads)
        s.bytes = panels_bytes(p, &s.panels, n_threads)
    return s


cdef Py_ssize_t store_bytes(const Problem *given, int n_threads) noexcept nogil:
    cdef int label = 0
    cdef Problem p = located(given)
    return plan_store(&p, &label, n_threads).bytes


cdef void store_logits(const Problem *given, char *memory, int n_threads) noexcept nogil:
    cdef int label = 0
    cdef Problem p = located(given)
    cdef Plan s = plan_store(&p, &label, n_threads)
    if s.by_partitions:
        carve_partitions(&p, &s.partitions, memory)
        store_partitions(&p, &s.partitions, n_threads)
    else:
        carve_panels(&p, &s.panels, memory)
        store_panels(&p, &s.panels, n_threads)


cdef Sizes sizes(const Problem *given, int n_threads) noexcept nogil:
    """The plan of a gradient with labels, for X of `real` with features side by side.

    Neither X nor W nor labels are read: any address will do.
    """
    cdef Problem p = given[0]
    cdef Plan s
    cdef Sizes found
    cdef real any = 0.
    p.x = p.w = &any
    p.cells.type = REAL
    p.cells.size = p.cells.column_step = sizeof(real)
    p.row_step, p.column_step, p.cells.row_step = p.d, 1, p.d * sizeof(real)
    p.in_place = True
    p.labels = <const int *>&any
    s = plan_known(&p, False, False, n_threads)
    if s.by_partitions and s.partitions.scheme == DOTS and 1 < p.k <= COUNTED:
        p.eliminated = 0
        s = plan_known(&p, False, False, n_threads)
    memset(&found, 0, sizeof(Sizes))
    found.by_partitions, found.bytes = s.by_partitions, s.bytes
    if s.by_partitions:
        found.scheme, found.n_partitions = s.partitions.scheme, s.partitions.n_partitions
        found.summed = min(SUM_ROWS, partition_start(&p, &s.partitions, 1))
        found.block = found.rows = min(s.partitions.block, found.summed)
        found.features = s.partitions.depth if found.scheme == ROWS_TRANSPOSED else p.d
        if found.scheme == DOTS:
            found.features = min(s.partitions.width, p.d)
    else:
        found.summed, found.block = s.panels.summed, s.panels.rows
        found.features, found.rows = min(s.panels.depth, p.d), s.panels.run
        found.packed = s.panels.packed_classes
        found.chunk = min(s.panels.chunk * CLASS_BLOCK, found.packed)
        found.group = min(s.panels.group * CLASS_BLOCK, p.k)
    return found


cdef Table table = Table(
    sizes=&sizes, gradient_bytes=&gradient_bytes, gradient=&gradient, moments_bytes=&moments_bytes,
    moments=&moments, logits_bytes=&logits_bytes, logits=&logits, tile_rows=&tile_rows,
    store_bytes=&store_bytes, store_logits=&store_logits)
capsule = PyCapsule_New(&table, "linear", NULL)
