"""Logits of a data set, kept between passes."""

from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._engine.linalg.vectors import largest
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team

WORK = 32  # multiply-adds that an exponential is worth, for the number of threads


class RowSample(NamedTuple):
    """Rows drawn for each class, or pair of classes, and the square roots of their weights.

    Rows and factors are (m, most), of which the first `counts` of each are drawn, or one after
    another.
    """

    rows: NDArray[np.int32]
    factors: NDArray
    counts: NDArray[np.intp]  # (m,)
    totals: NDArray[np.float64]  # (m,), the sum of what rows were drawn by

    @classmethod
    def of_all_rows(cls, weights: NDArray) -> "RowSample":
        """All rows, of such weights for each matrix: (m, n)."""
        m, n = weights.shape
        rows = np.empty((m, n), np.int32)
        rows[:] = np.arange(n, dtype=np.int32)
        return cls(rows, np.sqrt(weights), np.array([n] * m), weights.sum(axis=1))

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where in `rows` those of each begin, (m,)."""
        if self.rows.ndim == 1:
            return np.cumsum(self.counts) - self.counts
        return np.arange(len(self.counts)) * self.rows.shape[1]

    def every(self, step: int) -> "RowSample":
        """Every step-th of each, where they are (m, most)."""
        rows, factors = (np.ascontiguousarray(x[:, ::step]) for x in (self.rows, self.factors))
        return RowSample(rows, factors, -(-self.counts // step), self.totals)

    def powers(self, power: int) -> NDArray[np.float64]:
        """Σ factorᵢ to that power of each, where they are (m, most)."""
        inside = np.arange(self.factors.shape[1]) < self.counts[:, None]
        return np.sum(np.where(inside, self.factors, 0) ** power, axis=1, dtype=np.float64)

    def each(self) -> Iterator[tuple[NDArray[np.int32], NDArray]]:
        """Rows and factors of one after another."""
        rows, factors = self.rows.ravel(), self.factors.ravel()
        for start, count in zip(self.starts, self.counts, strict=True):
            yield rows[start : start + count], factors[start : start + count]


class DualPoint(NamedTuple):
    """Sums over rows, times their weights, at probabilities a that are linearised from p."""

    loss: float  # of the losses at p
    divergence: float  # of KL(a || p), or a little more
    squares: float  # of each row's weight * (a - y)
    least_change: float  # the least a / p - 1, before it was limited to -1
    class_sums: NDArray[np.float64]  # of weight * (a - y), and of its magnitude: (2, K)


Step = tuple["StoredLogits", float]  # a change of logits, and how much of it


class StoredLogits:
    """Logits (n, K) in tiles, a class's side by side, and the loss along a line through them.

    Parameters
    ----------
    n, n_logits : int
    dtype : dtype
    n_threads : int
    logistic : bool, default=False
        Whether each logit has a logistic function of its own, as a single one always has, rather
        than all of a row one softmax.
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
        rows = StoredLogits.tile_rows(dtype)
        return -(-n // rows) * rows * n_logits * np.dtype(dtype).itemsize

    def _team(self) -> int:
        return team(self.n_threads, WORK * self.tiles.size)

    def like(self, n: int | None = None) -> "StoredLogits":
        """Memory for as many logits, or for those of n rows."""
        n = self.n if n is None else n
        return StoredLogits(n, self.n_logits, self.tiles.dtype, self.n_threads, self.logistic)

    def part(self, rows: slice) -> "StoredLogits":
        """Those of some rows, of whole tiles but for the end: a view."""
        size = self.tiles.shape[2]
        view = copy(self)
        view.n, view._workspace = rows.stop - rows.start, Workspace()
        view.tiles = self.tiles[rows.start // size : -(-rows.stop // size)]
        return view

    def some(self, rows: int) -> "StoredLogits":
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

    def to_float64(self) -> "StoredLogits":
        """The same logits in float64, whose tiles have fewer rows."""
        k, rows = self.n_logits, self.tile_rows(np.dtype(np.float64))
        out = StoredLogits(self.n, k, np.dtype(np.float64), self.n_threads, self.logistic)
        split = self.tiles.reshape(len(self.tiles), k, -1, rows).transpose(0, 2, 1, 3)
        some = len(self.tiles) - 1  # whose rows all exist
        out.tiles[: some * split.shape[1]].reshape(some, *split.shape[1:])[...] = split[:some]
        out.tiles[some * split.shape[1] :] = split[-1, : len(out.tiles) - some * split.shape[1]]
        return out

    def largest(self) -> float:
        """max |logit|."""
        return largest(self.tiles.ravel(), self.n_threads)

    def fill(self, logits: NDArray) -> None:
        """The same logits (K,) in every row."""
        self.tiles[0] = logits[:, None]
        self.tiles[1:] = self.tiles[0]

    def along(
        self,
        change: "StoredLogits",
        t: float,
        targets: NDArray,
        weights: NDArray | None,
        scale: float,
        every: int = 1,
    ) -> NDArray[np.float64]:
        """φ, φ' and φ'' of ``scale`` times the weighted sum of losses at ``self + t * change``.

        Of the rows of one tile in `every`, and as many times that.
        """
        out = np.empty(3)
        self._kernel.along(
            self.tiles, change.tiles, t, targets, weights, self.n, every * scale, every, out,
            self._workspace, team(self.n_threads, WORK * self.tiles.size // every),
        )  # fmt: skip
        return out

    def move(self, change: "StoredLogits", t: float) -> None:
        """``self += t * change``."""
        self._kernel.move(self.tiles, change.tiles, t, self._team())

    def probabilities(self, out: "StoredLogits | None" = None) -> "StoredLogits":
        """The softmax of each row, or the logistic function of each logit."""
        out = self.like() if out is None else out
        self._kernel.probabilities(self.tiles, self.logistic, self.n, out.tiles, self._team())
        return out

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

    def curve(self, change: "StoredLogits", weights: NDArray | None) -> None:
        """From a change d of the logits whose probabilities p these are: d becomes each row's
        weight times (diag(p) - p pᵀ) d, or p(1 - p) d of logistic functions."""
        self._kernel.curve(
            self.tiles, self.logistic, change.tiles, weights, self.n, change.tiles, self._team()
        )

    def dual_point(
        self,
        change: "StoredLogits",
        targets: NDArray,
        weights: NDArray | None,
        out: "StoredLogits",
        alpha: float = 1.0,
        shift: NDArray | None = None,
    ) -> DualPoint:
        """Probabilities a, linearised along a change of these logits, kept in the simplex and moved
        to y + alpha (a - y): each row's weight times what they are more than y into `out`, which
        may be the change itself (`_core/dual.pyx`). A shift (K,) is added to the change of every
        row."""
        dtype, k = self.tiles.dtype, self.n_logits
        shift = np.zeros(k, dtype) if shift is None else shift.astype(dtype)
        sums, class_sums = np.empty(4), np.empty((2, k))
        kernels(dtype).dual.dual_point(
            self.tiles, change.tiles, shift, targets, weights, alpha, self.n, out.tiles, sums,
            class_sums, self._workspace, self._team(),
        )  # fmt: skip
        return DualPoint(*sums.tolist(), class_sums)

    def class_moments(self, weights: NDArray | None) -> NDArray[np.float64]:
        """Σ sᵢ pᵢₖ pᵢₗ over the rows, (K, K), of the probabilities that these are."""
        dtype, k = self.tiles.dtype, self.n_logits
        of_rows, out = np.zeros(len(self.tiles) * self.tiles.shape[2], dtype), np.empty((k, k))
        of_rows[: self.n] = 1 if weights is None else weights
        threads = team(self.n_threads, self.tiles.size * k // 2)
        kernels(dtype).dual.class_moments(self.tiles, of_rows, out, threads)
        return out

    def residuals(self, targets: NDArray, weights: NDArray | None) -> NDArray:
        """The largest weight * |p - y| of each row, (n,)."""
        out = np.empty(self.n, self.tiles.dtype)
        self._kernel.residuals(
            self.tiles, targets, weights, self.n, out, self._workspace, self._team()
        )
        return out

    def variances(self, weights: NDArray | None, out: "StoredLogits") -> None:
        """Each row's weight times p(1 - p) of each class, into the tiles of `out`."""
        self._kernel.variances(self.tiles, self.logistic, weights, self.n, out.tiles, self._team())

    def sample_rows(
        self, wanted: int, seed: int, emphasis: NDArray[np.float64] | None = None
    ) -> RowSample:
        """About so many rows a class, drawn by the weights that these tiles hold.

        And by an emphasis on each row, (n,), if there is one, which draws alone are subject to.

        The draws of a row depend on seed, class and row alone.
        """
        k = self.n_logits
        most = min(self.n, wanted + 8 * int(wanted**0.5) + 64)
        rows = empty((k, most), np.int32)
        factors = empty((k, most), self.tiles.dtype)
        counts, totals = np.empty(k, np.intp), np.empty(k)
        if emphasis is not None:
            padded = np.zeros(len(self.tiles) * self.tiles.shape[2], self.tiles.dtype)
            padded[: self.n] = emphasis
            emphasis = padded
        kernels(self.tiles.dtype).sampling.sample_rows(
            self.tiles, emphasis, self.n, wanted, seed, rows, factors, counts, totals, self._team()
        )
        return RowSample(rows, factors, counts, totals)

    def sample_pairs(
        self,
        wanted: int,
        seed: int,
        resistances: NDArray[np.float64],
        weights: NDArray | None = None,
        squares: NDArray[np.float64] | None = None,
        of: "StoredLogits | None" = None,
    ) -> RowSample:
        """So many rows and pairs of classes, drawn by the rows' weights times p_k p_l (r_k + r_l).

        p are the probabilities that these tiles hold, or that they get, the softmax `of` logits; r
        the `resistances` of classes, (K,). And by
        the squared lengths of the rows, (n,), where these are known; draws alone are subject to
        both. The pair of classes k > l is number k(k - 1)/2 + l. What is drawn depends on the seed
        and on all rows.
        """
        squares = np.ones(self.n) if squares is None else squares
        emphasis = squares if weights is None else squares * weights
        pairs = self.n_logits * (self.n_logits - 1) // 2
        wanted += wanted % 2
        rows, factors = empty(wanted, np.int32), empty(wanted, self.tiles.dtype)
        counts, totals = np.empty(pairs, np.intp), np.empty(pairs)
        kernels(self.tiles.dtype).coupling.sample_pairs(
            None if of is None else of.tiles, self.tiles, emphasis, squares,
            resistances.astype(self.tiles.dtype), self.n, seed,
            rows, factors, counts, totals, self._workspace,
            team(self.n_threads, WORK * (self.tiles.size + wanted)),
        )  # fmt: skip
        return RowSample(rows, factors, counts, totals)
