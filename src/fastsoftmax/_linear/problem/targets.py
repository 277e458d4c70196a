"""What y says, as an objective takes it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._validation import check
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import targets as check_targets

NOT_THE_MODELS = "classes that the model does not have"


class Encoding(NamedTuple):
    """How y is to be read."""

    target: str  # what it holds; "auto": its dtype and shape tell
    classes: ArrayLike | None  # names of its columns
    known: NDArray | None  # the classes of a model, if it is to have those
    several_labels: bool | None  # per row, as the model has; None where y is to tell
    indicators: bool  # whether several columns may be labels of their own
    class_weight: object
    label_smoothing: float

    def kind_of(self, y: ArrayLike) -> str:
        """Labels, probabilities, counts or indicators."""
        kind = check_targets.kind_of(y, self.target, self.indicators)
        if self.several_labels is not None:
            check_targets.same_kind(kind == "indicators", self.several_labels)
        return kind


class Targets(NamedTuple):
    """What the rows should be.

    Codes of labels, int32 (n,); probabilities (n, K), or (n, 1) of the second of two classes; or
    indicators, uint8 (n, K), one for each of several labels per row.
    """

    values: NDArray
    classes: NDArray
    weights: NDArray[np.float64] | None  # of the rows: those given, times events, times classes'
    n_logits: int
    # codes, shares of all classes or indicators, before smoothing and weights of classes
    plain: NDArray
    plain_weights: NDArray[np.float64] | None


def targets_of(
    y: ArrayLike | None,
    weights: NDArray[np.float64] | None,
    n: int,
    kind: str,
    encoding: Encoding,
) -> Targets:
    """Targets; probabilities in float64, whatever X is computed in.

    The weight of a class is one of the rows: of several classes in a row each counts as a row
    of its own, with its probability for a weight. Of several labels each has weights of its own:
    see `each_label`.
    """
    classes, known = encoding.classes, encoding.known
    if kind == "indicators":
        values = check_targets.indicators(y, n)
        k = values.shape[1]
        names = check_labels.class_names(classes, k) if known is None else known
        check_targets.a_column_each(k, names)
        return Targets(values, names, weights, k, values, weights)
    values, labels, weights = codes_or_shares(
        y, weights, n, kind=kind, classes=classes, known=known
    )
    if kind == "counts":
        check.usable_sum(weights, "y")
    return weighted(values, labels, weights, encoding.class_weight, encoding.label_smoothing)


def codes_or_shares(
    y: ArrayLike | None,
    weights: NDArray[np.float64] | None,
    n: int,
    *,
    kind: str,
    classes: ArrayLike | None,
    known: NDArray | None,
) -> tuple[NDArray, NDArray, NDArray[np.float64] | None]:
    """What y says of each row, the classes, and the weights of the rows, times their events."""
    if kind == "labels" and known is not None:
        values, labels = check_labels.known_codes(y, known, n, unknown=NOT_THE_MODELS), known
    elif kind == "labels":
        check_targets.no_names(classes)
        values, labels = check_labels.labels(y, n)
    else:
        if kind == "counts":
            values, events = check_targets.counts(y, n)
            with np.errstate(over="ignore"):
                weights = events if weights is None else events * weights
        else:
            values = check_targets.probabilities(y, n)
        labels = check_labels.class_names(classes, values.shape[1]) if known is None else known
        check_targets.a_column_each(values.shape[1], labels)
    return values, labels, weights


def weighted(
    values: NDArray,
    classes: NDArray,
    weights: NDArray[np.float64] | None,
    class_weight: object,
    label_smoothing: float,
    name: str = "class_weight",
) -> Targets:
    """Codes or probabilities of classes, smoothed and weighted by class.

    The weight of a class is a factor of its term of the smoothed cross-entropy, as in PyTorch.
    """
    if class_weight is None:
        return with_class_weights(values, classes, weights, None, label_smoothing)
    totals = class_totals(values, weights, len(classes))
    by_class = check_targets.class_weights(class_weight, classes, totals, name)
    targets = with_class_weights(values, classes, weights, by_class, label_smoothing)
    check.usable_sum(targets.weights, name)
    return targets


def with_class_weights(
    values: NDArray,
    classes: NDArray,
    weights: NDArray[np.float64] | None,
    by_class: NDArray[np.float64] | None,
    label_smoothing: float,
) -> Targets:
    """The same for weights of the classes, (K,), or None."""
    k, plain, plain_weights = len(classes), values, weights
    if label_smoothing:
        values = values if values.ndim == 2 else np.eye(k)[values]
        values = (1 - label_smoothing) * values + label_smoothing / k
    if by_class is not None:
        of_rows = by_class[values] if values.ndim == 1 else values @ by_class
        if values.ndim == 2:
            values = values * by_class / np.where(of_rows > 0, of_rows, 1)[:, None]
        with np.errstate(over="ignore"):
            weights = of_rows if weights is None else of_rows * weights
    n_logits = 1 if k == 2 else k
    if values.ndim == 2:
        values = np.ascontiguousarray(values[:, -n_logits:], np.float64)
    return Targets(values, classes, weights, n_logits, plain, plain_weights)


def class_totals(
    values: NDArray, weights: NDArray[np.float64] | None, k: int
) -> NDArray[np.float64]:
    """The weight of each class's rows."""
    if values.ndim == 1:
        return np.bincount(values, weights, k).astype(np.float64)
    weights = np.ones(len(values)) if weights is None else weights
    return np.einsum("n,nk->k", weights, values, dtype=np.float64)


def referred(coef: NDArray, intercept: NDArray, reference: int | None) -> tuple[NDArray, NDArray]:
    """Less those of the reference class: the same probabilities. One logit refers to a class as
    it is."""
    if reference is None or len(coef) == 1:
        return coef, intercept
    return coef - coef[reference], intercept - intercept[reference]
