"""Numbers by row that lie with the rows, on the workers."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastsoftmax._engine.data.partitioned import partition
from fastsoftmax._engine.data.partitioned.partition import PartitionRows
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.engines.protocol import Held, Stays


def together(parts: list[Any]) -> Any:
    """The same of all partitions, in order."""
    if parts[0] is None:
        return None
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


class Samples(Stays):
    """Rows of all partitions that are here, each kind of them fetched once.

    Parameters
    ----------
    held : Held
    step : int
        Every which row is fetched before any of these is asked for.
    """

    def __init__(self, held: Held, step: int) -> None:
        self._held, self._step = held, step
        self._every: dict[tuple[int, int], PartitionRows] = {}
        self._chosen: tuple[NDArray[np.int64], PartitionRows] | None = None

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> PartitionRows:
        if isinstance(rows, slice):
            return self.every(rows.step or 1, rows.start or 0)
        return self.chosen(rows)

    def every(self, step: int, start: int = 0) -> PartitionRows:
        """Every step-th row, from one on."""
        key = start, step
        if key not in self._every:
            held = ((s, t) for s, t in self._every if s == start and step % t == 0)
            if known := next(held, None):
                self._every[key] = self._every[known].some(slice(None, None, step // known[1]))
            else:
                self._every[key] = self._fetched(partition.every, step, start)
        return self._every[key]

    def chosen(self, numbers: NDArray[np.integer]) -> PartitionRows:
        """Rows of these numbers, which are in order."""
        if not (numbers % self._step).any():
            return self.every(self._step).some(numbers // self._step)
        if self._chosen is None or not np.array_equal(self._chosen[0], numbers):
            rows = self._fetched(partition.chosen, numbers.astype(np.int64))
            self._chosen = numbers.copy(), rows
        return self._chosen[1]

    def offset_sizes(self, weighted: bool) -> NDArray[np.float64]:
        """Weighted root mean squares of the offset of all rows, by class."""
        norms, weight = self._held.sum(partition.offset_norms, weighted)
        return norms.numbers / np.sqrt(weight)

    def _fetched(self, function: Any, *args: Any) -> PartitionRows:
        return PartitionRows(*map(together, zip(*self._held.each(function, *args), strict=True)))


class ByRow:
    """What an objective asks of targets, weights or an offset.

    Parameters
    ----------
    samples : Samples
    name : str
        Of `PartitionRows`.
    dtype : dtype
        In which they are to be.
    ndim : int
    total : float, default=0.0
        Their sum, of weights.
    """

    def __init__(
        self, samples: Samples, name: str, dtype: DTypeLike, ndim: int, total: float = 0.0
    ) -> None:
        self._samples, self._name, self._total = samples, name, total
        self.dtype, self.ndim = np.dtype(dtype), ndim
        #: of the numbers that the workers have, these are that many times as large
        self.factor = 1.0

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> NDArray:
        """The numbers of every step-th row, or of some rows in order."""
        numbers = getattr(self._samples[rows], self._name)
        if self.factor != 1:
            numbers = numbers * self.factor
        return numbers.astype(self.dtype, copy=False)

    def sum(self) -> float:
        """The sum over all rows."""
        return self._total * self.factor

    def sizes(self, weights: ByRow | None) -> NDArray[np.float64]:
        """Weighted root mean squares of an offset's columns."""
        return self._samples.offset_sizes(weights is not None)

    def __truediv__(self, by: float) -> Self:
        other = copy(self)
        other.factor = self.factor / by
        return other

    def astype(self, dtype: DTypeLike) -> Self:
        """The same in another dtype."""
        other = copy(self)
        other.dtype = np.dtype(dtype)
        return other


def as_dtype(numbers: NDArray | ByRow, dtype: np.dtype) -> NDArray | ByRow:
    """Numbers by row in a dtype, contiguous where they are here."""
    if isinstance(numbers, ByRow):
        return numbers.astype(dtype)
    return np.ascontiguousarray(numbers, dtype=dtype)
