"""The likelihood with Firth's penalty, log L + ½ log |I|, I being the information.

(Firth, Bias reduction of maximum likelihood estimates, Biometrika 80, 1993; for multinomial logits
Kosmidis & Firth, Multinomial logit bias reduction via the Poisson log-linear model, Biometrika 98,
2011.) It removes the bias of order 1/n, and has a maximum for separated classes, too. With
M[k, l] = uᵀ I⁻¹[k, l] u of a row, the penalty's derivative by the logit of class a is

    ½ p_a (M[a, a] - Σ p_k M[k, k] - 2 (M p)_a + 2 pᵀ M p).

Its maximum is found by Fisher scoring: Newton's method with I in place of the Hessian.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.inference.likelihood import (
    Likelihood,
    Maximum,
    NoMaximum,
    inverse_of,
    why_not,
)
from fastsoftmax._linear.inference.sandwich import pieces, scores


@dataclass(frozen=True)
class ScoringRules:
    """When Fisher scoring ends, and which of its steps are shortened (0064)."""

    steps: int = 500  # which converge linearly, at a rate of about 1/n
    settled: float = 1e-20  # of the square of a step in units of the standard errors
    longest: float = 5.0  # change of a coefficient of scaled features in a step
    rounding: float = 1e-13  # of the value: by which it may seem to fall
    halvings: int = 60  # of a step, which is then nothing beside the coefficients: 2⁻⁶⁰ < eps


USUAL = ScoringRules()


class Point(NamedTuple):
    """Coefficients (m, q), and there the value, its gradient (m·q,) and I⁻¹."""

    table: NDArray[np.float64]
    value: float
    gradient: NDArray[np.float64]
    inverse: NDArray[np.float64]

    def along(self, A: NDArray | None) -> NDArray[np.float64]:
        """The step to the maximum, or to that among the coefficients of the same A c."""
        step = self.inverse @ self.gradient
        return step if A is None else step - self.towards(A, A @ step)

    def towards(self, A: NDArray, change: NDArray) -> NDArray[np.float64]:
        """The shortest step, in units of the standard errors, that changes A c so."""
        VA = self.inverse @ A.T
        return VA @ np.linalg.solve(A @ VA, change)


class PenalisedLikelihood:
    """Of a sample, by coefficients of centred and scaled features, as `Likelihood` has them."""

    def __init__(self, likelihood: Likelihood, rules: ScoringRules = USUAL) -> None:
        self.likelihood, self._rules = likelihood, rules
        if likelihood.constant.any():
            raise NoMaximum(constant=np.flatnonzero(likelihood.constant).tolist())
        logdet = np.linalg.slogdet(likelihood.to_user)[1]
        # |I| of the coefficients of features as given
        self._constant = -float(logdet) * likelihood.shape[0]

    def maximum(self) -> Point:
        """From zeros."""
        return self._climb(self._at(np.zeros(self.likelihood.shape), required=True), None)

    def maximum_where(self, start: Point, A: NDArray, values: NDArray) -> Point:
        """That among the coefficients c of A c = values, from others."""
        change = start.towards(A, values - A @ start.table.ravel())
        share = 1.0
        for _ in range(self._rules.halvings):
            found = self._at(start.table + share * change.reshape(start.table.shape))
            if found is not None:
                break
            share /= 2
        if share < 1:  # in two parts, from where the information is regular
            return self.maximum_where(self._climb(found, A), A, values)
        return self._climb(found, A)

    def as_maximum(self, point: Point) -> Maximum:
        return Maximum(self.likelihood, point.table, point.value, point.inverse)

    def _climb(self, at: Point, A: NDArray | None) -> Point:
        rules = self._rules
        for _ in range(rules.steps):
            step = at.along(A)
            square = float(at.gradient @ step)
            if not square > rules.settled:
                break
            step *= min(1.0, rules.longest / np.abs(step).max())
            for _ in range(rules.halvings):
                found = self._at(at.table + step.reshape(at.table.shape))
                if found and found.value >= at.value - rules.rounding * abs(at.value):
                    break
                step /= 2
            else:
                break
            at = found
        return at

    def _at(self, table: NDArray[np.float64], *, required: bool = False) -> Point | None:
        """None where the information is singular up to rounding, which is an error if it is
        required."""
        likelihood = self.likelihood
        value, gradient, information = likelihood.at(table)
        inverse = inverse_of(information)
        if inverse is None:
            if required:
                raise why_not(likelihood, table)
            return None
        m, q = likelihood.shape
        V = inverse.reshape(m, q, m, q)
        best = Maximum(likelihood, table, value, inverse)
        weights = likelihood.sample.weights
        for rows, U, _, P in pieces(best):
            M = np.einsum("nb,kblc,nc->nkl", U, V, U, optimize=True)
            own, Mp = np.einsum("nkk->nk", M), np.einsum("nkl,nl->nk", M, P)
            common = np.sum(P * (2 * Mp - own), axis=1, keepdims=True)
            by_logit = 0.5 * P * (own - 2 * Mp + common)
            if weights is not None:
                by_logit *= weights[rows, None]
            gradient = gradient + scores(U, by_logit).sum(axis=0)
        half = np.linalg.slogdet(information)[1] / 2
        return Point(table, value + float(half) + self._constant, gradient, inverse)
