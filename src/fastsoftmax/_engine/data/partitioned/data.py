"""X in partitions, as an objective asks for it."""

import math
import operator
from collections.abc import Callable, Collection
from copy import copy
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.dense import DenseData, Gradients
from fastsoftmax._engine.data.elsewhere import RowsElsewhere
from fastsoftmax._engine.data.moments import Moments
from fastsoftmax._engine.data.partitioned import partition
from fastsoftmax._engine.data.partitioned.by_row import ByRow, Samples
from fastsoftmax._engine.data.partitioned.partition import MODEL, View
from fastsoftmax._engine.data.partitioned.present import ModelByFeature, Present
from fastsoftmax._engine.data.protocol import Data
from fastsoftmax._engine.data.row_sample import RowSample
from fastsoftmax._engine.data.sparse import SparseData
from fastsoftmax._engine.data.sparse_array import Change
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.dtypes import computed_in
from fastsoftmax._runtime.engines.protocol import Held
from fastsoftmax._runtime.engines.wire import Traffic


@dataclass(frozen=True)
class FetchRules:
    """How many rows are fetched (docs/experiments/0056-rounds.md)."""

    sample_bytes: int = 64 << 20  # of those to build preconditioners from, within these limits
    least_sample: int = 4096  # rows
    most_sample: int = 1 << 16
    line_work: int = 1 << 28  # multiply-adds for logits of line searches, within these limits
    least_line: int = 2048  # rows
    most_line: int = 1 << 14


class Curved(NamedTuple):
    """In the place of stored logits: the Hessian of each row's loss times the change of logits that
    a change of the model makes."""

    model: MODEL
    change: MODEL
    weights: ByRow | None

    @property
    def n_logits(self) -> int:
        return len(self.model[0])


def cast(W: NDArray | None, dtype: np.dtype) -> NDArray | None:
    """W as the workers compute with it."""
    return None if W is None else np.asarray(W, dtype, order="K")


