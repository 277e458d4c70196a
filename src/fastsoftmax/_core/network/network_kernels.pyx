"""Networks of dense layers: a whole epoch of training, and outputs, each in one call.

A step has two phases. *Rows*: chunks of 16 rows are read, sent forward, compared with their targets and
sent backward, down to the deltas of every layer. *Weights*: blocks of up to CLASS_BLOCK units by two
vectors of inputs sum delta * a over the rows of the batch in registers and are updated while they are in
L1: the gradient of the network is never stored. A batch of more rows than a slice has runs both phases
for each slice, and keeps the sums of the blocks in between.

Chunks, blocks and slices depend on shapes alone, each block is summed by one thread in the order of the
rows, losses are added in order: the result is the same to the bit for any number of threads.

Multiply-adds: rows * weights forward, as many for the gradient, and those of all layers but the first
backward; bytes: X once. Not parallel: phase 1 of up to 16 rows, and, by the caller's choice
(`_neural/network.py`), narrow layers. Measurements: docs/experiments/0014-network-steps.md.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.math cimport isfinite
from libc.string cimport memset

from fastsoftmax._core.gemm.tiles cimport MOST, product_down
from fastsoftmax._core.network.network_kernels cimport Inputs, Rule, Shape, State, Table, Targets
from fastsoftmax._core.network.network_layers cimport Layer, forward, layer_backward, row_length
from fastsoftmax._core.network.network_losses cimport Totals, add_losses, scratch_size
from fastsoftmax._core.network.network_rows cimport read_row, row_number
from fastsoftmax._core.network.network_rules cimport begin_step, update
from fastsoftmax._core.simd.simd cimport CLASS_BLOCK, VL, load, real, store, vreal
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned, aligned_start, part_start, parts_of

cdef enum:
    CHUNK = 16  # rows
    SLICE = 256  # rows: their activations stay in L2


cdef struct Block:
    const Layer *layer
    Py_ssize_t column  # the first of 2 * VL
    Py_ssize_t unit, units  # the first of up to CLASS_BLOCK, and how many


cdef struct Network:
    Layer *layers
    Py_ssize_t n_layers
    Block *blocks
    Py_ssize_t n_blocks
    Totals *totals  # a chunk
    double *squares  # of coefficients: VL parts a block
    real *first  # blocks of state, laid out as the weights; or NULL
    real *second
    real *sums  # over the slices so far, or NULL


cdef inline Py_ssize_t unit_blocks(const Layer *layer) noexcept nogil:
    return parts_of(layer.m, CLASS_BLOCK)


cdef inline Py_ssize_t layer_blocks(const Layer *layer) noexcept nogil:
    return unit_blocks(layer) * ((layer.n + 2 * VL) // (2 * VL))


cdef Block *list_blocks(const Layer *layer, Block *to) noexcept nogil:
    """The blocks of a layer, the units of a pair of vectors in turn: its inputs stay in L1."""
    cdef Py_ssize_t j, i, blocks = unit_blocks(layer)
    for j from 0 <= j <= layer.n by 2 * VL:
        for i in range(blocks):
            to.layer = layer
            to.column = j
            to.unit = part_start(layer.m, blocks, i)
            to.units = part_start(layer.m, blocks, i + 1) - to.unit
            to += 1
    return to


cdef Py_ssize_t network_bytes(
    const Shape *shape, Py_ssize_t rows, Py_ssize_t chunks
) noexcept nogil:
    """Bytes of everything `carve` lays out."""
    cdef Py_ssize_t total = ALIGNMENT, k = shape.sizes[shape.n_layers], blocks = 0, i
    cdef Layer layer
    for i in range(shape.n_layers):
        layer.n, layer.m = shape.sizes[i], shape.sizes[i + 1]
        total += rows * (row_length(layer.n) + row_length(layer.m)) * <Py_ssize_t>sizeof(real)
        blocks += layer_blocks(&layer)
    total += aligned(shape.n_layers * sizeof(Layer)) + aligned(blocks * sizeof(Block))
    total += aligned(blocks * VL * sizeof(double))
    return total + chunks * (
        aligned(sizeof(Totals)) + aligned(k * sizeof(double)) + aligned(scratch_size(k) * sizeof(real)))


cdef Network carve(
    const Shape *shape, Py_ssize_t rows, Py_ssize_t chunks, real *weights, char *at
) noexcept nogil:
    """A network whose inputs and deltas have room for so many rows, all zero."""
    cdef Network net
    cdef Py_ssize_t i, k, start = 0
    cdef Layer *layer
    cdef Block *block
    at = aligned_start(at)
    memset(at, 0, network_bytes(shape, rows, chunks) - ALIGNMENT)
    net.n_layers = shape.n_layers
    net.n_blocks = 0
    net.first = net.second = net.sums = NULL
    net.layers = <Layer *>at
    at += aligned(net.n_layers * sizeof(Layer))
    for i in range(net.n_layers):
        layer = net.layers + i
        layer.n, layer.m = shape.sizes[i], shape.sizes[i + 1]
        layer.stride, layer.step = row_length(layer.n), row_length(layer.m)
        layer.activation = shape.activations[i]
        layer.slope = shape.slope
        layer.start = start
        layer.w = weights + start
        start += layer.m * layer.stride
        layer.a = <real *>at
        at += rows * layer.stride * sizeof(real)
        layer.delta = <real *>at
        at += rows * layer.step * sizeof(real)
        net.n_blocks += layer_blocks(layer)
    for i in range(rows):
        net.layers[0].a[i * net.layers[0].stride + net.layers[0].n] = 1.
    net.blocks = block = <Block *>at
    at += aligned(net.n_blocks * sizeof(Block))
    for i in range(net.n_layers):
        block = list_blocks(net.layers + i, block)
    net.squares = <double *>at
    at += aligned(net.n_blocks * VL * sizeof(double))
    net.totals = <Totals *>at
    at += chunks * aligned(sizeof(Totals))
    k = shape.sizes[net.n_layers]
    for i in range(chunks):
        net.totals[i].squares = <double *>at
        at += aligned(k * sizeof(double))
        net.totals[i].scratch = <real *>at
        at += aligned(scratch_size(k) * sizeof(real))
    return net


cdef void run_rows(
    const Network *net, const Inputs *x, const Targets *t, Py_ssize_t start, Py_ssize_t n,
    Py_ssize_t chunk,
) noexcept nogil:
    """Deltas of a chunk of the slice that holds n rows from position `start` on, and its loss."""
    cdef Py_ssize_t first = chunk * CHUNK, rows = min(CHUNK, n - first), i
    cdef const Layer *bottom = net.layers
    cdef Totals *totals = net.totals + chunk
    cdef Py_ssize_t at[CHUNK]
    cdef real *z
    for i in range(first, first + rows):
        read_row(x, start + i, bottom.a + i * bottom.stride)
    z = forward(net.layers, net.n_layers, first, rows)
    for i in range(rows):
        at[i] = row_number(x, start + first + i)
    totals.loss = 0.
    add_losses(t, z, net.layers[net.n_layers - 1].step, rows, at, totals)
    for i in range(net.n_layers - 1, 0, -1):
        layer_backward(net.layers + i, net.layers + i - 1, first, rows)


cdef void run_weights(
    const Network *net, const Rule *rule, Py_ssize_t n, bint more, bint last, Py_ssize_t block
) noexcept nogil:
    """Sum a block of the gradient over the n rows of a slice; update its weights with the last."""
    cdef vreal sums[2 * MOST]
    cdef const Block *b = net.blocks + block
    cdef const Layer *layer = b.layer
    cdef Py_ssize_t j = b.column, u = b.unit, nk = b.units, k, h
    cdef Py_ssize_t at = layer.start + u * layer.stride + j
    cdef real *kept = net.sums + at
    product_down(<int>nk, layer.delta + u, layer.step, layer.a + j, layer.stride, n, sums)
    if more:
        for k in range(nk):
            for h in range(2):
                sums[2 * k + h] = sums[2 * k + h] + load(kept + k * layer.stride + h * VL)
    if last:
        update(
            rule, nk, sums, layer.n - j, layer.w + u * layer.stride + j, net.first + at, net.second + at,
            layer.stride, net.squares + block * VL)
    else:
        for k in range(nk):
            for h in range(2):
                store(kept + k * layer.stride + h * VL, sums[2 * k + h])


cdef double run_slice(
    const Network *net, const Inputs *x, const Targets *t, Py_ssize_t start, Py_ssize_t n,
    int n_threads,
) noexcept nogil:
    """Phase 1; the sum of the losses."""
    cdef Py_ssize_t c, chunks = parts_of(n, CHUNK)
    cdef double loss = 0.
    if n_threads == 1 or chunks == 1:
        for c in range(chunks):
            run_rows(net, x, t, start, n, c)
    else:
        for c in prange(chunks, schedule="static", num_threads=n_threads):
            run_rows(net, x, t, start, n, c)
    for c in range(chunks):
        loss += net.totals[c].loss
    return loss


cdef void run_blocks(
    const Network *net, const Rule *rule, Py_ssize_t n, bint more, bint last, int n_threads
) noexcept nogil:
    """Phase 2."""
    cdef Py_ssize_t b
    if n_threads == 1:
        for b in range(net.n_blocks):
            run_weights(net, rule, n, more, last, b)
    else:
        for b in prange(net.n_blocks, schedule="static", num_threads=n_threads):
            run_weights(net, rule, n, more, last, b)


cdef double weight_of(
    const Inputs *x, const Targets *t, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    cdef double total = end - start
    cdef Py_ssize_t i
    if t.weights:
        total = 0.
        for i in range(start, end):
            total += t.weights[row_number(x, i)]
    return total


cdef Py_ssize_t run_steps(
    const Network *net, const Inputs *x, const Targets *t, Rule *rule, Py_ssize_t batch,
    double steps_before, double *loss, int n_threads,
) noexcept nogil:
    """Steps until the rows end, or up to the first whose loss is not finite; their number."""
    cdef Py_ssize_t start, end, first, n, done = 0
    cdef double weight, step_loss
    for start from 0 <= start < x.count by batch:
        end = min(start + batch, x.count)
        weight = weight_of(x, t, start, end)
        step_loss = 0.
        if weight > 0.:
            begin_step(rule, end - start, weight, steps_before + done + 1)
            for first from start <= first < end by SLICE:
                n = min(SLICE, end - first)
                step_loss += run_slice(net, x, t, first, n, n_threads)
                if not isfinite(step_loss):
                    return done
                run_blocks(net, rule, n, first > start, first + n == end, n_threads)
            loss[0] += step_loss * rule.share
        done += 1
    return done


cdef Py_ssize_t epoch_bytes(const Shape *shape, Py_ssize_t batch) noexcept nogil:
    cdef Py_ssize_t rows = min(batch, SLICE)
    return network_bytes(shape, rows, parts_of(rows, CHUNK))


cdef Py_ssize_t epoch(
    const Shape *shape, const Inputs *inputs, const Targets *t, Rule *rule, const State *state,
    Py_ssize_t batch, double steps_before, double *total, double *errors, char *memory, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t rows = min(batch, SLICE), chunks = parts_of(rows, CHUNK), done, i, k
    cdef Network net = carve(shape, rows, chunks, state.weights, memory)
    net.first, net.second, net.sums = state.first, state.second, state.sums
    done = run_steps(&net, inputs, t, rule, batch, steps_before, total, n_threads)
    for i in range(net.n_blocks * VL):
        total[1] += net.squares[i] / 2.
    for i in range(chunks):
        total[2] += net.totals[i].hits
        for k in range(t.k):
            errors[k] += net.totals[i].squares[k]
    return done


cdef Py_ssize_t slice_rows() noexcept nogil:
    return SLICE


cdef void run_outputs(
    const Network *net, const Inputs *x, Py_ssize_t chunk, int slot, real *out
) noexcept nogil:
    cdef Py_ssize_t first = slot * CHUNK, start = chunk * CHUNK, rows = min(CHUNK, x.n - start)
    cdef const Layer *top = net.layers + net.n_layers - 1
    cdef const real *z
    cdef Py_ssize_t i, k
    for i in range(rows):
        read_row(x, start + i, net.layers[0].a + (first + i) * net.layers[0].stride)
    z = forward(net.layers, net.n_layers, first, rows)
    for i in range(rows):
        for k in range(top.m):
            out[(start + i) * top.m + k] = z[i * top.step + k]


cdef Py_ssize_t outputs_bytes(const Shape *shape, int n_threads) noexcept nogil:
    return network_bytes(shape, n_threads * CHUNK, 0)


cdef void outputs(
    const Shape *shape, const Inputs *inputs, real *weights, real *to, char *memory, int n_threads
) noexcept nogil:
    cdef Network net = carve(shape, n_threads * CHUNK, 0, weights, memory)
    cdef Py_ssize_t c
    for c in prange(parts_of(inputs.n, CHUNK), schedule="static",
                    num_threads=n_threads, use_threads_if=n_threads > 1):
        run_outputs(&net, inputs, c, threadid(), to)


cdef Table table = Table(
    row_length=&row_length, slice_rows=&slice_rows, epoch_bytes=&epoch_bytes, epoch=&epoch,
    outputs_bytes=&outputs_bytes, outputs=&outputs)
capsule = PyCapsule_New(&table, "network", NULL)
