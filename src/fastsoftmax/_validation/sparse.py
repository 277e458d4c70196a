"""Sparse X, checked before a kernel follows its indices (part of `_validation`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._validation import arrays as check


def features(
    X: ArrayLike, *, n_features: int | None = None, name: str = "X", owner: str = ""
) -> NDArray | sparse.csr_array:
    """X as `_validation.features` has it or, if it is sparse, as compressed rows that are sound."""
    if not sparse.issparse(X):
        return check.features(X, n_features=n_features, name=name, owner=owner)
    if X.ndim != 2:
        raise ValueError(f"{name}: expected 2 dimensions (rows, features), got {X.ndim}")
    check.feature_shape(X.shape, n_features=n_features, name=name, owner=owner)
    return compressed_rows(X, name)


def require_finite(X: NDArray | sparse.csr_array, name: str = "X") -> None:
    """Raise where numbers are not finite; those of a sparse X were checked by `features`."""
    if not sparse.issparse(X):
        check.require_finite(X, name)


def compressed_rows(X: sparse.sparray | sparse.spmatrix, name: str) -> sparse.csr_array:
    """X in compressed rows of float32 or float64, whose indices are in range and values finite.

    The parts of compressed rows are taken as they are: the constructors of SciPy would look for
    smaller indices, and copy.
    """
    if X.format not in ("csr", "csc"):
        X = X.tocoo()
    values = X.data
    one_d(values, f"{name}.data")
    check.real_dtype(values.dtype, name)
    match X.format:
        case "csr":
            sound(X, X.shape, name, "row")
        case "csc":
            sound(X, X.shape[::-1], name, "column")
        case "coo":
            for index, part, size in zip((X.row, X.col), ("row", "col"), X.shape, strict=True):
                one_d(index, f"{name}.{part}", of_integers=True)
                within(index, size, f"{name}.{part}")
    values = np.ascontiguousarray(check.as_floats(values, check.floats_for(values.dtype), name))
    match X.format:
        case "csc":
            X = sparse.csc_array((values, X.indices, X.indptr), X.shape).tocsr()
            values = X.data
        case "coo":
            X = sparse.coo_array((values, (X.row, X.col)), X.shape).tocsr()
            values = X.data
    rows = sparse.csr_array(X.shape, dtype=values.dtype)
    index = np.int32 if X.indptr.dtype == X.indices.dtype == np.int32 else np.int64
    rows.indptr = np.require(X.indptr, index, "CA")
    count = X.indptr[-1]  # behind these there may be anything
    rows.indices = np.require(X.indices[:count], index, "CA")
    rows.data = values[:count]
    finite(rows, name)
    return rows


def one_d(part: object, name: str, *, of_integers: bool = False) -> None:
    """Raise unless it is a 1-d array in this machine's byte order."""
    if not isinstance(part, np.ndarray) or part.ndim != 1:
        raise ValueError(f"{name}: expected a 1-d array, got {_what(part)}")
    if of_integers and part.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, got dtype {part.dtype}")
    if not part.dtype.isnative:
        raise ValueError(
            f"{name}: expected numbers in this machine's byte order, got dtype {part.dtype.str}"
        )


def _what(part: object) -> str:
    return f"shape {part.shape}" if isinstance(part, np.ndarray) else f"a {type(part).__name__}"


def sound(
    X: sparse.csr_array | sparse.csc_array, shape: tuple[int, int], name: str, one: str
) -> None:
    """Raise unless indptr and indices describe a matrix of this shape: lines, and their length."""
    starts, at, values = X.indptr, X.indices, X.data
    one_d(starts, f"{name}.indptr", of_integers=True)
    one_d(at, f"{name}.indices", of_integers=True)
    if len(starts) != shape[0] + 1:
        raise ValueError(
            f"{name}.indptr: expected {shape[0] + 1} numbers, one per {one} and the end, got "
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
    unsigned = index.view(f"u{index.itemsize}")  # in which negative numbers are the largest
    if len(index) and unsigned.max() >= size:
        at = int(np.argmax((index < 0) | (index >= size)))
        raise ValueError(f"{name}: expected indices 0..{size - 1}, got {index[at]} at {at}")


def finite(X: sparse.csr_array, name: str) -> None:
    """Raise for the first NaN or infinity among the values."""
    values = X.data
    if np.isfinite(values).all():
        return
    at = int(np.argmin(np.isfinite(values)))
    row = int(np.searchsorted(X.indptr, at, side="right")) - 1
    raise ValueError(
        f"{name}: expected finite numbers, got {values[at]} in row {row}, column "
        f"{X.indices[at]} (input contains NaN or infinity)"
    )
