"""What is fitted to several targets, checked."""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._validation import folds
from fastsoftmax._validation.arrays import shown
from fastsoftmax._validation.sparse import features

USUAL = {"l1_ratio": 0, "calibrate": None, "verbose": False}


def parameters(params: Mapping[str, Any]) -> None:
    """Raise for what fits that share passes do not offer."""
    if "C" in params:
        raise TypeError("C: expected none for several fits, whose strengths are Cs")
    for name, usual in USUAL.items():
        if params.get(name, usual):
            raise ValueError(f"{name}: expected {usual!r} in fit_many, got {shown(params[name])}")


def strengths(Cs: Any) -> NDArray[np.float64]:
    """The grid: of an int so many, of a float this one."""
    return folds.strengths([Cs] if is_one_number(Cs) else Cs)


def is_one_number(Cs: Any) -> bool:
    """Whether this is a real number that is no integer by its type."""
    if isinstance(Cs, np.ndarray) and not Cs.ndim:
        return Cs.dtype.kind == "f"
    return isinstance(Cs, numbers.Real) and not isinstance(Cs, numbers.Integral)


def rows(X: Any) -> NDArray:
    """X as one array, for all targets."""
    is_array = hasattr(X, "__array__") or hasattr(X, "__dlpack__") or isinstance(X, Sequence)
    if not is_array or hasattr(X, "__dask_graph__"):
        raise TypeError(
            f"X: expected a dense array in fit_many, got {type(X).__name__}; fit each target"
        )
    return features(X)


def targets(ys: Any) -> list[Any]:
    """The targets, one at least."""
    if isinstance(ys, np.ndarray) or not isinstance(ys, Sequence) or isinstance(ys, str):
        raise TypeError(f"ys: expected a list of targets, got {type(ys).__name__}")
    if not ys:
        raise ValueError("ys: expected at least one target, got none")
    return list(ys)
