"""Labels of classes: an array of them checked, and numbered (part of `_validation`)."""

import itertools
import numbers
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._validation.arrays import as_array, shown


def labels(y: ArrayLike, n: int) -> tuple[NDArray[np.int32], NDArray]:
    """Codes 0..K-1 of the labels y, and the K >= 2 distinct labels in order."""
    encoded = encoded_elsewhere(y)
    if encoded is None:
        codes, classes = numbered(one_a_row(y, n, "y"), "y")
    else:
        codes, classes = of_categories(y, *encoded, n, "y")
    if len(classes) < 2:
        raise ValueError(
            f"y: expected at least 2 classes, got 1 class: {classes.tolist()[0]!r}. "
            "Classifier can't train when only one class is present."
        )
    return codes, classes


TIMES = {"M": (np.datetime64, date), "m": (np.timedelta64, timedelta)}  # NumPy's, and Python's
OF_ARROW = "StringArray", "LargeStringArray", "ChunkedArray"


def is_one_column(y: Any) -> bool:
    """Whether y has one dimension, as it says itself: labels need not become an array for that."""
    return getattr(y, "ndim", None) == 1 or type(y).__name__ in OF_ARROW


def encoded_elsewhere(y: Any) -> tuple[ArrayLike, ArrayLike] | None:
    """Codes and categories, -1 for missing labels, of what pandas or Arrow has numbered, or numbers
    in one pass over the memory of its strings; None of everything else."""
    dtype = getattr(y, "dtype", None)
    match type(dtype).__name__:
        case "CategoricalDtype":
            return getattr(y, "cat", y).codes, dtype.categories
        case "StringDtype" | "ArrowDtype" if dtype.type is str:
            return y.factorize()
    if type(y).__name__ in OF_ARROW:
        y = y.combine_chunks() if hasattr(y, "combine_chunks") else y
        if str(y.type) in ("string", "large_string"):
            y = y.dictionary_encode()
            return y.indices.fill_null(-1).to_numpy(), y.dictionary
    return None


def of_categories(
    y: ArrayLike, codes: ArrayLike, categories: ArrayLike, n: int, name: str
) -> tuple[NDArray[np.int32], NDArray]:
    """As `numbered`, of labels y that are numbered already."""
    places = one_a_row(np.asarray(codes), n, name)
    present, places = distinct(places)
    if len(present) and present[0] < 0:
        row = int(np.argmax(places == 0))
        label = np.asarray(y, object)[row]
        raise ValueError(
            f"{name}: expected labels, got {label!r} in row {row} (input contains NaN or None)"
        )
    codes, classes = numbered(array_of(np.asarray(categories)[present], name), name, places)
    return codes[places], classes


def one_a_row(y: ArrayLike, n: int, name: str) -> NDArray:
    """n labels, 1-d."""
    if sparse.issparse(y):
        raise TypeError(f"{name}: expected labels, got a sparse {type(y).__name__}")
    if y is None:
        raise ValueError(
            f"{name}: expected labels: fit requires y to be passed, but the target y is None"
        )
    y = array_of(y, name)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"{name}: expected labels of shape ({n},), got shape {y.shape}")
    if len(y) != n:
        raise ValueError(f"{name}: expected {n} labels, one per row of X, got {len(y)}")
    return y


def array_of(y: ArrayLike, name: str) -> NDArray:
    """Labels as an array of integers, whole floats, booleans, strings, dates, durations, or objects
    that are such."""
    array = as_array(y, name, "labels")
    if array.dtype.kind == "T":  # NumPy's strings of any length
        array = array.astype(object)
    if array.dtype.kind in "mM" and np.isnat(array).any():
        row = int(np.argmax(np.isnat(array.ravel())))
        raise ValueError(f"{name}: expected labels, got NaT in row {row}")
    if array.dtype.kind not in "biufUSOmM":
        raise ValueError(
            f"{name}: expected integer, boolean, string or datetime64 labels, got dtype "
            f"{array.dtype}"
        )
    if array.dtype.kind in "US" and isinstance(y, list | tuple):
        for row, label in enumerate(y):  # NumPy takes numbers beside strings for strings
            if label is None or isinstance(label, numbers.Number):
                raise ValueError(
                    f"{name}: expected labels of one kind, got a mixture: {shown(label)} among "
                    f"strings in row {row}"
                )
    if array.dtype == object and array.ndim and array.size == len(array):  # not a table
        return array.astype(_plain_dtype(array.ravel().tolist(), name), copy=False)
    return array


def of_plain_dtype(y: ArrayLike) -> ArrayLike:
    """y, if it is an array of objects that are all numbers, as numbers."""
    if sparse.issparse(y) or getattr(getattr(y, "dtype", None), "kind", None) != "O":
        return y
    array = np.asarray(y)
    return array_of(array, "y") if array.ndim == 1 else array


