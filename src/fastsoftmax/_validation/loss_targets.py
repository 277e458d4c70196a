"""Targets of the losses that are functions of arrays: class indices, or numbers of every class."""

import numbers

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime.conversion import converted
from fastsoftmax._validation.arrays import as_targets, real_array
from fastsoftmax._validation.numbers import within


def class_indices(target: ArrayLike, n: int, k: int, name: str = "target") -> NDArray[np.int32]:
    """target as int32 indices 0..k-1 of shape (n,)."""
    target = as_targets(target, name, "class indices")
    if target.size and target.dtype.kind not in "biu":
        raise TypeError(f"{name}: expected integer class indices, got dtype {target.dtype}")
    if target.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), got {target.shape}")
    if n and not (target.min() >= 0 and target.max() < k):
        row = int(np.argmax((target < 0) | (target >= k)))
        raise ValueError(f"{name}: expected indices 0..{k - 1}, got {target[row]} in row {row}")
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
    within(target, 0.0, np.finfo(np.float64).max, "target")
    return np.ascontiguousarray(target, dtype=dtype)


def row_targets(target: ArrayLike, kept: tuple[int, ...], shape: tuple[int, ...]) -> NDArray:
    """Labels in the shape `kept`, or numbers >= 0 of every class in the shape of the logits."""
    target = as_targets(target, "target", "class indices or numbers")
    if target.shape == kept:
        return target
    if target.shape == (*kept, 1) and target.shape != shape:
        return target.reshape(kept)
    if target.shape != shape:
        hint = ""
        if len(shape) > 2 and target.shape == (shape[0], *shape[2:]):
            hint = "; classes at axis 1, as PyTorch has them, are axis=1"
        raise ValueError(f"target: expected shape {kept} or {shape}, got {target.shape}{hint}")
    if target.dtype.kind not in "biuf":
        raise ValueError(f"target: expected real numbers, got dtype {target.dtype}")
    if target.dtype.type is np.float16:
        target = converted(target, np.float32)
    within(target, 0.0, np.finfo(np.float64).max, "target")
    return target


def labels_or_ignored(
    target: NDArray, n: int, k: int, ignore_index: object
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Class indices, 0 where the label is `ignore_index`, and where that is."""
    if ignore_index is None:
        return class_indices(target, n, k), np.zeros(n, bool)
    if not isinstance(ignore_index, numbers.Integral) or isinstance(ignore_index, bool):
        raise TypeError(f"ignore_index: expected an integer or None, got {ignore_index!r}")
    ignored = target == ignore_index
    return class_indices(np.where(ignored, 0, target), n, k), ignored


def several_logits(n_logits: int, name: str) -> None:
    if n_logits < 2:
        raise ValueError(f"{name}: expected 0 for one logit, whose targets are labels")


def no_ignore_index(ignore_index: object) -> None:
    if ignore_index is not None:
        raise ValueError(
            f"ignore_index: expected None for targets of numbers per class, got {ignore_index!r}"
        )
