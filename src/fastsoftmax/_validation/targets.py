"""What estimators are to learn: labels, probabilities, counts or indicators of classes, checked."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._validation import numbers as check
from fastsoftmax._validation.arrays import as_targets, real_array, require_finite, shown
from fastsoftmax._validation.labels import is_one_column, names, numbers_of

USUAL_OF_A_STREAM = {
    "l1_ratio": 0, "penalty_factor": None, "standardize": False, "calibrate": None,
}  # fmt: skip
KINDS = ("auto", "labels", "probabilities", "counts", "indicators")
SUM = 1e-3  # by which probabilities of a row may miss 1, as those of float16 do,
BFLOAT16_SUM = 4e-3  # and twice what those of bfloat16 can


def as_table(y: ArrayLike) -> ArrayLike:
    """y, dense where it is sparse."""
    return y.toarray() if sparse.issparse(y) else y


def kind_of(y: ArrayLike, target: object, indicators: bool) -> str:
    """What y is, where it has several columns, unless `target` says so."""
    if target not in KINDS:
        known = KINDS if indicators else KINDS[:-1]
        raise ValueError(
            f"target: expected one of {', '.join(known)}, got {shown(target)}"
            + check.meant(target, known)
        )
    if target != "auto":
        if target == "indicators" and not indicators:
            raise ValueError(
                "target: expected labels, probabilities or counts, got 'indicators': several "
                "labels per row are for LogisticRegression"
            )
        return str(target)
    if is_one_column(y):
        return "labels"
    y = as_targets(y, "y", "labels")
    if y.ndim != 2 or y.shape[1] == 1:
        return "labels"
    if indicators:
        return "indicators"
    if says_several_labels(y):
        got = "booleans" if y.dtype.kind == "b" else "integers 0 and 1"
        raise ValueError(
            f"y: expected one label per row, got {got} in {y.shape[1]} columns, which "
            "mean several labels: LogisticRegression fits those. target='counts' or "
            "'probabilities' gives the columns another meaning"
        )
    return "probabilities" if y.dtype.kind == "f" else "counts"


def says_several_labels(y: NDArray) -> bool:
    """Whether a table means several labels per row: integers or booleans, all of them 0 or 1."""
    return y.dtype.kind == "b" or (y.dtype.kind in "iu" and bool(((y == 0) | (y == 1)).all()))


def a_table(y: NDArray, kind: str) -> None:
    """Raise for labels where there should be a column for each class."""
    if y.ndim != 2:
        raise ValueError(f"y: expected {kind} of shape (n, K), got labels, of shape (n,)")


def a_column_each(columns: int, classes: NDArray) -> None:
    """Raise unless a table has a column for each class of a model."""
    if columns != len(classes):
        raise ValueError(
            f"y: expected {len(classes)} columns, one per class of the model ({names(classes)}), "
            f"got {columns}"
        )


def same_kind(several_labels: bool, expected: bool) -> None:
    """Raise unless rows have one label, or several, as those of the model had."""
    if several_labels != expected:
        kinds = "one label", "several labels"
        raise ValueError(
            f"y: expected {kinds[expected]} per row, as the model has, got {kinds[several_labels]}"
        )


def no_names(classes: ArrayLike | None) -> None:
    if classes is not None:
        raise ValueError(
            "classes: expected None where y holds labels, which are names, got an argument"
        )


def table(y: ArrayLike, n: int, expected: str) -> NDArray:
    """Numbers >= 0, a row of several for each of the n rows of X."""
    y = real_array(y, "y")
    if y.ndim != 2 or len(y) != n or y.shape[1] < 2:
        raise ValueError(f"y: expected {expected} of shape ({n}, K), K >= 2, got shape {y.shape}")
    require_finite(y, "y")
    if (negative := y < 0).any():
        row, column = np.argwhere(negative)[0]
        raise ValueError(
            f"y: expected {expected} >= 0, got {y[row, column]} in row {row}, column {column}"
        )
    return y


def most_beside_one(y: ArrayLike) -> float:
    """What the sum of a row of probabilities may miss 1 by, in the dtype in which they came."""
    return BFLOAT16_SUM if "bfloat16" in str(getattr(y, "dtype", "")) else SUM


def probabilities(y: ArrayLike, n: int) -> NDArray[np.float64]:
    """Rows that sum to 1, exactly so in the result."""
    most = most_beside_one(y)
    y = table(y, n, "probabilities").astype(np.float64)
    sums = y.sum(axis=1)
    if (wrong := np.abs(sums - 1) > most).any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"y: expected probabilities that sum to 1, got a sum of {sums[row]:g} in row {row} "
            "(counts are integers, or target='counts')"
        )
    return y / sums[:, None]


def counts(y: ArrayLike, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the classes in each row's events, and how many these are."""
    y = table(y, n, "counts").astype(np.float64)
    with np.errstate(over="ignore"):
        events = y.sum(axis=1)
    if not np.isfinite(events).all():
        row = int(np.argmin(np.isfinite(events)))
        raise ValueError(f"y: expected counts of finite sums, got a sum > 1.8e308 in row {row}")
    if not events.all():
        row = int(np.argmin(events))
        raise ValueError(f"y: expected at least one event per row, got none in row {row}")
    return y / events[:, None], events


