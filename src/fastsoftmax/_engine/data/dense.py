"""Products with dense X."""

from collections.abc import Collection, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.dense_array import DenseArray
from fastsoftmax._engine.data.moments import Moments, column_moments, doubtful
from fastsoftmax._engine.data.row_sample import RowSample
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._engine.linalg.memory import contiguous, empty
from fastsoftmax._runtime.dtypes import as_numpy
from fastsoftmax._runtime.threads import team

LOOKED_AT = 1 << 16  # numbers at a time, to tell zeros: 512 KiB in float64, which caches hold


ByW = TypeVar("ByW", bound=NDArray | None)
ByB = TypeVar("ByB", bound=NDArray | None)
ByX = TypeVar("ByX", bound=NDArray | None)


class Gradients(NamedTuple, Generic[ByW, ByB, ByX]):
    """Gradients of a loss, those that were asked for: W (K, D), b (K,) and X (n, D)."""

    W: ByW
    b: ByB
    X: ByX


def no_gradient(n_logits: int, n_features: int, dtype: np.dtype, most: int) -> NDArray:
    """Zeros to sum the gradient of W in: in float64, or in `dtype` beyond so many bytes."""
    wide = 8 * n_logits * n_features <= most
    return np.zeros((n_logits, n_features), np.float64 if wide else dtype)