def numbered(
    y: NDArray, name: str, places: NDArray | slice = slice(None)
) -> tuple[NDArray[np.int32], NDArray]:
    """Codes 0..K-1 of labels, and these in order; `places` says which of them each row has."""
    try:
        classes, codes = distinct(y)
    except TypeError as error:
        raise ValueError(
            f"{name}: expected labels that can be ordered, got a mixture: {error}"
        ) from error
    if classes.dtype.kind in "fO":
        if classes.dtype.kind == "f":
            finite(y[places], name)
        for code, label in enumerate(classes):
            if not is_whole(label):
                row = int(np.argmax(codes[places] == code))
                raise ValueError(
                    f"{name}: expected class labels, got continuous values such as {label} in row "
                    f"{row}. Unknown label type: continuous"
                )
    return codes.astype(np.int32, copy=False), classes


def finite(y: NDArray, name: str) -> None:
    """Raise for the first label, of floats, that is none."""
    if not (known := np.isfinite(y)).all():
        row = int(np.argmin(known))
        raise ValueError(
            f"{name}: expected labels, got {y[row]} in row {row} (input contains NaN or infinity)"
        )


def _plain_dtype(values: list, name: str) -> np.dtype:
    """That of objects that are all integers, booleans or floats; otherwise objects they stay.

    Raises for missing values, and for what cannot be told apart.
    """
    try:
        different = dict.fromkeys(values)
    except TypeError as error:
        raise ValueError(f"{name}: expected numbers or strings as labels: {error}") from error
    for label in different:
        if is_missing(label):
            row = next(i for i, value in enumerate(values) if value is label)
            raise ValueError(
                f"{name}: expected labels, got {label!r} in row {row} (input contains NaN or None)"
            )
    if not all(isinstance(label, int | float | np.number | np.bool_) for label in different):
        return np.dtype(object)
    plain = np.array(list(different)).dtype
    return plain if plain.kind in "biuf" else np.dtype(object)


def is_missing(label: object) -> bool:
    """Whether it is None, NaN or the like of other libraries."""
    if label is None:
        return True
    try:
        return bool(label != label)
    except TypeError:  # of pandas' NA
        return True


def is_whole(label: object) -> bool:
    """Whether a label is no number with a fraction."""
    is_fraction = isinstance(label, numbers.Real) and not isinstance(label, numbers.Integral)
    return not is_fraction or label == int(label)


def distinct(y: NDArray) -> tuple[NDArray, NDArray]:
    """`numpy.unique` and which of these each label is; integers near each other without sorting,
    strings and objects by hashing."""
    if y.size and np.can_cast(y.dtype, np.int64):
        lowest = int(y.min())
        if int(y.max()) - lowest < max(y.size, 1024):
            places = y.astype(np.int64, copy=False)
            places = places - lowest if lowest else places
            present = np.bincount(places) > 0
            found = (present.nonzero()[0] + lowest).astype(y.dtype)
            if len(found) == len(present):
                return found, places.astype(np.int32)
            codes = np.cumsum(present, dtype=np.int32) - np.int32(1)
            return found, codes[places]
    if y.dtype.kind not in "USO":
        return np.unique(y, return_inverse=True)
    number_of: dict[Any, int] = defaultdict(itertools.count().__next__)  # as labels appear
    numbers = np.fromiter(map(number_of.__getitem__, y.tolist()), np.int32, len(y))
    labels = sorted(number_of)
    classes, code_of = np.empty(len(labels), y.dtype), np.empty(len(labels), np.int32)
    classes[:] = labels
    code_of[[number_of[label] for label in labels]] = np.arange(len(labels))
    return classes, code_of[numbers]


def known_codes(
    y: ArrayLike,
    classes: NDArray,
    n: int,
    name: str = "y",
    unknown: str = "classes that were not there in the first fit",
) -> NDArray[np.int32]:
    """Codes of labels, all of which are among the classes, in whatever dtype and order."""
    y = one_a_row(y, n, name)
    if y.dtype.kind in "mM" and y.dtype.kind == classes.dtype.kind:  # of another unit, perhaps
        dtype = np.result_type(y, classes)
        y, classes = y.astype(dtype), classes.astype(dtype)
    code_of = {label: code for code, label in enumerate(classes.tolist())}
    if y.dtype == object:  # which need no order
        found, places = y.tolist(), slice(None)
    else:
        found, places = distinct(y)
        found = found.tolist()
    codes = np.array([code_of.get(label, -1) for label in found], np.int32)
    if (codes < 0).any():
        row = int(np.argmax(codes[places] < 0))
        raise ValueError(
            f"{name}: expected labels of [{names(classes)}], got "
            f"{shown(y[row : row + 1].tolist()[0])} in row {row} ({unknown})"
        )
    return codes[places]


