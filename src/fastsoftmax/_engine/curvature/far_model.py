"""A model of F in which the losses of far rows are exact.

The sum of all other losses is its Taylor polynomial of second order at a point without weights.
Steps along it take no pass over X: the far rows are few.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import GramCurvature
from fastsoftmax._engine.data import RowSample, StoredLogits
from fastsoftmax._engine.linalg import ClassFactors, dot
from fastsoftmax._engine.line_search.phi import Path, parabola
from fastsoftmax._engine.objective.rows import Rows

FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True)
class FarModelRules:
    """How the model is made and minimised (docs/experiments/0028-far-rows.md)."""

    sample: int = 2048  # of the other rows, at most, from which their curvature is made
    near: float = 0.01  # |φ'| at the end of a search, as a share of |φ'(0)|: no passes are taken
    steps: int = 50  # at most
    enough: float = 1e-3  # of the model's value: what a step may still gain at the end
    least_change: float = -0.5  # relative, of a far row's probability by a step, at the end


class FarModel:
    """The losses of far rows, a parabola for all others', and the ridge, all in float64.

    Parameters
    ----------
    curvature : GramCurvature
    origin : ndarray
        θ where the parabola touches the others' loss, without weights.
    rules : FarModelRules

    Attributes
    ----------
    theta : ndarray
    value : float
    gradient : ndarray
        As of an `Iterate`.
    """

    def __init__(self, curvature: GramCurvature, origin: NDArray, rules: FarModelRules) -> None:
        self._curvature, self._origin, self._rules = curvature, origin, rules
        self._objective = o = curvature.objective
        far = curvature.few_far
        targets, weights, offset = o.given
        weights = np.ones(o.data.shape[0]) if weights is None else weights.astype(FLOAT64)
        data, targets = o.data_float64.rows(far), targets[far]
        targets = targets.astype(FLOAT64) if targets.dtype.kind == "f" else targets
        # what `Path` asks for
        self.rows = Rows(data, targets, weights[far], o.penalty)
        self.logits, self.change = (o.loss.logits_of(data) for _ in range(2))
        self._offset = None if offset is None else offset[far]
        self._features = curvature.features(far)
        weights[far] = 0
        self._set_others(weights)
        self.set_theta(origin)

    def _set_others(self, weights: NDArray[np.float64]) -> None:
        """The Taylor polynomial of the loss of rows with these weights."""
        o, c = self._objective, self._curvature
        n, d = o.data.shape
        others = Rows(o.data, o.targets, weights.astype(o.data.dtype), 0.0)
        logits = None
        if o.offset is not None:
            logits = o.loss.logits_of(o.data)
            o.store_logits(self._origin, logits)
        self._value, slope = o.parameters.value_and_grad(self._origin, logits, others)
        self._slope = slope.astype(FLOAT64)
        chosen = np.flatnonzero(weights).astype(np.int32)
        chosen = np.ascontiguousarray(chosen[:: max(1, len(chosen) // self._rules.sample)])
        scale = weights.mean() / max(weights[chosen].sum(), np.finfo(float).tiny)
        gram = c.of_rows(chosen, weights[chosen], scale, 0 * c.ridge).astype(FLOAT64)
        o.passes.count += 1 + len(chosen) * len(gram) ** 2 / (4 * n * d * o.n_logits)
        self._hessian = np.kron(o.loss.hessian_of_shares(o.shares), gram)

    def set_theta(self, theta: NDArray) -> None:
        """Move to θ."""
        self.theta = theta
        self._store(theta, self.logits)
        if self._offset is not None:
            self.logits.put(self.logits.table() + self._offset)
        step = theta - self._origin
        self._slope_here = self._slope + np.einsum("ij,j->i", self._hessian, step)
        self._others = self._value + dot(self._slope + self._slope_here, step) / 2
        value, gradient = self._objective.parameters.value_and_grad(theta, self.logits, self.rows)
        self.value, self.gradient = value + self._others, gradient + self._slope_here

    def along(self, direction: NDArray) -> Path:
        """φ(t) along a direction from θ."""
        o = self._objective
        self._store(direction, self.change)
        curvature = dot(direction, np.einsum("ij,j->i", self._hessian, direction))
        others = np.array([self._others, dot(self._slope_here, direction) / 2, curvature / 2])
        along = parabola(o, self.theta, direction) + others
        return Path(self, along, 1 / o.data.shape[0], self._rules.near)

    def _store(self, theta: NDArray, out: StoredLogits) -> None:
        self.rows.data.store_logits(*self._objective.parameters.user(theta, FLOAT64), out)

    def least_change(self) -> float:
        """The least relative change of a far row's probability along the last direction."""
        loss = self._objective.loss
        P, Q = loss.probabilities(self.logits)
        return float(loss.relative_changes(P, Q, self.change.table()).min())

    def newton(self) -> NDArray[np.float64]:
        """Newton's step."""
        o, c, U = self._objective, self._curvature, self._features

        def gram(drawn: RowSample) -> NDArray:
            V = np.square(drawn.factors) / o.data.shape[0]
            return np.stack([np.einsum("f,fi,fj->ij", v, U, U) for v in V])

        P, Q = o.loss.probabilities(self.logits)
        H = o.loss.hessian(P, Q, self.rows.weights, U.shape[1], gram)
        H = H.reshape(o.size, o.size) + self._hessian
        np.einsum("ii->i", H)[:] += np.tile(c.ridge, o.n_logits)
        o.passes.count += c.newton_cost(len(U))
        factors = ClassFactors(H[None], o.data.n_threads)
        return -o.parameters.project(factors.solve(self.gradient[None])[0][0])
