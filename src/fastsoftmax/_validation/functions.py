"""What functions of arrays take beside them: dtypes, axes, places for results (part of
`_validation`)."""

import numbers

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime.dtypes import as_numpy, name_of
from fastsoftmax._validation.arrays import as_floats, as_numbers, shown


def floating(x: ArrayLike, name: str, dtype: np.dtype | None = None) -> tuple[NDArray, np.dtype]:
    """x in the dtype to compute in, float32 or float64, and the dtype of the result."""
    x = as_numpy(as_numbers(x, name))
    if dtype is None:
        dtype = _result_dtype(x.dtype.newbyteorder("="))
    return as_floats(x, _compute_dtype(dtype), name), dtype


def floating_pair(
    x: ArrayLike, y: ArrayLike, names: tuple[str, str]
) -> tuple[NDArray, NDArray, np.dtype]:
    """As `floating`, of two that are computed with together, by NumPy's rules of promotion.

    Python's numbers take the dtype of the other.
    """
    arrays = [as_numpy(as_numbers(v, name)) for v, name in zip((x, y), names, strict=True)]
    dtypes = [
        v if type(v) in (bool, int, float) else array.dtype
        for v, array in zip((x, y), arrays, strict=True)
    ]
    dtype = _result_dtype(np.result_type(*dtypes))
    x, y = (
        as_floats(array, _compute_dtype(dtype), name)
        for array, name in zip(arrays, names, strict=True)
    )
    return x, y, dtype


def _result_dtype(dtype: np.dtype) -> np.dtype:
    return dtype if dtype in (np.float16, np.float32) else np.dtype(np.float64)


def _compute_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def exponentials_dtype(x: ArrayLike) -> np.dtype | None:
    """NumPy's for exp(x) of short integers; None for all else."""
    dtype = getattr(x, "dtype", None)
    short = isinstance(dtype, np.dtype) and dtype.kind in "iu" and dtype.itemsize < 4
    return np.dtype(f"f{2 * dtype.itemsize}") if short else None


def float_dtype(value: object) -> np.dtype | None:
    """The dtype of a result, by NumPy's or PyTorch's name; None where it follows from x."""
    if value is None:
        return None
    named = str(value).removeprefix("torch.") if "torch." in repr(value) else value
    try:
        dtype = np.dtype(named)
    except TypeError:
        dtype = None
    if dtype not in (np.float16, np.float32, np.float64):
        raise TypeError(f"dtype: expected float16, float32 or float64, got {shown(value)}")
    return dtype


def axis_or_dim(axis: object, dim: object) -> object:
    """What either of the two names says."""
    if dim is None:
        return axis
    if axis != -1:
        raise TypeError(f"dim: expected None beside axis={axis!r}, got {shown(dim)}")
    return dim


def axes(value: object, ndim: int) -> tuple[int, ...]:
    """Axes of an array of so many dimensions, as distinct indices >= 0 in order; None means all."""
    if value is None:
        return tuple(range(ndim))
    wanted = value if isinstance(value, tuple) else (value,)
    found, most = set(), max(ndim, 1)  # a number has an axis 0 for NumPy and SciPy
    for axis in wanted:
        if not isinstance(axis, numbers.Integral) or isinstance(axis, bool):
            raise TypeError(
                f"axis: expected an integer, a tuple of them or None, got {shown(value)}"
            )
        if not -most <= axis < most:
            raise ValueError(f"axis: expected -{most}..{most - 1}, got {shown(axis)}")
        found.add(int(axis) % most)
    if len(found) < len(wanted):
        raise ValueError(f"axis: expected each axis once, got {shown(value)}")
    return tuple(sorted(found)) if ndim else ()


def one_axis(value: object, ndim: int, name: str) -> int:
    """The axis of the classes."""
    if value is None or isinstance(value, tuple):
        raise TypeError(f"axis: expected an integer, got {shown(value)}")
    if ndim == 0:
        raise ValueError(f"{name}: expected at least one dimension, got a number")
    return axes(value, ndim)[0]


def not_empty(split: tuple[int, int, int], name: str) -> None:
    if split[1] == 0:
        raise ValueError(f"{name}: expected at least one element along the axis, got none")


def output(out: NDArray, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise unless `out` is an array that can hold a result of this shape and dtype."""
    if out.shape != shape:
        raise ValueError(f"out: expected shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise ValueError(f"out: expected dtype {dtype}, got {name_of(out.dtype)}")
    if not out.flags.writeable:
        raise ValueError("out: expected an array that can be written to, got one that is read-only")


def overlap(x: NDArray, out: NDArray, name: str) -> None:
    """Raise if out shares memory with x without being x, element by element."""
    same = x.ctypes.data == out.ctypes.data and x.strides == out.strides and x.shape == out.shape
    if same and x.dtype == out.dtype:
        return
    try:
        shared = np.shares_memory(x, out, max_work=10_000)
    except np.exceptions.TooHardError:
        shared = True
    if shared:
        raise ValueError(f"out: expected {name} itself or memory apart from it, got an overlap")


def broadcast_together(x: NDArray, y: NDArray, names: tuple[str, str]) -> tuple[NDArray, NDArray]:
    try:
        return tuple(np.broadcast_arrays(x, y))
    except ValueError:
        raise ValueError(
            f"{names[1]}: expected a shape that broadcasts with {x.shape}, that of {names[0]}, got "
            f"{y.shape}"
        ) from None


def factors_of_exp(b: ArrayLike) -> ArrayLike:
    """b of `logsumexp`, which is not what PyTorch has in its place."""
    if isinstance(b, bool):
        raise TypeError(f"b: expected numbers, got {b}; PyTorch's keepdim is keepdims={b}")
    return b
