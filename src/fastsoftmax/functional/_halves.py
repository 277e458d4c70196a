"""Arrays (outer, K, inner) of float16, of which a part at a time is in float32.

A part is of whole rows. A row that is longer than a part is computed in pieces, each with one
number more that stands for the rest of the row: the logarithm of the sum of its exponentials, or a
probability of 1 beside the rest of a product.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from fastsoftmax._core import kernels
from fastsoftmax._runtime.conversion import assign
from fastsoftmax._runtime.typing import Array
from fastsoftmax.functional._layout import rounded, workspace

PART = 1 << 17  # numbers that are in float32 at a time: for all threads, or the longest row
PIECE = 1 << 14  # numbers of a longer row that are, by one thread, in its cache
WIDE = np.dtype(np.float32)
STEEPEST = 1e30  # 1/T; what is below the maximum by any float16 number has then no share left


def is_by_parts(x: Array) -> bool:
    """Whether x is computed by these functions."""
    return x.dtype == np.float16


def by_parts(
    compute: Callable[..., None], of_long_row: Callable[..., None], to: Array, *arrays: Array
) -> None:
    """Have `compute` take all parts of some arrays, in float32, into the first of them, as in `to`.

    of_long_row(*arrays, to) does so for a row of float16 that is too long.
    """
    if to.shape[1] > PART:
        for part in parts(to.shape):
            of_long_row(*(x[part] for x in arrays), to[part])
        return
    buffers = [np.empty(min(to.size, PART), WIDE) for _ in arrays]
    for part in parts(to.shape):
        wide = [in_float32(x[part], memory) for x, memory in zip(arrays, buffers, strict=True)]
        compute(*wide, wide[0])
        assign(to[part], wide[0])


def softmax_of_row(x: Array, to: Array, kind: int, factor: float) -> None:
    """softmax(factor * x), or its logarithm, of a row (1, K, 1) into `to`, which may be x."""
    kernel, memory = kernels(WIDE).softmax, np.empty(PIECE + 1, WIDE)
    top = np.max([in_float32(piece, memory).max() for piece in pieces(x)])
    shift = top if np.isfinite(top) else WIDE.type(0)
    by = WIDE.type(min(factor, STEEPEST))

    def logits(piece: Array, rest: float) -> Array:
        wide = lengthened(piece, rest, memory)
        wide[:, :-1] -= shift
        wide[:, :-1] *= by
        return wide

    logs = [_logsumexp(logits(piece, -np.inf), 1)[0, 0] for piece in pieces(x)]
    for piece, result, rest in zip(pieces(x), pieces(to), others(np.logaddexp, logs), strict=True):
        wide = logits(piece, rest)
        kernel.softmax(wide, wide, kind, 1.0, workspace, 1)
        assign(result, wide[:, :-1])


def vjp(p: Array, u: Array, to: Array, temperature: float, n_threads: int) -> None:
    """p * (u - sum(p * u)) / T of rows that are not float16 into `to`, which may be one of them."""
    is_steep = temperature < 1 / STEEPEST  # its inverse, or that times u, may overflow
    kernel, factor = kernels(to.dtype).softmax, 1.0 if is_steep else 1 / temperature
    kernel.softmax_vjp(p, u, to, factor, workspace, n_threads)
    if is_steep:
        with np.errstate(over="ignore"):
            to[...] = to.astype(np.float64) / temperature


def vjp_of_row(p: Array, u: Array, to: Array, temperature: float) -> None:
    """As `vjp`, of rows (1, K, 1) of float16."""
    memory, beside = np.empty((2, PIECE + 1), WIDE)

    def both(a: Array, b: Array, rest: float) -> tuple[Array, Array]:
        wide = lengthened(a, 1.0, memory)
        return wide, lengthened(b, rest, beside)

    products = [
        np.einsum("ijk,ijk->", *both(a, b, 0.0), dtype=np.float64)
        for a, b in zip(pieces(p), pieces(u), strict=True)
    ]
    rests = others(np.add, products)
    for a, b, result, rest in zip(pieces(p), pieces(u), pieces(to), rests, strict=True):
        wide, vector = both(a, b, rest)
        vjp(wide, vector, wide, temperature, 1)
        assign(result, wide[:, :-1])


def logsumexp_by_parts(x: Array, to: Array, n_threads: int) -> None:
    """log(sum(exp(x))) over the middle axis into `to` (outer, inner)."""
    memory = np.empty(min(x.size, PART), WIDE)
    for part in parts(x.shape):
        rows = pieces(x[part]) if x.shape[1] > PART else [x[part]]
        sums = [_logsumexp(in_float32(piece, memory), n_threads) for piece in rows]
        with np.errstate(invalid="ignore"):  # of NaN
            to[part[::2]] = rounded(np.logaddexp.reduce(sums), to.dtype)


def _logsumexp(x: Array, n_threads: int) -> Array:
    sums = np.empty(x.shape[0] * x.shape[2], WIDE)
    kernels(WIDE).softmax.logsumexp(x, sums, 1.0, workspace, n_threads)
    return sums.reshape(x.shape[::2])


def in_float32(x: Array, memory: Array) -> Array:
    """x in float32, in the buffer, in the order in which it lies in its own memory."""
    wide = memory[: x.size]
    if x.flags.c_contiguous:
        wide = wide.reshape(x.shape)
    else:
        axes = np.argsort(x.strides)[::-1]
        wide = wide.reshape(np.take(x.shape, axes)).transpose(np.argsort(axes))
    assign(wide, x)
    return wide


def lengthened(piece: Array, number: float, memory: Array) -> Array:
    """A piece of a row in float32, with a number after it, in the buffer."""
    wide = memory[: piece.size + 1].reshape(1, -1, 1)
    assign(wide[:, :-1], piece)
    wide[:, -1] = number
    return wide


def parts(split: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Where the parts lie, of whole rows and, where these are not longer, at most PART numbers."""
    outer, k, inner = split
    beside = max(1, min(inner, PART // k))
    above = max(1, PART // (k * beside))
    for i in range(0, outer, above):
        for j in range(0, inner, beside):
            yield np.s_[i : i + above, :, j : j + beside]


def pieces(rows: Array) -> list[Array]:
    """Views of at most PIECE numbers of each row."""
    return [rows[:, i : i + PIECE] for i in range(0, rows.shape[1], PIECE)]


def others(add: np.ufunc, values: Iterable[float]) -> Array:
    """For each of some values the sum of all the others, added in float64."""
    own = np.array([add.identity, *values, add.identity], np.float64)
    with np.errstate(invalid="ignore"):  # of NaN and infinities
        before, after = add.accumulate(own), add.accumulate(own[::-1])[::-1]
        return add(before[:-2], after[2:])
