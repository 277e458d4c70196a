"""What the user passes in, checked and brought into the form the kernels take.

Every error message about input is written here: it names the argument, says what was expected and
what came. Nothing that is passed in is modified.
"""

import numbers
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._validation.arrays import (  # noqa: F401  for those who ask `_validation`
    as_array,
    as_floats,
    as_numbers,
    as_targets,
    at,
    coefficients,
    feature_scale,
    feature_shape,
    features,
    floats_for,
    has_spread,
    in_whole_steps,
    is_finite,
    real_array,
    real_dtype,
    require_finite,
    shared_output,
    shown,
    spread,
)
from fastsoftmax._validation.functions import (  # noqa: F401
    axes,
    axis_or_dim,
    broadcast_together,
    exponentials_dtype,
    factors_of_exp,
    float_dtype,
    floating,
    floating_pair,
    not_empty,
    one_axis,
    output,
    overlap,
)

MOST_OFFSET = {4: 1e30, 8: 1e300}  # by bytes of a logit: losses and their sums are then numbers
MOST_THREADS = 4096  # beyond which an operating system may refuse to start them
# the usual types first: to ask for an abstract class takes several calls
REAL = float, int, numbers.Real
INTEGRAL = int, numbers.Integral
FLAG = bool, np.bool_, numbers.Integral


def class_indices(target: ArrayLike, n: int, k: int, name: str = "target") -> NDArray[np.int32]:
    """target as int32 indices 0..k-1 of shape (n,)."""
    target = as_targets(target, name, "class indices")
    if target.dtype.kind not in "biu":
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
    if not np.isfinite(w).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if (w < 0).any():
        first = int(np.argmax(w < 0))
        raise ValueError(f"{name}: expected 0 or more, got {w[first]} at index {first}")
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


def finite_model(*tables: NDArray) -> None:
    """Raise unless what the online rule has made of the rows is finite."""
    if not all(np.isfinite(table.sum()) or np.isfinite(table).all() for table in tables):
        raise ValueError(
            "X: expected features that the online rule can learn from, got numbers so large that "
            "its sums overflow; scale them"
        )


def penalty(C: float, total: float) -> None:
    """Raise unless the strength of the penalty for rows of this total weight is a number."""
    if C * total < 1 / sys.float_info.max:
        raise ValueError(
            f"C: expected a number of which 1 / (C * sum(sample_weight)) is finite, got {C:g} and "
            f"a sum of {total:g}"
        )


def some_of(values: Sequence[str], known: Sequence[str], name: str) -> frozenset[str]:
    """The distinct names in `values`, all of them known."""
    if unknown := [value for value in values if value not in known]:
        raise ValueError(f"{name}: expected some of {', '.join(known)}, got {unknown[0]!r}")
    return frozenset(values)


def number(value: object, name: str, *, above: float = -np.inf, least: float = -np.inf) -> float:
    """A real number (infinity too, NaN never) greater than `above` and not under `least`."""
    if not isinstance(value, REAL) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {_a_number(above, least)}, got {shown(value)}")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError(
            f"{name}: expected {_a_number(above, least)} that float64 can hold, got {shown(value)}"
        ) from None
    if not (result > above and result >= least):
        raise ValueError(f"{name}: expected {_a_number(above, least)}, got {shown(value)}")
    return result


def _a_number(above: float, least: float) -> str:
    return f"a number > {above:g}" if above > -np.inf else f"a number >= {least:g}"


def integer(value: object, name: str, *, least: int, most: int | None = None) -> int:
    """A whole number not under `least`, nor above `most`."""
    if not isinstance(value, INTEGRAL) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer >= {least}, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {shown(value)}")
    if most is not None and value > most:
        raise ValueError(f"{name}: expected an integer <= {most}, got {shown(value)}")
    return int(value)


def flag(value: object, name: str) -> bool:
    """True or False, as booleans or as 1 and 0."""
    if not isinstance(value, FLAG) or value not in (0, 1):
        raise TypeError(f"{name}: expected True or False, got {shown(value)}")
    return bool(value)


