"""Loss, gradient and logits of softmax regression, dense X: one pass over X, no N x K array.

Bytes and flops of one loss + gradient: N*D*sizeof(real) read from memory, 4*N*D*K flops.

`by_partitions` chooses between two schemes: each thread computes both products for rows of its own
(`linear_partitions.pxd`), or threads share one gradient (`linear_panels.pxd`). Measurements:
docs/experiments/0004-two-dense-schemes.md.
"""

from cython.parallel cimport prange, threadid
cimport numpy as cnp

from fastsoftmax._core.arrays cimport bytes_of, doubles
from fastsoftmax._core.legacy_reals cimport reals
from fastsoftmax._core.convert cimport REAL, cells_of
from fastsoftmax._core.linear_panels cimport (
    Panels, carve_panels, panels_bytes, plan_panels, run_panels, store_panels,
)
from fastsoftmax._core.linear_problem cimport Problem, most_common, set_targets, set_weights
from fastsoftmax._core.linear_partitions cimport run_partitions, store_partitions
from fastsoftmax._core.simd cimport real
from fastsoftmax._core.stored_tiles cimport tiles_read
from fastsoftmax._core.partitions_logits cimport pack_partitions, rows_logits
from fastsoftmax._core.partitions_plan cimport (
    DOTS, Partitions, carve_partitions, plan_partitions, partitions_bytes,
)
from fastsoftmax._core.tiles cimport ROWS

cnp.import_array()

cdef enum:
    FEW = 12  # classes for which W may be of any size
    WEIGHTS_BYTES = 640 * 1024  # of W, where it has to stay in cache while X streams past,
    NARROW = 256  # features, up to which panels spend more on reading Z than partitions on reading W
    NARROW_BYTES = 1024 * 1024
    MANY = 2048  # rows, for fewer of which the totals of partitions are dear beside the products
    FEW_ROWS_BYTES = 256 * 1024
    SCRATCH_BYTES = 64 * 1024 * 1024  # at most, at the price of threads if it must be
    TILES = 4  # that a thread takes at a time: two rarely run at the same speed
    LEAST_PARTITIONS = 8  # where the totals are so large that fewer fit, threads would idle


cdef Problem problem(cnp.ndarray x, Py_ssize_t k, w, b, targets, weights, double scale):
    cdef Problem p
    cdef Py_ssize_t size = sizeof(real)
    p.cells = cells_of(x)
    p.x = <const real *>p.cells.x if p.cells.type == REAL else NULL
    p.n, p.d, p.k = x.shape[0], x.shape[1], k
    p.row_step, p.column_step = p.cells.row_step // size, p.cells.column_step // size
    p.in_place = tiles_read(p.cells.type) and p.cells.column_step == p.cells.size
    p.w = reals(w, "w")
    p.b = reals(b, "b")
    p.stored = NULL
    p.change = NULL
    set_targets(&p, targets)
    set_weights(&p, weights)
    p.scale = scale
    return p


cdef bint by_partitions(const Problem *p, const Partitions *s, bint wants_x) noexcept:
    """Whether partitions are the faster scheme: they pass all of W, and totals of its size, for each
    block of rows, panels all of Z three times."""
    cdef Py_ssize_t size = p.k * p.d * <Py_ssize_t>sizeof(real)
    cdef Py_ssize_t most = NARROW_BYTES if p.d <= NARROW else WEIGHTS_BYTES
    if p.n < MANY:
        most = FEW_ROWS_BYTES
    return (
        not wants_x
        and (p.k <= FEW or size <= most)
        and (s.n_partitions >= LEAST_PARTITIONS or p.n <= s.n_partitions * s.block))


