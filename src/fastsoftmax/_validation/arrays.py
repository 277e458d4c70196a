"""What the user passes in as arrays of numbers, from wherever they come (part of `_validation`).

X keeps its dtype and its memory; what is small beside it is converted.
"""

import numbers
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.collections import is_collection
from fastsoftmax._runtime.conversion import converted
from fastsoftmax._runtime.dtypes import BFLOAT16, COMPUTED_IN, INFINITY, as_numpy, computed_in

MOST = 1e300  # of a mean or a deviation: sums over rows and products are then still numbers
OTHERS = 256  # the first number of a dtype that is not NumPy's own, as those of ml_dtypes are
CPU = (1, 3)  # DLPack's numbers of the processor's own memory, and of such as CUDA has pinned


def _require_readable(x: Any, name: str) -> None:
    """Raise for tensors that are elsewhere, or that record what is computed with them."""
    if hasattr(x, "__dask_graph__") and is_collection(x):
        raise TypeError(
            f"{name}: expected an array, got a collection of Dask's; linear models are fitted to "
            "one; of others .compute() makes arrays"
        )
    if getattr(x, "requires_grad", False):
        raise TypeError(
            f"{name}: expected an array without gradient, got a tensor that requires grad; "
            "use .detach()"
        )
    where = getattr(x, "__dlpack_device__", None)
    if where is None:
        return
    try:
        device = where()[0]
    except (ValueError, RuntimeError):  # PyTorch's meta tensors, which have no memory at all
        device = None
    if device not in CPU:
        raise TypeError(
            f"{name}: expected an array in the processor's memory, got one on device "
            f"{getattr(x, 'device', device)}; copy it there first, as .cpu() does"
        )


def _shared(x: Any) -> NDArray:
    """x as an array, of the same memory where x has some to share."""
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    if str(getattr(x, "dtype", "")) == "torch.bfloat16":
        return np.asarray(x.view(sys.modules["torch"].int16)).view(BFLOAT16)
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        return np.from_dlpack(x)
    return np.asarray(x)


def as_array(x: ArrayLike, name: str, of: str = "numbers") -> NDArray:
    """x as a dense array, of the same memory where it has some, without masked elements."""
    if type(x) is np.ndarray:
        return x
    if sparse.issparse(x):
        raise TypeError(
            f"{name}: expected a dense array, got a sparse {type(x).__name__}; "
            "use .toarray() to convert it to a dense array"
        )
    _require_readable(x, name)
    try:
        array = _shared(x)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name}: expected an array of {of}, got {error}") from error
    except (TypeError, RuntimeError, BufferError) as error:
        raise TypeError(
            f"{name}: expected an array of {of}, got a {type(x).__name__} that cannot be read "
            f"as one: {error}"
        ) from error
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):  # the array has what is below it
        masked = np.unravel_index(np.ma.getmaskarray(x).argmax(), x.shape)
        raise ValueError(f"{name}: expected {of}, got a masked element{at(masked)}")
    return array


def as_targets(x: ArrayLike, name: str, of: str) -> NDArray:
    """As `as_array`; the dtypes that NumPy does not have become int32 or float32."""
    array = as_numpy(as_array(x, name, of))
    if array.dtype.num >= OTHERS:
        for dtype in (np.int32, np.float32):
            if np.can_cast(array.dtype, dtype):
                return array.astype(dtype)
    return array


def shared_output(out: Any) -> NDArray | None:
    """The memory of `out`, an array or a tensor, as an array; None where there is none."""
    if out is None or isinstance(out, np.ndarray):
        return out
    if not hasattr(out, "__dlpack__"):
        raise TypeError(f"out: expected an array, got {type(out).__name__}")
    return as_array(out, "out")


