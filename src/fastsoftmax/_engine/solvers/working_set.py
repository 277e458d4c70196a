"""Weights that a step may change: for each class the same number of places, some of them empty."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.line_search.penalised import PenalisedIterate
from fastsoftmax._engine.objective import group_norms
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rounding import RESIDUAL

LEAST = 60  # weights of a class that may enter at once, or as many as it has


class WorkingSet:
    """Features of each class, its intercept first if there is one.

    Vectors of the set are tables (K, m) of float64, 0 in the places past the `counts` of a class.

    Attributes
    ----------
    features : ndarray of shape (K, m), int64
        Ascending but for the intercept, whose number is D; 0 in empty places.
    counts : ndarray of shape (K,), int64
    filled : ndarray of shape (K, m), bool
    thresholds : ndarray of shape (K, m)
        What the L1 penalty charges for a unit of θ.
    groups : ndarray of shape (K, m), int64, or None
        The numbers of the groups in which the weights are penalised, None if each is by itself.
    unpenalised, free : ndarray of shape (K, m), bool
        Intercepts and free features, and the latter alone.
    ridges : ndarray of shape (K, m)
        The second derivatives of the L2 penalty.
    absent : ndarray of shape (K,), bool
        Classes without any weight, or with all: their intercepts have no optimum.
    """

    def __init__(self, objective: Objective, it: PenalisedIterate, most: int) -> None:
        parameters = objective.parameters
        k, self.size = objective.n_logits, objective.size
        self.intercept = int(objective.fit_intercept)
        chosen = [np.sort(c) for c in choose(objective, it, most)]
        self.counts = np.array([len(c) + self.intercept for c in chosen])
        m = max(1, int(self.counts.max()))
        self.filled = np.arange(m) < self.counts[:, None]
        self.features = np.zeros((k, m), np.int64)
        if self.intercept:
            self.features[:, 0] = objective.data.shape[1]
        for row, c in zip(self.features, chosen, strict=True):
            row[self.intercept : self.intercept + len(c)] = c
        classes = np.broadcast_to(np.arange(k)[:, None], self.features.shape)
        self.flat = parameters.layout.flat(classes, self.features)
        self.thresholds = objective.l1.thresholds(self.flat) * self.filled
        self.groups = objective.l1.groups_of(self.features)
        self.absent = objective.loss.absent(objective.shares) & objective.fit_intercept
        self._objective, units = objective, parameters.units(self.features)
        self.unpenalised = self.filled & (self.thresholds == 0)
        self.free = self.unpenalised & self.weights
        penalised = self.thresholds > 0
        self.ridges = np.square(np.sqrt(objective.penalty) * units) * penalised
        self._sizes = np.where(self.unpenalised, np.inf, 0.0)
        self._sizes[penalised] = objective.l1.sizes(self.features[penalised]) * units[penalised]

    @property
    def weights(self) -> NDArray[np.bool_]:
        """Which places are filled, but for intercepts."""
        weights = self.filled.copy()
        weights[:, : self.intercept] = False
        return weights

    @property
    def union(self) -> NDArray[np.int64]:
        """The features of all classes, ascending."""
        return np.unique(self.features[self.weights])

    def slack(self, residual: NDArray, values: NDArray) -> float:
        """What the residual of a Newton step, at these values, adds to the bound on F - F*."""
        weights = self.thresholds > 0
        residual = np.abs(residual[weights])
        if self.ridges.any():
            ridges, left = self.ridges[weights], residual > 0
            with np.errstate(divide="ignore"):  # a ridge may have vanished
                return float(np.sum(residual[left] ** 2 / (2 * ridges[left])))
        thresholds = self.thresholds[weights]
        groups = None if self.groups is None else self.groups[weights]
        total = group_norms.total(thresholds * values[weights], groups)
        slopes = group_norms.norms(residual / thresholds, groups)
        return total * float(np.max(slopes, initial=0.0))

    def pull(self, values: NDArray) -> NDArray[np.float64]:
        """The gradient of the L1 penalty at these values, 0 by groups of zeros."""
        return self.thresholds * group_norms.unit(self.thresholds * values, self.groups)

    def rounding(self, value: float) -> NDArray[np.float64]:
        """A residual that is 0 but for rounding, at a point of that F, (K, m)."""
        return RESIDUAL * np.sqrt(2 * value) * self._sizes

    def take(self, vector: NDArray) -> NDArray:
        """The set's part of a vector like θ."""
        return vector[self.flat] * self.filled

    def put(self, table: NDArray) -> NDArray:
        """A vector like θ, 0 outside of the set."""
        vector = np.zeros(self.size)
        vector[self.flat[self.filled]] = table[self.filled]
        return vector

    def step(self, table: NDArray, theta: NDArray) -> NDArray:
        """A change of the weights of θ as a vector like it.

        Newton's method changes the intercept of a class without any weight by 1; where the
        curvature underflows rounding makes it anything. What all classes have in common of a free
        feature, or of one of a group, is left out.
        """
        if self.intercept and self.absent.any():
            table = table.copy()
            table[self.absent, 0] = np.clip(table[self.absent, 0], -1, 1)
        if self.groups is not None and self._objective.loss.shift_invariant:
            there = self.take(theta) + table  # exactly 0 where weights become 0
            table = table - np.where(self.thresholds > 0, there.mean(axis=0), 0.0)
        vector, o = self.put(table), self._objective
        if len(o.free) and o.loss.shift_invariant:
            of_free = o.parameters.layout.table(vector)[:, o.free]
            o.parameters.layout.table(vector)[:, o.free] = of_free - of_free.mean(axis=0)
        return vector

    def holds(self, places: NDArray) -> bool:
        """Whether all these places of θ are in the set."""
        return bool(np.isin(places, self.flat[self.filled]).all())


