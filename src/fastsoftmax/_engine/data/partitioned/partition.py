"""A partition: rows with their targets, weights and offset, and what a worker computes with them.

The functions are what a round applies (`_runtime/engines/protocol.py`). They depend on their
arguments alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.batch import Batch, Point, is_per_logit
from fastsoftmax._engine.data.column_sums import add_weighted_sums, column_sums
from fastsoftmax._engine.data.kinds import data_of
from fastsoftmax._engine.data.moments import Moments, merged
from fastsoftmax._engine.data.partitioned.by_feature import ByFeature
from fastsoftmax._engine.data.protocol import Data
from fastsoftmax._engine.data.sparse_array import Change
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.engines.tree import Norms, Sums
from fastsoftmax._runtime.threads import available_threads

LOGITS = 64 << 20  # bytes of logits that a worker makes at a time: as the rows fetched from it
MODEL = tuple[NDArray, NDArray | None]  # W (K, D) and b (K,)


def aligned(numbers: NDArray | None) -> NDArray | None:
    """An array whose numbers begin at multiples of their size: a copy where they do not."""
    return None if numbers is None else np.require(numbers, requirements="A")


class View(NamedTuple):
    """How partitions are computed with."""

    dtype: np.dtype  # in which
    factor: float = 1.0  # of the weights
    scale: float = 1.0  # of sums over rows


class PartitionRows(NamedTuple):
    """Some rows, as arrays."""

    X: NDArray | sparse.csr_array
    targets: NDArray
    weights: NDArray[np.float64] | None
    offset: NDArray | None

    def some(self, rows: slice | NDArray) -> PartitionRows:
        """Some of them."""
        return PartitionRows(*(None if part is None else part[rows] for part in self))

    def aligned(self) -> PartitionRows:
        """The same in memory whose numbers begin at multiples of their sizes."""
        X, *others = self
        if sparse.issparse(X):
            X.data, X.indices, X.indptr = map(aligned, (X.data, X.indices, X.indptr))
        else:
            X = aligned(X)
        return PartitionRows(X, *map(aligned, others))


class Partition:
    """Rows that a worker holds.

    Parameters
    ----------
    begin : int
        The number of the first row, counted over all partitions.
    rows : PartitionRows
    feature_scale : ndarray of shape (d,), optional
        Factors of the features.
    n_threads : int, optional
        None for as many as the worker has.
    number : int
        By which messages name it.
    """

    def __init__(
        self,
        begin: int,
        rows: PartitionRows,
        feature_scale: NDArray[np.float64] | None = None,
        n_threads: int | None = None,
        number: int = 0,
    ) -> None:
        self.begin, self.rows, self.number = begin, rows.aligned(), number
        self.feature_scale, self.n_threads = feature_scale, n_threads
        self._made: dict[Any, Any] = {}  # in one precision or the other

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_made": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.rows = self.rows.aligned()  # which they may not be in the bytes that came

    @property
    def n(self) -> int:
        return self.rows.X.shape[0]

    def with_features(
        self, X: NDArray | sparse.csr_array, feature_scale: NDArray | None
    ) -> Partition:
        """The same rows with other features."""
        rows = self.rows._replace(X=X)
        return Partition(self.begin, rows, feature_scale, self.n_threads, self.number)

    def data(self, dtype: np.dtype) -> Data:
        """X, computed in this dtype."""
        key = "data", dtype
        if key not in self._made:
            threads = available_threads() if self.n_threads is None else self.n_threads
            data = data_of(self.rows.X, threads, self.feature_scale)
            self._made[key] = data.to_float64() if dtype == np.float64 else data
        return self._made[key]

    def numbers(self, view: View) -> tuple[NDArray, NDArray | None, NDArray | None]:
        """Targets, weights and offset, as the kernels take them."""
        key = "numbers", view.dtype, view.factor
        if key not in self._made:
            _, targets, weights, offset = self.rows
            if targets.dtype.kind == "f":
                targets = np.ascontiguousarray(targets, view.dtype)
            if weights is not None:
                weights = np.ascontiguousarray(weights * view.factor, view.dtype)
            if offset is not None:
                offset = np.ascontiguousarray(offset, view.dtype)
            self._made[key] = targets, weights, offset
        return self._made[key]

    def pieces(self, view: View, n_logits: int) -> Iterator[Piece]:
        """The rows in pieces whose logits are not too many."""
        data = self.data(view.dtype)
        tile = StoredLogits.tile_rows(view.dtype)
        most = max(1, LOGITS // StoredLogits.bytes(1, n_logits, view.dtype)) * tile
        numbers = self.numbers(view)
        for start in range(0, self.n, most):
            rows = slice(start, min(start + most, self.n))
            part = data if rows == slice(0, self.n) else data.rows(rows)
            yield Piece(part, *(None if x is None else x[rows] for x in numbers))


class Piece(NamedTuple):
    """Some rows of a partition."""

    data: Data
    targets: NDArray
    weights: NDArray | None
    offset: NDArray | None

    def logits(self, model: MODEL, with_offset: bool = True) -> StoredLogits:
        """The logits of a model."""
        W, b = model
        data, logistic = self.data, is_per_logit(self.targets, len(W))
        out = StoredLogits(data.shape[0], len(W), data.dtype, data.n_threads, logistic)
        data.store_logits(W, b, out)
        if with_offset and self.offset is not None:
            out.put(out.table() + self.offset)
        return out


def value_and_grad(partition: Partition, view: View, model: MODEL) -> Sums:
    """The loss, and its gradients by W and b."""
    if partition.rows.offset is None:
        data, (targets, weights, _) = partition.data(view.dtype), partition.numbers(view)
        return gradients(data, Point(*model), Batch(targets, weights, view.scale))
    return of_pieces(
        partition, view, model,
        lambda piece: (piece.logits(model), Batch(piece.targets, piece.weights, view.scale)),
    )  # fmt: skip


def gradients(data: Data, point: Point, batch: Batch) -> Sums:
    """The loss of rows in this process, and its gradients, in float64 for dense and sparse X."""
    if not data.is_sparse:
        loss, grads = data.value_and_grad(point, batch)
        return Sums((loss, grads.W, grads.b))
    by_W = np.zeros((data.shape[1], point.n_logits))
    loss, by_b = data.add_gradient(point, batch, by_W.T)
    return Sums((loss, ByFeature(by_W), by_b))


def curved(partition: Partition, view: View, model: MODEL, change: MODEL) -> Sums:
    """The Hessian of the loss times a change of the model, in the form of `value_and_grad`."""

    def residuals(piece: Piece) -> tuple[StoredLogits, Batch]:
        logits, along = piece.logits(model), piece.logits(change, with_offset=False)
        logits.probabilities(logits).curve(along, piece.weights)
        return along, Batch(None, None, view.scale)

    return of_pieces(partition, view, model, residuals)


def of_pieces(partition: Partition, view: View, model: MODEL, stored: Any) -> Sums:
    """Loss and gradients from what is stored of each piece."""
    total = None
    for piece in partition.pieces(view, len(model[0])):
        logits, batch = stored(piece)
        found = gradients(piece.data, Point(logits=logits), batch)
        total = found if total is None else total + found
    return total


class WeightedMoments(NamedTuple):
    """Means and deviations of rows, and their weight: added, they are those of all."""

    weight: float
    moments: Moments

    def __add__(self, other: Any) -> WeightedMoments:
        parts = [part for part in (self, other) if part.weight]
        return WeightedMoments(self.weight + other.weight, merged(parts, len(self.moments[0])))


def moments(partition: Partition, view: View, weighted: bool) -> WeightedMoments:
    """The moments of the features of a partition."""
    weights = partition.rows.weights if weighted else None
    weight = partition.n if weights is None else float(weights.sum(dtype=np.float64))
    if not weight:
        nothing = np.zeros(partition.rows.X.shape[1])
        return WeightedMoments(0.0, (nothing, nothing))
    return WeightedMoments(weight, partition.data(view.dtype).moments(weights))


def every(partition: Partition, step: int, start: int) -> PartitionRows:
    """Every step-th row, from one of the first on, counted over all partitions."""
    return partition.rows.some(slice((start - partition.begin) % step, None, step))


def chosen(partition: Partition, numbers: NDArray[np.int64]) -> PartitionRows:
    """Rows of these numbers, counted over all partitions and in order."""
    begin = partition.begin
    first, last = np.searchsorted(numbers, (begin, begin + partition.n))
    return partition.rows.some(numbers[first:last] - begin)


def of_rows(partition: Partition, view: View, function: Any, *args: Any) -> Any:
    """``function(data, weights, *args)`` of all rows."""
    return function(partition.data(view.dtype), partition.numbers(view)[1], *args)


def only(partition: Partition, features: NDArray[np.intp]) -> Partition:
    """Some of the features."""
    scale = partition.feature_scale
    scale = None if scale is None else scale[features]
    return partition.with_features(partition.rows.X[:, features], scale)


def changed(partition: Partition, dtype: np.dtype, change: Change) -> Partition:
    """As `SparseData.changed`."""
    return partition.with_features(partition.data(dtype).changed(change).X, None)


def diagonal_sums(partition: Partition, view: View, model: MODEL) -> Sums:
    """Sums with the weights v = p(1 - p): Σ v x, Σ v x² (D, K) and Σ v; and Σ x, Σ x² (D, 1)."""
    data, (k, d) = partition.data(view.dtype), model[0].shape
    first, second = np.zeros((2, d, k))
    masses = np.zeros(k)
    for piece in partition.pieces(view, k):
        v = piece.logits(model)
        v.variances(piece.weights, v)
        masses += add_weighted_sums(piece.data, v, first)
        add_weighted_sums(piece.data.squared, v, second)
    sums = (ByFeature(part.astype(np.float32)) for part in (first, second))
    of_all = (ByFeature(column_sums(part)) for part in (data, data.squared))
    return Sums((*sums, masses, *of_all))


def present(partition: Partition) -> NDArray[np.uint8]:
    """Which features sparse rows have, as bits."""
    X = partition.rows.X
    some = np.zeros(X.shape[1], bool)
    some[X.indices] = True
    return np.packbits(some)


def scaled(partition: Partition, units: NDArray[np.float64]) -> Partition:
    """With each feature times a number."""
    scale = partition.feature_scale
    return partition.with_features(partition.rows.X, units if scale is None else units * scale)


def centred(partition: Partition, shift: NDArray[np.float64]) -> Partition:
    """Less a number for each feature: a copy in float64."""
    data = partition.data(np.dtype(np.float64)).centred(shift)
    return partition.with_features(data.X, partition.feature_scale)


def offset_norms(partition: Partition, weighted: bool) -> Sums:
    """√Σ s o² of the offset of each class, and Σ s."""
    offset, weights = partition.rows.offset, partition.rows.weights
    weights = np.ones(partition.n) if weights is None or not weighted else weights
    with np.errstate(under="ignore"):
        largest = np.maximum(np.abs(offset).max(axis=0), np.finfo(float).tiny)
        norms = largest * np.sqrt(weights @ np.square(offset / largest))
    return Sums((Norms(norms), float(weights.sum())))


def shares(partition: Partition, view: View, loss: Any) -> Sums:
    """The shares of classes, times the weight of the rows, and that weight."""
    targets, weights, _ = partition.numbers(view)
    weight = partition.n if weights is None else float(weights.sum(dtype=np.float64))
    if not weight:
        return Sums((np.zeros(loss.n_logits), 0.0))
    return Sums((weight * loss.shares(targets, weights), weight))
