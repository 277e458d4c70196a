"""The L1 part of an elastic net: what is not smooth in F, and what it says of how far F can fall.

With loss gradients g by the weights (intercepts optimal), strengths λ of ‖W‖₁ and μ of ½‖W‖²,
Fenchel's duality (Boyd & Vandenberghe, Convex Optimization, 5.7.1) at the dual point of the present
probabilities, ∇loss by the logits, bounds F - F* by

    Σ [ λ|w| + μ/2 w² + g w + h*(g) ],   h*(g) = (|g| - λ)₊² / (2μ):

each term is >= 0. With μ = 0 h* is 0 where all |g| <= λ and infinite elsewhere, so that the dual
point is moved towards the labels, to y + α(p - y), α = min(1, λ / max|g|) (Kim, Koh, Lustig, Boyd &
Gorinevsky 2007, for linear models). The conjugate of the loss, Σ a log a of a row, then rises from
that of p to that of this mixture.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax, xlog1py, xlogy

from fastsoftmax.data import StoredLogits, subgradient

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective

NEAR = 1e-3  # of F: bounds below it are worth the logarithms of all probabilities
UNKNOWN = 2  # of a switch
CHUNK = 1 << 16  # probabilities at a time


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
        self, theta: NDArray, smooth: NDArray, places: NDArray, value: float, logits: StoredLogits
    ) -> float:
        """At least F - F* where the intercepts are optimal, F being `value`.

        From θ, the gradient of F's smooth part, the places in θ where one of F's subgradients or of
        the weights is not 0, and the logits.
        """
        o = self._objective
        features = o.parameters.places(places)[1]
        units = o.parameters.units(features)
        of_weights = units > 0
        units, places = units[of_weights], places[of_weights]
        lasso = self._strengths[features[of_weights]]
        w = theta[places] * units
        g = smooth[places] / units - o.penalty * w
        beyond = np.maximum(np.abs(g) - lasso, 0.0) * np.sign(g)
        penalties = lasso * np.abs(w) + w * g
        if o.penalty:
            apart = w + beyond / o.penalty
            return float(np.sum(0.5 * o.penalty * apart**2 + penalties - w * beyond))
        alpha = 1 / max(1.0, float((np.abs(g) / lasso).max(initial=0.0)))
        bound = float(np.sum(penalties))
        # the conjugate is convex along the way from y, where it is 0 at most
        loss = value - float(np.sum(lasso * np.abs(w)))
        rise = (1 - alpha) * (loss - float(np.sum(w * g)))
        if bound + rise <= NEAR * value and o.offset is None:
            rise = self._rise(logits, alpha)
        return max(bound + rise, 0.0)

    def _rise(self, logits: StoredLogits, alpha: float) -> float:
        """Mean over the rows of the loss's conjugate at y + α(p - y), less that at p."""
        o = self._objective
        total, n = 0.0, logits.n
        table, rows = logits.table(), max(1, CHUNK // logits.n_logits)
        for start in range(0, n, rows):
            chunk = slice(start, min(start + rows, n))
            rises = conjugate_rises(table[chunk].astype(np.float64), o.targets[chunk], alpha, o)
            weights = 1.0 if o.weights is None else o.weights[chunk].astype(np.float64)
            total += float(np.sum(weights * rises))
        return total / n


def conjugate_rises(
    z: NDArray, targets: NDArray, alpha: float, objective: "Objective"
) -> NDArray[np.float64]:
    """Σ a log a of each row, over classes or over both sides of each logit, at y + α(p - y), less
    that at p."""
    if targets.dtype.kind == "f":
        p = expit(z) if objective.logistic else softmax(z, axis=1)
        a = targets + alpha * (p - targets)
        rises = xlogy(a, a) - xlogy(p, p)
        if objective.logistic:
            rises += xlog1py(1 - a, -a) - xlog1py(1 - p, -p)
        return rises.sum(axis=1)
    # of a label without the cancellation in 1 - p
    wrong, entropy = others(z, targets)
    # 0 where the label's probability is 0, as of a class without any weight
    wrong = np.minimum(wrong, 1.0)
    right, before = xlog1py(1 - alpha * wrong, -alpha * wrong), xlog1py(1 - wrong, -wrong)
    rises = (alpha - 1) * entropy + alpha * np.log(alpha) * wrong + right - before
    return rises if rises.ndim == 1 else rises.sum(axis=1)


def others(z: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    """Of each row the sum over all classes but its label's of p, and of p log p; of switches
    (n, K) those of each one's other side."""
    if labels.ndim == 2 or z.shape[1] == 1:
        z = z if labels.ndim == 2 else z[:, 0]
        x = np.where(labels == 1, -z, z)  # in favour of the other
        log_p = np.where(labels == UNKNOWN, -np.inf, -np.logaddexp(0.0, -x))
        p = np.exp(log_p)
        return p, xlogy(p, p)
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    e /= total
    z -= np.log(total)
    own = np.arange(z.shape[1]) == labels[:, None]
    return np.where(own, 0, e).sum(axis=1), np.where(own, 0, e * z).sum(axis=1)
