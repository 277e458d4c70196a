"""How far F can still fall, proved by weak duality at linearised probabilities.

For any a whose rows lie in the simplex, the conjugate of log-sum-exp (Boyd & Vandenberghe, Convex
Optimization, 5.7.1) gives, with v = (1/S) Σ sᵢ (aᵢ - yᵢ) xᵢᵀ and ridges μ,

    F(θ) - F*  ≤  (1/S) Σ sᵢ KL(aᵢ ‖ pᵢ)  +  Σ (v + μ W)² / (2 μ),

provided that v = 0 for all parameters that are not penalised. Probabilities p(1 + ζ) that are
linearised along a direction d near Newton's make v + μW nearly -μd, and the bound nearly the gap
itself; a = p would give ½‖∇F‖²/μ. The parameters that are not penalised, intercepts as a rule, are
moved until their v is 0 but for rounding.

All of it is computed in float64 from X and θ alone: logits of θ, logits of d, one product with Xᵀ.
Where these logits do not fit into memory, they are made anew for some rows at a time.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import ClassFactors, Data, Draw, DualPoint, StoredLogits
from fastsoftmax.objective.objective import Objective
from fastsoftmax.objective.resting import Rows

FLOAT64 = np.dtype(np.float64)
MEMORY = 0.3  # of the memory budget, for logits of θ, of d and for residuals
STATIONARY = 1e-13  # of Σ s|a - y||x| / S: a v that is 0 but for rounding
VANISHING = 1e-10  # of the same, where nothing is penalised
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of the same: what sums may be off by
ROUNDS = 8  # of moving what is not penalised


class Certificate(NamedTuple):
    """What is proved at a point θ."""

    bound: float  # at least F - F*; infinity where nothing is proved
    value: float  # F at θ
    divergence: float  # KL(a ‖ p), weighted mean
    least_change: float  # the least relative change of a probability along d

    @property
    def proved(self) -> bool:
        return bool(np.isfinite(self.bound))


def certify(objective: Objective, theta: NDArray, direction: NDArray) -> Certificate:
    """The bound at θ from probabilities that are linearised along a direction."""
    with np.errstate(over="ignore", invalid="ignore"):
        return Linearised(objective, theta, direction).certificate()


class Linearised:
    """Probabilities of θ, linearised along a direction.

    Parameters
    ----------
    objective : Objective
    theta, direction : ndarray
    """

    def __init__(self, objective: Objective, theta: NDArray, direction: NDArray) -> None:
        self._objective, self._theta = objective, theta
        self._data = objective.data_float64
        self._models = [objective.parameters.user(v, FLOAT64) for v in (theta, direction)]
        targets, weights, self._offset = objective.given
        is_table = targets.dtype.kind == "f"
        self._targets = np.ascontiguousarray(targets, FLOAT64) if is_table else targets
        self._weights = None if weights is None else np.ascontiguousarray(weights, FLOAT64)
        n, k = self._data.shape[0], objective.n_logits
        self._rows = int(MEMORY * objective.max_memory / (3 * FLOAT64.itemsize * k))
        tile = StoredLogits.tile_rows(FLOAT64)
        self._rows = max(tile, self._rows // tile * tile)
        self.shift = np.zeros(k)  # of the intercepts of the direction
        self._kept = [Piece(self, slice(0, n), self._data)] if n <= self._rows else None

    def _pieces(self) -> Iterator["Piece"]:
        """All rows, with their logits."""
        if self._kept is not None:
            yield from self._kept
            return
        for rows, data in self._data.pieces():
            for start in range(0, data.shape[0], self._rows):
                some = slice(start, min(start + self._rows, data.shape[0]))
                at = slice(rows.start + some.start, rows.start + some.stop)
                yield Piece(self, at, data.rows(some))

    def store(self, data: Data, rows: slice, which: int, out: StoredLogits) -> None:
        """Logits of θ (0) or of the direction (1) of some rows."""
        o = self._objective
        W, b = self._models[which]
        data.store_logits(W, b, out)
        o.n_passes += 0.5 * data.shape[0] / self._data.shape[0]
        if which == 0 and self._offset is not None:
            out.put(out.table() + self._offset[rows])
        if which == 1:
            out.shift(self.shift)

    def certificate(self) -> Certificate:
        o = self._objective
        n, mu = self._data.shape[0], o.penalty
        stationary = self._move_intercepts() if o.fit_intercept else True
        loss = divergence = least = 0.0
        v = np.zeros(o.size)
        for piece in self._pieces():
            point = piece.dual_point()
            loss, divergence = loss + point.loss / n, divergence + point.divergence / n
            least = min(least, point.least_change)
            rows = Rows(piece.data, None, None, 0.0)
            v += o.parameters.value_and_grad(self._theta, piece.residuals, rows)[1]
            o.n_passes += 0.5 * piece.data.shape[0] / n
        W = o.parameters.penalised(self._theta)
        value = loss + 0.5 * mu * float(np.sum(np.square(W)))
        error = ROUNDING**2 * 2 * value * o.parameters.mean_square()
        if mu and stationary:
            apart = o.parameters.penalised_gradient(v) + mu * W
            of_weights = float(np.sum(np.square(apart))) / (2 * mu)
            bound = divergence + (np.sqrt(of_weights) + np.sqrt(error / (2 * mu))) ** 2
        elif stationary and o.parameters.norms(v)[1] <= error * (VANISHING / ROUNDING) ** 2:
            bound = divergence
        else:
            bound = np.inf
        return Certificate(float(bound), value, divergence, least)

    def _move_intercepts(self) -> bool:
        """Move the direction's intercepts until v is 0 there; whether it is, but for rounding."""
        factors = ClassFactors(self._hessian_of_intercepts()[None], self._data.n_threads)
        for _ in range(ROUNDS):
            sums = np.zeros((2, self._objective.n_logits))
            for piece in self._pieces():
                piece.dual_point()
                sums += piece.residuals.sums_and_magnitudes()
            off, magnitudes = sums / self._data.shape[0]
            if (np.abs(off) <= STATIONARY * magnitudes).all():
                return True
            if not self._objective.logistic:
                off = off - off.mean()
            step = -factors.solve(off[None])[0][0]
            self.shift += step
            for piece in self._kept or ():
                piece.change.shift(step)
        return False

    def _hessian_of_intercepts(self) -> NDArray[np.float64]:
        """Of the loss, (K, K), with the curvature of an average direction for what all classes have
        in common."""
        o, k = self._objective, self._objective.n_logits
        H = np.zeros((k, k))
        n = self._data.shape[0]
        for piece in self._pieces():
            P = piece.logits.probabilities()
            weights = np.ones(P.n) if self._weights is None else self._weights[piece.rows]
            table = P.table()
            variances = table * (1 - table) if o.logistic else table
            H[np.diag_indices(k)] += np.einsum("nk,n->k", variances, weights) / n
            if not o.logistic:
                rows = np.arange(P.n, dtype=np.int32)[None]
                draw = Draw(rows, np.sqrt(weights)[None], np.array([P.n]), np.ones(1))
                T = self._data.like(np.ascontiguousarray(table, np.float32))
                H -= T.gram(draw, np.zeros(k), np.ones(k), 1 / n, np.zeros(k))[0]
        if not o.logistic:
            H += np.trace(H) / k**2
        return H


class Piece:
    """Some rows, their logits at θ, the change of these along the direction, and room for residuals."""

    def __init__(self, of: Linearised, rows: slice, data: Data) -> None:
        o = of._objective
        n, k = data.shape[0], o.n_logits
        self.rows, self.data = rows, data
        self.logits, self.change, self.residuals = (
            StoredLogits(n, k, FLOAT64, data.n_threads, o.logistic) for _ in range(3)
        )
        of.store(data, rows, 0, self.logits)
        of.store(data, rows, 1, self.change)
        self._targets = of._targets[rows]
        self._weights = None if of._weights is None else of._weights[rows]

    def dual_point(self) -> DualPoint:
        """Residuals at the linearised probabilities, and their sums."""
        return self.logits.dual_point(self.change, self._targets, self._weights, self.residuals)
