"""Arrays of any shape, strides and dtype, seen as the kernels see them: (outer, K, inner)."""

from functools import lru_cache, partial
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime.conversion import assign, converted
from fastsoftmax._runtime.threads import team, team_rules
from fastsoftmax._runtime.typing import Axis
from fastsoftmax._validation import check

EXP_COST = 16  # multiply-adds that take as long as one exponential


def threads_for(exponentials: int, n_threads: int | None) -> int:
    """Threads for so many exponentials; a few are done before the system could be asked."""
    work = exponentials * EXP_COST
    if n_threads is None and work < 2 * team_rules.get().per_thread:
        return 1
    return team(check.threads(n_threads), work)


STEEP = 2.0**20  # 1/T of logits whose quotients may overflow
workspace = partial(np.empty, dtype=np.uint8)
_COMPUTED_IN = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


class Layout(NamedTuple):
    """How an array of some shape becomes (outer, K, inner), and back."""

    shape: tuple[int, ...]
    order: tuple[int, ...] | None  # of the axes, where those to reduce are not neighbours
    split: tuple[int, int, int]
    kept: tuple[int, ...]  # shape without the axes

    @staticmethod
    def of(shape: tuple[int, ...], axis: Axis) -> "Layout":
        try:
            return _layout(shape, axis)
        except TypeError:  # a list, which has no hash
            check.axes(axis, len(shape))
            raise

    def split_view(self, x: NDArray) -> NDArray:
        """x as (outer, K, inner): a view where its strides allow one."""
        return (x if self.order is None else x.transpose(self.order)).reshape(self.split)

    def output(self, x: NDArray, dtype: np.dtype, out: NDArray | None) -> NDArray:
        """(outer, K, inner) for a result in the dtype of x: in `out` itself where it can be."""
        if out is not None:
            check.output(out, self.shape, dtype)
            if dtype == x.dtype and out.flags.aligned:
                view = self.split_view(out)
                if np.may_share_memory(view, out):
                    return view
        return np.empty(self.split, x.dtype)

    def back(self, result: NDArray, dtype: np.dtype, out: NDArray | None) -> NDArray:
        """The result that its `output` holds, in the shape and dtype that the caller expects."""
        if out is not None and np.may_share_memory(result, out):
            return out
        if self.order is None:
            result = result.reshape(self.shape)
        else:
            result = result.reshape([self.shape[i] for i in self.order])
            result = result.transpose(np.argsort(self.order))
        if out is not None:
            assign(out, result)
            return out
        return rounded(result, dtype) if self.shape else rounded(result, dtype)[()]

    def keepdims(self, axis: Axis) -> tuple[int, ...]:
        """The shape with the axes at length 1."""
        axes = check.axes(axis, len(self.shape))
        return tuple(1 if i in axes else n for i, n in enumerate(self.shape))

    def threads(self, n_threads: int | None) -> int:
        return threads_for(prod(self.split), n_threads)


@lru_cache(maxsize=256, typed=True)  # of a call on few numbers this would be half
def _layout(shape: tuple[int, ...], axis: Axis) -> Layout:
    axes = check.axes(axis, len(shape))
    kept = tuple(n for i, n in enumerate(shape) if i not in axes)
    k = prod(shape[i] for i in axes)
    if not axes:
        return Layout(shape, None, (prod(shape), 1, 1), shape)
    first, last = axes[0], axes[-1]
    if last - first + 1 == len(axes):
        return Layout(shape, None, (prod(shape[:first]), k, prod(shape[last + 1 :])), kept)
    order = tuple(i for i in range(len(shape)) if i not in axes) + axes
    return Layout(shape, order, (prod(kept), k, 1), kept)


def rounded(x: NDArray, dtype: np.dtype) -> NDArray:
    """x in the dtype of the result; what float16 cannot hold is infinite, without a warning."""
    with np.errstate(over="ignore"):
        return converted(x, dtype)


def prepared(x: ArrayLike, name: str, dtype: np.dtype | None = None) -> tuple[NDArray, np.dtype]:
    """x in the dtype to compute in, and the dtype of the result."""
    array, dtype = as_stored(x, name, dtype)
    return converted(array, np.float32) if array.dtype == np.float16 else array, dtype


def as_stored(x: ArrayLike, name: str, dtype: np.dtype | None = None) -> tuple[NDArray, np.dtype]:
    """As `prepared`, but float16 as it is, for kernels that convert it on its way."""
    if type(x) is np.ndarray and (dtype is None or dtype == x.dtype) and x.flags.aligned:
        plain = x.dtype in _COMPUTED_IN and x.flags.c_contiguous
        if plain or (x.dtype == np.float16 and x.dtype.isnative):
            return x, x.dtype
    return check.floating(x, name, dtype)


def precision_of(dtype: np.dtype) -> np.dtype:
    """The precision of the kernels for arrays of this dtype."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def quotients(x: NDArray, temperature: float, axis: Axis) -> NDArray:
    """(x - max x) / T along the axes, which cannot become infinity less infinity."""
    if not x.size:
        return x
    with np.errstate(over="ignore", invalid="ignore"):  # as far below the maximum as that
        below = (x - x.max(axis=axis, keepdims=True)).astype(np.float64)
        return (below / temperature).astype(x.dtype)


def distinct(x: NDArray, out: NDArray | None, name: str) -> None:
    """Raise if out shares some memory with x without being x."""
    if out is not None and np.may_share_memory(x, out):
        check.overlap(x, out, name)
