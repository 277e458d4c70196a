"""Folds of cross-validation, and the grid of strengths, checked."""

import numbers
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import caller
from fastsoftmax._validation.arrays import shown

STRENGTHS = "a number of strengths >= 1 or an array of numbers > 0"
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to train on, and to score


def strengths(Cs: object) -> NDArray[np.float64]:
    """The grid: so many numbers from 1e-4 to 1e4, or these."""
    if isinstance(Cs, numbers.Integral) and not isinstance(Cs, bool):
        if Cs < 1:
            raise ValueError(f"Cs: expected {STRENGTHS}, got {shown(Cs)}")
        try:
            return np.logspace(-4, 4, int(Cs))
        except (ValueError, MemoryError, OverflowError):
            raise ValueError(
                f"Cs: expected a number of strengths that memory can hold, got {shown(Cs)}"
            ) from None
    try:
        grid = np.asarray(Cs, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"Cs: expected {STRENGTHS}, got {shown(Cs)}") from None
    except OverflowError:
        raise ValueError(f"Cs: expected numbers that float64 can hold, got {shown(Cs)}") from None
    if grid.ndim != 1 or not len(grid):
        raise ValueError(f"Cs: expected {STRENGTHS}, got {shown(Cs)}")
    if not (grid > 0).all():
        at = int(np.argmin(grid > 0))
        raise ValueError(f"Cs: expected numbers > 0, got {grid[at]} at index {at}")
    return grid


def some_start(C_max: float, Cs: object) -> None:
    """Raise where a grid is to begin at a C that does not exist."""
    if C_max == np.inf:
        raise ValueError(
            "Cs: expected an array of strengths where no C gives a penalised weight that is not 0, "
            f"as of features that are constant, so that a grid has nowhere to begin, got {Cs}"
        )


def enough(n_folds: int, selection: str) -> None:
    """Raise where a standard error would be that of one fold."""
    if selection == "1se" and n_folds < 2:
        raise ValueError(
            f"cv: expected at least 2 folds for selection='1se', which takes the standard error of "
            f"their scores, got {n_folds}"
        )


def folds(cv: Any, labels: NDArray, X: ArrayLike, params: dict[str, Any]) -> list[Fold]:
    """Rows to train on and to score, for each fold; a splitter is handed `params`, too."""
    n = len(labels)
    cv = 5 if cv is None else cv
    if isinstance(cv, numbers.Integral) and not isinstance(cv, bool):
        if not 2 <= cv <= n:
            raise ValueError(f"cv: expected 2..{n} folds, got {shown(cv)}")
        of_row = stratified(labels, int(cv))
        pairs: Iterable[Any] = (
            (np.flatnonzero(of_row != i), np.flatnonzero(of_row == i)) for i in range(cv)
        )
    elif hasattr(cv, "split") and not isinstance(cv, str):
        pairs = cv.split(X, labels, **params)
    elif isinstance(cv, Iterable) and not isinstance(cv, str):
        pairs = cv
    else:
        raise TypeError(
            f"cv: expected a number of folds, 'loo', a splitter or pairs of rows, got {shown(cv)}"
        )
    checked = [pair(rows, n, i) for i, rows in enumerate(pairs)]
    if not checked:
        raise ValueError("cv: expected at least one fold, got none")
    return checked


def pair(rows: Any, n: int, i: int) -> Fold:
    """Two arrays of row numbers, from these or from masks."""
    if not isinstance(rows, tuple | list) or len(rows) != 2:
        raise ValueError(f"cv: expected pairs of rows, to train on and to score, got {shown(rows)}")
    found = []
    for part in rows:
        part = np.asarray(part)
        part = np.flatnonzero(part) if part.dtype == bool and part.shape == (n,) else part
        if part.ndim != 1 or part.dtype.kind not in "iu" or not len(part):
            raise ValueError(f"cv: expected row numbers in fold {i}, got {shown(part)}")
        if (beyond := (part < -n) | (part >= n)).any():
            got = part[np.argmax(beyond)]
            raise ValueError(f"cv: expected row numbers 0..{n - 1} in fold {i}, got {got}")
        found.append(part.astype(np.intp) % n)
    return found[0], found[1]


def stratified(labels: NDArray, k: int, argument: str = "cv") -> NDArray[np.intp]:
    """The fold of each row: each class's rows, in their order, in k runs, as equal as the folds of
    all rows stay. Classes are numbered as they appear, so that the folds are scikit-learn's."""
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    named = np.sort(first)
    codes = first.argsort().argsort()[codes]
    order = np.sort(codes)
    shares = np.stack([np.bincount(order[i::k], minlength=codes.max() + 1) for i in range(k)])
    warn_of_few(shares.sum(axis=0), labels[named].tolist(), k, argument)
    out = np.empty(len(codes), np.intp)
    for label in range(shares.shape[1]):
        out[codes == label] = np.repeat(np.arange(k), shares[:, label])
    return out