def as_numbers(x: ArrayLike, name: str) -> NDArray:
    """x as an array of real numbers, or of objects that may be some."""
    array = as_array(x, name)
    if array.dtype == object and not array.ndim:
        element = array.item()
        if element is not None and not isinstance(element, numbers.Number):
            raise TypeError(f"{name}: expected an array of numbers, got a {type(element).__name__}")
    if array.dtype not in COMPUTED_IN and array.dtype.name == "bfloat16":  # that of ml_dtypes
        array = array.view(BFLOAT16)
    real_dtype(array.dtype, name)
    return array


def real_dtype(dtype: np.dtype, name: str) -> None:
    """Raise unless it is one of real numbers, or of objects that may be some."""
    if dtype.kind == "c":
        raise ValueError(f"{name}: expected real numbers, got {dtype}. Complex data not supported")
    if dtype.kind not in "biufO" and dtype != BFLOAT16:
        raise ValueError(f"{name}: expected numbers, got dtype {dtype}")


def in_whole_steps(x: NDArray) -> NDArray:
    """x such that a kernel steps in whole elements, unlike a view into a structured array."""
    flags = x.flags
    if flags.aligned and (flags.c_contiguous or not any(step % x.itemsize for step in x.strides)):
        return x
    return x.copy()


def as_floats(x: NDArray, dtype: DTypeLike, name: str) -> NDArray:
    """x in this dtype, as a kernel can read it; no copy where it is so already."""
    try:
        x = converted(x, dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _not_numbers(x, name, error) from error
    return in_whole_steps(x)


def _not_numbers(x: NDArray, name: str, error: Exception) -> Exception:
    """What to raise where objects are no numbers, or none that float64 can hold."""
    for position, value in np.ndenumerate(x):
        try:
            float(value)
        except (TypeError, ValueError) as why:
            what = f"{shown(value)}{at(position)}"
            if type(value).__name__ == "NAType":  # pandas' missing number
                return ValueError(
                    f"{name}: expected finite numbers, got {what} (input contains NaN or infinity)"
                )
            return type(why)(f"{name}: expected numbers, got objects: {what}: {why}")
        except ArithmeticError:
            what = f"{shown(value)}{at(position)}"
            return ValueError(f"{name}: expected numbers that float64 can hold, got {what}")
    return type(error)(f"{name}: expected numbers, got objects: {error}")


def at(position: tuple[int, ...]) -> str:
    """Where an element is, for a message; nothing for that of a 0-d array."""
    if len(position) == 2:
        return " in row {}, column {}".format(*position)
    index = ", ".join(map(str, position))
    return f" at index ({index})" if len(position) > 1 else f" at index {index}" if index else ""


def shown(value: object) -> str:
    """A value as a message shows it, without the middle where that is long."""
    try:
        text = repr(value)
    except ValueError:  # of integers with more digits than Python prints
        bits = f" of {value.bit_length()} bits" if isinstance(value, int) else ""
        return f"a {type(value).__name__}{bits}"
    return text if len(text) <= 80 else f"{text[:50]}…{text[-20:]}"


def real_array(x: ArrayLike, name: str) -> NDArray:
    """x as float32 or float64, whichever holds its values; no copy where it is one already."""
    x = as_numbers(x, name)
    return as_floats(x, floats_for(x.dtype), name)


def floats_for(dtype: np.dtype) -> np.dtype:
    """float32 or float64, whichever holds the values of this dtype."""
    return np.dtype(COMPUTED_IN.get(dtype.newbyteorder("="), np.float64))


def stored_array(x: ArrayLike, name: str) -> NDArray:
    """x in the dtype and in the memory in which it is stored, where kernels read that dtype.

    Objects and long doubles become float64.
    """
    x = as_numbers(x, name)
    if not x.dtype.isnative:
        raise ValueError(
            f"{name}: expected numbers in this machine's byte order, got dtype {x.dtype.str}; "
            f'use {name}.astype({name}.dtype.newbyteorder("=")) to convert it'
        )
    return in_whole_steps(x) if x.dtype in COMPUTED_IN else as_floats(x, np.float64, name)


def _table(x: NDArray, name: str, n_features: int | None, owner: str = "") -> NDArray:
    if x.ndim != 2:
        hint = ". Reshape your data: X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one row"
        raise ValueError(
            f"{name}: expected a 2-d array (rows, features), got {x.ndim}-d of shape {x.shape}"
            + (hint if x.ndim < 2 else "")
        )
    feature_shape(x.shape, n_features=n_features, name=name, owner=owner)
    return x


def feature_shape(shape: tuple[int, int], *, n_features: int | None, name: str, owner: str) -> None:
    """Raise unless there is a row and a column, and as many columns as there should be."""
    for count, what in zip(shape, ("sample(s)", "feature(s)"), strict=True):
        if count == 0:
            raise ValueError(
                f"{name}: found array with 0 {what} (shape={shape}) while a minimum of 1 is "
                "required."
            )
    columns = shape[1]
    if n_features is not None and columns != n_features:
        if owner:  # scikit-learn's wording, which its checks match
            raise ValueError(
                f"{name} has {columns} features, but {owner} is expecting {n_features} features "
                "as input"
            )
        raise ValueError(f"{name}: expected {n_features} features as X has, got {columns}")


def features(
    X: ArrayLike, *, n_features: int | None = None, name: str = "X", owner: str = ""
) -> NDArray:
    """X as a 2-d array of at least one row and column, of the dtype and strides it came in."""
    return _table(stored_array(X, name), name, n_features, owner)


def coefficients(W: ArrayLike, n_features: int, name: str) -> NDArray:
    """W as float32 or float64, a row for each class."""
    return _table(real_array(W, name), name, n_features)


def feature_scale(value: object, n_features: int) -> NDArray[np.float64] | None:
    """A factor > 0 for each feature; None where there is nothing to multiply."""
    if value is None:
        return None
    factors = as_numbers(value, "feature_scale")
    if isinstance(value, bool) or factors.dtype.kind == "b":
        raise TypeError(f"feature_scale: expected numbers > 0 or None, got {shown(value)}")
    if factors.shape not in ((), (n_features,)):
        raise ValueError(
            f"feature_scale: expected a number or {n_features} of them, one per feature of X, got "
            f"shape {factors.shape}"
        )
    factors = as_floats(factors, np.float64, "feature_scale")
    bad = ~(np.isfinite(factors) & (factors > 0))
    if bad.any():
        raise ValueError(f"feature_scale: expected finite numbers > 0, got {factors[bad][0]}")
    return None if (factors == 1).all() else np.broadcast_to(factors, n_features)


def has_spread(means: NDArray, deviations: NDArray) -> NDArray[np.bool_]:
    """Which features have moments that float64 can compute with."""
    return (np.abs(means) <= MOST) & (deviations <= MOST)


def spread(means: NDArray, deviations: NDArray) -> None:
    """Raise for the first feature that float64 cannot compute with."""
    bad = ~has_spread(means, deviations)
    if bad.any():
        raise ValueError(
            f"X: expected numbers of up to {MOST:g} in each column, got more in column "
            f"{int(np.argmax(bad))}: scale it"
        )


def is_finite(X: NDArray) -> bool:
    """Whether X holds finite numbers only; of 32 or 64 bits False too where their sum overflows."""
    if X.dtype.kind in "biu":
        return True
    if X.dtype in INFINITY:  # as integers, numbers of one sign are in their own order
        above, below = INFINITY[X.dtype]
        bits = X.view(np.uint16)
        return bool(X.view(np.int16).max(initial=0) < above and bits.max(initial=0) < below)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum(dtype=computed_in(X.dtype))))


def require_finite(X: NDArray, name: str = "X") -> None:
    """Raise for the first NaN or infinity of X. A pass of its own: call it on suspicion."""
    if X.dtype.kind in "biu" or (X.dtype in INFINITY and is_finite(X)):
        return
    rows = max(1, (1 << 20) // X.shape[1])
    for start in range(0, len(X), rows):
        block = as_numpy(X[start : start + rows])
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{name}: expected finite numbers, got {block[row, column]} in row {start + row}, "
                f"column {column} (input contains NaN or infinity)"
            )
