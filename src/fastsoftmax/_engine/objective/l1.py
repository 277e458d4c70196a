"""The L1 part of an elastic net, which is not smooth."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import subgradient
from fastsoftmax._engine.objective.penalised_weights import PenalisedWeights

if TYPE_CHECKING:
    from fastsoftmax._engine.objective.objective import Objective


class L1:
    """λ‖W‖₁ as a function of θ.

    Parameters
    ----------
    strength : float
        λ.
    objective : Objective
        Whose parameters say which place of θ is which weight.
    factors : ndarray of shape (D,) or None
        Of λ for each feature; 0 for those that are free.
    d : int
        Features.
    """

    def __init__(
        self, strength: float, objective: "Objective", factors: NDArray | None, d: int
    ) -> None:
        self._lambdas = np.full(d + 1, strength)  # that of intercepts has no unit
        if factors is not None:
            self._lambdas[:d] *= factors
        self._objective = objective

    def value(self, W: NDArray) -> float:
        """That of weights (K, D)."""
        return float(np.sum(np.abs(W) * self._lambdas[:-1]))

    def thresholds(self, flat: NDArray) -> NDArray:
        """λ for places in θ, in its units; 0 for intercepts and free features."""
        parameters = self._objective.parameters
        features = parameters.places(flat)[1]
        return self._lambdas[features] * parameters.units(features)

    def subgradient(self, gradient: NDArray, theta: NDArray) -> tuple[float, NDArray]:
        """λ‖W‖₁, and the subgradient of least norm of F, from the gradient of its smooth part."""
        o = self._objective
        features = np.arange(o.shape[1])
        row = o.parameters.units(features) * self._lambdas[features]
        return subgradient(gradient, theta, row, o.parameters.by_feature, o.data.n_threads)

    def centred(self, theta: NDArray, places: NDArray) -> NDArray | None:
        """θ shifted for the least penalty at these places; None if it is there already.

        To add a number to all classes' weights of a feature changes no probability. The best, of
        least Σ λ|w - c| + μ/2 (w - c)², is the median of the K weights and of K + 1 numbers more,
        the mean shifted (Li & Osher 2009, A new median formula).
        """
        o, k = self._objective, self._objective.n_logits
        features = np.unique(o.parameters.places(places)[1])
        features = np.setdiff1d(features, [*o.free, o.data.shape[1]])
        if o.logistic or not len(features):
            return None
        flat = o.parameters.flat(np.arange(k)[:, None], features)
        units = o.parameters.units(features)
        W = theta[flat] * units
        steps = (k - 2 * np.arange(k + 1.0)) / k
        with np.errstate(divide="ignore", invalid="ignore"):
            shifts = np.multiply.outer(steps, self._lambdas[features]) / np.float64(o.penalty)
            shifts = np.where(steps[:, None], shifts, 0.0)
        mean = W.mean(axis=0) if o.penalty else 0.0
        both = np.concatenate([W, mean + shifts])
        c = np.partition(both, k, axis=0)[k]
        if not c.any():
            return None
        theta = theta.copy()
        theta[flat] = np.where(c == W, 0.0, (W - c) / units)
        return theta

    def weights(
        self, theta: NDArray, gradient: NDArray, step: NDArray, ridge: float = 0.0
    ) -> PenalisedWeights:
        """Those that may add to the duality gap, and those that change by the step.

        From the gradient of the loss by θ, and of so much of a ridge.
        """
        o = self._objective
        flat = (self.subgradient(gradient, theta)[1] != 0) | (theta != 0) | (step != 0)
        places = np.flatnonzero(flat)
        features = o.parameters.places(places)[1]
        kept = features < o.data.shape[1]
        kept[kept] = self._lambdas[features[kept]] > 0
        places, features = places[kept], features[kept]
        units, lasso = o.parameters.units(features), self._lambdas[features]
        w = theta[places] * units
        v = gradient[places] / units - ridge * w
        step = step[places] * units
        variations = self._of(features, o.parameters.variations())
        return PenalisedWeights(w, v, step, self.sizes(features), variations, o.penalty, lasso)

    def sizes(self, features: NDArray) -> NDArray[np.float64]:
        """Weighted root mean squares of features that are penalised."""
        return self._of(features, self._objective.parameters.sizes())

    def _of(self, features: NDArray, by_penalised: NDArray) -> NDArray[np.float64]:
        """What there is for each feature that is penalised, of some."""
        free = self._objective.free
        return by_penalised.ravel()[features - np.searchsorted(free, features)]
