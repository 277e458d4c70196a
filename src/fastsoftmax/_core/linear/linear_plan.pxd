"""Every size of the dense kernels, planned in one place.

The shape alone decides which sums are made in `real`, of how many rows, and how rows are divided:
results depend on it. The caches decide, as for BLIS's KC, MC and NC, which numbers stay near while
others pass: results do not depend on that, to the bit.

    depth   rows or features per call of a register tile: a panel of so many fits in L1, but at least
            DEPTH, since each call loads and stores its sums
    chunk   packed W or logits that a thread passes again and again: half of L2
    block   rows of a partition that are read twice, then from L2, beside the next block, W and sums:
            an eighth of it, or DEPTH rows, if they take no more than a fifth
    packed  W packed at a time, which the threads share: half of L3

Rows, tiles or panels a multiple of CLASH bytes apart would share a few sets of L1: tiles are padded,
such rows copied where they are read often. Measurements: docs/experiments/0052-blocking-by-caches.md.
"""

from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.gemm.tiles cimport ROWS, SUMMED_ROWS, dot_rows
from fastsoftmax._core.linear.linear_problem cimport most_common
from fastsoftmax._core.simd.simd cimport CLASS_BLOCK, VL, real, vreal
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of, rounded_up

cdef enum:  # of the level
    SUM_ROWS = 640  # at most, whose products are summed before the sum goes to the totals
    PARTITION_ROWS = 128  # at least
    MOST_PARTITIONS = 16  # costs 2 % against one partition per thread (60000 x 784, K = 10), 32 4 %
    TOTALS_BYTES = 48 * 1024 * 1024  # of all partitions
    LEAST_PARTITIONS = 8  # where the totals are so large that fewer fit, threads would idle
    FEW = 12  # classes for which W may be of any size
    WEIGHTS_BYTES = 640 * 1024  # of W, where it has to stay in cache while X streams past,
    NARROW = 256  # features, up to which panels spend more on reading Z than partitions on reading W
    NARROW_BYTES = 1024 * 1024
    MANY = 2048  # rows, for fewer of which the totals of partitions are dear beside the products
    FEW_ROWS_BYTES = 256 * 1024
    FEW_DOTS = 4  # classes whose lanes are summed however few the features, and one more for 8 each,
    MOST_LANE_SUMS = 352  # classes times lanes, up to which lanes are summed
    SPARE = 20  # of so many classes and one empty lane the weights are transposed, not the rows
    LOGITS_BYTES = 32 * 1024 * 1024  # of a block of rows by panels,
    ROWS_BYTES = 16 * 1024 * 1024  # and of its X
    INPUT_CLASSES = 256  # summed before the sum goes to the gradient of X

cdef enum:  # of the caches, with their sizes
    DEPTH = 128
    CLASH = 2048
    TILES_AT_ONCE = 4  # of X by panels that a thread packs, while W passes from L3
    PACK_BYTES = 8 * 1024 * 1024  # of packed W at most, to bound the scratch
    SCRATCH_BYTES = 64 * 1024 * 1024  # at most, at the price of threads if it must be


cdef enum Scheme:  # of logits by partitions
    DOTS  # `dots` along the features, whose lanes are summed
    ROWS_TRANSPOSED  # `product` with the rows of a tile side by side
    WEIGHTS_TRANSPOSED  # `product` with classes side by side


cdef struct Partitions:
    # of the level
    Py_ssize_t k  # classes that are multiplied with X: all, or all but the eliminated one
    Py_ssize_t padded  # features rounded up to whole vectors
    Scheme scheme  # of the logits
    Py_ssize_t class_blocks
    Py_ssize_t n_partitions
    bint is_short  # whether partitions are so short that sums of their rows in `real` are their totals
    # of the caches
    Py_ssize_t block  # rows, a multiple of ROWS
    Py_ssize_t depth  # features per call, where rows are transposed
    Py_ssize_t width  # features whose packed weights stay in L1 while VL rows pass; times VL
    Py_ssize_t converted  # rows converted at a time, a divisor of SUMMED_ROWS
    bint copied  # whether columns of a block are copied side by side before they are multiplied
    # sizes
    Py_ssize_t stride  # from row to row, where rows are converted into a buffer
    Py_ssize_t totals  # doubles of a partition, or their room: gradient of W by `columns`,
    Py_ssize_t bias  # from here on of b (k, VL) and loss (VL), which are doubles always
    Py_ssize_t packed  # numbers of packed W
    Py_ssize_t tile_bytes  # of a transposed tile, or of partial sums
    Py_ssize_t scratch  # bytes per thread
    # carved out of the workspace
    real *w
    double *partitions
    char *scratches


