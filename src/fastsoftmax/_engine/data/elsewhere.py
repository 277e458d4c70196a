"""What rows that are not in memory, but read or held elsewhere, have in common."""

from typing import Self

from numpy.typing import NDArray

from fastsoftmax._engine.data.dense import DenseData
from fastsoftmax._engine.data.local import OfOneFit
from fastsoftmax._engine.linalg.workspace import Workspace


class RowsElsewhere(OfOneFit):
    """No copy is made of them, and nothing is kept for another fit."""

    n_threads: int
    _workspace: Workspace

    def like(self, X: NDArray) -> DenseData:
        """An array in memory, with the threads and the workspace of these rows."""
        return DenseData(X, self.n_threads, self._workspace)

    def fingerprint(self) -> bytes:
        """Empty: nothing is kept for another fit."""
        return b""

    def with_merged_features(self) -> Self:
        """Itself: merging features takes all rows at once."""
        return self

    def to_float32(self, most: int) -> Self:
        """Itself: rows are not copied."""
        return self
