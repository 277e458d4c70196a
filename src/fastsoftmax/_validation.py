"""What the user passes in, checked and brought into the form the kernels take.

Every error message about input is written here: it names the argument, says what was expected and
what came. Nothing that is passed in is modified.
"""

import numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from fastsoftmax._threads import available_threads

# Every value of these is a float32: computing in float32 loses nothing.
_EXACT_IN_FLOAT32 = frozenset(
    np.dtype(t) for t in ("?", "int8", "uint8", "int16", "uint16", "float16", "float32")
)


def real_array(x: ArrayLike, name: str) -> NDArray:
    """x as float32 or float64, whichever holds its values; no copy where it is one already."""
    if sparse.issparse(x):
        raise TypeError(
            f"{name}: expected a dense array, got a sparse {type(x).__name__}; "
            "use .toarray() to convert it to a dense array"
        )
    try:
        x = np.asarray(x)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name}: expected an array of numbers, got {error}") from error
    if x.dtype.kind == "c":
        raise ValueError(
            f"{name}: expected real numbers, got {x.dtype}. Complex data not supported"
        )
    if x.dtype.kind not in "biufO":
        raise ValueError(f"{name}: expected numbers, got dtype {x.dtype}")
    if x.dtype == np.float64:
        dtype = np.float64
    else:
        dtype = np.float32 if x.dtype in _EXACT_IN_FLOAT32 else np.float64
    try:
        x = x.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: expected numbers, got objects: {error}") from error
    if not x.flags.aligned or any(step % x.itemsize for step in x.strides):
        x = x.copy()  # views into structured arrays; a kernel steps in whole elements
    return x


def features(
    X: ArrayLike, *, n_features: int | None = None, name: str = "X", owner: str = ""
) -> NDArray:
    """X as a 2-d float array of at least one row and column, strided as it came."""
    X = real_array(X, name)
    if X.ndim != 2:
        hint = ". Reshape your data: X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one row"
        raise ValueError(
            f"{name}: expected a 2-d array (rows, features), got {X.ndim}-d of shape {X.shape}"
            + (hint if X.ndim < 2 else "")
        )
    rows, columns = X.shape
    if rows == 0:
        raise ValueError(
            f"{name}: found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 "
            "is required."
        )
    if columns == 0:
        raise ValueError(
            f"{name}: found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 "
            "is required."
        )
    if n_features is not None and columns != n_features:
        if owner:  # scikit-learn's wording, which its checks match
            raise ValueError(
                f"{name} has {columns} features, but {owner} is expecting {n_features} features "
                "as input"
            )
        raise ValueError(f"{name}: expected {n_features} features as X has, got {columns}")
    return X


def require_finite(X: NDArray, name: str = "X") -> None:
    """Raise for the first NaN or infinity of X. A pass of its own: call it on suspicion."""
    rows = max(1, (1 << 20) // X.shape[1])
    for start in range(0, len(X), rows):
        bad = ~np.isfinite(X[start : start + rows])
        if bad.any():
            row, column = np.argwhere(bad)[0]
            value = X[start + row, column]
            raise ValueError(
                f"{name}: expected finite numbers, got {value} in row {start + row}, "
                f"column {column} (input contains NaN or infinity)"
            )


def labels(y: ArrayLike, n: int) -> tuple[NDArray[np.int32], NDArray]:
    """Codes 0..K-1 of the labels y, and the K >= 2 distinct labels in order."""
    if sparse.issparse(y):
        raise TypeError(f"y: expected labels, got a sparse {type(y).__name__}")
    if y is None:
        raise ValueError(
            "y: expected labels: fit requires y to be passed, but the target y is None"
        )
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"y: expected labels of shape ({n},), got shape {y.shape}")
    if len(y) != n:
        raise ValueError(f"y: expected {n} labels, one a row of X, got {len(y)}")
    if y.dtype.kind not in "biufUSO":
        raise ValueError(f"y: expected integer, boolean or string labels, got dtype {y.dtype}")
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"y: expected labels that can be ordered, got a mixture: {error}"
        ) from error
    if classes.dtype.kind in "fO":
        for label in classes:
            if not isinstance(label, numbers.Real) or float(label).is_integer():
                continue
            if not np.isfinite(label):
                raise ValueError("y: expected labels, got NaN or infinity")
            raise ValueError(
                f"y: expected class labels, got continuous values such as {label}. "
                "Unknown label type: continuous"
            )
    if len(classes) < 2:
        raise ValueError(
            f"y: expected at least 2 classes, got 1 class: {classes[0]!r}. "
            "Classifier can't train when only one class is present."
        )
    return codes.astype(np.int32), classes


