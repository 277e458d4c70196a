"""Weights of rows, classes and features, and offsets of logits."""

import numbers
import sys

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._validation.arrays import real_array, require_finite
from fastsoftmax._validation.numbers import broadcast, within

MOST_OFFSET = {4: 1e30, 8: 1e300}  # by bytes of a logit: losses and their sums are then numbers


def vector(x: ArrayLike, n: int, name: str, meaning: str) -> NDArray:
    """x as a float array of shape (n,)."""
    x = real_array(x, name)
    if x.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), {meaning}, got {x.shape}")
    return x


def weights(
    weight: ArrayLike | None, n: int, dtype: np.dtype, name: str = "sample_weight"
) -> NDArray | None:
    """n weights, not all 0, contiguous and of this dtype; None where there are none."""
    some_weight(w := weights_of_a_part(weight, n, name), name)
    if w is None:
        return None
    with np.errstate(over="ignore"):  # `usable_sum` says what is wrong
        return np.ascontiguousarray(w, dtype=dtype)


def some_weight(w: NDArray | None, name: str = "sample_weight") -> None:
    """Raise for weights that are all 0."""
    if w is not None and not w.any():
        raise ValueError(f"{name}: expected a positive weight, got zeros only")


def weights_of_a_part(weight: ArrayLike | None, n: int, name: str) -> NDArray | None:
    """Weights of n of the rows, which may all weigh 0."""
    if weight is None:
        return None
    if isinstance(weight, numbers.Number):
        weight = np.full(n, weight)
    w = vector(weight, n, name, "one weight each")
    for expected, wrong in (("finite numbers", ~np.isfinite(w)), ("0 or more", w < 0)):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{name}: expected {expected}, got {w[row]} in row {row}")
    return w


def usable_sum(w: NDArray | None, name: str = "sample_weight") -> None:
    """Raise unless weights can be divided by their mean in their dtype."""
    if w is None:
        return
    with np.errstate(over="ignore"):
        total = float(w.sum())
    limits = np.finfo(w.dtype)
    if not total <= limits.max:
        raise ValueError(
            f"{name}: expected weights of rows whose sum is finite, got a sum > {limits.max:.2g}"
        )
    if total < len(w) * float(limits.tiny):
        raise ValueError(
            f"{name}: expected weights of rows whose mean is at least {limits.tiny:.2g}, got a "
            f"mean of {total / len(w):.2g}: multiply them"
        )


def sample_weight(
    weight: ArrayLike, shape: tuple[int, ...], name: str = "sample_weight"
) -> NDArray:
    """Weights >= 0, broadcast to this shape."""
    weight = real_array(weight, name)
    within(weight, 0.0, np.finfo(np.float64).max, name)
    return broadcast(weight, shape, name, "the losses").astype(np.float64)


def class_weight(weight: ArrayLike | None, k: int) -> NDArray[np.float64] | None:
    """Weights >= 0 of the k classes; None where there are none."""
    if weight is None:
        return None
    weight = vector(weight, k, "weight", "one weight per class")
    within(weight, 0.0, np.finfo(np.float64).max, "weight")
    return weight.astype(np.float64)


def penalty_factor(
    value: ArrayLike | None, n_features: int, C: float
) -> NDArray[np.float64] | None:
    """Weights >= 0 of the features in the penalty; None where they change nothing: all are 1, or
    the least C is infinite."""
    if value is None:
        return None
    factors = vector(value, n_features, "penalty_factor", "one number per feature").astype(float)
    within(factors, 0.0, np.finfo(np.float64).max, "penalty_factor")
    return None if np.isinf(C) or (factors == 1).all() else factors


def penalty(C: float, total: float) -> None:
    """Raise unless the strength of the penalty for rows of this total weight is a number."""
    if C * total < 1 / sys.float_info.max:
        raise ValueError(
            f"C: expected a number of which 1 / (C * sum(sample_weight)) is finite, got {C:g} and "
            f"a sum of {total:g}"
        )


def offset(value: ArrayLike | None, n: int, n_logits: int, dtype: np.dtype) -> NDArray | None:
    """Numbers (n, n_logits) to add to logits of this dtype; None where there are none."""
    if value is None:
        return None
    table = real_array(value, "offset")
    if n_logits == 1 and table.ndim == 1:
        table = table[:, None]
    if table.shape != (n, n_logits):
        expected = f"({n},)" if n_logits == 1 else f"({n}, {n_logits})"
        raise ValueError(f"offset: expected shape {expected}, got {np.shape(value)}")
    require_finite(table, "offset")
    most = MOST_OFFSET[dtype.itemsize]
    if table.dtype.kind == "f":  # which may hold no such number
        most = min(most, float(np.finfo(table.dtype).max))
    within(table, -most, most, "offset")
    return table