def indicators(y: ArrayLike, n: int, *, whole: bool = True) -> NDArray[np.uint8]:
    """0 or 1 for each label of each row; both in each column, if these are all rows."""
    y = table(y, n, "0 and 1")
    if (wrong := (y != 0) & (y != 1)).any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"y: expected 0 and 1, whether a label holds, got {y[row, column]} in row {row}, "
            f"column {column}"
        )
    if whole:
        varied((y == 1).any(axis=0), (y == 0).any(axis=0))
    return np.ascontiguousarray(y, np.uint8)


def varied(on: NDArray[np.bool_], off: NDArray[np.bool_]) -> None:
    """Raise unless each column has both."""
    if (constant := ~(on & off)).any():
        column = int(np.argmax(constant))
        raise ValueError(
            f"y: expected 0 and 1 in each column, got {int(on[column])} alone in column {column}"
        )


def class_weights(
    weight: object,
    classes: NDArray,
    totals: NDArray[np.float64],
    name: str = "class_weight",
) -> NDArray[np.float64] | None:
    """Weights of the classes, whose rows weigh `totals`; None where all are 1."""
    if weight is None:
        return None
    if isinstance(weight, str) and weight == "balanced":
        return totals.sum() / (len(classes) * np.where(totals > 0, totals, np.inf))
    if not isinstance(weight, Mapping):
        raise ValueError(f"{name}: expected None, a dict or 'balanced', got {shown(weight)}")
    known = numbers_of(weight, classes)
    weights = np.ones(len(classes))
    unknown = [label for label in weight if label not in known]
    if unknown and len(weight) - len(unknown) < len(classes):
        # a fold may lack a class, but then all that it has are named
        raise ValueError(
            f"{name}: expected classes of y ({names(classes)}) as keys, got {unknown[0]!r}"
        )
    for label, value in weight.items():
        value = check.number(value, f"{name}[{label!r}]", least=0)
        if label in known:
            weights[known[label]] = value
    if not np.isfinite(weights).all():
        raise ValueError(f"{name}: expected finite numbers, got {dict(weight)}")
    if not weights[totals > 0].any():
        raise ValueError(f"{name}: expected a positive weight for a class of y, got zeros")
    return weights


def for_a_stream(estimator: Any, several_labels: bool) -> None:
    """Raise for parameters that change the model that `fit` finds, but which `partial_fit` does not
    know."""
    if several_labels:
        raise ValueError("partial_fit: expected a model of one label per row, got one of several")
    for name, usual in USUAL_OF_A_STREAM.items():
        value = getattr(estimator, name, usual)
        if value is not usual and (usual is None or value != usual):
            raise ValueError(
                f"{name}: expected {usual!r} for partial_fit, which has an L2 penalty of features "
                f"as they are and holds out no rows, got {shown(value)}"
            )
    weight = estimator.class_weight
    if isinstance(weight, str) and weight == "balanced":
        raise ValueError(
            "class_weight: expected None or a dict for partial_fit, which does not see all rows, "
            "got 'balanced'"
        )


def reference(label: object, classes: NDArray) -> int | None:
    """Which of the classes the reference is; None for none."""
    if label is None:
        return None
    number = numbers_of([label], classes).get(label) if isinstance(label, Hashable) else None
    if number is None:
        raise ValueError(
            f"reference_class: expected one of the classes ({names(classes)}), got {shown(label)}"
        )
    return number


def no_class_weight(value: Any) -> None:
    """Raise where rows in partitions have several labels, of which each has weights of its own."""
    if value is not None:
        raise ValueError(
            f"class_weight: expected None where y of Partitions has several labels, got "
            f"{shown(value)}; arrays and Blocks take it"
        )


def weights_of_each_label(weight: object, k: int) -> list[tuple[object, str]]:
    """What `class_weights` is to take for each of several labels, and what it is called."""
    if not isinstance(weight, list | tuple):
        return [(weight, "class_weight")] * k
    if len(weight) != k:
        raise ValueError(
            f"class_weight: expected a dict for each of the {k} labels, got {len(weight)}"
        )
    return [(each, f"class_weight[{i}]") for i, each in enumerate(weight)]


def smoothing(value: object) -> float:
    """A share of 0..1, 1 not included."""
    if isinstance(value, check.REAL) and not 0 <= value < 1:
        raise ValueError(f"label_smoothing: expected a number >= 0 and < 1, got {shown(value)}")
    return check.fraction(value, "label_smoothing")


def no_several_labels(several_labels: bool) -> None:
    """Raise where a model of scikit-learn's is asked for that it does not have."""
    if several_labels:
        raise ValueError(
            "to_sklearn: expected a model of one label per row, got one of several; scikit-learn's "
            "LogisticRegression knows none such"
        )
