"""Objective = data × loss × penalty: what a solver minimises."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import DenseData


class Objective:
    """F(W, b) = Σ sᵢ·CEᵢ / Σ sᵢ + ½·‖W‖² / (C·Σ sᵢ), b free.

    A solver sees one vector θ of float64: the weights, row by row, then the intercepts, of features
    that are centred and scaled by a change of variables, X itself being left alone. With logits
    W(x - μ) + c, μ the weighted means and b = c - Wμ, the Hessian does not couple intercepts and
    weights through the means; with W = V / h, h² = p̄·var + λ, its diagonal is about 1 where the
    classes are about equally probable (p̄ = (1 - 1/K) / K). Neither changes F nor its optimum.

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
        self._shape = (n_logits, data.shape[1])
        self._fit_intercept = fit_intercept
        self.total_weight = len(codes) if weights is None else weights.sum()
        # of mean 1, so that weights of any scale are numbers of the precision of X
        self._weights = (
            None
            if weights is None
            else np.ascontiguousarray(weights * (len(codes) / self.total_weight), dtype=data.dtype)
        )
        self._penalty = 1 / (C * self.total_weight)
        self.n_passes = 2  # over X, so far: mean and variance
        #: not finite where X is not, or where the sum of its values overflows
        self.means, variances = data.moments(self._weights)
        share = 1 / max(n_logits, 2)
        curvature = share * (1 - share)
        finite = np.isfinite(variances).all()
        self._shift = self.means if fit_intercept and finite else np.zeros(data.shape[1])
        scales = np.sqrt(curvature * variances + self._penalty) if finite else np.ones(1)
        self._scales = np.where(scales > 0, scales, 1.0)
        self._intercept_scale = np.sqrt(curvature)

    @property
    def size(self) -> int:
        return self._shape[0] * (self._shape[1] + self._fit_intercept)

    def _split(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """Weights (K, D) and intercepts (K,) as views of θ; None without intercepts."""
        end = self._shape[0] * self._shape[1]
        return theta[:end].reshape(self._shape), theta[end:] if self._fit_intercept else None

    def _at_means(self, W: NDArray) -> NDArray:
        """W μ, without BLAS: its threads would go on spinning where the kernels' should run."""
        return np.einsum("kd,d->k", W, self._shift)

    def start(self, coef: NDArray | None = None, intercept: NDArray | None = None) -> NDArray:
        """θ of a model; without one, zero weights and the log-odds of the classes' shares."""
        theta = np.zeros(self.size)
        V, c = self._split(theta)
        if coef is not None:
            V[:] = coef * self._scales
            if c is not None:
                c[:] = intercept + self._at_means(coef)
        elif c is not None:
            share = np.bincount(self._codes, self._weights, minlength=max(2, len(V)))
            share = np.log(np.maximum(share, np.finfo(float).tiny) / share.sum())
            c[:] = share[1] - share[0] if len(V) == 1 else share - share.mean()
        if c is not None:
            c *= self._intercept_scale
        return theta

    def _user(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ."""
        V, c = self._split(theta)
        W = V / self._scales
        return W, None if c is None else c / self._intercept_scale - self._at_means(W)

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """(coef, intercept) of θ: fresh arrays, the intercepts of several classes with mean 0."""
        W, b = self._user(theta)
        if b is None:
            b = np.zeros(len(W))
        elif len(b) > 1:
            b -= b.mean()
        return W, b

    def value_and_grad(self, theta: NDArray) -> tuple[float, NDArray]:
        """F and its gradient at θ, in one pass over X."""
        W, b = self._user(theta)
        self.n_passes += 1
        value, grads = self._data.value_and_grad(
            W, b, self._codes, self._weights, 1 / len(self._codes)
        )
        value += 0.5 * self._penalty * np.einsum("kd,kd->", W, W)
        gradient = np.empty_like(theta)
        to_V, to_c = self._split(gradient)
        np.add(grads.W, self._penalty * W, out=to_V)
        if to_c is not None:
            to_V -= np.outer(grads.b, self._shift)
            to_c[:] = grads.b / self._intercept_scale
        to_V /= self._scales
        return value, gradient

    def grad_norm(self, gradient: NDArray) -> float:
        """max |∇F| with respect to (W, b), from the gradient with respect to θ."""
        V, c = self._split(gradient)
        by_W = V * self._scales
        if c is None:
            return float(np.abs(by_W).max())
        by_b = c * self._intercept_scale
        by_W += np.outer(by_b, self._shift)
        return float(max(np.abs(by_W).max(), np.abs(by_b).max()))
