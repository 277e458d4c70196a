"""Objective = data × loss × penalty: what a solver minimises."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import DenseData


class Objective:
    """F(W, b) = Σ sᵢ·CEᵢ / Σ sᵢ + ½·‖W‖² / (C·Σ sᵢ), b free.

    A solver sees one vector θ of float64: W, row by row, then the intercepts c of *centred*
    features. With logits W(x - μ) + c, μ the weighted means, the Hessian does not couple the
    intercepts with the weights through the means, and X itself is never touched: b = c - Wμ.

    Parameters
    ----------
    data : DenseData
    codes : ndarray of shape (n,), int32
        Classes 0..K-1.
    n_logits : int
        K, or 1 for two classes: the log-odds of code 1.
    weights : ndarray of shape (n,) or None
    C : float
        Inverse strength of the penalty; infinity for none.
    fit_intercept : bool
    """

    def __init__(
        self,
        data: DenseData,
        codes: NDArray[np.int32],
        n_logits: int,
        *,
        weights: NDArray | None,
        C: float,
        fit_intercept: bool,
    ) -> None:
        self._data = data
        self._codes = codes
        self._weights = weights
        self._shape = (n_logits, data.shape[1])
        self._fit_intercept = fit_intercept
        self.total_weight = len(codes) if weights is None else weights.sum(dtype=np.float64)
        self._penalty = 1 / (C * self.total_weight)
        self.n_passes = 1  # over X, so far
        #: not finite where X is not, or where the sum of its values overflows
        self.means = data.column_means(weights)
        self._shift = self.means if fit_intercept and np.isfinite(self.means).all() else None

    @property
    def size(self) -> int:
        return self._shape[0] * (self._shape[1] + self._fit_intercept)

    def _split(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, c) as views of θ; c is None without intercepts."""
        end = self._shape[0] * self._shape[1]
        return theta[:end].reshape(self._shape), theta[end:] if self._fit_intercept else None

    def start(self, coef: NDArray | None = None, intercept: NDArray | None = None) -> NDArray:
        """θ of a model; without one, zero weights and the log-odds of the classes' shares."""
        theta = np.zeros(self.size)
        W, c = self._split(theta)
        if coef is not None:
            W[:] = coef
            if c is not None:
                c[:] = intercept
                if self._shift is not None:
                    c += W @ self._shift
        elif c is not None:
            share = np.bincount(self._codes, self._weights, minlength=max(2, len(W)))
            share = np.log(np.maximum(share, np.finfo(float).tiny) / share.sum())
            c[:] = share[1] - share[0] if len(W) == 1 else share - share.mean()
        return theta

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """(coef, intercept) of θ: fresh arrays, the intercepts of several classes with mean 0."""
        W, c = self._split(theta)
        intercept = np.zeros(len(W)) if c is None else self._uncentred(W, c)
        if c is not None and len(W) > 1:
            intercept -= intercept.mean()
        return W.copy(), intercept

    def _uncentred(self, W: NDArray, c: NDArray) -> NDArray:
        return c.copy() if self._shift is None else c - W @ self._shift

    def value_and_grad(self, theta: NDArray) -> tuple[float, NDArray]:
        """F and its gradient at θ, in one pass over X."""
        W, c = self._split(theta)
        b = None if c is None else self._uncentred(W, c)
        self.n_passes += 1
        value, grads = self._data.value_and_grad(
            W, b, self._codes, self._weights, 1 / self.total_weight
        )
        value += 0.5 * self._penalty * np.vdot(W, W)
        gradient = np.empty_like(theta)
        to_W, to_c = self._split(gradient)
        np.add(grads.W, self._penalty * W, out=to_W)
        if to_c is not None:
            to_c[:] = grads.b
            if self._shift is not None:
                to_W -= np.outer(grads.b, self._shift)
        return value, gradient
