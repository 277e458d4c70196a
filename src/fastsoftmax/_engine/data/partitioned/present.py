"""A model as workers need it: with the weights of features that their rows have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.partitioned import partition
from fastsoftmax._engine.data.partitioned.by_feature import Weights
from fastsoftmax._engine.data.partitioned.partition import MODEL
from fastsoftmax._runtime.engines.protocol import Held, Stays
from fastsoftmax._runtime.engines.wire import PerWorker


class Present(Stays):
    """Which features the rows of partitions have, found once.

    Parameters
    ----------
    held : Held
    d : int
        Features.
    """

    def __init__(self, held: Held, d: int) -> None:
        self._held, self._d = held, d
        self._bits: list[NDArray[np.uint8]] | None = None
        self._known: dict[tuple[int, ...], NDArray[np.bool_]] = {}

    def of(self, numbers: Collection[int]) -> NDArray[np.bool_]:
        """Whether partitions of these numbers have each feature."""
        if self._bits is None:
            self._bits = self._held.each(partition.present)
        key = tuple(numbers)
        if key not in self._known:
            bits = np.bitwise_or.reduce([self._bits[i] for i in key])
            self._known[key] = np.unpackbits(bits, count=self._d).view(bool)
        return self._known[key]


class ModelByFeature(PerWorker):
    """A model, of which workers are sent the weights of features that they have."""

    def __init__(self, model: MODEL, present: Present) -> None:
        self._model, self._present = model, present

    @property
    def whole(self) -> MODEL:
        return self._model

    def of(self, numbers: Collection[int]) -> Any:
        W, b = self._model
        return Weights(W, self._present.of(numbers)), b
