"""Softmax regression's loss, gradient and logits, in one pass over X.

X is cut into *blocks* of rows that fit L2. A block is read twice, the first time from memory, the
second from cache: forward, a register tile of two rows by up to CLASS_BLOCK classes runs along the
features (`dots`), VL rows of partial sums are folded into logits, and the softmax turns each tile of
ROWS rows into weight * (A - Y) in place; backward, a register tile of classes by 2*VL features runs
down the rows of the block (`gradient_block`) and adds its sums to float64 totals. No N x K array.

A *stripe* is a run of blocks with totals of its own. Their number depends on the shape of the
problem only and they are added in order, so the result is the same to the bit for any number of
threads.

Bytes and flops: N*D*sizeof(real) read from memory, 4*N*D*K flops. At K = 10 in float32 the arithmetic
is the larger on AVX-512 (60000 x 784: 3.6 ms against 1.9 ms at 100 GB/s on two cores).

Tried on that machine (AVX-512, two cores, 60000 x 784, K = 10, float32; NumPy 40 to 50 ms):
- without prefetch 15 ms: the forward pass waits for memory (57 % of the samples on its two loads of
  X) while the backward pass leaves the memory idle. Fetching the *next* block into L2 during the
  backward pass, row by row as it walks the present one: 9.4 ms.
- blocks of 32 rows 14.7 ms (totals are added too often), 64 10.3, 96 9.4, 128 9.5.
- GCC repeats the load of a weight vector inside both multiply-adds that use it (22 loads for 20
  multiply-adds a step, where 2 of each can be done a cycle): `in_register` makes it 12.
"""

from cython.parallel cimport prange, threadid
cimport numpy as cnp

from fastsoftmax._core.simd cimport (
    CLASS_BLOCK, VL, load, real, set1, store, sum_each, sum_lanes, vreal,
)
from fastsoftmax._core.softmax_tile cimport logistic_tile, softmax_tile
from fastsoftmax._core.tiles cimport ROWS, dots, gradient_block

cnp.import_array()

cdef enum:
    ALIGNMENT = 64
    BLOCK_BYTES = 256 * 1024  # of X: a quarter of the L2 of the machines in mind
    MOST_STRIPES = 32
    TOTALS_BYTES = 48 * 1024 * 1024  # of all stripes


cdef struct Problem:
    const real *x
    Py_ssize_t n, d, k  # rows, features, logits a row
    Py_ssize_t row_step, column_step  # of x, in elements
    const real *b  # or NULL
    const int *labels
    const real *weights  # or NULL: all one
    # what follows from the shape
    Py_ssize_t padded  # d rounded up to whole pairs of vectors
    Py_ssize_t class_blocks
    Py_ssize_t block  # rows, a multiple of ROWS
    Py_ssize_t n_stripes
    Py_ssize_t totals  # doubles of a stripe: gradient of W (d/2VL, k, 2VL), of b (k), loss
    Py_ssize_t scratch  # bytes a thread
    # carved out of the workspace
    real *w  # packed
    double *stripes
    char *scratches