def class_indices(target: ArrayLike, n: int, k: int) -> NDArray[np.int32]:
    """target as int32 indices 0..k-1 of shape (n,)."""
    target = np.asarray(target)
    if target.dtype.kind not in "biu":
        raise TypeError(f"target: expected integer class indices, got dtype {target.dtype}")
    if target.shape != (n,):
        raise ValueError(f"target: expected shape ({n},), got {target.shape}")
    if n and not (target.min() >= 0 and target.max() < k):
        row = int(np.argmax((target < 0) | (target >= k)))
        raise ValueError(f"target: expected indices 0..{k - 1}, got {target[row]} in row {row}")
    return np.ascontiguousarray(target, dtype=np.int32)


def targets(target: ArrayLike, n: int, k: int, dtype: np.dtype) -> NDArray:
    """Class indices, int32 of shape (n,), or probabilities of shape (n, k) in this dtype."""
    if np.ndim(target) != 2:
        return class_indices(target, n, max(k, 2))
    target = real_array(target, "target")
    if k == 1:
        raise ValueError("target: expected labels 0 and 1 for one logit, got a 2-d array")
    if target.shape != (n, k):
        raise ValueError(f"target: expected shape ({n},) or ({n}, {k}), got {target.shape}")
    if not (target >= 0).all():
        row, column = np.argwhere(~(target >= 0))[0]
        value = target[row, column]
        raise ValueError(
            f"target: expected numbers >= 0, got {value} in row {row}, column {column}"
        )
    return np.ascontiguousarray(target, dtype=dtype)


def vector(x: ArrayLike, n: int, name: str, meaning: str) -> NDArray:
    """x as a float array of shape (n,)."""
    x = real_array(x, name)
    if x.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), {meaning}, got {x.shape}")
    return x


def weights(
    weight: ArrayLike | None, n: int, dtype: np.dtype, name: str = "sample_weight"
) -> NDArray | None:
    """n weights, contiguous and of this dtype; None where there are none."""
    if weight is None:
        return None
    if isinstance(weight, numbers.Number):
        weight = np.full(n, weight)
    w = vector(weight, n, name, "one weight each")
    if not np.isfinite(w).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if (w < 0).any():
        first = int(np.argmax(w < 0))
        raise ValueError(f"{name}: expected 0 or more, got {w[first]} at index {first}")
    if not w.any():
        raise ValueError(f"{name}: expected a positive weight, got zeros only")
    return np.ascontiguousarray(w, dtype=dtype)


def some_of(values: Sequence[str], known: Sequence[str], name: str) -> frozenset[str]:
    """The distinct names in `values`, all of them known."""
    if unknown := [value for value in values if value not in known]:
        raise ValueError(f"{name}: expected some of {', '.join(known)}, got {unknown[0]!r}")
    return frozenset(values)


def number(value: object, name: str, *, above: float = -np.inf, least: float = -np.inf) -> float:
    """A real number (infinity too, NaN never) greater than `above` and not under `least`."""
    expected = f"a number > {above:g}" if above > -np.inf else f"a number >= {least:g}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {expected}, got {value!r}")
    if not (value > above and value >= least):
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return float(value)


def integer(value: object, name: str, *, least: int) -> int:
    """A whole number not under `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer >= {least}, got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")
    return int(value)


def threads(n_threads: int | None) -> int:
    """The number of threads asked for; for None, that of the processors this process may use."""
    if n_threads is None:
        return available_threads()
    return integer(n_threads, "n_threads", least=1)


def axis(value: object, shape: tuple[int, ...], name: str) -> int:
    """An axis of an array of this shape as an index >= 0; the array has elements along it."""
    ndim = len(shape)
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"axis: expected an integer, got {value!r}")
    if not -ndim <= value < ndim:
        raise ValueError(f"axis: expected -{ndim}..{ndim - 1}, got {value!r}")
    if shape[value] == 0:
        raise ValueError(f"{name}: expected at least one element along axis {value}, got none")
    return int(value) % ndim