cdef struct Panels:
    # of the level
    Py_ssize_t rows  # of a block of rows, a multiple of ROWS
    Py_ssize_t summed  # of them, whose products are summed before the sum goes to the totals
    # of the caches
    Py_ssize_t depth  # features per call on the way to the logits
    Py_ssize_t run  # rows per call on the way to the gradient
    Py_ssize_t tiles  # of X that a thread packs at a time
    Py_ssize_t chunk  # class blocks of W that stay in L2 while these tiles pass
    Py_ssize_t group  # class blocks whose logits stay in L2 while the features pass
    Py_ssize_t packed_classes, n_packs  # classes of a pack at most, and packs
    # sizes
    Py_ssize_t padded  # features rounded up to whole pairs of vectors
    Py_ssize_t z_tile  # numbers from one tile of Z to the next
    Py_ssize_t scratch  # bytes per thread
    # carved out of the workspace
    real *z  # (rows/ROWS, k, ROWS)
    real *panels  # of X: (padded/2VL, rows, 2VL)
    real *w  # a pack, by class blocks: (d/ROWS, classes, ROWS)
    double *losses  # a tile of the block of rows each, in VL parts
    char *scratches


cdef struct Plan:  # of a gradient
    bint by_partitions
    Partitions partitions
    Panels panels
    int n_threads
    Py_ssize_t bytes