def as_objects(labels: NDArray) -> list[Any]:
    """Python's objects, and of dates and durations NumPy's: Python has no nanoseconds."""
    return list(labels) if labels.dtype.kind in TIMES else labels.tolist()


def numbers_of(labels: Iterable[Any], classes: NDArray) -> dict[Any, int]:
    """The numbers of those labels that are classes; dates and durations in any form and unit."""
    known = {each: i for i, each in enumerate(classes.tolist())}
    found = {label: known[label] for label in labels if label in known}
    if classes.dtype.kind in TIMES:
        numpys, pythons = TIMES[classes.dtype.kind]
        for label in labels:
            is_time = isinstance(label, numpys | pythons) and not is_missing(label)
            if is_time and (same := classes == numpys(label)).any():
                found[label] = int(np.argmax(same))
    return found


def names(classes: NDArray) -> str:
    """Some of the classes, to show."""
    some = ", ".join(map(repr, classes[:10].tolist()))
    return some if len(classes) <= 10 else f"{some}, …"


def all_classes(classes: ArrayLike, name: str = "classes") -> NDArray:
    """Different labels, 1-d, in the order in which they are given."""
    array = array_of(classes, name)
    if array.ndim != 1:
        got = f"shape {array.shape}" if array.ndim else f"a {type(classes).__name__}"
        raise ValueError(f"{name}: expected a sequence of labels, got {got}")
    if array.dtype.kind == "f":
        finite(array, name)
    return array


def classes_of_first_fit(classes: ArrayLike | None) -> NDArray:
    """The classes that `partial_fit` is told of when it is first called, in order."""
    if classes is None:
        raise ValueError("classes: expected all labels on the first call to partial_fit, got None")
    found = numbered(all_classes(classes), "classes")[1]
    if len(found) < 2:
        raise ValueError(f"classes: expected at least 2 classes, got {found.tolist()}")
    return found


def same_classes(classes: ArrayLike | None, known: NDArray) -> None:
    """Raise if a further call to `partial_fit` brings other classes."""
    if classes is None:
        return
    labels = as_objects(all_classes(classes))
    numbers = numbers_of(labels, known)
    if not all(label in numbers for label in labels) or len(set(numbers.values())) < len(known):
        raise ValueError(
            f"classes: expected [{names(known)}] as on the first call to partial_fit, got "
            f"{shown(classes)}"
        )


def class_names(classes: ArrayLike | None, k: int) -> NDArray:
    """Names of the k columns of y, 0..k-1 where there are none."""
    if classes is None:
        return np.arange(k)
    found = different(classes)
    if len(found) != k:
        raise ValueError(f"classes: expected {k} names, one per column of y, got {len(found)}")
    return found


def different(classes: ArrayLike) -> NDArray:
    """Labels or names, each once, in the order in which they are given."""
    found = all_classes(classes)
    if len(set(found.tolist())) < len(found):
        raise ValueError(f"classes: expected different names, got {shown(found.tolist())}")
    return found


def not_other_classes(classes: NDArray, previous: NDArray, name: str) -> None:
    """Raise, saying what differs, unless a further fit has the classes of the one before."""
    new, old = classes.tolist(), previous.tolist()
    if new == old or (classes.dtype.kind in TIMES and np.array_equal(classes, previous)):
        return
    if unknown := [label for label in new if label not in set(old)]:
        differs = f"{shown(unknown[0])} is new"
    elif missing := [label for label in old if label not in set(new)]:
        differs = f"{shown(missing[0])} is missing"
    else:
        differs = "in another order"
    raise ValueError(
        f"{name}: expected the {len(old)} classes [{names(previous)}] of the previous fit, got "
        f"{len(new)} classes [{names(classes)}]: {differs}"
    )


def type_of(labels: NDArray) -> str | None:
    """What labels are; None of objects of several types."""
    kind = labels.dtype.kind
    if kind == "O":
        return "strings" if all(isinstance(each, str) for each in set(labels.tolist())) else None
    return {"U": "strings", "S": "bytes", "M": "dates", "m": "durations"}.get(kind, "numbers")


def same_type(y: NDArray, classes: NDArray) -> None:
    """Raise for labels that can't equal those of the model: strings beside numbers, and NaN."""
    if y.dtype.kind == "f":
        finite(y, "y")
    got, expected = type_of(y), type_of(classes)
    if None not in (got, expected) and got != expected:
        raise ValueError(
            f"y: expected {expected}, as the classes of the model are ({names(classes)}), got {got}"
        )


def to_score(y: object) -> None:
    """Raise where there are no labels to compare predictions with."""
    if y is None:
        raise ValueError("y: expected labels, got None")


def one_of_several(top_k: int, several_labels: bool) -> None:
    """Raise where the most probable labels are counted of rows that may have several."""
    if several_labels and top_k > 1:
        raise ValueError(f"top_k: expected 1 where rows have several labels, got {top_k}")