class DenseData(DenseArray):
    """X, and the products with it that the kernels offer."""

    #: of a gradient of W, beyond which it is summed in `dtype`, not in float64: as much as the
    #: kernels' scratch
    wide_bytes = 64 << 20
    #: of a gradient of W, up to which float64 costs too little to ask whether it is needed
    few_bytes = 1 << 20

    def as_array(self, units: NDArray | None) -> NDArray:
        """X times the units of its features: as it is stored, or a copy in float64."""
        if units is None and self._feature_scale is None:
            return self.X
        scaled = self if units is None else self.scaled(units)
        return scaled.in_float64(slice(None))

    def _team(self, n_logits: int) -> int:
        return team(self.n_threads, self.X.size * n_logits)

    def _cast(self, array: NDArray | None) -> NDArray | None:
        return None if array is None else contiguous(array, self.dtype)

    def _weights(self, W: NDArray | None) -> NDArray | None:
        """Weights as the kernels take them, for features as they are stored."""
        return None if W is None else self._cast(self._scaled(W))

    def value_and_grad(
        self, point: Point, batch: Batch, wrt: Collection[str] = ("W", "b")
    ) -> tuple[float, Gradients]:
        """The loss of a batch at a point, and its gradients with respect to `wrt`.

        Those of W (K, D) and of b (K,) are float64, that of W of `dtype` where it is very large or
        where float64 would hold no more; that of X is of `dtype`, and there is none at stored
        logits.
        """
        grads = Gradients(
            no_gradient(point.n_logits, self.shape[1], self.dtype, self._wide_bytes(point.n_logits))
            if "W" in wrt or "b" in wrt
            else None,
            np.zeros(point.n_logits),
            np.zeros(self.shape, self.dtype) if "X" in wrt else None,
        )
        loss = self._kernel.value_and_grad(
            self.X, self._weights(point.W), self._cast(point.b), *batch,
            *grads, self._workspace, self._team(point.n_logits),
            None if point.logits is None else point.logits.tiles,
            *((None, 0.0) if point.step is None else (point.step[0].tiles, point.step[1])),
        )  # fmt: skip
        if grads.W is not None and self._feature_scale is not None:
            grads.W[...] *= self._feature_scale
        return loss, grads

    def _wide_bytes(self, n_logits: int) -> int:
        """Of a gradient of W, beyond which it is summed in `dtype`.

        None where the products of all rows are one sum in `dtype` anyway, which float64 would only
        take twice the memory for.
        """
        n, d = self.X.shape
        if 8 * n_logits * d <= self.few_bytes or self._feature_scale is not None:
            return self.wide_bytes
        plan = self._kernel.plan(n, d, n_logits, self.n_threads)
        return self.wide_bytes if plan["by_partitions"] or n > plan["summed"] else 0

    def moments(self, weights: NDArray | None) -> Moments:
        """Weighted mean and standard deviation of each feature, in two passes."""
        n, d = self.X.shape
        if weights is not None:
            weights = np.ascontiguousarray(weights / (weights.sum(dtype=np.float64) / n), float)
        kernel = kernels(np.dtype(np.float64)).linear
        means, variances = np.empty((2, 1, d))
        for centre, sums in ((None, means), (means, variances)):
            kernel.moments(self.X, centre, weights, 1 / n, sums, self._workspace, self._team(1))
        means, deviations = means[0], np.sqrt(variances[0])
        for j in self._not_zero(doubtful(means, deviations)):
            means[j], deviations[j] = column_moments(as_numpy(self.X[:, j]), weights)
        return self._scaled(means), self._scaled(deviations)

    def _not_zero(self, features: NDArray[np.intp]) -> NDArray[np.intp]:
        """The features, of some, that have any number but 0."""
        some = np.zeros(len(features), bool)
        rows = max(1, LOOKED_AT // max(1, len(features)))
        for start in range(0, len(self.X) if len(features) else 0, rows):
            at = features[~some]
            if not len(at):
                break
            some[~some] = (as_numpy(self.X[start : start + rows, at]) != 0).any(axis=0)
        return features[some]

    def logits(self, W: NDArray, b: NDArray | None) -> NDArray:
        """X Wᵀ + b, of shape (n, K)."""
        out = np.empty((len(self.X), len(W)), self.dtype)
        self._kernel.logits(
            self.X, self._weights(W), self._cast(b), out, self._workspace, self._team(len(W))
        )
        return out

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        """X Wᵀ + b into `out`, in half a pass."""
        self._kernel.store_logits(
            self.X, self._weights(W), self._cast(b), out.tiles, self._workspace, self._team(len(W))
        )

    def across(self, T: NDArray) -> NDArray[np.float64]:
        """Xᵀ T, of shape (d, r), for T (n, r)."""
        transposed = type(self)(self.X.T, self.n_threads, self._workspace, dtype=self.dtype)
        return self._scaled(transposed.logits(T.T, None).T.astype(np.float64)).T

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
        """``scale * Σ fᵢ² uᵢ uᵢᵀ + share * shared + diag(ridge)`` over drawn rows, for each class.

        u = (x - centre) * scales, then the last scale itself if `scales` has one more number than X
        has features: the column of an intercept. (m, size, size).
        """
        d = self.shape[1]
        centre = np.zeros(d) if centre is None else centre
        scales = np.ones(d) if scales is None else scales
        ridge = np.zeros(len(scales)) if ridge is None else ridge
        if self._feature_scale is not None:
            centre = centre / self._feature_scale
            scales = np.concatenate([self._scaled(scales[:d]), scales[d:]])
        shape = len(drawn.counts), len(scales), len(scales)
        out = empty(shape, self.dtype)
        work = drawn.factors.size * out[0].size // 2
        kernels(self.dtype).gram.gram(
            self.X, drawn.rows, self._cast(drawn.factors), drawn.starts, drawn.counts,
            self._cast(centre), self._cast(scales), scale, self._cast(shared),
            np.zeros(len(out)) if shares is None else shares, ridge, out,
            self._workspace, team(self.n_threads, work),
        )  # fmt: skip
        return out

    def grams_of(
        self,
        drawn: RowSample,
        features: Sequence[NDArray],
        centre: NDArray,
        scales: NDArray,
        scale: float,
    ) -> list[NDArray]:
        """As `gram`, for each class of some features of its own: d, at the end, is the intercept's.

        They are in order.
        """
        d, grams = self.shape[1], []
        for (rows, factors), mine in zip(drawn.each(), features, strict=True):
            columns = mine[mine < d]
            count = len(rows)
            own = RowSample(
                np.arange(count, dtype=np.int32), factors, np.array([count]), np.ones(1)
            )
            scaled = None if self._feature_scale is None else self._feature_scale[columns]
            X = np.ascontiguousarray(self.X[rows[:, None], columns])
            picked = type(self)(X, self.n_threads, self._workspace, scaled, self.dtype)
            grams += list(picked.gram(own, centre[columns], scales[mine], scale))
        return grams

    def second_moments(self) -> NDArray[np.float64]:
        """XᵀX / n."""
        n = self.shape[0]
        moments = self.gram(RowSample.of_all_rows(np.ones((1, n))), scale=1 / n)[0]
        return moments.astype(np.float64, copy=False)

    def sums(self, drawn: RowSample) -> NDArray:
        """``Σ fᵢ² xᵢ`` over drawn rows, for each class: (m, d)."""
        out = np.empty((len(drawn.counts), self.shape[1]), self.dtype)
        kernels(self.dtype).gram.sums(
            self.X, drawn.rows, self._cast(drawn.factors), drawn.starts, drawn.counts, out,
            team(self.n_threads, drawn.counts.sum() * self.shape[1]),
        )  # fmt: skip
        return self._scaled(out)
