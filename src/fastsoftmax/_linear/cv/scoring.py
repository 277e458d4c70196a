"""How well a fold's model does on the rows it has not seen."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import functional
from fastsoftmax._linear.cv.folds import Fit
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.sklearn_compat import of_all_classes, scorer_of, takes_weights
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import folds as check_folds
from fastsoftmax._validation.columns import of_arrow
from fastsoftmax.blocks import Blocks

Score = Callable[[Fit, NDArray[np.intp]], float]  # of rows, the higher the better
Measure = Callable[[NDArray, NDArray], NDArray]  # of each row, from logits (n, K)
Params = dict[str, Any]  # of a scorer, name to value


def scored(
    scoring: object,
    problem: Problem,
    model: Callable[[NDArray, NDArray], Any],
    X: MatrixLike | Blocks,
    folds: list[check_folds.Fold],
    params: Params | None,
) -> Score:
    """The score that is asked for: on logits of all rows, or by a scorer on chosen rows.

    `model` makes an estimator of weights and intercepts. `params` are what scikit-learn's routing
    hands to a scorer; None without routing: the weights of the rows, where it takes them.
    """
    measure = own_measure(scoring)
    if measure is None:
        return by_scorer(scoring, problem, model, X, folds, params)
    weights = problem.targets.plain_weights
    require_weight(weights, folds)

    def by_logits(fit: Fit, rows: NDArray[np.intp]) -> float:
        z = both(fit.logits(rows))
        scores = measure(z, problem.targets.plain[rows])
        return average(scores, None if weights is None else weights[rows])

    return by_logits


def by_scorer(
    scoring: object,
    problem: Problem,
    model: Callable[[NDArray, NDArray], Any],
    X: MatrixLike | Blocks,
    folds: list[check_folds.Fold],
    params: Params | None,
) -> Score:
    """As `scored`, by a function of an estimator, features and labels."""
    check_folds.scoring(scoring, OWN)
    scorer = scorer_of(scoring)
    if params is None:
        weights = problem.targets.plain_weights
        params = {"sample_weight": weights} if takes_weights(scorer) else {}
    params = {name: value for name, value in params.items() if value is not None}
    if "sample_weight" in params:
        require_weight(np.asarray(params["sample_weight"]), folds)
    scorer = of_all_classes(scorer, problem.targets.classes)
    some, y = rows_by_number(X, problem), labels_of(problem)

    def by_rows(fit: Fit, rows: NDArray[np.intp]) -> float:
        chosen = {name: of_rows(value, rows, len(y)) for name, value in params.items()}
        estimator = model(fit.coef, fit.intercept)
        return check_folds.score(scorer(estimator, some(rows), y[rows], **chosen))

    return by_rows


def require_weight(weights: NDArray | None, folds: list[check_folds.Fold]) -> None:
    """Raise where the rows that a fold is to score have no weight."""
    if weights is not None:
        for i, (_, test) in enumerate(folds):
            check_folds.some_to_score(weights[test], i)


def labels_of(problem: Problem) -> NDArray:
    """The label of each row; of probabilities and counts the most probable class."""
    plain = problem.targets.plain
    return problem.targets.classes[plain if plain.ndim == 1 else plain.argmax(axis=1)]


def rows_by_number(X: MatrixLike | Blocks, problem: Problem) -> Callable[[NDArray[np.intp]], Any]:
    """Some rows of X in the form it has; of a sparse X as compressed rows."""
    if isinstance(X, Blocks):
        return partial(X.rows, scan=problem.rows.scan)
    if hasattr(X, "iloc"):
        return lambda rows: X.iloc[rows]
    if of_arrow(X):
        return lambda rows: X.take(rows)
    if sparse.issparse(X):
        X = X.tocsr()
    elif not hasattr(X, "shape"):
        X = np.asarray(X)
    return lambda rows: X[rows]


def of_rows(value: Any, rows: NDArray[np.intp], n: int) -> Any:
    """What a parameter of a scorer has for these rows, if it has something for each row."""
    return np.asarray(value)[rows] if np.ndim(value) and len(value) == n else value


def both(z: NDArray) -> NDArray:
    """Logits (n, K), of two classes too."""
    return z if z.shape[1] > 1 else np.column_stack([np.zeros_like(z), z])


def average(scores: NDArray, weights: NDArray | None) -> float:
    """That of the rows."""
    return float(np.average(scores, weights=weights))


def neg_log_loss(z: NDArray, targets: NDArray) -> NDArray:
    """Minus the cross-entropy of each row."""
    targets = targets if targets.ndim == 1 else targets.astype(z.dtype)
    return -functional.cross_entropy(z, targets, reduction="none")


def accuracy(z: NDArray, targets: NDArray) -> NDArray:
    """Whether the most probable class of each row is that of the target."""
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return (z.argmax(axis=1) == labels).astype(np.float64)


MEASURES: dict[str, Measure] = {"neg_log_loss": neg_log_loss, "accuracy": accuracy}
OWN = tuple(MEASURES)


def own_measure(scoring: object) -> Measure | None:
    """The measure of that name, if it needs logits alone; None stands for the first."""
    if scoring is None:
        return neg_log_loss
    return MEASURES.get(scoring) if isinstance(scoring, str) else None
