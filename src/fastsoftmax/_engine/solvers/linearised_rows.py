"""Some rows of a certificate: their logits, and what is summed over them."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, DualPoint, StoredLogits
from fastsoftmax._engine.objective.loss import NEVER
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.rows import Rows
from fastsoftmax._engine.solvers.curved_rows import CurvedRows
from fastsoftmax._engine.solvers.logit_rounding import rounding_of_rows
from fastsoftmax._engine.solvers.unseen import RowsAt
from fastsoftmax._runtime.engines.tree import Sums

FLOAT64 = np.dtype(np.float64)
VANISHES = -0.5  # the least relative change of a probability that leaves some for that of rounding


class Whole(Protocol):
    """What all rows have in common, and the numbers of all."""

    objective: Objective
    model: tuple[NDArray, NDArray | None]  # W, b
    direction: NDArray
    moved: NDArray  # what is not penalised of the direction is changed by
    log_odds: NDArray | None
    targets: NDArray
    weights: NDArray | None
    offset: NDArray | None


class Piece:
    """Some rows, their logits at θ, the change of these along the direction, and residuals.

    Parameters
    ----------
    of : Whole
    rows : slice
    data, working : Data
        These rows, computed in float64 and in the precision for the direction.
    """

    def __init__(self, of: Whole, rows: slice, data: Data, working: Data) -> None:
        self.objective = o = of.objective
        self.at, self.data = rows, data
        self.logits = logits_at(of, rows, data, of.model)
        self.residuals = o.loss.logits_of(data)
        self._change = self._change_along(of, working)
        self._point: tuple[float, DualPoint] | None = None  # α, and what it comes to
        self._shift = np.zeros(o.n_logits)  # of the change, in all rows
        self._free = o.parameters.features(data, o.free) if len(o.free) else None
        if of.moved.any():
            self.move(of.moved)
        self._targets = of.targets[rows]
        self._weights = None if of.weights is None else of.weights[rows]

    def _change_along(self, of: Whole, working: Data) -> StoredLogits:
        """That of the logits along the direction, or to given log-odds."""
        if of.log_odds is not None:
            change = self.logits.like()
            change.put(self.objective.loss.change_to(self.logits, of.log_odds[self.at]))
            return change
        o = self.objective
        W, b = o.parameters.user(of.direction, working.dtype)
        change = logits_of(o, working, W, b)
        return change if working.dtype == FLOAT64 else change.to_float64()

    def dual_point(self, alpha: float = 1.0) -> DualPoint:
        """Residuals at the linearised probabilities, scaled by α, and their sums."""
        if self._point is None or self._point[0] != alpha:
            args = self._change, self._targets, self._weights, self.residuals, alpha
            self._point = alpha, self.logits.dual_point(*args, shift=self._shift)
        return self._point[1]

    def gradient(self, theta: NDArray) -> NDArray:
        """The residuals times X, by θ."""
        o = self.objective
        o.passes.count += 0.5 * self.data.shape[0] / o.data.shape[0]
        rows = Rows(self.data, None, None, 0.0)
        return o.parameters.value_and_grad(theta, self.residuals, rows)[1]

    def gradient_of_loss(self, theta: NDArray) -> NDArray:
        """That of the losses of these rows, the first of which bring the ridge along, by θ."""
        o = self.objective
        o.passes.count += 0.5 * self.data.shape[0] / o.data.shape[0]
        ridge = o.penalty if self.at.start == 0 else 0.0
        rows = Rows(self.data, self._targets, self._weights, ridge)
        return o.parameters.value_and_grad(theta, self.logits, rows)[1]

    def at_theta(self) -> RowsAt:
        """Its probabilities, 0 where no target is, and the sizes of what the residuals are sums
        of."""
        self.dual_point()
        targets = self._targets
        P, Q = self.objective.loss.probabilities(self.logits)
        magnitudes = np.abs(self.residuals.table())
        if targets.ndim == 2 and targets.dtype != np.uint8:
            magnitudes += P if self._weights is None else P * self._weights[:, None]
        if (missing := self.objective.loss.missing(targets)) is not None:
            P = np.where(missing, 0, P)
        return RowsAt(self.data, P, Q, self._weights, magnitudes)

    def at_point(self) -> RowsAt:
        """The same, with probabilities of 0 where the change leaves none for that of rounding."""
        rows, loss = self.at_theta(), self.objective.loss
        P = rows.probabilities
        changes = loss.relative_changes(P, rows.others, self._change.table() + self._shift)
        full = (changes < VANISHES) & (P > NEVER)
        if loss.shift_invariant:
            full = full.any(axis=1, keepdims=True)
        return rows._replace(probabilities=np.where(full, 0, P))

    def unpenalised_sums(self) -> NDArray[np.float64]:
        """The residuals times what is not penalised, and the sums of magnitudes: (2, K, m)."""
        sums = self.dual_point().class_sums[:, :, None]
        if not self.objective.fit_intercept:
            sums = sums[:, :, :0]
        if self._free is None:
            return sums
        table = self.residuals.table()
        of_free = [
            np.einsum("nk,nm->km", *pair)
            for pair in ((table, self._free), (np.abs(table), np.abs(self._free)))
        ]
        return np.concatenate([sums, of_free], axis=2)

    def move(self, by: NDArray) -> None:
        """Change what is not penalised of the direction, (K, m)."""
        self._point = None
        if self.objective.fit_intercept:
            self._shift += by[:, 0]
        if self._free is not None:
            of_free = by[:, self.objective.fit_intercept :]
            self._change.put(self._change.table() + np.einsum("nm,km->nk", self._free, of_free))

    def unpenalised_hessian(self) -> NDArray[np.float64]:
        """The Hessian by what is not penalised, (K, m, K, m)."""
        o, columns = self.objective, unpenalised_columns(self.objective, self.data)
        if columns is None:
            return o.loss.hessian_by_intercepts(self.logits, self._weights)[:, None, :, None]
        P, Q = o.loss.probabilities(self.logits)
        return o.loss.hessian(P, Q, self._weights, columns.shape[1], self.data.like(columns).gram)

    def curved(self) -> CurvedRows:
        return CurvedRows(
            self.logits, self._weights, unpenalised_columns(self.objective, self.data)
        )


def logits_at(
    of: Whole, rows: slice, data: Data, model: tuple[NDArray, NDArray | None]
) -> StoredLogits:
    """Those of a model for some rows."""
    out = logits_of(of.objective, data, *model)
    if of.offset is not None:
        out.put(out.table() + of.offset[rows])
    return out


def logits_of(objective: Objective, data: Data, W: NDArray, b: NDArray | None) -> StoredLogits:
    """Those of a model, without the offset."""
    o, n = objective, data.shape[0]
    out = o.loss.logits_of(data)
    if W.any():
        data.store_logits(W, b, out)
        o.passes.count += 0.5 * n / o.data.shape[0]
    else:
        out.fill(np.zeros(len(W)) if b is None else b)
    return out


def unpenalised_columns(objective: Objective, data: Data) -> NDArray[np.float64] | None:
    """The intercept's constant and the free features, (n, m); None for the constant alone."""
    o = objective
    if not len(o.free):
        return None
    ones = np.ones((data.shape[0], int(o.fit_intercept)))
    return np.hstack([ones, o.parameters.features(data, o.free)])


