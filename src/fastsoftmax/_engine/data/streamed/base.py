"""X in blocks of rows that need not fit in memory, read anew for each pass.

`BlocksData` is what blocks of any kind share; `dense.py` and `sparse.py` have the
products.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.dense import DenseData
from fastsoftmax._engine.data.elsewhere import RowsElsewhere
from fastsoftmax._engine.data.local import LocalRows
from fastsoftmax._engine.data.moments import Moments, merged
from fastsoftmax._engine.data.sparse import SparseData
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.dtypes import computed_in

Block: TypeAlias = "NDArray | sparse.csr_array"
Read = Callable[[], Iterable[Any]]


class BlocksData(RowsElsewhere, LocalRows, ABC):
    """What X in memory offers, of rows that come in blocks.

    Parameters
    ----------
    read : callable
        Gives the blocks, (., d) of one kind and dtype, each time it is called.
    shape : (n, d)
    stored : dtype
        That of the blocks.
    nbytes : int
        Of all blocks.
    n_threads : int
    workspace : Workspace, optional
    dtype : dtype, optional
        In which to compute, float32 or float64, rather than in what suits `stored`.
    """

    def __init__(
        self,
        read: Read,
        shape: tuple[int, int],
        stored: np.dtype,
        nbytes: int,
        n_threads: int,
        workspace: Workspace | None = None,
        dtype: np.dtype | None = None,
    ) -> None:
        self._read, self.shape, self._stored = read, shape, stored
        self.nbytes, self.n_threads = nbytes, n_threads
        self._workspace = Workspace() if workspace is None else workspace
        self.dtype = computed_in(stored) if dtype is None else dtype
        self._tile = StoredLogits.tile_rows(self.dtype)

    @abstractmethod
    def pieces(self) -> Iterator[tuple[slice, DenseData | SparseData]]:
        """Rows of one block, or of two; all but the last are whole tiles of stored logits."""

    @abstractmethod
    def _other(self, read: Read, shape: tuple[int, int], nbytes: int) -> Self:
        """Other blocks of the same kind."""

    def to_float64(self) -> Self:
        """The same rows, computed in float64: each block is converted when it comes."""
        if self.dtype == np.float64:
            return self
        other = copy(self)
        other.dtype = np.dtype(np.float64)
        other._tile = StoredLogits.tile_rows(other.dtype)
        return other

    def every(self, step: int) -> Self:
        """Every step-th row."""
        if step == 1:
            return self

        def read() -> Iterator[Block]:
            begin = 0
            for X in self._read():
                yield X[-begin % step :: step]
                begin += X.shape[0]

        n, d = self.shape
        return self._other(read, (-(-n // step), d), self.nbytes // step)

    def logits(self, W: NDArray, b: NDArray | None) -> NDArray:
        """X Wᵀ + b, of shape (n, K)."""
        out = np.empty((self.shape[0], len(W)), self.dtype)
        for rows, piece in self.pieces():
            out[rows] = piece.logits(W, b)
        return out

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        """X Wᵀ + b into `out`, in half a pass."""
        for rows, piece in self.pieces():
            piece.store_logits(W, b, out.part(rows))

    def moments(self, weights: NDArray | None) -> Moments:
        """Weighted mean and standard deviation of each feature, in one pass: of pieces, merged."""

        def parts() -> Iterator[tuple[float, Moments]]:
            for rows, piece in self.pieces():
                some = None if weights is None else weights[rows]
                weight = piece.shape[0] if some is None else float(some.sum(dtype=np.float64))
                if weight:
                    yield weight, piece.moments(some)

        return merged(parts(), self.shape[1])
