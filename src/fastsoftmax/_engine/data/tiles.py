"""Numbers per row and class in tiles of rows, as kernels take them."""

from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._engine.linalg.vectors import largest
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team

WORK = 32  # multiply-adds that an exponential is worth, for the number of threads


class Tiles:
    """Numbers (n, K) in tiles, a class's side by side.

    Parameters
    ----------
    n, n_logits : int
    dtype : dtype
    n_threads : int
    logistic : bool, default=False
        Whether each of the logits to which these belong has a logistic function of its own, as a
        single one always has, rather than all of a row one softmax.
    """

    def __init__(
        self,
        n: int,
        n_logits: int,
        dtype: np.dtype,
        n_threads: int,
        logistic: bool = False,
    ) -> None:
        self.n, self.n_logits, self.n_threads = n, n_logits, n_threads
        self.logistic = logistic or n_logits == 1
        self._kernel = kernels(dtype).line
        rows = self.tile_rows(dtype)
        self.tiles = empty((-(-n // rows), n_logits, rows), dtype)
        self._workspace = Workspace()

    @staticmethod
    def tile_rows(dtype: np.dtype) -> int:
        """Rows of a tile."""
        return kernels(dtype).linear.tile_rows()

    @staticmethod
    def bytes(n: int, n_logits: int, dtype: np.dtype) -> int:
        rows = Tiles.tile_rows(dtype)
        return -(-n // rows) * rows * n_logits * np.dtype(dtype).itemsize

    def _team(self) -> int:
        return team(self.n_threads, WORK * self.tiles.size)

    def like(self, n: int | None = None) -> Self:
        """Memory for as many logits, or for those of n rows."""
        n = self.n if n is None else n
        return type(self)(n, self.n_logits, self.tiles.dtype, self.n_threads, self.logistic)

    def part(self, rows: slice) -> Self:
        """The numbers of some rows, of whole tiles but for the end: a view."""
        size = self.tiles.shape[2]
        view = copy(self)
        view.n, view._workspace = rows.stop - rows.start, Workspace()
        view.tiles = self.tiles[rows.start // size : -(-rows.stop // size)]
        return view

    def some(self, rows: int) -> Self:
        """A copy of evenly spread tiles, of about so many rows."""
        count, size = len(self.tiles), self.tiles.shape[2]
        step = max(1, count * size // max(rows, size))
        chosen = range(0, count if count == 1 else self.n // size, step)  # whole tiles
        n = self.n if count == 1 else len(chosen) * size
        some = self.like(n)
        some.tiles[...] = self.tiles[chosen.start : chosen.stop : chosen.step]
        return some

    def table(self) -> NDArray:
        """The logits as an array (n, K)."""
        return self.tiles.transpose(0, 2, 1).reshape(-1, self.n_logits)[: self.n]

    def put(self, table: NDArray) -> None:
        """What an array (n, K) holds."""
        padded = np.zeros((len(self.tiles) * self.tiles.shape[2], self.n_logits), self.tiles.dtype)
        padded[: self.n] = table
        self.tiles[...] = padded.reshape(len(self.tiles), -1, self.n_logits).transpose(0, 2, 1)

    def to_float64(self) -> Self:
        """The same logits in float64, whose tiles have fewer rows."""
        k, rows = self.n_logits, self.tile_rows(np.dtype(np.float64))
        out = type(self)(self.n, k, np.dtype(np.float64), self.n_threads, self.logistic)
        split = self.tiles.reshape(len(self.tiles), k, -1, rows).transpose(0, 2, 1, 3)
        some = len(self.tiles) - 1  # whose rows all exist
        out.tiles[: some * split.shape[1]].reshape(some, *split.shape[1:])[...] = split[:some]
        out.tiles[some * split.shape[1] :] = split[-1, : len(out.tiles) - some * split.shape[1]]
        return out

    def fill(self, logits: NDArray) -> None:
        """The same logits (K,) in every row."""
        self.tiles[0] = logits[:, None]
        self.tiles[1:] = self.tiles[0]

    def move(self, change: Self, t: float) -> None:
        """``self += t * change``."""
        self._kernel.move(self.tiles, change.tiles, t, self._team())

    def largest(self) -> float:
        """max |logit|."""
        return largest(self.tiles.ravel(), self.n_threads)

    def class_sums(self, less: NDArray | None = None) -> NDArray[np.float64]:
        """The sum of each class over the rows, (K,); or of how far that is from other tiles."""
        out = np.empty(self.n_logits)
        if less is not None:
            less = np.ascontiguousarray(less, self.tiles.dtype)
        self._kernel.class_sums(self.tiles, less, out)
        return out

    def squares(self) -> NDArray[np.float64]:
        """The sum of the squares of each row, (n,)."""
        out = np.empty(self.n)
        if self.n:
            self._kernel.squares(self.tiles, self.n, out, team(self.n_threads, self.tiles.size))
        return out
