"""The L1 part of an elastic net, which is not smooth."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import subgradient
from fastsoftmax._engine.objective import group_norms
from fastsoftmax._engine.objective.coordinates.base import Parameters
from fastsoftmax._engine.objective.group_norms import Groups
from fastsoftmax._engine.objective.penalised_weights import PenalisedWeights
from fastsoftmax._engine.objective.penalty import Penalised
from fastsoftmax._engine.objective.terms import Terms

CENTRED = 1e-13  # of the largest weight: a mean that is 0 but for rounding


class L1:
    """λ‖W‖₁, or λ times the sum of the norms of groups of weights, as a function of θ.

    Parameters
    ----------
    terms : Terms
        With λ.
    parameters : Parameters
        Which say which place of θ is which weight.
    penalised : Penalised
        Factors of λ, and groups of features, each with one factor.
    n_threads : int
    """

    def __init__(
        self, terms: Terms, parameters: Parameters, penalised: Penalised, n_threads: int
    ) -> None:
        factors, groups = penalised.l1_factors, penalised.groups
        self._terms, self._parameters, self._n_threads = terms, parameters, n_threads
        self._d = d = parameters.shape[1] - terms.fit_intercept
        #: λ of each feature, and of intercepts, which has no unit
        self.lambdas = np.full(d + 1, terms.l1)
        if factors is not None:
            self.lambdas[:d] *= factors
        #: groups of features, and that of intercepts, which has no penalty
        self._groups = None if groups is None else np.append(groups, groups.max(initial=-1) + 1)

    @property
    def is_grouped(self) -> bool:
        return self._groups is not None

    def groups_of(self, features: NDArray[np.intp]) -> Groups:
        """The groups of weights of these features."""
        return None if self._groups is None else self._groups[features]

    def value(self, W: NDArray) -> float:
        """The penalty of weights (K, D)."""
        if self._groups is None:
            return float(np.sum(np.abs(W) * self.lambdas[:-1]))
        return float(np.sum(self._norms(W, self._groups[:-1], np.square(self.lambdas[:-1]))))

    @staticmethod
    def _norms(
        table: NDArray, groups: NDArray[np.intp], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The norms of the groups of a table's columns, of which the squares have weights."""
        squares = np.einsum("kj,kj->j", table, table) * weights
        return np.sqrt(np.bincount(groups, squares, minlength=1))

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
        if self._groups is not None:
            return self._of_groups(gradient, theta, row)
        return subgradient(gradient, theta, row, p.layout.by_feature, self._n_threads)

    def _of_groups(self, gradient: NDArray, theta: NDArray, row: NDArray) -> tuple[float, NDArray]:
        """The same where groups are penalised: a group of zeros has the gradient beyond λ."""
        table, groups = self._parameters.layout.table, self._groups[: self._parameters.shape[1]]
        V, G = table(theta), table(gradient)
        penalised, weights = row > 0, np.square(row)
        lengths = self._norms(V, groups, weights)
        steepness = self._norms(G, groups, group_norms.divided(np.ones_like(row), weights))
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = np.where(steepness > 1, 1 - 1 / steepness, 0.0)
            shares = np.where(lengths > 0, 1 / lengths, 0.0)
        shares, beyond = shares[groups], np.where(lengths > 0, 1.0, beyond)[groups]
        out = np.zeros_like(gradient)
        some = np.flatnonzero((beyond > 0) | ~penalised)  # few, as a rule
        beyond[~penalised] = 1.0
        table(out)[:, some] = G[:, some] * beyond[some] + V[:, some] * (weights * shares)[some]
        return float(lengths.sum()), out

    def steepest(self, gradient: NDArray) -> float:
        """The largest norm of a gradient by a penalised weight or group, of λ: the dual norm."""
        p = self._parameters
        row = p.units(np.arange(p.shape[1])) * self.lambdas[: p.shape[1]]
        inverse = group_norms.divided(np.ones_like(row), row)
        if self._groups is None:
            return float(np.abs(p.layout.table(gradient) * inverse).max())
        groups = self._groups[: p.shape[1]]
        return float(self._norms(p.layout.table(gradient), groups, np.square(inverse)).max())

    def touched(self, direction: NDArray) -> tuple[NDArray[np.intp], Groups]:
        """Places of weights that a direction changes, with the others of their groups; and the
        latter."""
        at = np.flatnonzero(self._whole(direction != 0))
        return at, self.groups_of(self._parameters.layout.places(at)[1])

    def held(
        self, thresholds: NDArray, gradient: NDArray, theta: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of tables (K, size): what the penalty, of these thresholds of features, does to the
        gradient of the loss at the best; and by how much each gradient by a weight of 0 may change
        for it to stay 0, whatever the others of its group do."""
        groups = None
        if self._groups is not None:
            groups = np.broadcast_to(self._groups[: gradient.shape[1]], gradient.shape)
        scaled = group_norms.divided(gradient, thresholds * np.ones_like(gradient))
        is_zero = group_norms.norms(theta, groups) == 0
        lengths = group_norms.norms(scaled, groups)
        inside = (lengths <= 1) & (thresholds > 0)
        of_zeros = np.where(inside, gradient, thresholds * group_norms.unit(scaled, groups))
        pull = -thresholds * group_norms.unit(thresholds * theta, groups)
        slack = thresholds * np.maximum(1 - lengths, 0) / np.sqrt(group_norms.sizes(groups))
        return np.where(is_zero, of_zeros, pull), np.where(is_zero, slack, 0.0)

    def centred(self, theta: NDArray, places: NDArray) -> NDArray | None:
        """θ shifted for the least penalty at these places; None if it is there already.

        To add a number to all classes' weights of a feature changes no probability. The best, of
        least Σ λ|w - c| + μ/2 (w - c)², is the median of the K weights and of K + 1 numbers more,
        the mean shifted (Li & Osher 2009, A new median formula). That of a group is the mean.
        """
        terms, p, k = self._terms, self._parameters, self._terms.loss.n_logits
        features = np.unique(p.layout.places(places)[1])
        features = np.setdiff1d(features, [*terms.free, self._d])
        if not (terms.loss.shift_invariant and len(features)):
            return None
        flat = p.layout.flat(np.arange(k)[:, None], features)
        units = p.units(features)
        W = theta[flat] * units
        if self._groups is not None:
            c = W.mean(axis=0)
            if (np.abs(c) <= CENTRED * np.abs(W).max(axis=0)).all():
                return None
            theta = theta.copy()
            theta[flat] -= theta[flat].mean(axis=0)
            return theta
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
        places = np.flatnonzero(self._whole(flat))
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
            w, v, step, sizes, squared_sizes, variations, self._terms.penalty, lasso,
            self.groups_of(features),
        )  # fmt: skip

    def _whole(self, flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """These places and all others of their groups."""
        if self._groups is None:
            return flat
        table, groups = (
            self._parameters.layout.table(flat),
            self._groups[: self._parameters.shape[1]],
        )
        some = np.bincount(groups, table.any(axis=0))[groups] > 0
        out = np.empty_like(flat)
        self._parameters.layout.table(out)[:] = some
        return out

    def sizes(self, features: NDArray) -> NDArray[np.float64]:
        """Weighted root mean squares of features that are penalised."""
        return self._of(features, self._parameters.sizes())

    def _of(self, features: NDArray, by_penalised: NDArray) -> NDArray[np.float64]:
        """What there is for each feature that is penalised, of some."""
        free = self._terms.free
        return by_penalised.ravel()[features - np.searchsorted(free, features)]