cdef inline Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef void plan(Problem *p) noexcept nogil:
    """Fill in what follows from the shape: never from the number of threads."""
    p.padded = (p.d + 2 * VL - 1) // (2 * VL) * 2 * VL
    p.class_blocks = (p.k + CLASS_BLOCK - 1) // CLASS_BLOCK
    cdef Py_ssize_t row_bytes = max(p.padded, p.k) * <Py_ssize_t>sizeof(real)
    p.block = min(max(BLOCK_BYTES // row_bytes // ROWS, 1), 16) * ROWS
    p.totals = aligned((p.padded * p.k + p.k + 1) * sizeof(double)) // <Py_ssize_t>sizeof(double)
    p.n_stripes = min(
        MOST_STRIPES, (p.n + p.block - 1) // p.block, TOTALS_BYTES // <Py_ssize_t>sizeof(double) // p.totals)
    p.n_stripes = max(p.n_stripes, 1)
    cdef bint gathered = p.column_step != 1
    p.scratch = (
        aligned(p.block * p.k * sizeof(real))
        + p.k * VL * sizeof(vreal)
        + p.block * (p.padded if gathered else 2 * VL) * sizeof(real))


cdef Problem problem(cnp.ndarray x, Py_ssize_t k):
    cdef Problem p
    p.x = <const real *>cnp.PyArray_DATA(x)
    p.n = x.shape[0]
    p.d = x.shape[1]
    p.k = k
    p.row_step = x.strides[0] // <Py_ssize_t>sizeof(real)
    p.column_step = x.strides[1] // <Py_ssize_t>sizeof(real)
    p.b = p.weights = NULL
    p.labels = NULL
    plan(&p)
    return p


cdef void carve(Problem *p, cnp.ndarray workspace):
    """Lay packed weights, the stripes' totals and the threads' scratch into the workspace."""
    cdef char *memory = <char *>cnp.PyArray_DATA(workspace)
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    p.w = <real *>memory
    memory += aligned(p.k * p.padded * sizeof(real))
    p.stripes = <double *>memory
    memory += p.n_stripes * p.totals * sizeof(double)
    p.scratches = memory


cdef inline Py_ssize_t class_start(const Problem *p, Py_ssize_t c) noexcept nogil:
    """First class of block c: the blocks are as equal as can be."""
    return c * p.k // p.class_blocks


cdef void pack(const Problem *p, const real *w) noexcept nogil:
    """Weights in the order in which `dots` reads them: VL features of each class of a block."""
    cdef Py_ssize_t c, k, j, l
    cdef real *to = p.w
    for c in range(p.class_blocks):
        for j from 0 <= j < p.d by VL:
            for k in range(class_start(p, c), class_start(p, c + 1)):
                for l in range(VL):
                    to[l] = w[k * p.d + j + l] if j + l < p.d else 0.
                to += VL


cdef const real *rows_of(
    const Problem *p, Py_ssize_t start, Py_ssize_t n, real *buffer, Py_ssize_t *stride
) noexcept nogil:
    """Rows of X with their features side by side: in place where they are, else gathered."""
    cdef const real *x = p.x + start * p.row_step
    cdef Py_ssize_t i, j
    stride[0] = p.row_step
    if p.column_step == 1:
        return x
    stride[0] = p.padded
    for j in range(p.padded):
        for i in range(n):
            buffer[i * p.padded + j] = x[i * p.row_step + j * p.column_step] if j < p.d else 0.
    return buffer


cdef void tile_logits(
    const Problem *p, const real *x, Py_ssize_t stride, Py_ssize_t n, vreal *scratch, real *z
) noexcept nogil:
    """z[k*ROWS + i] = x_i·w_k + b_k for n <= ROWS rows; zero for the rows that the tile lacks."""
    cdef Py_ssize_t first, i, c, k, start
    cdef const real *x0
    cdef const real *x1
    for first from 0 <= first < ROWS by VL:
        if first + VL > n:
            for i in range(p.k * VL):
                scratch[i] = set1(0.)
        for i from first <= i < min(first + VL, n) by 2:
            x0 = x + i * stride
            x1 = x0 + stride if i + 1 < n else x0
            for c in range(p.class_blocks):
                start = class_start(p, c)
                dots(
                    <int>(class_start(p, c + 1) - start), x0, x1, p.d,
                    p.w + start * ((p.d + VL - 1) // VL * VL), scratch + start * VL + i - first)
        for k in range(p.k):
            store(z + k * ROWS + first, sum_each(scratch + k * VL) + set1(p.b[k] if p.b else 0.))


cdef double tile_loss(const Problem *p, Py_ssize_t start, Py_ssize_t n, real *z) noexcept nogil:
    """Turn a tile of logits into weight * (A - Y); rows that the tile lacks weigh nothing."""
    cdef int labels[ROWS]
    cdef real weights[ROWS]
    cdef Py_ssize_t i
    for i in range(ROWS):
        labels[i] = p.labels[start + i] if i < n else 0
        weights[i] = 0. if i >= n else p.weights[start + i] if p.weights else 1.
    if p.k == 1:
        return logistic_tile(z, labels, weights)
    return softmax_tile(z, p.k, labels, weights)


cdef void add_bias_gradient(const real *z, Py_ssize_t k, double *bias) noexcept nogil:
    cdef Py_ssize_t c, i
    cdef vreal s
    for c in range(k):
        s = load(z + c * ROWS)
        for i from VL <= i < ROWS by VL:
            s = s + load(z + c * ROWS + i)
        bias[c] += sum_lanes(s)


cdef void add_gradient(
    const Problem *p, const real *x, Py_ssize_t stride, Py_ssize_t n, const real *z, real *tail,
    double *totals,
) noexcept nogil:
    """totals += ZᵀX over the n rows of a block, 2*VL features at a time."""
    cdef bint gathered = p.column_step != 1
    cdef Py_ssize_t i, j, c, start, whole = p.padded if gathered else p.d - p.d % (2 * VL)
    cdef Py_ssize_t ahead = 0 if gathered else p.block * stride
    for i in range(n if whole < p.d else 0):
        for j in range(2 * VL):
            tail[i * 2 * VL + j] = x[i * stride + whole + j] if whole + j < p.d else 0.
    for j from 0 <= j < p.d by 2 * VL:
        for c in range(p.class_blocks):
            start = class_start(p, c)
            gradient_block(
                <int>(class_start(p, c + 1) - start),
                x + j if j < whole else tail, stride if j < whole else 2 * VL,
                z + start * ROWS, p.k * ROWS, n, ahead if c == 0 and j < whole else 0,
                totals + (j * p.k + start * 2 * VL))


cdef void stripe(const Problem *p, Py_ssize_t s, char *scratch) noexcept nogil:
    cdef Py_ssize_t blocks = (p.n + p.block - 1) // p.block
    cdef Py_ssize_t first = s * blocks // p.n_stripes * p.block
    cdef Py_ssize_t last = min((s + 1) * blocks // p.n_stripes * p.block, p.n)
    cdef Py_ssize_t start, n, t, i, stride
    cdef double *totals = p.stripes + s * p.totals
    cdef double *bias = totals + p.padded * p.k
    cdef real *z = <real *>scratch
    cdef vreal *partial = <vreal *>(scratch + aligned(p.block * p.k * sizeof(real)))
    cdef real *buffer = <real *>(partial + p.k * VL)
    cdef const real *x
    for i in range(p.totals):
        totals[i] = 0.
    for start from first <= start < last by p.block:
        n = min(p.block, last - start)
        x = rows_of(p, start, n, buffer, &stride)
        if p.labels == NULL:
            for i in range(n):
                z[i] = p.weights[start + i] if p.weights else 1.
        for t from 0 <= t < (n if p.labels else 0) by ROWS:
            tile_logits(p, x + t * stride, stride, min(ROWS, n - t), partial, z + t * p.k)
            bias[p.k] += tile_loss(p, start + t, min(ROWS, n - t), z + t * p.k)
            add_bias_gradient(z + t * p.k, p.k, bias)
        add_gradient(p, x, stride, n, z, buffer, totals)


cdef void reduce_features(const Problem *p, Py_ssize_t j, double scale, double *gradient) noexcept nogil:
    """gradient[:, j : j + 2*VL] = scale * the sum of the stripes, in their order."""
    cdef Py_ssize_t s, k, l
    cdef double *first = p.stripes + j * p.k
    cdef double *other
    for s in range(1, p.n_stripes):
        other = first + s * p.totals
        for l in range(p.k * 2 * VL):
            first[l] += other[l]
    for k in range(p.k):
        for l in range(min(2 * VL, p.d - j)):
            gradient[k * p.d + j + l] = scale * first[k * 2 * VL + l]


cdef void accumulate(Problem *p, int n_threads) noexcept nogil:
    cdef Py_ssize_t s
    for s in prange(p.n_stripes, schedule="dynamic", chunksize=1, num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        stripe(p, s, p.scratches + threadid() * p.scratch)


cdef void reduce(Problem *p, double scale, double *gradient, int n_threads) noexcept nogil:
    cdef Py_ssize_t j
    for j in prange(p.padded // (2 * VL), schedule="static", num_threads=n_threads,
                    use_threads_if=n_threads > 1):
        reduce_features(p, j * 2 * VL, scale, gradient)


def workspace_bytes(cnp.ndarray x not None, Py_ssize_t k, int n_threads):
    """Bytes of workspace for X, k logits a row and so many threads."""
    cdef Problem p = problem(x, k)
    return (
        ALIGNMENT + aligned(p.k * p.padded * sizeof(real))
        + p.n_stripes * p.totals * sizeof(double) + n_threads * p.scratch)


def value_and_grad(
    cnp.ndarray x not None, cnp.ndarray w not None, cnp.ndarray b, cnp.ndarray labels not None,
    cnp.ndarray weights, double scale, cnp.ndarray grad_w not None, cnp.ndarray grad_b not None,
    cnp.ndarray workspace not None, int n_threads,
):
    """scale * the weighted sum of losses; its gradient into grad_w (K, D) and grad_b (K,), float64.

    X, W, b and the weights are `real`, labels int32 in range: nothing is checked here.
    """
    cdef Problem p = problem(x, w.shape[0])
    cdef double *bias = <double *>cnp.PyArray_DATA(grad_b)
    cdef double loss = 0.
    cdef Py_ssize_t s, k
    if b is not None:
        p.b = <const real *>cnp.PyArray_DATA(b)
    p.labels = <const int *>cnp.PyArray_DATA(labels)
    if weights is not None:
        p.weights = <const real *>cnp.PyArray_DATA(weights)
    carve(&p, workspace)
    with nogil:
        pack(&p, <const real *>cnp.PyArray_DATA(w))
        accumulate(&p, n_threads)
        reduce(&p, scale, <double *>cnp.PyArray_DATA(grad_w), n_threads)
        for k in range(p.k):
            bias[k] = 0.
        for s in range(p.n_stripes):
            for k in range(p.k):
                bias[k] += scale * p.stripes[s * p.totals + p.padded * p.k + k]
            loss += p.stripes[s * p.totals + p.padded * p.k + p.k]
    return scale * loss


def column_sums(
    cnp.ndarray x not None, cnp.ndarray weights, double scale, cnp.ndarray sums not None,
    cnp.ndarray workspace not None, int n_threads,
):
    """scale * weightsᵀX into sums (1, D), float64: the gradient of one class with A - Y = weights."""
    cdef Problem p = problem(x, 1)
    if weights is not None:
        p.weights = <const real *>cnp.PyArray_DATA(weights)
    carve(&p, workspace)
    with nogil:
        accumulate(&p, n_threads)
        reduce(&p, scale, <double *>cnp.PyArray_DATA(sums), n_threads)


def logits(
    cnp.ndarray x not None, cnp.ndarray w not None, cnp.ndarray b, cnp.ndarray out not None,
    cnp.ndarray workspace not None, int n_threads,
):
    """X Wᵀ + b into out (N, K), `real` and C-contiguous."""
    cdef Problem p = problem(x, w.shape[0])
    cdef real *to = <real *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t t
    if b is not None:
        p.b = <const real *>cnp.PyArray_DATA(b)
    carve(&p, workspace)
    with nogil:
        pack(&p, <const real *>cnp.PyArray_DATA(w))
        for t in prange((p.n + ROWS - 1) // ROWS, schedule="static", num_threads=n_threads,
                        use_threads_if=n_threads > 1):
            write_logits(&p, t * ROWS, p.scratches + threadid() * p.scratch, to)


cdef void write_logits(const Problem *p, Py_ssize_t start, char *scratch, real *to) noexcept nogil:
    cdef Py_ssize_t n = min(ROWS, p.n - start), i, k, stride
    cdef real *z = <real *>scratch
    cdef vreal *partial = <vreal *>(scratch + aligned(p.block * p.k * sizeof(real)))
    cdef const real *x = rows_of(p, start, n, <real *>(partial + p.k * VL), &stride)
    tile_logits(p, x, stride, n, partial, z)
    for i in range(n):
        for k in range(p.k):
            to[(start + i) * p.k + k] = z[k * ROWS + i]
