"""The L1 part of an elastic net: what is not smooth in F, and what it says of how far F can fall.

Fenchel's duality (Boyd & Vandenberghe, Convex Optimization, 5.7.1) bounds F - F* at any
probabilities a at which the gradient of the loss by the intercepts is 0. With strengths λ of ‖W‖₁
and μ of ½‖W‖², the model's probabilities p, and the gradient v of the loss by the weights with a in
place of p, the bound is

    mean KL(a ‖ p) + Σ [ λ|w| + μ/2 w² + v w + (|v| - λ)₊² / (2μ) ],

each term of which is >= 0. With μ = 0 the last is 0 where all |v| <= λ and infinite elsewhere, so
that a is moved towards the labels, to y + α(a - y), α = min(1, λ / max|v|) (Kim, Koh, Lustig, Boyd
& Gorinevsky 2007, for linear models), and v to αv.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import subgradient

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective


class L1:
    """λ‖W‖₁ as a function of θ.

    Parameters
    ----------
    strength : float
        λ.
    objective : Objective
        Whose parameters say which place of θ is which weight.
    factors : ndarray of shape (D,) or None
        Of λ for each feature, > 0.
    d : int
        Features.
    """

    def __init__(
        self, strength: float, objective: "Objective", factors: NDArray | None, d: int
    ) -> None:
        self._strengths = np.full(d + 1, strength)  # that of intercepts has no unit
        if factors is not None:
            self._strengths[:d] *= factors
        self._objective = objective

    def value(self, W: NDArray) -> float:
        """That of weights (K, D)."""
        return float(np.sum(np.abs(W) * self._strengths[:-1]))

    def thresholds(self, flat: NDArray) -> NDArray:
        """λ for places in θ, in its units; 0 for intercepts."""
        parameters = self._objective.parameters
        features = parameters.places(flat)[1]
        return self._strengths[features] * parameters.units(features)

    def subgradient(self, gradient: NDArray, theta: NDArray) -> tuple[float, NDArray]:
        """λ‖W‖₁, and the subgradient of least norm of F, from the gradient of its smooth part."""
        o = self._objective
        features = np.arange(o.shape[1])
        row = o.parameters.units(features) * self._strengths[features]
        return subgradient(gradient, theta, row, o.parameters.by_feature, o.data.n_threads)

    def centred(self, theta: NDArray, places: NDArray) -> NDArray | None:
        """θ with the best part of its gauge at these places; None if that is there already.

        To add a number to all classes' weights of a feature changes no probability. The best, of
        least Σ λ|w - c| + μ/2 (w - c)², is the median of the K weights and of K + 1 numbers more,
        the mean shifted (Li & Osher 2009, A new median formula).
        """
        o, k = self._objective, self._objective.n_logits
        features = np.unique(o.parameters.places(places)[1])
        features = features[features < o.data.shape[1]]
        if o.logistic or not len(features):
            return None
        flat = o.parameters.flat(np.arange(k)[:, None], features)
        units = o.parameters.units(features)
        W = theta[flat] * units
        steps = (k - 2 * np.arange(k + 1.0)) / k
        with np.errstate(divide="ignore", invalid="ignore"):
            shifts = np.multiply.outer(steps, self._strengths[features]) / np.float64(o.penalty)
            shifts = np.where(steps[:, None], shifts, 0.0)
        mean = W.mean(axis=0) if o.penalty else 0.0
        both = np.concatenate([W, mean + shifts])
        c = np.partition(both, k, axis=0)[k]
        if not c.any():
            return None
        theta = theta.copy()
        theta[flat] = np.where(c == W, 0.0, (W - c) / units)
        return theta

    def gap_bound(
        self, theta: NDArray, smooth: NDArray, divergence: Callable[[float], float]
    ) -> float:
        """At least F - F*, for probabilities a at which the gradient by the intercepts is 0.

        From the gradient of loss and ridge with a in place of p and, as a function of α, the mean
        of KL(y + α(a - y) ‖ p).
        """
        o = self._objective
        places = np.flatnonzero((self.subgradient(smooth, theta)[1] != 0) | (theta != 0))
        features = o.parameters.places(places)[1]
        units = o.parameters.units(features)
        of_weights = units > 0
        units, places = units[of_weights], places[of_weights]
        lasso = self._strengths[features[of_weights]]
        w = theta[places] * units
        v = smooth[places] / units - o.penalty * w
        if o.penalty:
            within = np.clip(v, -lasso, lasso)
            apart = w + (v - within) / o.penalty
            terms, alpha = lasso * np.abs(w) + w * within + 0.5 * o.penalty * apart**2, 1.0
        else:
            alpha = 1 / max(1.0, float((np.abs(v) / lasso).max(initial=0.0)))
            terms = lasso * np.abs(w) + alpha * w * v
        return max(float(np.sum(terms)), 0.0) + divergence(alpha)
