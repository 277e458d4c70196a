"""Dense X as it is held: of any dtype of `_runtime/dtypes.py` and any strides, never copied."""

import hashlib
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.local import LocalRows
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.conversion import converted
from fastsoftmax._runtime.dtypes import computed_in


class DenseArray(LocalRows):
    """X, rows and features of it, in one precision or the other.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    n_threads : int
    workspace : Workspace, optional
        The kernels' memory, where it is shared; by no two calls at once.
    feature_scale : ndarray of shape (d,), float64, optional
        Factors of the features: all products are those of ``X * feature_scale``. X being a factor
        of each, what it is multiplied by is scaled instead, and so are results by feature.
    dtype : dtype, optional
        In which to compute, float32 or float64, rather than in what suits the dtype of X. X is
        converted on its way into the kernels.

    Attributes
    ----------
    dtype : dtype
        That in which products are computed, float32 or float64.
    """

    is_sparse = False
    has_views = True

    def __init__(
        self,
        X: NDArray,
        n_threads: int,
        workspace: Workspace | None = None,
        feature_scale: NDArray[np.float64] | None = None,
        dtype: np.dtype | None = None,
    ) -> None:
        self.X, self.shape, self.nbytes = X, X.shape, X.nbytes
        self.n_threads = n_threads
        self.dtype = computed_in(X.dtype) if dtype is None else dtype
        self._feature_scale = feature_scale
        self._kernel = kernels(self.dtype).linear
        self._workspace = Workspace() if workspace is None else workspace

    def like(self, X: NDArray) -> Self:
        """Another array, with the threads and the workspace of this one."""
        return type(self)(X, self.n_threads, self._workspace)

    def rows(self, chosen: slice | NDArray) -> Self:
        """Some of the rows."""
        return self._of(self.X[chosen])

    def _of(self, X: NDArray) -> Self:
        """Other rows of the same features."""
        return type(self)(X, self.n_threads, self._workspace, self._feature_scale, self.dtype)

    def _scaled(self, W: NDArray) -> NDArray:
        """What has a column or an entry for each feature, times the feature's factor."""
        if self._feature_scale is None:
            return W
        with np.errstate(over="ignore"):  # shows in the objective
            return W * self._feature_scale

    def as_stored(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers in the units of the features, in those in which X is stored."""
        return numbers if self._feature_scale is None else numbers / self._feature_scale

    def centred(self, shift: NDArray[np.float64]) -> Self:
        """The same less a number for each feature: a copy, in float64."""
        X = converted(self.X, np.float64) - self.as_stored(shift)
        return type(self)(X, self.n_threads, self._workspace, self._feature_scale)

    def scaled(self, units: NDArray[np.float64]) -> Self:
        """The same with each feature times a number."""
        scale = self._scaled(units)
        return type(self)(self.X, self.n_threads, self._workspace, scale, self.dtype)

    def pieces(self) -> list[tuple[slice, Self]]:
        """All rows, in one piece."""
        return [(slice(0, len(self.X)), self)]

    def to_float64(self) -> Self:
        """The same rows, computed in float64; X is not copied."""
        if self.dtype == np.float64:
            return self
        dtype = np.dtype(np.float64)
        return type(self)(self.X, self.n_threads, self._workspace, self._feature_scale, dtype)

    def to_float32(self, most: int) -> Self:
        """The same in float32, if a copy takes no more than so many bytes."""
        if self.dtype != np.float64 or 4 * self.X.size > most:
            return self
        transposed = self.X.flags.f_contiguous
        X = empty(self.X.T.shape, np.float32).T if transposed else empty(self.X.shape, np.float32)
        with np.errstate(over="ignore"):
            np.copyto(X, self.X, casting="same_kind")
        return type(self)(X, self.n_threads, self._workspace, self._feature_scale)

    def only(self, features: slice | NDArray[np.intp]) -> Self:
        """Some of the features, in memory."""
        scale = None if self._feature_scale is None else self._feature_scale[features]
        X = self.X[:, features]
        return type(self)(X, self.n_threads, self._workspace, scale, self.dtype)

    def every(self, step: int) -> Self:
        """Every step-th row."""
        return self.rows(slice(None, None, step))

    def in_float64(self, rows: slice) -> NDArray[np.float64]:
        """A copy of some rows, their features times their factors."""
        X = converted(self.X[rows], np.float64, "C", copy=True)
        return X if self._feature_scale is None else X * self._feature_scale

    def fingerprint(self) -> bytes:
        """A hash of some rows, equal for equal data."""
        some = np.ascontiguousarray(self.X[:: max(1, len(self.X) // 64)])
        scale = b"" if self._feature_scale is None else self._feature_scale.tobytes()
        return hashlib.blake2b(some.tobytes() + scale, digest_size=16).digest()

    def with_merged_features(self) -> Self:
        """Itself: dense X has no singleton features."""
        return self
