"""Coordinates of sparse X: for each feature its weights for all classes."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    Batch,
    Change,
    Point,
    SparseBlocks,
    SparseData,
    SparsePartitions,
    Step,
    StoredLogits,
)
from fastsoftmax._engine.linalg import dot, largest, products
from fastsoftmax._engine.objective.coordinates.base import Parameters, at
from fastsoftmax._engine.objective.coordinates.column_sizes import ColumnSizes
from fastsoftmax._engine.objective.coordinates.layout import ByFeature
from fastsoftmax._engine.objective.rows import Rows
from fastsoftmax._engine.objective.terms import Terms
from fastsoftmax._engine.objective.warm_start import WarmStart


class FeatureMajor(Parameters):
    """For each feature its weights for all classes, after them the intercepts: of most features
    nothing is changed.

    A sparse X is not centred without work for its zeros, and what that gains a preconditioner gives
    too; but for features with hardly any zeros and a large mean, and for those of extreme numbers,
    θ has the weights of X changed (`features.py`). All that goes over D·K numbers is a kernel,
    since X may have fewer non-zeros than that.
    """

    passes = 0.0
    reused = False  # there is no change of variables to reuse
    finite = True  # seen to when the values were checked
    scaling = None

    def __init__(
        self,
        data: SparseData | SparseBlocks | SparsePartitions,
        terms: Terms,
        change: Change | None,
        weights: NDArray | None,
        warm_start: WarmStart | None,
    ) -> None:
        self._data, self._terms = data, terms
        self._sizes = ColumnSizes(data, weights)
        self.shape = terms.loss.n_logits, data.shape[1] + terms.fit_intercept
        self.layout = ByFeature(*self.shape)
        self._n_weights = terms.loss.n_logits * data.shape[1]
        self.centre: NDArray[np.float64] | None = None
        self._factors: NDArray[np.float64] | None = None
        if change is not None:
            self.centre = change.shift if change.shift.any() else None
            self._factors = change.factors if (change.factors != 1).any() else None
        #: of gradients, once they are summed, and of directions: enough for the way to go
        self.dtype = np.dtype(np.float64 if terms.l1 else np.float32)
        self.intercept_scale = 1.0

    def units(self, features: NDArray) -> NDArray:
        """What a weight of the model is, in terms of its place in θ; 0 for intercepts."""
        if self._factors is None:
            return (features < self._data.shape[1]).astype(float)
        return np.append(self._factors, 0.0)[features]

    @property
    def _is_plain(self) -> bool:
        """Whether θ holds weights that are all penalised alike."""
        return self._factors is None and not len(self._terms.free)

    def project(self, theta: NDArray) -> NDArray:
        """θ with the class mean projected out, to which the loss is invariant."""
        if not self._terms.loss.shift_invariant:
            return theta.ravel()
        table = theta.reshape(self.shape[::-1])
        return (table - table.mean(axis=1, keepdims=True)).ravel()

    def of_model(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of weights (K, D) and intercepts (K,)."""
        theta = np.zeros(self.shape).ravel()
        W, b = self.split(theta)
        W[:] = coef if self._data.merger is None else self._data.merger.merge(coef)
        if self._factors is not None:
            W /= self._factors
        if b is not None:
            b[:] = intercept if self.centre is None else intercept + at(self.centre, coef)
        return theta

    def user(self, theta: NDArray, dtype: np.dtype) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ, for X as it is computed with: views."""
        return self.split(theta)

    def penalised(self, theta: NDArray) -> NDArray[np.float64]:
        W = self._of_features(theta).astype(np.float64)
        W = W if self._factors is None else W * self._factors[:, None]
        return self._penalised(W, 0)

    def penalised_gradient(self, gradient: NDArray) -> NDArray[np.float64]:
        G = self._of_features(gradient).astype(np.float64)
        G = G if self._factors is None else G / self._factors[:, None]
        return self._penalised(G, 0)

    def sizes(self) -> NDArray[np.float64]:
        sizes = self._sizes.roots / (1.0 if self._factors is None else self._factors)
        return self._penalised(sizes, 0)[:, None]

    def squared_sizes(self) -> float:
        return self._sizes.square if self._is_plain else super().squared_sizes()

    def logit_sizes(self, theta: NDArray) -> NDArray[np.float64]:
        # Σ |w x| <= ‖w‖ ‖x‖
        W, b = self.user(theta, np.dtype(np.float64))
        sizes = np.sqrt(np.einsum("kd,kd->k", W, W) * self._sizes.square)
        return sizes if b is None else sizes + np.abs(b)

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ in all features: fresh arrays."""
        W, b = self.split(theta)
        merger = self._data.merger
        W = W.copy(order="K") if merger is None else merger.split(W, self._data.n_threads)
        if self._factors is not None:
            W *= self._factors
        if b is None:
            return W, None
        return W, b.copy() if self.centre is None else b - at(self.centre, W)

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        if self._is_plain:
            return products(theta, direction, self._n_weights, self._data.n_threads)
        return self._products(theta, direction)

    def _of_features(self, theta: NDArray) -> NDArray:
        """The weights in θ, (D, K): a view."""
        return theta[: self._n_weights].reshape(-1, self.shape[0])

    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        gradient = np.empty(theta.size, self.dtype)
        W, b = self.split(theta)
        by_W, by_b = self.split(gradient)
        ridge = rows.ridge if self._is_plain else 0.0
        batch = Batch(rows.targets, rows.weights, 1 / self._data.shape[0])
        value, by_intercepts = rows.data.penalised(Point(W, b, stored, step), batch, ridge, by_W)
        if by_b is not None:
            by_b[:] = by_intercepts
        if self._is_plain:
            weights = theta[: self._n_weights]
            value += 0.5 * ridge * dot(weights, weights, self._data.n_threads)
        elif rows.ridge:
            value += self._add_ridge(theta, gradient, rows.ridge)
        return value, gradient

    def norms(self, gradient: NDArray) -> tuple[float, float]:
        """max |∇F| with respect to (W, b), and ‖∇_W F‖²; a rotation changes only the former."""
        n_threads, merger = self._data.n_threads, self._data.merger
        if self.centre is not None or self._factors is not None:
            by_b = gradient[self._n_weights :]
            return norms_of_changed(self._of_features(gradient), by_b, self.centre, self._factors)
        by_W = gradient[: self._n_weights]
        square = dot(by_W, by_W, n_threads)
        if merger is None:
            return largest(gradient, n_threads), square
        at = merger.shared * self.shape[0]
        own = np.abs(by_W[at:].reshape(-1, self.shape[0])).max(axis=1, initial=0) * merger.peaks
        parts = (
            largest(by_W[:at], n_threads),
            own.max(initial=0),
            largest(gradient[self._n_weights :]),
        )
        return float(np.max(parts)), square


def norms_of_changed(
    by_W: NDArray, by_b: NDArray, centre: NDArray | None, factors: NDArray | None
) -> tuple[float, float]:
    """`norms` where θ has the weights of X changed, from the gradient by these, (D, K) and (K,)."""
    by_W = by_W.astype(np.float64)
    with np.errstate(over="ignore"):
        if factors is not None:
            by_W /= factors[:, None]
        # where intercepts are optimal, what is left of their gradient is rounding
        square = float(np.sum(by_W**2))
        if centre is not None:
            by_W += np.multiply.outer(centre, by_b)
        return float(max(np.abs(by_W).max(), np.abs(by_b).max(initial=0.0))), square