class PartitionedData(RowsElsewhere):
    """What `DenseBlocks` and `SparseBlocks` offer an objective, as rounds.

    Some rows are here: those for line searches, and those to build preconditioners from. They are
    fetched once. No number of bytes here depends on the number of rows.

    Parameters
    ----------
    held : Held
        Of `Partition`.
    shape : (n, d)
    stored : dtype
        That of X.
    row_bytes : float
        Of X, for a row.
    n_threads : int
        Of this process.
    feature_scale : ndarray of shape (d,), optional
    dtype : dtype, optional
        In which to compute, rather than in what suits `stored`.
    """

    is_distributed = True
    nbytes = 0  # here
    rules = FetchRules()

    def __init__(
        self,
        held: Held,
        shape: tuple[int, int],
        stored: np.dtype,
        row_bytes: float,
        n_threads: int,
        feature_scale: NDArray[np.float64] | None = None,
        dtype: np.dtype | None = None,
    ) -> None:
        self.held, self.shape, self._stored = held, shape, stored
        self._row_bytes, self.n_threads = row_bytes, n_threads
        self._feature_scale = feature_scale
        self.dtype = computed_in(stored) if dtype is None else dtype
        self.samples = Samples(held, self.sample_step)
        self._workspace = Workspace()

    def _other(self, held: Held, feature_scale: NDArray | None, **changes: Any) -> Self:
        """Partitions with the same rows and other features."""
        other = copy(self)
        other.held, other._feature_scale = held, feature_scale
        vars(other).update(changes)
        other.samples = Samples(held, other.sample_step)
        return other

    @property
    def sample_step(self) -> int:
        """Every which row is fetched to build preconditioners from."""
        r = self.rules
        rows = min(max(r.sample_bytes / self._row_bytes, r.least_sample), r.most_sample)
        return max(1, math.ceil(self.shape[0] / rows))

    def step_of(self, rows: int) -> int:
        """As `LocalRows.step_of`, of rows that are fetched."""
        step = self.sample_step
        return step * max(1, self.shape[0] // step // rows)

    def line_sample(self, n_logits: int, rows: int) -> tuple[slice, Data]:
        """As `LocalRows.line_sample`, of as many rows as cost less than a round.

        Others than those that preconditioners are built from. Directions in which these have no
        curvature are what a step goes far in, and of that they would know nothing.
        """
        r = self.rules
        affordable = min(max(r.line_work / (self.shape[1] * n_logits), r.least_line), r.most_line)
        chosen = slice(self.sample_step // 2, None, self.step_of(int(affordable)))
        return chosen, self.rows(chosen)

    def scaled(self, units: NDArray[np.float64]) -> Self:
        """The same with each feature times a number."""
        scale = units if self._feature_scale is None else units * self._feature_scale
        return self._other(self.held.map(partition.scaled, units), scale)

    def to_float64(self) -> Self:
        """The same rows, computed in float64."""
        if self.dtype == np.float64:
            return self
        other = copy(self)
        other.dtype = np.dtype(np.float64)
        return other

    def view(self, weights: ByRow | None = None, scale: float = 1.0) -> View:
        """How a round computes."""
        return View(self.dtype, 1.0 if weights is None else weights.factor, scale)

    @property
    def traffic(self) -> Traffic:
        """Rounds so far, and their bytes."""
        return self.held.traffic

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(partition, *args)``, summed."""
        return self.held.sum(function, *args)

    def moments(self, weights: ByRow | None) -> Moments:
        """Weighted mean and standard deviation of each feature, in one round."""
        return self.sum(partition.moments, self.view(), weights is not None).moments

    def shares(self, loss: Any, weights: ByRow | None) -> NDArray[np.float64]:
        """The probabilities of the intercept-only model."""
        total, weight = self.sum(partition.shares, self.view(weights), loss)
        return total / weight

    def _gradients(self, point: Point, batch: Batch) -> tuple[float, Any, NDArray]:
        """The loss and its gradients by W, of sparse X as `ByFeature`, and b."""
        if isinstance(point.logits, Curved):
            model, change, weights = point.logits
            models = self.sent(model), self.sent(change)
            return self.sum(partition.curved, self.view(weights, batch.scale), *models)
        view = self.view(batch.weights, batch.scale)
        return self.sum(partition.value_and_grad, view, self.sent((point.W, point.b)))

    def sent(self, model: MODEL) -> Any:
        """A model as the workers get it."""
        W, b = model
        return cast(W, self.dtype), b


class DensePartitions(PartitionedData):
    """Dense X."""

    is_sparse = False

    def _here(self, X: NDArray) -> DenseData:
        return DenseData(X, self.n_threads, self._workspace, self._feature_scale, self.dtype)

    def every(self, step: int) -> DenseData:
        """Every step-th row, here."""
        return self.rows(slice(0, None, step))

    def rows(self, chosen: slice | NDArray[np.integer]) -> DenseData:
        """Some rows, in order, here."""
        return self._here(self.samples[chosen].X)

    def as_stored(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `DenseData.as_stored`."""
        return numbers if self._feature_scale is None else numbers / self._feature_scale

    def centred(self, shift: NDArray[np.float64]) -> Self:
        """As `DenseData.centred`: copies on the workers."""
        held, dtype = self.held.map(partition.centred, shift), np.dtype(np.float64)
        changes = {"_stored": dtype, "dtype": dtype, "_row_bytes": 8 * self.shape[1]}
        return self._other(held, self._feature_scale, **changes)

    def value_and_grad(
        self, point: Point, batch: Batch, wrt: Collection[str] = ("W", "b")
    ) -> tuple[float, Gradients]:
        """As `DenseBlocks.value_and_grad`."""
        loss, by_W, by_b = self._gradients(point, batch)
        return loss, Gradients(by_W, by_b, None)

    def gram(self, drawn: RowSample, *args: Any, **more: Any) -> NDArray:
        """As `DenseData.gram`, of rows that are here."""
        data, drawn = self._drawn(drawn)
        return data.gram(drawn, *args, **more)

    def sums(self, drawn: RowSample) -> NDArray:
        """As `DenseData.sums`."""
        data, drawn = self._drawn(drawn)
        return data.sums(drawn)

    def _drawn(self, drawn: RowSample) -> tuple[DenseData, RowSample]:
        """The rows that were drawn, each once, and which of these are drawn."""
        rows, count = drawn.rows, drawn.counts
        inside = np.arange(rows.shape[-1]) < (count.sum() if rows.ndim == 1 else count[:, None])
        numbers, places = np.unique(rows[inside], return_inverse=True)
        at = np.zeros(rows.shape, np.int32)
        at[inside] = places
        return self.rows(numbers), drawn._replace(rows=at)


class SparsePartitions(PartitionedData):
    """Sparse X."""

    is_sparse = True
    merger = None

    def __init__(self, *args: Any, nnz: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self.nnz = nnz
        self._present = Present(self.held, self.shape[1])

    def _other(self, held: Held, feature_scale: NDArray | None, **changes: Any) -> Self:
        other = super()._other(held, feature_scale, **changes)
        other._present = Present(held, other.shape[1])
        return other

    def sent(self, model: MODEL) -> ModelByFeature:
        return ModelByFeature(super().sent(model), self._present)

    def every(self, step: int) -> SparseData:
        """Every step-th row, here."""
        return self.rows(slice(0, None, step))

    def rows(self, chosen: slice) -> SparseData:
        """Some rows, in order, here."""
        data = SparseData(self.samples[chosen].X, self.n_threads, self._workspace)
        data = data if self._feature_scale is None else data.scaled(self._feature_scale)
        return data.to_float64() if self.dtype == np.float64 else data

    def only(self, features: NDArray[np.intp]) -> Self:
        """Some of the features, on the workers."""
        scale = None if self._feature_scale is None else self._feature_scale[features]
        shape = self.shape[0], len(features)
        return self._other(self.held.map(partition.only, features), scale, shape=shape)

    def changed(self, change: Change) -> Self:
        """As `SparseData.changed`: copies on the workers."""
        held = self.held.map(partition.changed, self.dtype, change)
        return self._other(held, None, _stored=change.dtype, dtype=change.dtype)

    def diagonal_sums(self, model: MODEL, weights: ByRow | None) -> list[NDArray[np.float64]]:
        """Sums of which the diagonals of Hessians are made (`partition.py`)."""
        first, second, masses, *of_all = self.sum(
            partition.diagonal_sums, self.view(weights), self.sent(model)
        )
        sums = (part.numbers.astype(np.float64) for part in (first, second))
        return [*sums, masses, *(part.numbers for part in of_all)]

    def penalised(
        self, point: Point, batch: Batch, ridge: float, out: NDArray
    ) -> tuple[float, NDArray]:
        """As `SparseBlocks.penalised`."""
        loss, by_feature, by_b = self._gradients(point, batch)
        by_W = by_feature.numbers.T
        out[...] = by_W + ridge * point.W if ridge else by_W
        return loss, by_b


def sum_of_rows(
    data: Data, weights: NDArray | ByRow | None, function: Callable[..., Any], *args: Any
) -> Any:
    """``function(rows, weights, *args)`` of pieces of any data, summed."""
    if data.is_distributed:
        return data.sum(partition.of_rows, data.view(weights), function, *args)
    parts = (
        function(piece, None if weights is None else weights[rows], *args)
        for rows, piece in data.pieces()
    )
    return reduce(operator.add, parts)