def totals(piece: Piece, theta: NDArray, n: int) -> Sums:
    """Loss, divergence, the least change, the squares of the residuals, the gradient, and the sums
    by what is not penalised."""
    point = piece.dual_point()
    scaled = point.loss / n, point.divergence / n, (point.least_change,), point.squares / n
    gradient = piece.gradient(theta).astype(FLOAT64, copy=False)
    return Sums((*scaled, gradient, piece.unpenalised_sums()))


def gradients(piece: Piece, theta: NDArray, n: int) -> NDArray:
    return piece.gradient_of_loss(theta)


def rounding_of_logits(piece: Piece, theta: NDArray, n: int) -> float:
    return rounding_of_rows(piece.objective, theta, piece.at, piece.data, piece.logits)


def unpenalised_sums(piece: Piece, theta: NDArray, n: int) -> NDArray[np.float64]:
    return piece.unpenalised_sums()


def unpenalised_diagonal(piece: Piece, theta: NDArray, n: int) -> NDArray[np.float64]:
    return piece.curved().diagonal()


def unpenalised_product(piece: Piece, theta: NDArray, n: int, by: NDArray) -> NDArray[np.float64]:
    return piece.curved().with_probabilities().product(by)


def unpenalised_hessian(piece: Piece, theta: NDArray, n: int) -> NDArray[np.float64]:
    return piece.unpenalised_hessian()


def unpenalised_sums_and_hessian(piece: Piece, theta: NDArray, n: int) -> Sums:
    return Sums((piece.unpenalised_sums(), piece.unpenalised_hessian()))