def warn_of_few(counts: NDArray[np.intp], classes: list[Any], k: int, argument: str) -> None:
    """Warn of folds without a row of some class to score; a single row is an error, as its fold
    has none to train on."""
    at = int(np.argmin(counts))
    if 1 < counts[at] < k:
        caller.warn(
            f"{argument}: expected at least {k} rows of each class for {k} folds, got "
            f"{counts[at]} of class {classes[at]!r}, the least populated",
            UserWarning,
        )


def all_classes(
    rows: NDArray[np.float64],
    given: NDArray[np.float64],
    totals: NDArray[np.float64],
    classes: NDArray,
    i: int,
    argument: str,
) -> None:
    """Raise where a class has no weight among the rows that fold i trains on.

    Of each class: its rows there, their weights, and these times that of the class.
    """
    if not (missing := totals <= 0).any():
        return
    at = int(np.argmax(missing))
    label = classes.tolist()[at]
    if rows[at] <= 0:
        raise ValueError(
            f"{argument}: expected rows of each class to train on in each fold, got none of class "
            f"{label!r} in fold {i}"
        )
    name = "sample_weight" if given[at] <= 0 else "class_weight"
    raise ValueError(
        f"{name}: expected a positive weight for each class among the rows to train on in each "
        f"fold, got zeros only for class {label!r} in fold {i}"
    )


def some_to_score(weights: NDArray[np.float64], i: int) -> None:
    """Raise where the rows that fold i scores have no weight."""
    if not weights.any():
        raise ValueError(
            "sample_weight: expected a positive weight among the rows to score in each fold, got "
            f"zeros only in fold {i}"
        )


def scoring(value: object, own: Iterable[str]) -> None:
    """Raise for what is neither a name nor a function."""
    if not isinstance(value, str) and not callable(value):
        raise TypeError(
            f"scoring: expected None, {', '.join(own)}, another name of scikit-learn's or a "
            f"function scorer(estimator, X, y), got {shown(value)}"
        )


def score(value: object) -> float:
    """What a scorer returns: a number, or NaN."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"scoring: expected a function that returns a number, got {shown(value)} from it"
        ) from None


def some_number(missing: NDArray[np.bool_]) -> None:
    """Raise where no fit of a fold has a score."""
    if missing.all():
        raise ValueError(f"scoring: expected a number, got NaN in all {missing.size} fits of folds")


def listed(folds: NDArray[np.intp]) -> str:
    """Some numbers of folds, to show."""
    some = ", ".join(map(str, folds[:10].tolist()))
    return some if len(folds) <= 10 else f"{some}, …"


def is_leave_one_out(cv: object) -> bool:
    """Whether each row is to be left out in turn."""
    return isinstance(cv, str) and cv == "loo"


M = TypeVar("M")


def of_rows(measure: M | None, value: object, own: Iterable[str]) -> M:
    """What scores single rows; raises where that would take an estimator for each."""
    if measure is None:
        raise ValueError(
            f"scoring: expected None, {' or '.join(map(repr, own))} with cv='loo', which has "
            f"logits for each row but no estimator, got {shown(value)}; use cv=5 for it"
        )
    return measure


def no_l1(l1_ratio: float) -> None:
    """Raise for a penalty that has no Hessian."""
    if l1_ratio:
        raise ValueError(
            f"l1_ratio: expected 0 with cv='loo', which needs the Hessian, got {l1_ratio:g}; "
            "use cv=5 for it"
        )


def few_enough(are: bool, most: int, of_features: int, of_rows: int) -> None:
    """Raise where all Hessians would be too large."""
    if not are:
        raise ValueError(
            f"cv: expected at most {most} weights with 'loo', of features or of rows, whose space "
            f"then serves, got {of_features} and {of_rows}; use cv=5"
        )


def models_of_folds(cv: object) -> None:
    """Raise where there are no models of folds."""
    if is_leave_one_out(cv):
        raise ValueError(
            "cv: expected folds, whose coefficients coefs_paths_ has, got 'loo', which makes none; "
            "use SoftmaxRegressionCV for it"
        )


def no_partitions(got: str) -> None:
    """Raise for rows that an engine would hold."""
    raise TypeError(
        f"X: expected an array or Blocks for cross-validation, got {got}; fit one estimator with "
        "warm_start for each C, and score it on rows that are held out"
    )