cdef inline Py_ssize_t panel_depth(const Problem *p) noexcept nogil:
    cdef Py_ssize_t pair = 2 * VL * sizeof(real)
    return max(p.caches.l1 // pair // ROWS * ROWS, DEPTH)


cdef inline Py_ssize_t even(Py_ssize_t size, Py_ssize_t most) noexcept nogil:
    """Parts of at most so many, as equal as whole tiles allow."""
    return rounded_up(parts_of(size, parts_of(size, most)), ROWS)


cdef inline Scheme logits_scheme(const Problem *p, bint in_rows) noexcept nogil:
    """How logits are made that are wanted in tiles, or else in rows.

    Transposing a row's features costs about as much as 20 more classes, its logits a share of
    that, and the lanes that the last vector of classes leaves empty are multiplied too.
    """
    cdef Py_ssize_t lanes = rounded_up(p.k, VL)
    if p.w == NULL or p.k <= min(FEW_DOTS + p.d // 8, MOST_LANE_SUMS // VL):
        return DOTS
    if in_rows or (2 * p.k <= p.d and SPARE * (lanes - p.k) <= p.k):
        return WEIGHTS_TRANSPOSED
    return ROWS_TRANSPOSED


cdef inline Partitions plan_partitions(const Problem *p, bint in_rows) noexcept nogil:
    """What follows from the shape and the caches: never from the number of threads."""
    cdef Partitions s
    cdef Py_ssize_t size = sizeof(real), wide = sizeof(double)
    cdef Py_ssize_t row = max(rounded_up(p.d, VL), p.k) * size
    s.padded = rounded_up(p.d, VL)
    s.scheme = logits_scheme(p, in_rows)
    s.k = p.k - 1 if p.eliminated >= 0 else p.k
    s.class_blocks = parts_of(s.k, CLASS_BLOCK)
    s.bias = aligned(s.padded * s.k * wide) // wide
    s.totals = s.bias + aligned((p.k + 1) * VL * wide) // wide
    s.n_partitions = min(MOST_PARTITIONS, parts_of(p.n, PARTITION_ROWS))
    s.n_partitions = max(min(s.n_partitions, TOTALS_BYTES // wide // s.totals), 1)
    s.is_short = parts_of(parts_of(p.n, ROWS), s.n_partitions) * ROWS <= SUM_ROWS
    if s.is_short:
        s.totals -= s.bias
        s.bias = aligned(s.padded * s.k * size) // wide
        s.totals += s.bias
    s.block = max(p.caches.l2 // 8 // row, min(p.caches.l2 // 5 // row, DEPTH))
    s.block = even(SUM_ROWS, max(s.block // ROWS, 1) * ROWS)
    s.depth = even(p.d, panel_depth(p))
    s.width = max(2 * p.caches.l1 // 3 // (min(s.k, CLASS_BLOCK) * size), VL)
    s.width = rounded_up(p.d // parts_of(p.d, s.width), VL)
    s.converted = SUMMED_ROWS
    while s.converted * s.padded * size > p.caches.l1 // 6 and (
            s.converted > dot_rows(<int>part_start(s.k, s.class_blocks, 1))):  # those of the first block
        s.converted //= 2
    s.copied = p.in_place and s.class_blocks >= 4 and p.cells.row_step % CLASH == 0
    s.stride = s.padded + (VL if s.padded * size % CLASH == 0 else 0)
    if s.scheme == DOTS:
        s.packed = s.k * rounded_up(p.d, 2 * VL)
        s.tile_bytes = s.k * SUMMED_ROWS * <Py_ssize_t>sizeof(vreal)
    elif s.scheme == ROWS_TRANSPOSED:
        s.packed = s.k * rounded_up(p.d, ROWS)
        s.tile_bytes = min(p.d, s.depth) * ROWS * size
    else:
        s.packed = rounded_up(s.k, VL) * p.d
        s.tile_bytes = (2 * VL + s.padded) * ROWS * size
    s.scratch = (
        aligned((s.block + (0 if p.labels else ROWS)) * p.k * size)
        + aligned(s.tile_bytes)
        + s.padded * s.k * size
        + s.block * (2 * VL if p.in_place else s.stride) * size)
    return s


cdef inline Py_ssize_t partition_start(
    const Problem *p, const Partitions *s, Py_ssize_t i
) noexcept nogil:
    """The first row of partition i."""
    return min(part_start(parts_of(p.n, ROWS), s.n_partitions, i) * ROWS, p.n)


cdef inline Py_ssize_t partitions_bytes(
    const Problem *p, const Partitions *s, int n_threads
) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real), wide = sizeof(double)
    return (
        ALIGNMENT + aligned(s.packed * size) + s.n_partitions * s.totals * wide
        + n_threads * s.scratch)


cdef inline void carve_partitions(const Problem *p, Partitions *s, char *memory) noexcept nogil:
    memory = aligned_start(memory)
    s.w = <real *>memory
    memory += aligned(s.packed * sizeof(real))
    s.partitions = <double *>memory
    memory += s.n_partitions * s.totals * sizeof(double)
    s.scratches = memory


cdef inline Py_ssize_t columns(const Partitions *s, Py_ssize_t j) noexcept nogil:
    """Features that are multiplied together from j on: sums and totals are (k, columns), for one j
    after another. Two vectors, where there are."""
    return min(2 * VL, s.padded - j)


cdef inline Panels plan_panels(const Problem *p, int n_threads) noexcept nogil:
    cdef Panels s
    cdef Py_ssize_t size = sizeof(real), blocks
    s.padded = rounded_up(p.d, 2 * VL)
    s.rows = min(LOGITS_BYTES // (p.k * size), ROWS_BYTES // (s.padded * size))
    s.rows = even(max(p.n, 1), max(min(s.rows, 2 * SUM_ROWS) // ROWS, 1) * ROWS)
    s.summed = even(s.rows, SUM_ROWS)
    s.z_tile = p.k * ROWS
    if s.z_tile * size % CLASH == 0:
        s.z_tile += CLASH // 4 // size
    s.depth = even(p.d, panel_depth(p))
    s.run = even(s.summed, panel_depth(p))
    s.tiles = min(max(s.rows // ROWS // (8 * n_threads), 1), TILES_AT_ONCE)
    s.chunk = max(p.caches.l2 // 2 // (s.depth * CLASS_BLOCK * size), 1)
    blocks = parts_of(p.k, CLASS_BLOCK)
    s.group = min(max(p.caches.l2 // 2 // (s.rows * CLASS_BLOCK * size), 1), blocks)
    s.packed_classes = min(PACK_BYTES, p.caches.l3 // 2) // (rounded_up(p.d, ROWS) * size)
    s.packed_classes = min(max(s.packed_classes // CLASS_BLOCK, 1) * CLASS_BLOCK, p.k)
    s.n_packs = parts_of(p.k, s.packed_classes)
    s.scratch = max(
        s.tiles * s.depth * ROWS * size,
        s.group * 2 * CLASS_BLOCK * <Py_ssize_t>sizeof(vreal),  # sums
        INPUT_CLASSES * 2 * VL * size)
    s.scratch = aligned(s.scratch) + (0 if p.labels else aligned(p.k * ROWS * size))
    return s


cdef inline Py_ssize_t panels_bytes(const Problem *p, const Panels *s, int n_threads) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real)
    return (
        ALIGNMENT
        + aligned(s.rows // ROWS * s.z_tile * size)
        + aligned(s.padded * s.rows * size)
        + aligned(s.packed_classes * rounded_up(p.d, ROWS) * size)
        + aligned(s.rows // ROWS * VL * <Py_ssize_t>sizeof(double))
        + n_threads * s.scratch)


cdef inline void carve_panels(const Problem *p, Panels *s, char *memory) noexcept nogil:
    cdef Py_ssize_t size = sizeof(real)
    memory = aligned_start(memory)
    s.z = <real *>memory
    memory += aligned(s.rows // ROWS * s.z_tile * size)
    s.panels = <real *>memory
    memory += aligned(s.padded * s.rows * size)
    s.w = <real *>memory
    memory += aligned(s.packed_classes * rounded_up(p.d, ROWS) * size)
    s.losses = <double *>memory
    memory += aligned(s.rows // ROWS * VL * <Py_ssize_t>sizeof(double))
    s.scratches = memory


cdef inline bint by_partitions(const Problem *p, const Partitions *s, bint wants_x) noexcept nogil:
    """Whether partitions are the faster scheme: they pass all of W, and totals of its size, for each
    block of rows, panels all of Z three times. By the shape alone, since sums differ."""
    cdef Py_ssize_t size = p.k * p.d * <Py_ssize_t>sizeof(real)
    cdef Py_ssize_t most = NARROW_BYTES if p.d <= NARROW else WEIGHTS_BYTES
    if p.n < MANY:
        most = FEW_ROWS_BYTES
    return (
        not wants_x
        and (p.k <= FEW or size <= most)
        and s.n_partitions >= min(LEAST_PARTITIONS, parts_of(p.n, PARTITION_ROWS)))


cdef inline Plan plan_known(
    const Problem *p, bint narrow, bint wants_x, int n_threads
) noexcept nogil:
    """The scheme, for the class that is eliminated, with fewer threads where their scratch would be too
    large."""
    cdef Plan s
    s.partitions = plan_partitions(p, False)
    s.by_partitions = by_partitions(p, &s.partitions, wants_x) and not narrow
    s.n_threads = n_threads
    if s.by_partitions:
        while s.n_threads > 1 and partitions_bytes(p, &s.partitions, s.n_threads) > SCRATCH_BYTES:
            s.n_threads -= 1
        s.bytes = partitions_bytes(p, &s.partitions, s.n_threads)
    else:
        s.panels = plan_panels(p, s.n_threads)
        while s.n_threads > 1 and panels_bytes(p, &s.panels, s.n_threads) > SCRATCH_BYTES:
            s.n_threads -= 1
        s.bytes = panels_bytes(p, &s.panels, s.n_threads)
    return s


cdef inline Plan plan_gradient(Problem *p, bint narrow, bint wants_x, int n_threads) noexcept nogil:
    """The same, after the choice of a class to eliminate."""
    cdef Plan s = plan_known(p, narrow, wants_x, n_threads)
    if s.by_partitions and p.w and p.labels and not p.logistic and s.partitions.scheme == DOTS:
        p.eliminated = most_common(p)
        s = plan_known(p, narrow, wants_x, n_threads)
    return s
