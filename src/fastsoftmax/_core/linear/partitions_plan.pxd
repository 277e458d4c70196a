"""Sizes and memory of `linear_partitions`, which explains them."""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport SUMMED_ROWS, ROWS, dot_rows
from fastsoftmax._core.linear.linear_problem cimport ALIGNMENT, aligned, part_start, rounded_up
from fastsoftmax._core.simd.simd cimport CLASS_BLOCK, VL, real, vreal

cdef enum:
    FEW = 4  # classes whose lanes are summed however few the features, and one more for 8 each,
    MOST_LANE_SUMS = 352  # classes times lanes, up to which lanes are summed
    SPARE = 20  # of so many classes and one empty lane the weights are transposed, not the rows
    BLOCK_BYTES = 128 * 1024  # of X, twice that for two tiles: this, the next and the sums stay in L2
    SUM_ROWS = 640  # whose products are summed before the sum goes to the totals; of a block, at most
    WEIGHTS_BYTES = 32 * 1024  # of W: at most the whole of an L1, since X only passes
    CONVERTED_BYTES = 8 * 1024  # of rows converted at a time: they stay in L1 beside the weights
    MOST_PARTITIONS = 16  # costs 2 % against one partition per thread (60000 x 784, K = 10), 32 4 %
    TOTALS_BYTES = 48 * 1024 * 1024  # of all partitions


cdef enum Scheme:  # of logits
    DOTS  # `dots` along the features, whose lanes are summed
    ROWS_TRANSPOSED  # `product` with the rows of a tile side by side
    WEIGHTS_TRANSPOSED  # `product` with classes side by side


cdef struct Partitions:
    Py_ssize_t k  # classes that are multiplied with X: all, or all but the eliminated one
    Py_ssize_t padded  # features rounded up to whole vectors
    Scheme scheme  # of the logits
    Py_ssize_t class_blocks
    Py_ssize_t block  # rows, a multiple of ROWS
    Py_ssize_t converted  # rows converted at a time, a divisor of SUMMED_ROWS
    Py_ssize_t width  # features whose packed weights stay in L1 while VL rows pass; times VL
    Py_ssize_t n_partitions
    bint is_short  # whether partitions are so short that sums of their rows in `real` are their totals
    Py_ssize_t totals  # doubles of a partition, or their room: gradient of W by `columns`,
    Py_ssize_t bias  # from here on of b (k, VL) and loss (VL), which are doubles always
    Py_ssize_t packed  # numbers of packed W
    Py_ssize_t tile_bytes  # of a transposed tile, or of partial sums
    Py_ssize_t scratch  # bytes per thread
    # carved out of the workspace
    real *w
    double *partitions
    char *scratches


cdef inline Scheme logits_scheme(const Problem *p, bint in_rows) noexcept nogil:
    """How logits are made that are wanted in tiles, or else in rows.

    Transposing a row's features costs about as much as 20 more classes, its logits a share of
    that, and the lanes that the last vector of classes leaves empty are multiplied too.
    """
    cdef Py_ssize_t lanes = rounded_up(p.k, VL)
    if p.w == NULL or p.k <= min(FEW + p.d // 8, MOST_LANE_SUMS // VL):
        return DOTS
    if in_rows or (2 * p.k <= p.d and SPARE * (lanes - p.k) <= p.k):
        return WEIGHTS_TRANSPOSED
    return ROWS_TRANSPOSED


cdef inline Partitions plan_partitions(const Problem *p, bint in_rows) noexcept nogil:
    """What follows from the shape: never from the number of threads."""
    cdef Partitions s
    cdef Py_ssize_t size = sizeof(real), wide = sizeof(double), blocks
    s.padded = rounded_up(p.d, VL)
    s.scheme = logits_scheme(p, in_rows)
    s.k = p.k - 1 if p.eliminated >= 0 else p.k
    if s.scheme == DOTS:
        s.packed = s.k * rounded_up(p.d, 2 * VL)
        s.tile_bytes = s.k * SUMMED_ROWS * <Py_ssize_t>sizeof(vreal)
    elif s.scheme == ROWS_TRANSPOSED:
        s.packed = s.k * rounded_up(p.d, ROWS)
        s.tile_bytes = p.d * ROWS * size
    else:
        s.packed = rounded_up(s.k, VL) * p.d
        s.tile_bytes = (2 * VL + s.padded) * ROWS * size
    s.class_blocks = (s.k + CLASS_BLOCK - 1) // CLASS_BLOCK
    s.block = max(s.padded, p.k) * size
    s.block = max(BLOCK_BYTES // s.block // ROWS, min(2 * BLOCK_BYTES // s.block // ROWS, 2), 1)
    s.block = min(s.block * ROWS, SUM_ROWS)
    blocks = (p.n + s.block - 1) // s.block
    s.converted = SUMMED_ROWS
    while s.converted * s.padded * size > CONVERTED_BYTES and (
            s.converted > dot_rows(<int>part_start(s.k, s.class_blocks, 1))):  # those of the first block
        s.converted //= 2
    s.width = max(WEIGHTS_BYTES // (min(s.k, CLASS_BLOCK) * size), VL)
    s.width = rounded_up(p.d // ((p.d + s.width - 1) // s.width), VL)
    s.bias = aligned(s.padded * s.k * wide) // wide
    s.totals = s.bias + aligned((p.k + 1) * VL * wide) // wide
    s.n_partitions = min(MOST_PARTITIONS, blocks, TOTALS_BYTES // wide // s.totals)
    s.n_partitions = max(s.n_partitions, 1)
    s.is_short = (blocks + s.n_partitions - 1) // s.n_partitions * s.block <= SUM_ROWS
    if s.is_short:
        s.totals -= s.bias
        s.bias = aligned(s.padded * s.k * size) // wide
        s.totals += s.bias
    s.scratch = (
        aligned((s.block + (0 if p.labels else ROWS)) * p.k * size)
        + aligned(s.tile_bytes)
        + s.padded * s.k * size
        + s.block * (2 * VL if p.in_place else s.padded) * size)
    return s


cdef inline Py_ssize_t partitions_bytes(
    const Problem *p, const Partitions *s, int n_threads
) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real), wide = sizeof(double)
    return (
        ALIGNMENT + aligned(s.packed * size) + s.n_partitions * s.totals * wide
        + n_threads * s.scratch)


cdef inline void carve_partitions(const Problem *p, Partitions *s, char *memory) noexcept nogil:
    memory += (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT
    s.w = <real *>memory
    memory += aligned(s.packed * sizeof(real))
    s.partitions = <double *>memory
    memory += s.n_partitions * s.totals * sizeof(double)
    s.scratches = memory


cdef inline Py_ssize_t columns(const Partitions *s, Py_ssize_t j) noexcept nogil:
    """Features that are multiplied together from j on: sums and totals are (k, columns), for one j
    after another. Two vectors, where there are."""
    return min(2 * VL, s.padded - j)