def choose(objective: Objective, it: PenalisedIterate, most: int) -> list[NDArray]:
    """For each class the features that have weights or are free, and the steepest of the others."""
    if objective.l1.is_grouped:
        return [choose_groups(objective, it, most)] * objective.n_logits
    classes, features = objective.parameters.layout.places(it.places)
    weights = features < objective.data.shape[1]
    classes, features, places = (a[weights] for a in (classes, features, it.places))
    active, steepness = it.theta[places] != 0, np.abs(it.gradient[places])
    active |= np.isin(features, objective.free)
    chosen = []
    for k in range(objective.n_logits):
        mine = classes == k
        on, off = features[mine & active], features[mine & ~active]
        most_new = max(LEAST, len(on))
        if len(on) + min(len(off), LEAST) > most:  # not all with weights, so that others may enter
            on, off, candidates, most_new = features[:0], features[mine], mine, most
        else:
            candidates, most_new = mine & ~active, min(most_new, most - len(on))
        chosen.append(np.concatenate([on, steepest(off, steepness[candidates], most_new)]))
    return chosen


def choose_groups(objective: Objective, it: PenalisedIterate, most: int) -> NDArray:
    """The features that have weights or are free, and those of the steepest of the other groups."""
    layout, d = objective.parameters.layout, objective.data.shape[1]
    gradient, theta = (layout.table(x)[:, :d] for x in (it.gradient, it.theta))
    features = np.arange(d)
    groups = objective.l1.groups_of(features)
    squares = np.bincount(groups, np.einsum("kj,kj->j", gradient, gradient))
    active = np.bincount(groups, theta.any(axis=0)) > 0
    active[groups[objective.free]] = True
    counts = np.bincount(groups)
    n_active = int(counts[active].sum())
    most_new = max(LEAST, n_active)
    left = most - n_active
    if left < min(LEAST, int(counts[~active & (squares > 0)].sum())):  # for others to enter
        active[:], left, most_new = False, most, most
    order = np.argsort(-np.where(active, 0.0, squares), kind="stable")
    enters = (np.cumsum(counts[order]) <= min(most_new, left)) & (squares[order] > 0)
    enters[0] |= squares[order[0]] > 0 and not active.any()
    active[order[enters & ~active[order]]] = True
    return features[active[groups]]


def steepest(features: NDArray, steepness: NDArray, count: int) -> NDArray:
    if len(features) <= count:
        return features
    return features[np.argpartition(-steepness, count)[:count]]
