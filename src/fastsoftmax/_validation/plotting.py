"""What the user passes to a display, checked, with the promises of `_validation`."""

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime.sklearn_compat import require_fit
from fastsoftmax._validation.arrays import shown
from fastsoftmax._validation.labels import names as classes_shown
from fastsoftmax._validation.numbers import one_of  # noqa: F401  for displays

History = Sequence[Any]


def history(value: object, argument: str = "history") -> History:
    """The entries of a `history_`."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError(
            f"{argument}: expected the history_ of a fitted estimator, of one entry or more, "
            f"got {shown(value)}"
        )
    fields = getattr(value[0], "_fields", ())
    if "seconds" not in fields or any(getattr(e, "_fields", ()) != fields for e in value):
        raise TypeError(
            f"{argument}: expected entries as a history_ holds them, got {type(value[0]).__name__}"
        )
    return value


def fitted(estimator: object) -> None:
    """Check that this is an estimator of fastsoftmax after its fit."""
    if not hasattr(type(estimator), "fit"):
        raise TypeError(
            f"estimator: expected a fitted estimator of fastsoftmax, got {type(estimator).__name__}"
        )
    require_fit(estimator, "n_features_in_")
    if not hasattr(estimator, "history_"):
        raise TypeError(
            f"estimator: expected one of fastsoftmax, which has a history_, "
            f"got {type(estimator).__name__}"
        )


def history_of(estimator: object) -> History:
    """The `history_` of a fitted estimator."""
    fitted(estimator)
    return history(estimator.history_, "estimator.history_")


def several(value: object, argument: str) -> dict[str, Any]:
    """Names and what they stand for."""
    if not isinstance(value, Mapping) or not value:
        raise TypeError(
            f"{argument}: expected a mapping of names, of one or more, got {type(value).__name__}"
        )
    return {str(name): each for name, each in value.items()}


def has_metric(found: object, metric: str, known: Iterable[str]) -> None:
    """Check that a history has what is to be drawn."""
    if found is None:
        raise ValueError(
            f"metric: this history has no {metric!r}, expected one of {', '.join(known)}"
        )


def optimum(value: object) -> float:
    """The least value of an objective, as far as the user knows it."""
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"optimum: expected a finite number, got {shown(value)}")
    return float(value)


def some_gap(gaps: NDArray, least: float) -> None:
    """Check that there is a point to draw on a logarithmic axis."""
    if not (gaps > 0).any():
        raise ValueError(
            f"optimum: expected a value below the history's least, {least:g}, since there is no "
            "other point to draw"
        )


def layer(value: object, n_layers: int) -> int:
    """The number of a layer."""
    if not isinstance(value, numbers.Integral) or not -n_layers <= value < n_layers:
        raise ValueError(f"layer: expected an integer from 0 to {n_layers - 1}, got {shown(value)}")
    return int(value) % n_layers


def weights(value: ArrayLike) -> NDArray:
    """Weights (units, features), of numbers that are finite."""
    W = np.asarray(value)
    if W.ndim != 2 or not W.size or W.dtype.kind not in "fiu":
        raise ValueError(
            "weights: expected numbers of shape (units, features), got "
            f"{W.dtype} of shape {W.shape}"
        )
    if not np.isfinite(W).all():
        raise ValueError("weights: expected finite numbers")
    return W


def image_shape(value: object, n_features: int) -> tuple[int, int] | None:
    """(height, width) of a unit's weights; None for no image. "auto": a square, if it is one."""
    if value is None:
        return None
    if isinstance(value, str) and value == "auto":
        side = math.isqrt(n_features)
        return (side, side) if side * side == n_features and side > 1 else None
    shape = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    whole = len(shape) == 2 and all(isinstance(n, numbers.Integral) and n > 0 for n in shape)
    if not whole or shape[0] * shape[1] != n_features:
        raise ValueError(
            f"image_shape: expected 'auto', None or (height, width) of {n_features} features, "
            f"got {shown(value)}"
        )
    return int(shape[0]), int(shape[1])


def unit_names(value: Iterable[object] | None, n_units: int, of: str = "unit") -> list[str]:
    """A name for each unit, or what else is drawn."""
    value = range(n_units) if value is None else value
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"names: expected {n_units}, one per {of}, got {shown(value)}")
    names = [str(name) for name in value]
    if len(names) != n_units:
        raise ValueError(f"names: expected {n_units}, one per {of}, got {len(names)}")
    return names


def keywords(given: Iterable[str], display: type) -> None:
    """Raise for what is no keyword of a display's."""
    known = [field.name for field in fields(display)][1:]
    if unknown := [name for name in given if name not in known]:
        raise TypeError(
            f"{display.__name__}: unknown parameter {unknown[0]!r}, expected one of "
            f"{', '.join(known)}"
        )


def positive(value: object, name: str) -> float:
    """A number of an axis or of a scale."""
    if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {shown(value)}")
    return float(value)


def path(value: Any) -> Any:
    """What `softmax_path` returned."""
    if not all(hasattr(value, name) for name in ("Cs", "coefs", "classes", "n_nonzero")):
        raise TypeError(f"path: expected what softmax_path returns, got {type(value).__name__}")
    return value


def class_of(label: object, classes: NDArray) -> int:
    """The number of a class."""
    places = np.flatnonzero(classes == label)
    if not len(places):
        raise ValueError(
            f"label: expected one of the classes ({classes_shown(classes)}), got {shown(label)}"
        )
    return int(places[0])
