"""How well a fold's model does on the rows it has not seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import functional
from fastsoftmax._linear.cv.folds import Fit
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._runtime.sklearn_compat import scorer_of
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import folds as check_folds
from fastsoftmax.blocks import Blocks

Score = Callable[[Fit, NDArray[np.intp]], float]  # of rows, the higher the better


def scored(
    scoring: object,
    problem: Problem,
    model: Callable[[NDArray, NDArray], Any],
    X: MatrixLike | Blocks,
    folds: list[check_folds.Fold],
) -> Score:
    """The score that is asked for: on logits of all rows, or by scikit-learn on chosen rows.

    `model` makes an estimator of weights and intercepts.
    """
    measure = MEASURES.get(scoring) if scoring is None or isinstance(scoring, str) else None
    if measure is None:
        check_folds.scoring(scoring, OWN, isinstance(X, Blocks))
        scorer = scorer_of(scoring)
        some, y = rows_by_number(X), np.asarray(problem.rows.y)

        def by_scorer(fit: Fit, rows: NDArray[np.intp]) -> float:
            estimator = model(fit.coef, fit.intercept)
            return check_folds.score(scorer(estimator, some(rows), y[rows]))

        return by_scorer
    if (given := problem.targets.plain_weights) is not None:
        for i, (_, test) in enumerate(folds):
            check_folds.some_to_score(given[test], i)

    def by_logits(fit: Fit, rows: NDArray[np.intp]) -> float:
        z = fit.logits()[rows]
        if z.shape[1] == 1:
            z = np.column_stack([np.zeros_like(z), z])
        weights = problem.targets.plain_weights
        return measure(
            z, problem.targets.plain[rows], None if weights is None else weights[rows],
        )  # fmt: skip

    return by_logits


def rows_by_number(X: MatrixLike) -> Callable[[NDArray[np.intp]], Any]:
    """Some rows of X in the form it has."""
    if hasattr(X, "iloc"):
        return lambda rows: X.iloc[rows]
    if hasattr(X, "shape"):
        return lambda rows: X[rows]
    return lambda rows: np.asarray(X)[rows]


def neg_log_loss(z: NDArray, targets: NDArray, weights: NDArray | None) -> float:
    """Minus the mean cross-entropy."""
    targets = targets if targets.ndim == 1 else targets.astype(z.dtype)
    losses = functional.cross_entropy(z, targets, reduction="none")
    return -float(np.average(losses, weights=weights))


def accuracy(z: NDArray, targets: NDArray, weights: NDArray | None) -> float:
    """The share of rows whose most probable class is that of the target."""
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return float(np.average(z.argmax(axis=1) == labels, weights=weights))


MEASURES = {None: neg_log_loss, "neg_log_loss": neg_log_loss, "accuracy": accuracy}
OWN = "neg_log_loss", "accuracy"
