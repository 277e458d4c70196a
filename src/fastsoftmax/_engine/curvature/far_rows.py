"""Rows far from all others, whose curvature a sample of rows must not miss.

A row a million deviations away has nearly all of the curvature of its features until it is
predicted confidently, and then none. Its leverage measures this, its share of the curvature of a
class: the sum over the features of v u² / G, v being its p(1 - p), u its features and G the
curvature that the class has in each. Far rows are sampled by leverage for each pair of classes, the
others by their lengths. M is renewed when the leverages have changed, however small the change of
all p(1 - p). Measurements: docs/experiments/0028-far-rows.md.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import RowSample, StoredLogits
from fastsoftmax._engine.objective.objective import Objective


@dataclass(frozen=True)
class FarRules:
    """Which rows are far, and when they are few (docs/experiments/0028-far-rows.md)."""

    length: float = 100.0  # times the median squared length, beyond which a row is far
    most: int = 4096  # of them, the farthest
    newton_passes: float = 2.0  # up to which Newton's step for them alone costs little


class Reference(NamedTuple):
    """Far rows at a build, for each class: p(1 - p), and leverage per unit of it."""

    variances: NDArray[np.float64]  # (f, K)
    leverages: NDArray[np.float64]  # (f, K)


class FarRows:
    """The far rows of an objective, if there are any.

    Parameters
    ----------
    objective : Objective
    squares : ndarray of shape (n,)
        Squared lengths of all rows, the bulk of each feature being of unit variance.
    ridge, bulk, units : ndarray of shape (size,)
        Of each feature and the intercept, in the coordinates of θ: the penalty, the variance of
        most rows, and what X is multiplied by.
    rules : FarRules
    """

    def __init__(
        self,
        objective: Objective,
        squares: NDArray[np.float64],
        ridge: NDArray[np.float64],
        bulk: NDArray[np.float64],
        units: NDArray[np.float64],
        rules: FarRules,
    ) -> None:
        o, most = objective, rules.most
        self._n = len(squares)
        far = np.flatnonzero(squares > rules.length * np.median(squares))
        if len(far) > most:
            far = np.sort(far[np.argpartition(-squares[far], most)[:most]])
        self.rows = far.astype(np.int32)
        self._weights = np.ones(len(far)) if o.weights is None else o.weights[far].astype(float)
        self._ridge, self._bulk = ridge, bulk
        self.reference: Reference | None = None
        if len(far):
            d = o.data.shape[1]
            U = o.data.rows(self.rows).in_float64(slice(None)) - o.parameters.shift
            U = np.hstack([U * units[:d], np.tile(units[d:], (len(far), 1))])
            self._squares = np.square(U)

    def __len__(self) -> int:
        return len(self.rows)

    def probabilities(self, logits: StoredLogits) -> NDArray[np.float64]:
        """Probabilities of the far rows, (f, K), from the logits of all rows."""
        size = logits.tiles.shape[2]
        some = logits.like(len(self))
        some.put(logits.tiles[self.rows // size, :, self.rows % size])
        return some.probabilities().table().astype(np.float64)

    def set_reference(self, P: NDArray, masses: NDArray) -> Reference:
        """Remember variances and leverages at probabilities P, for `change`.

        `masses` (K,) are the means of p(1 - p) over the other rows.
        """
        variances = self._weights[:, None] * P * (1 - P)
        own = np.einsum("fk,fj->kj", variances, self._squares) / self._n
        G = own + masses[:, None] * self._bulk + self._ridge
        inverse = 1 / np.maximum(G, np.finfo(float).tiny)
        leverages = np.einsum("fj,kj->fk", self._squares, inverse) / self._n
        self.reference = Reference(variances, leverages)
        return self.reference

    def change(self, P: NDArray) -> float:
        """How far what they add to a class's block is from the reference: 1 is all of it in a
        feature."""
        if self.reference is None:
            return 0.0
        variances, leverages = self.reference
        change = np.abs(self._weights[:, None] * P * (1 - P) - variances)
        return float((change * leverages).sum(axis=0).max())

    def sample_pairs(
        self, P: NDArray, leverages: NDArray, density: float, generator: np.random.Generator
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Rows, pairs of classes and factors, `density` for a leverage of 1, none twice."""
        larger, smaller = np.tril_indices(P.shape[1], -1)
        V = self._weights[:, None] * P[:, larger] * P[:, smaller]
        chances = np.minimum(1, density * V * (leverages[:, larger] + leverages[:, smaller]))
        rows, pairs = np.nonzero(generator.random(V.shape) < chances)
        return self.rows[rows], pairs, np.sqrt(V[rows, pairs] / chances[rows, pairs])


def with_pairs(drawn: RowSample, rows: NDArray, pairs: NDArray, factors: NDArray) -> RowSample:
    """What was drawn and more, pair after pair."""
    count, total = len(drawn.counts), int(drawn.counts.sum())
    before = np.repeat(np.arange(count), drawn.counts)
    order = np.argsort(np.concatenate([before, pairs]), kind="stable")
    return RowSample(
        np.concatenate([drawn.rows[:total], rows])[order],
        np.concatenate([drawn.factors[:total], factors.astype(drawn.factors.dtype)])[order],
        drawn.counts + np.bincount(pairs, minlength=count),
        drawn.totals + np.bincount(pairs, np.square(factors), minlength=count),
    )


def limited(shared: NDArray, most: NDArray[np.float64]) -> NDArray:
    """R · shared · R, R diagonal and at most 1, with no more than that on the diagonal.

    What all rows have in a feature may be that of far ones, which have no curvature at present.
    """
    diagonal = np.maximum(np.einsum("ii->i", shared), np.finfo(float).tiny)
    r = np.sqrt(np.clip(most / diagonal, 0, 1))
    return (shared * r[:, None] * r).astype(shared.dtype)
