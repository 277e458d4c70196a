"""What a network is trained towards: a loss, and the score that is reported beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import functional
from fastsoftmax._neural.network import Pass


@dataclass(frozen=True)
class TrainingRows:
    """Rows, their targets, int32 labels (N,) or numbers (N, K), and their weights."""

    X: NDArray
    targets: NDArray
    weights: NDArray | None = None

    def some(self, chosen: NDArray) -> "TrainingRows":
        weights = None if self.weights is None else self.weights[chosen]
        return TrainingRows(self.X[chosen], self.targets[chosen], weights)


def _table(targets: NDArray, z: NDArray) -> NDArray:
    """Targets (N, K): the one-hot rows of labels."""
    if targets.ndim == 2:
        return targets
    return functional.one_hot(targets, z.shape[1], dtype=z.dtype)


def _softmax_loss(z, targets, weights):
    return functional.cross_entropy(z, targets, sample_weight=weights, reduction="none")


def _sum_over_outputs(function, factor):
    def losses(z, targets, weights):
        each = function(z, _table(targets, z), reduction="none")
        return factor * each.sum(axis=1) * (1.0 if weights is None else weights)

    return losses


@dataclass(frozen=True)
class Loss:
    """A loss as users name it."""

    out_activation: str
    losses: Callable[[NDArray, NDArray, NDArray | None], NDArray]  # of rows, times their weights


LOSSES = {
    "cross_entropy": Loss("softmax", _softmax_loss),
    "binary_cross_entropy": Loss(
        "logistic", _sum_over_outputs(functional.binary_cross_entropy, 1.0)
    ),
    "mse": Loss("identity", _sum_over_outputs(functional.mse, 0.5)),
    "mae": Loss("identity", _sum_over_outputs(functional.mae, 1.0)),
}


def r2(errors: NDArray, spread: NDArray) -> float:
    """Mean over outputs of 1 - errors / spread; of a constant one 1 without error, else 0."""
    constant = spread == 0
    shares = errors / np.where(constant, 1, spread)
    return float(np.where(constant, errors == 0, 1 - shares).mean())


def spread_of(rows: TrainingRows, order: NDArray | None = None) -> NDArray:
    """Weighted squared deviations of the targets (N, K) from their means, of rows in `order`."""
    y = rows.targets.astype(np.float64) if order is None else rows.targets[order].astype(np.float64)
    w = rows.weights if order is None or rows.weights is None else rows.weights[order]
    with np.errstate(over="ignore", invalid="ignore"):  # then the loss overflows, too
        return np.average((y - np.average(y, axis=0, weights=w)) ** 2, axis=0, weights=w)


@dataclass(frozen=True)
class Goal:
    """A loss, and what counts as a score: "argmax" and "threshold" (accuracy), "squares" (R²)."""

    loss: str
    measure: str
    threshold: float = 0.0

    def mean_loss(self, z: NDArray, rows: TrainingRows) -> float:
        """Mean loss of outputs z, without a penalty."""
        losses = LOSSES[self.loss].losses(z, rows.targets, rows.weights)
        total = len(z) if rows.weights is None else rows.weights.sum(dtype=np.float64)
        return float(losses.sum(dtype=np.float64) / total)

    def score(self, z: NDArray, rows: TrainingRows) -> float:
        """Accuracy or R² of outputs z."""
        if self.measure == "squares":
            errors = (z.astype(np.float64) - rows.targets) ** 2
            return r2(np.average(errors, axis=0, weights=rows.weights), spread_of(rows))
        if self.measure == "threshold":
            hits = ((z > self.threshold) == (rows.targets > 0.5)).all(axis=1)
        elif rows.targets.ndim == 1:
            hits = z.argmax(axis=1) == rows.targets
        else:
            hits = z.argmax(axis=1) == rows.targets.argmax(axis=1)
        return float(np.average(hits, weights=rows.weights))

    def score_of_pass(self, done: Pass, total: float, spread: NDArray | None) -> float:
        """The score that an epoch met on its way, of rows of so much weight."""
        if self.measure == "squares":
            return r2(done.errors / total, spread)
        return done.hits / total
