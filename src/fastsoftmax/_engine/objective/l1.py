"""The L1 part of an elastic net, which is not smooth."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import subgradient
from fastsoftmax._engine.objective.coordinates.base import Parameters
from fastsoftmax._engine.objective.penalised_weights import PenalisedWeights
from fastsoftmax._engine.objective.terms import Terms


class L1:
    """λ‖W‖₁ as a function of θ.

    Parameters
    ----------
    terms : Terms
        With λ.
    parameters : Parameters
        Which say which place of θ is which weight.
    factors : ndarray of shape (D,) or None
        Of λ for each feature; 0 for those that are free.
    n_threads : int
    """

    def __init__(
        self, terms: Terms, parameters: Parameters, factors: NDArray | None, n_threads: int
    ) -> None:
        self._terms, self._parameters, self._n_threads = terms, parameters, n_threads
        self._d = d = parameters.shape[1] - terms.fit_intercept
        #: λ of each feature, and of intercepts, which has no unit
        self.lambdas = np.full(d + 1, terms.l1)
        if factors is not None:
            self.lambdas[:d] *= factors

    def value(self, W: NDArray) -> float:
        """The penalty of weights (K, D)."""
        return float(np.sum(np.abs(W) * self.lambdas[:-1]))

    def thresholds(self, flat: NDArray) -> NDArray:
        """λ for places in θ, in its units; 0 for intercepts and free features."""
        parameters = self._parameters
        features = parameters.layout.places(flat)[1]
        return self.lambdas[features] * parameters.units(features)

    def subgradient(self, gradient: NDArray, theta: NDArray) -> tuple[float, NDArray]:
        """λ‖W‖₁, and the subgradient of least norm of F, from the gradient of its smooth part."""
        p = self._parameters
        features = np.arange(p.shape[1])
        row = p.units(features) * self.lambdas[features]
        return subgradient(gradient, theta, row, p.layout.by_feature, self._n_threads)

    def centred(self, theta: NDArray, places: NDArray) -> NDArray | None:
        """θ shifted for the least penalty at these places; None if it is there already.

        To add a number to all classes' weights of a feature changes no probability. The best, of
        least Σ λ|w - c| + μ/2 (w - c)², is the median of the K weights and of K + 1 numbers more,
        the mean shifted (Li & Osher 2009, A new median formula).
        """
        terms, p, k = self._terms, self._parameters, self._terms.loss.n_logits
        features = np.unique(p.layout.places(places)[1])
        features = np.setdiff1d(features, [*terms.free, self._d])
        if not (terms.loss.shift_invariant and len(features)):
            return None
        flat = p.layout.flat(np.arange(k)[:, None], features)
        units = p.units(features)
        W = theta[flat] * units
        steps = (k - 2 * np.arange(k + 1.0)) / k
        with np.errstate(divide="ignore", invalid="ignore"):
            shifts = np.multiply.outer(steps, self.lambdas[features]) / np.float64(terms.penalty)
            shifts = np.where(steps[:, None], shifts, 0.0)
        mean = W.mean(axis=0) if terms.penalty else 0.0
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
        """The weights that may add to the duality gap, and those that the step changes.

        From the gradient of the loss by θ, and of so much of a ridge.
        """
        p = self._parameters
        flat = (self.subgradient(gradient, theta)[1] != 0) | (theta != 0) | (step != 0)
        places = np.flatnonzero(flat)
        features = p.layout.places(places)[1]
        kept = features < self._d
        kept[kept] = self.lambdas[features[kept]] > 0
        places, features = places[kept], features[kept]
        units, lasso = p.units(features), self.lambdas[features]
        w = theta[places] * units
        v = gradient[places] / units - ridge * w
        step = step[places] * units

        def sizes() -> NDArray[np.float64]:
            return self.sizes(features)

        def squared_sizes() -> float:
            return float(np.square(sizes()).sum())

        def variations() -> NDArray[np.float64]:
            return self._of(features, p.variations())

        return PenalisedWeights(
            w, v, step, sizes, squared_sizes, variations, self._terms.penalty, lasso
        )

    def sizes(self, features: NDArray) -> NDArray[np.float64]:
        """Weighted root mean squares of features that are penalised."""
        return self._of(features, self._parameters.sizes())

    def _of(self, features: NDArray, by_penalised: NDArray) -> NDArray[np.float64]:
        """What there is for each feature that is penalised, of some."""
        free = self._terms.free
        return by_penalised.ravel()[features - np.searchsorted(free, features)]
