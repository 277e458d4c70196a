"""What X of any kind offers an objective; `objective/coordinates` takes the gradient."""

from collections.abc import Callable, Hashable, Iterable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._runtime.engines.wire import Traffic

T = TypeVar("T")


class Data(Protocol):
    """X, dense or sparse, in memory or in blocks.

    Attributes
    ----------
    shape : (n, d)
    dtype : dtype
        That in which products are computed, float32 or float64.
    n_threads : int
    nbytes : int
        Of X.
    is_sparse : bool
        Whether zeros are left out. A sparse format offers `changed`, `penalised` and `row_blocks`
        as `SparseData` does, a dense one `value_and_grad`, `gram` and what else `DenseData` has.
    is_distributed : bool
        Whether other processes hold the rows, with their targets and weights. What is computed with
        all rows is a round then, and there are no `pieces`.
    has_views : bool
        Whether some rows, evenly spread, are there without a copy, and without reading others.
    sample_step : int
        Every which row may be in a sample.
    traffic : Traffic
        Rounds of an engine so far, and their bytes.
    """

    shape: tuple[int, int]
    dtype: np.dtype
    n_threads: int
    nbytes: int
    is_sparse: bool
    is_distributed: bool
    has_views: bool
    sample_step: int

    @property
    def traffic(self) -> Traffic:
        """As above; an attribute will do."""

    def pieces(self) -> "Iterable[tuple[slice, Data]]":
        """The rows in order, in pieces that are in memory."""

    def scaled(self, units: NDArray[np.float64]) -> "Data":
        """The same with each feature times a number."""

    def with_merged_features(self) -> "Data":
        """The same with fewer features, if they can be had by a rotation."""

    def to_float64(self) -> "Data":
        """The same, computed in float64."""

    def to_float32(self, most: int) -> "Data":
        """The same in float32, if a copy takes no more than so many bytes."""

    def every(self, step: int) -> "Data":
        """Every step-th row."""

    def step_of(self, rows: int) -> int:
        """Every which row is about so many."""

    def line_sample(self, n_logits: int, rows: int) -> "tuple[slice, Data]":
        """About so many rows that a line search may begin with."""

    def like(self, X: NDArray) -> "Data":
        """Another array, in memory, with the threads of this one."""

    def fingerprint(self) -> bytes:
        """A hash of some rows, equal for equal data; empty where nothing is kept between fits."""

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made of X, or was by another fit that shares its passes."""

    def moments(self, weights: NDArray | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted mean and standard deviation of each feature; 0 exactly of a constant one."""

    def logits(self, W: NDArray, b: NDArray | None) -> NDArray:
        """X Wᵀ + b, of shape (n, K)."""

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        """X Wᵀ + b into `out`, in half a pass."""
