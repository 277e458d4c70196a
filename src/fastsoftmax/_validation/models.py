"""Coefficients and intercepts of a linear model."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._validation.arrays import at, real_array


def linear_model(
    coef: ArrayLike,
    intercept: ArrayLike | None,
    n_logits: int,
    d: int,
    names: tuple[str, str] = ("coef", "intercept"),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A model's weights (n_logits, d) and intercepts (n_logits,), finite."""
    coef = np.atleast_2d(real_array(coef, names[0])).astype(np.float64)
    if coef.shape != (n_logits, d):
        why = ""
        if coef.ndim == 2 and coef.shape[1] != d:
            why = f": X has {d} features"
        elif coef.ndim == 2:
            why = ": y has two classes" if n_logits == 1 else f": y has {n_logits} classes"
        raise ValueError(f"{names[0]}: expected shape ({n_logits}, {d}), got {coef.shape}{why}")
    if intercept is None:
        intercept = np.zeros(n_logits)
    intercept = np.atleast_1d(real_array(intercept, names[1])).astype(np.float64)
    if intercept.shape != (n_logits,):
        raise ValueError(f"{names[1]}: expected shape ({n_logits},), got {intercept.shape}")
    for name, values in zip(names, (coef, intercept), strict=True):
        if not np.isfinite(values).all():
            first = tuple(np.argwhere(~np.isfinite(values))[0])
            raise ValueError(f"{name}: expected finite numbers, got {values[first]}{at(first)}")
    return coef, intercept


def no_intercept(intercept: NDArray, fit_intercept: bool) -> None:
    """Raise for a model with intercepts where none are fitted."""
    if not fit_intercept and intercept.any():
        raise ValueError("intercept: expected None or zeros without fit_intercept, got others")


def logits_within_float64(objective: float) -> None:
    """Raise where the logits of a model, and so its objective, are beyond float64."""
    if np.isnan(objective):
        raise ValueError("coef: expected logits X @ coef.T within float64, got an overflow")


def finite_attributes(coef: NDArray, intercept: NDArray) -> None:
    """Raise where an estimator's own coefficients have been made NaN or infinite."""
    linear_model(coef, intercept, *np.shape(coef), ("coef_", "intercept_"))


def finite_model(*tables: NDArray) -> None:
    """Raise unless what the online rule has made of the rows is finite."""
    if not all(np.isfinite(table.sum()) or np.isfinite(table).all() for table in tables):
        raise ValueError(
            "X: expected features that the online rule can learn from, got numbers so large that "
            "its sums overflow; scale them"
        )
