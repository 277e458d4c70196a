"""Models as users have them, and θ: units of the features, and the row space if there is one."""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import ByRow, RowSpace
from fastsoftmax._engine.objective.coordinates.base import Parameters, at
from fastsoftmax._engine.objective.loss import Loss
from fastsoftmax._engine.objective.rounding import CURVATURE, ROUNDING, of_all, raised

EPSILON = float(np.finfo(np.float64).eps)
MOST_GROWTH = 700.0  # of which exp is a number
NUMBERS = 1 << 18  # of an offset at a time: 2 MiB


class Models:
    """(coef, intercept) of θ and back.

    Parameters
    ----------
    parameters : Parameters
    loss : Loss
    units : ndarray of shape (d,) or None
        That of each feature in which its weights are penalised.
    row_space : RowSpace or None
    offset : ndarray of shape (n, K), optional
    weights : ndarray of shape (n,), optional
        Of the rows, of mean 1.
    """

    def __init__(
        self,
        parameters: Parameters,
        loss: Loss,
        units: NDArray | None,
        row_space: RowSpace | None,
        offset: NDArray | ByRow | None = None,
        weights: NDArray | ByRow | None = None,
    ) -> None:
        self._parameters, self._loss = parameters, loss
        self._units, self._row_space = units, row_space
        self._offset, self._weights = offset, weights

    def theta(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of a model, but for weights that change no logit of these rows."""
        coef = coef if self._units is None else coef / self._units
        if self._row_space is not None:
            intercept = intercept + at(self._row_space.centre, coef)
            coef = self._row_space.basis.project(coef)
        return self._parameters.of_model(coef, intercept)

    def of(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """(coef, intercept) of θ: fresh arrays, the intercepts of several classes with mean 0."""
        W, b = self._parameters.model(theta)
        if self._row_space is not None:
            W = self._row_space.basis.expand(W)
            b = None if b is None else b - at(self._row_space.centre, W)
        W = W if self._units is None else W * self._units
        if b is None:
            return W, np.zeros(len(W))
        return W, b - b.mean() if self._loss.shift_invariant else b

    def rounding(self, theta: NDArray, value: float) -> float:
        """By how much F of the model of θ may be above F at θ, where that is about least, since its
        intercepts are differences of rounded numbers, and its weights sums of them in a basis
        (`rounding.py`).

        The curvature of the loss by the logits is at most Σ p(1 - p) <= 2(1 - p_y), which is no
        more than twice the loss, up to a factor exp(2 |Δb|) on the way.
        """
        W, b = self._parameters.model(theta)
        space, of_basis = self._row_space, 0.0
        if space is not None:
            of_basis = of_all(ROUNDING * space.basis.sizes(W, space.spread))
        if b is None:
            return of_basis
        sizes, centre = np.abs(b), self._parameters.centre
        if centre is not None:
            sizes += at(np.abs(centre), np.abs(W))
        if space is not None:  # 2: but for rounding
            sizes += 2 * space.basis.sizes(W, space.centre)
        errors = EPSILON * sizes
        growth = math.exp(min(2 * math.sqrt(np.dot(errors, errors)), MOST_GROWTH))
        return raised(of_all(errors, min(CURVATURE, 2 * value * growth)), of_basis)

    def logit_rounding(self, theta: NDArray) -> float:
        """The same of the logits at θ, which are sums of rounded numbers."""
        return of_all(ROUNDING * (self._parameters.logit_sizes(theta) + self._offset_sizes))

    @property
    def offset_size(self) -> float:
        """The largest root mean square of a column of the offset; 0 without one."""
        return float(np.max(self._offset_sizes))

    @cached_property
    def _offset_sizes(self) -> NDArray[np.float64] | float:
        """Weighted root mean squares of the offset."""
        if self._offset is None:
            return 0.0
        if isinstance(self._offset, ByRow):
            return self._offset.sizes(self._weights)
        n, k = self._offset.shape
        weights = np.ones(n) if self._weights is None else self._weights
        most = max(float(self._offset.max()), -float(self._offset.min()), np.finfo(float).tiny)
        sums, rows = np.zeros(k), -(-NUMBERS // k)
        for start in range(0, n, rows):
            some = slice(start, start + rows)
            shares = self._offset[some] / most  # squares of the offset itself may overflow
            sums += np.einsum("n,nk,nk->k", weights[some], shares, shares, dtype=float)
        return most * np.sqrt(sums / weights.sum())

    def grad_norm(self, gradient: NDArray) -> float:
        """max |∇F| with respect to the weights of the features and the intercepts."""
        if self._row_space is None:
            return self._parameters.norms(gradient)[0]
        by_W, by_b = self._parameters.by_model(gradient)
        by_W = self._row_space.basis.expand(by_W)
        if by_b is None:
            return float(np.abs(by_W).max())
        by_W += by_b[:, None] * self._row_space.centre
        return float(max(np.abs(by_W).max(), np.abs(by_b).max()))
