"""How probabilities change with a feature: average effects, with errors by the delta method.

(Greene, Econometric Analysis, 7th ed., Pearson 2012, sections 17.3 and 18.2.)

Of classes k, with logits z = B u and terms u of a row, a change of u in the direction d changes p_k
by p_k (s_k - Σ p_l s_l), s = B d; from u₀ to u₁ it changes by p_k(u₁) - p_k(u₀). Effects are means
over the rows, by weight. Their derivatives by B are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.inference import intervals
from fastsoftmax._linear.inference.summary import (
    Group,
    Summary,
    columns_of,
    summarised,
    tests_of,
)


class Points(NamedTuple):
    """Some rows: where, their terms (rows, q), known parts of their logits and weights."""

    rows: slice
    U: NDArray[np.float64]
    offset: NDArray[np.float64]  # (rows, K)
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Derivative:
    """A feature that changes continuously; `direction` of some points is that of their terms."""

    name: str
    direction: Callable[[Points], NDArray[np.float64]]  # (rows, q)

    def at(self, points: Points, B: NDArray) -> tuple[NDArray, NDArray]:
        """Sums over the points, by weight: of the changes (K,), and their derivatives (K, K, q)."""
        D = self.direction(points)
        P, s = probabilities(points.U, B, points.offset), D @ B.T
        own = s - np.sum(P * s, axis=1, keepdims=True)
        H = jacobians(P) * points.weights[:, None, None]
        # of p_k own_k by z_a: p_k (δ - p_a) own_k - p_k p_a own_a
        G = H * own[:, :, None] - (P * points.weights[:, None])[:, :, None] * (P * own)[:, None]
        change = points.weights @ (P * own)
        return change, products(G, points.U) + products(H, D)


@dataclass(frozen=True)
class Difference:
    """A change from some terms to others."""

    name: str
    ends: Callable[[Points], tuple[NDArray[np.float64], NDArray[np.float64]]]

    def at(self, points: Points, B: NDArray) -> tuple[NDArray, NDArray]:
        """As in `Derivative`."""
        change, by_B = np.zeros(len(B)), np.zeros((len(B), *B.shape))
        for sign, U in zip((-1.0, 1.0), self.ends(points), strict=True):
            P = probabilities(U, B, points.offset)
            change += sign * (points.weights @ P)
            by_B += products(sign * jacobians(P) * points.weights[:, None, None], U)
        return change, by_B


def probabilities(U: NDArray, B: NDArray, offset: NDArray) -> NDArray[np.float64]:
    z = U @ B.T + offset
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def jacobians(P: NDArray) -> NDArray[np.float64]:
    """Of the probabilities by the logits: p_k (δ_ka - p_a)."""
    return P[:, :, None] * (np.eye(P.shape[1]) - P[:, None])


def products(G: NDArray, U: NDArray) -> NDArray[np.float64]:
    """Σ G[i, k, a] U[i, b]: (K, K, q)."""
    return (G.reshape(len(G), -1).T @ U).reshape(*G.shape[1:], U.shape[1])


def of_column(j: int, name: str) -> Derivative:
    """Of one of the terms."""

    def direction(points: Points) -> NDArray[np.float64]:
        D = np.zeros_like(points.U)
        D[:, j] = 1.0
        return D

    return Derivative(name, direction)


def step_of_column(j: int, name: str, *, binary: bool) -> Difference:
    """From 0 to 1 of a binary feature; of others from what there is to 1 more."""

    def ends(points: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, high = points.U.copy(), points.U.copy()
        if binary:
            low[:, j] = 0.0
            high[:, j] = 1.0
        else:
            high[:, j] += 1.0
        return low, high

    return Difference(name, ends)


@dataclass(frozen=True, eq=False, repr=False)
class MarginalEffects:
    """How the probability of each class changes with each feature.

    Attributes
    ----------
    effects : ndarray of shape (D, K)
        The change per unit of a continuous feature, or between two values of a discrete one. Each
        row sums to 0.
    standard_errors : ndarray of shape (D, K)
        By the delta method.
    features : list of D str
    classes : list of K labels
    at : {"overall", "mean"}

    See Also
    --------
    Results.marginal_effects : What makes them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import LogisticRegression, inference
    >>> X, y = np.repeat([[0.0], [1.0]], 4, axis=0), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> found = inference.results(LogisticRegression(C=np.inf).fit(X, y), X, y)
    >>> print(found.marginal_effects().summary())
    Marginal effects, averages over the rows
    -------------------------------------------------------------------------------
    probability of 0       effect    std err        z   P>|z|     [0.025     0.975]
    -------------------------------------------------------------------------------
    x0                    -0.5000     0.3062   -1.633   0.102    -1.1001     0.1001
    -------------------------------------------------------------------------------
    probability of 1       effect    std err        z   P>|z|     [0.025     0.975]
    -------------------------------------------------------------------------------
    x0                     0.5000     0.3062    1.633   0.102    -0.1001     1.1001
    -------------------------------------------------------------------------------
    """

    effects: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    features: list[str]
    classes: list[object]
    at: str

    def conf_int(self, alpha: float = 0.05) -> NDArray[np.float64]:
        """Wald confidence intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage, > 0 and < 1.

        Returns
        -------
        ndarray of shape (D, K, 2)
            Lower and upper ends.
        """
        return intervals.wald(self.effects, self.standard_errors, alpha)

    def summary(self, alpha: float = 0.05) -> Summary:
        """A table of the effects.

        Parameters
        ----------
        alpha : float, default=0.05
            1 minus the coverage of the intervals, > 0 and < 1.

        Returns
        -------
        Summary
            A string, which an interactive session shows as it prints; its ``to_frame()`` is a
            pandas DataFrame of the numbers.
        """
        ends = self.conf_int(alpha)
        groups = [
            Group(
                f"probability of {label}", label, self.features,
                tests_of(self.effects[:, k], self.standard_errors[:, k], ends[:, k]),
            )
            for k, label in enumerate(self.classes)
        ]  # fmt: skip
        where = {"overall": "averages over the rows", "mean": "at the means of the features"}
        heading = f"Marginal effects, {where[self.at]}"
        return summarised(heading, {}, columns_of("effect", alpha), groups)


def effects_of(
    changes: Sequence[Derivative | Difference],
    points: Callable[[], Iterable[Points]],
    B: NDArray[np.float64],
    covariance: NDArray[np.float64],
    to_user: NDArray[np.float64],
    reference: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Effects and their errors.

    The covariance is of coefficients C of centred features, with B = C to_userᵀ without the
    reference's row: that of B loses the digits that large means cancel.
    """
    K = len(B)
    effects, by_B, total = np.zeros((len(changes), K)), np.zeros((len(changes), K, *B.shape)), 0.0
    for some in points():
        total += some.weights.sum()
        for j, change in enumerate(changes):
            sums = change.at(some, B)
            effects[j] += sums[0]
            by_B[j] += sums[1]
    free = np.arange(K) != reference
    J = (by_B[:, :, free] @ to_user).reshape(len(changes), K, -1) / total
    variances = np.einsum("jkp,jkp->jk", J @ covariance, J)
    return effects / total, np.sqrt(np.maximum(variances, 0.0))
