"""Sparse X, checked before a kernel follows its indices: a wing of `_validation`."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from fastsoftmax import _validation as check


def features(
    X: ArrayLike, *, n_features: int | None = None, name: str = "X", owner: str = ""
) -> NDArray | sparse.csr_array:
    """X as `_validation.features` has it or, if it is sparse, as compressed rows that are sound."""
    if not sparse.issparse(X):
        return check.features(X, n_features=n_features, name=name, owner=owner)
    if X.ndim != 2:
        raise ValueError(f"{name}: expected 2 dimensions (rows, features), got {X.ndim}")
    check.feature_shape(X.shape, n_features=n_features, name=name, owner=owner)
    check.real_dtype(X.dtype, name)
    return compressed_rows(X, name)


def compressed_rows(X: sparse.sparray | sparse.spmatrix, name: str) -> sparse.csr_array:
    """X in compressed rows of float32 or float64, whose indices are in range and values finite."""
    match X.format:
        case "csr":
            sound(X, X.shape, name, "row")
        case "csc":
            sound(X, X.shape[::-1], name, "column")
            X = X.tocsr()
        case "coo":
            for axis, index in enumerate((X.row, X.col)):
                within(index, X.shape[axis], f"{name}.{'row' if axis == 0 else 'col'}")
            X = X.tocsr()
        case _:
            X = X.tocsr()
    rows = sparse.csr_array(X.shape, dtype=check.floats_for(X.dtype))
    starts, at = X.indptr, X.indices
    index = np.int32 if starts.dtype == at.dtype == np.int32 else np.int64
    rows.indptr = np.ascontiguousarray(starts, dtype=index)
    rows.indices = np.ascontiguousarray(at, dtype=index)
    rows.data = np.ascontiguousarray(check.as_floats(X.data, rows.dtype, name))
    finite(rows, name)
    return rows


def sound(
    X: sparse.csr_array | sparse.csc_array, shape: tuple[int, int], name: str, one: str
) -> None:
    """Raise unless indptr and indices describe a matrix of this shape: lines, and their length."""
    starts, at, values = X.indptr, X.indices, X.data
    for part, array in (("indptr", starts), ("indices", at)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ValueError(
                f"{name}.{part}: expected a 1-d array of integers, got {array.dtype} of shape "
                f"{array.shape}"
            )
    if len(starts) != shape[0] + 1:
        raise ValueError(
            f"{name}.indptr: expected {shape[0] + 1} numbers, one a {one} and the end, got "
            f"{len(starts)}"
        )
    if starts[0] != 0:
        raise ValueError(f"{name}.indptr: expected to begin with 0, got {starts[0]}")
    if (starts[1:] < starts[:-1]).any():
        line = int(np.argmax(starts[1:] < starts[:-1]))
        raise ValueError(
            f"{name}.indptr: expected numbers that do not decrease, got {starts[line]} and then "
            f"{starts[line + 1]} at {one} {line}"
        )
    if starts[-1] > min(len(at), len(values)):
        raise ValueError(
            f"{name}.indptr: expected to end at {min(len(at), len(values))} at most, the number of "
            f"indices and values, got {starts[-1]}"
        )
    within(at[: starts[-1]], shape[1], f"{name}.indices")


def within(index: NDArray, size: int, name: str) -> None:
    """Raise unless all indices are of 0 .. size - 1."""
    if len(index) and not (index.min() >= 0 and index.max() < size):
        at = int(np.argmax((index < 0) | (index >= size)))
        raise ValueError(f"{name}: expected indices 0..{size - 1}, got {index[at]} at {at}")


def finite(X: sparse.csr_array, name: str) -> None:
    """Raise for the first NaN or infinity among the values."""
    values = X.data[: X.indptr[-1]]
    if np.isfinite(values).all():
        return
    at = int(np.argmin(np.isfinite(values)))
    row = int(np.searchsorted(X.indptr, at, side="right")) - 1
    raise ValueError(
        f"{name}: expected finite numbers, got {values[at]} in row {row}, column "
        f"{X.indices[at]} (input contains NaN or infinity)"
    )
