"""Dense X in blocks of rows."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.dense import DenseData, Gradients, no_gradient
from fastsoftmax._engine.data.row_sample import RowSample
from fastsoftmax._engine.data.streamed.base import BlocksData, Read
from fastsoftmax._runtime.ahead import ahead
from fastsoftmax._runtime.conversion import converted


class DenseBlocks(BlocksData):
    """What `DenseData` offers, of rows that come in blocks.

    Logits are stored in tiles of rows. So that no tile has rows of two blocks the rows that a block
    ends with in the middle of a tile are put before those of the next, and their tile is worked
    on alone.

    Parameters
    ----------
    *args, **more
        Of `BlocksData`.
    feature_scale : ndarray of shape (d,), optional
        Factors of the features, as for `DenseData`.
    """

    is_sparse = False

    def __init__(
        self, *args: Any, feature_scale: NDArray[np.float64] | None = None, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self._feature_scale = feature_scale

    def _other(
        self, read: Read, shape: tuple[int, int], nbytes: int, scale: NDArray | None = None
    ) -> "DenseBlocks":
        return DenseBlocks(
            read, shape, self._stored, nbytes, self.n_threads, self._workspace, self.dtype,
            feature_scale=self._feature_scale if scale is None else scale,
        )  # fmt: skip

    def _scaled(self, X: NDArray) -> DenseData:
        return DenseData(X, self.n_threads, self._workspace, self._feature_scale, self.dtype)

    def pieces(self) -> Iterator[tuple[slice, DenseData]]:
        """Rows of one block, or of one tile; all but the last are whole tiles."""
        begin, left = 0, []  # rows of a tile that is not complete
        for X in ahead(self._read()):
            if left:
                missing = self._tile - sum(map(len, left))
                left.append(X[:missing])
                X = X[missing:]
                if sum(map(len, left)) < self._tile:
                    continue
                yield slice(begin, begin + self._tile), self._scaled(np.concatenate(left))
                begin, left = begin + self._tile, []
            whole = len(X) // self._tile * self._tile
            if whole:
                yield slice(begin, begin + whole), self._scaled(X[:whole])
                begin += whole
            if whole < len(X):
                left = [X[whole:].copy()]
        if left:
            yield slice(begin, begin + sum(map(len, left))), self._scaled(np.concatenate(left))

    def as_stored(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `DenseData.as_stored`."""
        return numbers if self._feature_scale is None else numbers / self._feature_scale

    def centred(self, shift: NDArray[np.float64]) -> "DenseBlocks":
        """As `DenseData.centred`, block by block."""
        shift = self.as_stored(shift)
        return DenseBlocks(
            lambda: (converted(X, np.float64) - shift for X in self._read()), self.shape,
            np.dtype(np.float64), self.nbytes, self.n_threads, self._workspace,
            feature_scale=self._feature_scale,
        )  # fmt: skip

    def scaled(self, units: NDArray[np.float64]) -> "DenseBlocks":
        """The same with each feature times a number."""
        scale = units if self._feature_scale is None else units * self._feature_scale
        return self._other(self._read, self.shape, self.nbytes, scale)

    def rows(self, chosen: slice | NDArray) -> DenseData:
        """Some rows, in order, in memory."""
        rows = np.arange(self.shape[0])[chosen]
        found, begin = [], 0
        for X in self._read():
            first, last = np.searchsorted(rows, (begin, begin + len(X)))
            found.append(X[rows[first:last] - begin])
            begin += len(X)
        return self._scaled(np.concatenate(found))

    def only(self, features: NDArray[np.int64]) -> DenseData:
        """Some of the features, in memory."""
        X = np.concatenate([X[:, features] for X in self._read()])
        scale = None if self._feature_scale is None else self._feature_scale[features]
        return DenseData(X, self.n_threads, self._workspace, scale, self.dtype)

    def value_and_grad(
        self, point: Point, batch: Batch, wrt: Collection[str] = ("W", "b")
    ) -> tuple[float, Gradients]:
        """As `DenseData.value_and_grad`, but for the gradient of X."""
        loss, by_b = 0.0, np.zeros(point.n_logits)
        by_W = no_gradient(point.n_logits, self.shape[1], self.dtype, DenseData.wide_bytes)
        for rows, piece in self.pieces():
            value, grads = piece.value_and_grad(point.part(rows), batch.part(rows), wrt)
            loss += value
            by_b += grads.b
            by_W += grads.W
        return loss, Gradients(by_W, by_b, None)

    def gram(
        self,
        drawn: RowSample,
        centre: NDArray | None = None,
        scales: NDArray | None = None,
        scale: float = 1.0,
        ridge: NDArray[np.float64] | None = None,
        shared: NDArray | None = None,
        shares: NDArray[np.float64] | None = None,
    ) -> NDArray:
        """As `DenseData.gram`."""
        size = self.shape[1] if scales is None else len(scales)
        out = np.zeros((len(drawn.counts), size, size), self.dtype)
        for piece, some in self._drawn(drawn):
            out += piece.gram(some, centre, scales, scale)
        if shared is not None:
            out += shares[:, None, None] * shared
        if ridge is not None:
            np.einsum("mii->mi", out)[:] += ridge
        return out

    def grams_of(
        self,
        drawn: RowSample,
        features: Sequence[NDArray],
        centre: NDArray,
        scales: NDArray,
        scale: float,
    ) -> list[NDArray]:
        """As `DenseData.grams_of`."""
        totals = [np.zeros((len(mine), len(mine)), self.dtype) for mine in features]
        for piece, some in self._drawn(drawn):
            grams = piece.grams_of(some, features, centre, scales, scale)
            for total, gram in zip(totals, grams, strict=True):
                total += gram
        return totals

    def sums(self, drawn: RowSample) -> NDArray:
        """As `DenseData.sums`."""
        out = np.zeros((len(drawn.counts), self.shape[1]), self.dtype)
        for piece, some in self._drawn(drawn):
            out += piece.sums(some)
        return out

    def _drawn(self, drawn: RowSample) -> Iterator[tuple[DenseData, RowSample]]:
        """Pieces of which there are drawn rows, and which those are."""
        for rows, piece in self.pieces():
            some, factors = [], []
            for mine, theirs in drawn.each():
                here = (mine >= rows.start) & (mine < rows.stop)  # in any order: far rows come last
                some.append(mine[here] - np.int32(rows.start))
                factors.append(theirs[here])
            counts = np.array([len(mine) for mine in some])
            if counts.any():
                at = np.concatenate(some), np.concatenate(factors)
                yield piece, RowSample(*at, counts, drawn.totals)