def verbosity(value: object) -> bool:
    """Whether to show progress: True or False, or a number as scikit-learn takes one."""
    if not isinstance(value, bool | np.bool_ | numbers.Real):
        raise TypeError(f"verbose: expected True or False, got {shown(value)}")
    return bool(value)


def threads(n_threads: int | None) -> int:
    """The number of threads asked for; for None, that of the processors this process may use."""
    if n_threads is None:
        return available_threads()
    return integer(n_threads, "n_threads", least=1, most=MOST_THREADS)


def inverse_temperature(value: object) -> float:
    if type(value) is float and value == 1.0:
        return value
    return 1.0 / number(value, "temperature", above=0.0)


def fraction(value: object, name: str) -> float:
    """A number of 0..1."""
    value = number(value, name, least=0.0)
    if value > 1.0:
        raise ValueError(f"{name}: expected a number <= 1, got {shown(value)}")
    return value


def reduction(value: object) -> None:
    one_of(value, ("mean", "sum", "none"), "reduction")


def meant(value: object, known: Iterable[str]) -> str:
    """The known name that a wrong one is like, for the end of a message."""
    names = {name.lower(): name for name in known}
    like = get_close_matches(value.lower(), names, 1, 0.75) if isinstance(value, str) else []
    return f"; did you mean {names[like[0]]!r}?" if like else ""


def one_of(value: object, known: Iterable[str], name: str) -> str:
    """One of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(
            f"{name}: expected one of {', '.join(known)}, got {shown(value)}" + meant(value, known)
        )
    return value


def same_shape(x: NDArray, shape: tuple[int, ...], name: str, other: str) -> None:
    if x.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, that of {other}, got {x.shape}")


def broadcast(x: NDArray, shape: tuple[int, ...], name: str, other: str) -> NDArray:
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"{name}: expected a shape that broadcasts to {shape}, that of {other}, got {x.shape}"
        ) from None


def within(x: NDArray, least: float, most: float, name: str) -> None:
    """Raise unless all of x lies in least..most."""
    outside = ~((x >= least) & (x <= most))
    if outside.any():
        index = np.unravel_index(int(np.argmax(outside)), x.shape)
        where = ", ".join(map(str, index))
        raise ValueError(
            f"{name}: expected numbers of {least:g}..{most:g}, got {x[index]} at index ({where})"
        )


def sample_weight(
    weight: ArrayLike, shape: tuple[int, ...], name: str = "sample_weight"
) -> NDArray:
    """Weights >= 0, broadcast to this shape."""
    weight = real_array(weight, name)
    within(weight, 0.0, np.finfo(np.float64).max, name)
    return broadcast(weight, shape, name, "the losses").astype(np.float64)


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


def logits_within_float64(objective: float) -> None:
    """Raise where the logits of a model, and so its objective, are beyond float64."""
    if np.isnan(objective):
        raise ValueError("coef: expected logits X @ coef.T within float64, got an overflow")


def finite_attributes(coef: NDArray, intercept: NDArray) -> None:
    """Raise where an estimator's own coefficients have been made NaN or infinite."""
    linear_model(coef, intercept, *np.shape(coef), ("coef_", "intercept_"))


def no_intercept(intercept: NDArray, fit_intercept: bool) -> None:
    """Raise for a model with intercepts where none are fitted."""
    if not fit_intercept and intercept.any():
        raise ValueError("intercept: expected None or zeros without fit_intercept, got others")


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


def class_weight(weight: ArrayLike | None, k: int) -> NDArray[np.float64] | None:
    """Weights >= 0 of the k classes; None where there are none."""
    if weight is None:
        return None
    weight = vector(weight, k, "weight", "one weight per class")
    within(weight, 0.0, np.finfo(np.float64).max, "weight")
    return weight.astype(np.float64)


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


def max_memory(given: int, needed: int, what: str) -> None:
    """Raise where what a solver has to keep takes more than it may."""
    if needed > given:
        raise ValueError(f"max_memory: expected {needed} bytes or more, for {what}, got {given}")