def value_and_grad(
    cnp.ndarray x not None, w, b, targets, weights,
    double scale, grad_w, cnp.ndarray grad_b not None, grad_x,
    workspace, int n_threads, stored=None, change=None, double step=0.,
):
    """scale * the weighted sum of losses; its gradients into arrays of zeros.

    Without w, at the logits that `stored` holds, as `store_logits` lays them out: half a pass. The
    gradient of X is then not to be had. Where there is a `change` of them, laid out like them, they are
    moved by `step` times that on the way.

    X (n, d) is of any type that `convert` knows and of any strides. W (k, d), b (k,) or None and
    weights (n,) or None are `real` and C-contiguous, targets as `set_targets` takes them; without them
    `stored` holds Z, and what comes is scale * Zᵀ X and scale times its column sums. grad_w (k, d) is
    float64 or, to save memory, `real`, or None, and then grad_b (k,), float64, has no meaning either;
    grad_x (n, d) is `real` or None. workspace(size) returns an array of so many bytes at least. Beyond
    the dtypes and the number of rows nothing is checked.
    """
    cdef Problem p = problem(x, grad_b.shape[0], w, b, targets, weights, scale)
    p.stored = reals(stored, "stored")
    p.change, p.step = reals(change, "change"), step
    cdef Partitions partitions = plan_partitions(&p, False)
    cdef Panels panels = plan_panels(&p)
    cdef bint narrow = grad_w is not None and grad_w.dtype.itemsize != sizeof(double)
    cdef double *wide_w = NULL if narrow else doubles(grad_w, "grad_w")
    cdef real *narrow_w = reals(grad_w, "grad_w") if narrow else NULL
    cdef double *to_b = doubles(grad_b, "grad_b")
    cdef real *to_x = reals(grad_x, "grad_x")
    cdef cnp.ndarray memory
    cdef double loss
    if by_partitions(&p, &partitions, to_x != NULL) and not narrow:
        if p.w and p.labels and not p.logistic and partitions.scheme == DOTS:
            p.eliminated = most_common(&p)
            partitions = plan_partitions(&p, False)
        while n_threads > 1 and partitions_bytes(&p, &partitions, n_threads) > SCRATCH_BYTES:
            n_threads -= 1
        memory = workspace(partitions_bytes(&p, &partitions, n_threads))
        carve_partitions(&p, &partitions, bytes_of(memory))
        with nogil:
            loss = run_partitions(&p, &partitions, wide_w, to_b, n_threads)
    else:
        while n_threads > 1 and panels_bytes(&p, &panels, n_threads) > SCRATCH_BYTES:
            n_threads -= 1
        memory = workspace(panels_bytes(&p, &panels, n_threads))
        carve_panels(&p, &panels, bytes_of(memory))
        with nogil:
            loss = run_panels(&p, &panels, wide_w, narrow_w, to_b, to_x, n_threads)
    return loss


def moments(
    cnp.ndarray x not None, centre, weights, double scale, cnp.ndarray sums not None, workspace,
    int n_threads,
):
    """scale * the weighted column sums of X, or of (X - centre)^2, into sums (1, d), float64."""
    cdef Problem p = problem(x, 1, None, centre, None, weights, scale)
    p.in_place = p.in_place and (p.x != NULL or centre is None)  # `add_squares` takes `real`
    cdef int label = 0
    cdef double unused
    p.labels = &label
    cdef Partitions partitions = plan_partitions(&p, False)
    cdef double *to = doubles(sums, "sums")
    cdef cnp.ndarray memory = workspace(partitions_bytes(&p, &partitions, n_threads))
    carve_partitions(&p, &partitions, bytes_of(memory))
    with nogil:
        run_partitions(&p, &partitions, to, &unused, n_threads)


def logits(
    cnp.ndarray x not None, cnp.ndarray w not None, b, cnp.ndarray out not None,
    workspace, int n_threads,
):
    """X Wᵀ + b into out (n, k), `real` and C-contiguous."""
    cdef Problem p = problem(x, w.shape[0], w, b, None, None, 1.)
    cdef int label = 0
    p.labels = &label
    cdef Partitions partitions = plan_partitions(&p, True)
    cdef real *to = reals(out, "out")
    cdef Py_ssize_t t
    partitions.n_partitions = 0  # no totals
    cdef cnp.ndarray memory = workspace(partitions_bytes(&p, &partitions, n_threads))
    carve_partitions(&p, &partitions, bytes_of(memory))
    with nogil:
        pack_partitions(&p, &partitions)
        for t in prange((p.n + ROWS - 1) // ROWS, schedule="dynamic", chunksize=TILES,
                        num_threads=n_threads, use_threads_if=n_threads > 1):
            rows_logits(
                &p, &partitions, t * ROWS, partitions.scratches + threadid() * partitions.scratch, to)


def tile_rows():
    """Rows of a tile of stored logits."""
    return ROWS


def store_logits(
    cnp.ndarray x not None, cnp.ndarray w not None, b, cnp.ndarray out not None,
    workspace, int n_threads,
):
    """X Wᵀ + b into out (n / tile_rows(), k, tile_rows()), rounded up: a class's logits side by side.

    Half a pass. The rows that the last tile lacks get some number.
    """
    cdef Problem p = problem(x, w.shape[0], w, b, None, None, 1.)
    cdef int label = 0
    p.labels = &label
    p.stored = reals(out, "out")
    cdef Partitions partitions = plan_partitions(&p, False)
    cdef Panels panels = plan_panels(&p)
    cdef cnp.ndarray memory
    if by_partitions(&p, &partitions, False):
        partitions.n_partitions = 0  # no totals
        memory = workspace(partitions_bytes(&p, &partitions, n_threads))
        carve_partitions(&p, &partitions, bytes_of(memory))
        with nogil:
            store_partitions(&p, &partitions, n_threads)
    else:
        memory = workspace(panels_bytes(&p, &panels, n_threads))
        carve_panels(&p, &panels, bytes_of(memory))
        with nogil:
            store_panels(&p, &panels, n_threads)
