"""Blocks of rows, checked as they are read (part of `_validation`)."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._validation.arrays import as_array, shown
from fastsoftmax._validation.columns import column_names
from fastsoftmax._validation.labels import array_of, finite


def readable(source: object) -> None:
    """Raise unless it can be read more than once."""
    if hasattr(source, "__next__"):
        raise TypeError(
            "source: expected a sequence of blocks or a function that returns an iterable of them, "
            f"got a {type(source).__name__}, which can be read only once"
        )
    if not callable(source) and not (hasattr(source, "__getitem__") and hasattr(source, "__len__")):
        raise TypeError(
            "source: expected a sequence of blocks or a function that returns an iterable of them, "
            f"got {type(source).__name__}"
        )


def iterator(blocks: object) -> Iterator[Any]:
    """What a function returned, which is to give blocks."""
    if not isinstance(blocks, Iterable):
        raise TypeError(
            "source: expected a function that returns an iterable of blocks, got "
            f"{type(blocks).__name__} from it"
        )
    return iter(blocks)


def parts(block: object) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
    """X, y and the weights, or None, of a block."""
    if not isinstance(block, tuple | list) or len(block) not in (2, 3):
        got = type(block).__name__
        if isinstance(block, tuple | list):
            got = f"a {got} of {len(block)}"
        raise ValueError(f"expected (X, y) or (X, y, sample_weight), got {got}")
    return block[0], block[1], block[2] if len(block) == 3 else None


def rows_of(part: Any) -> int | None:
    """How many rows X, y or weights have; None of what has none, as one weight for all."""
    shape = getattr(part, "shape", None)
    if shape is None:
        return len(part) if hasattr(part, "__len__") else None
    return shape[0] if len(shape) else None


def numbered(blocks: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """The blocks that have rows, and what is none, with their numbers among all."""
    for i, block in enumerate(blocks):
        rows = list(map(rows_of, block)) if isinstance(block, tuple | list) else []
        if not rows or rows[0] != 0 or any(rows):
            yield i, block


SAMPLE = 64, 256  # rows and columns of a table
ENTRIES = 1 << 16  # of each array of a sparse matrix


def arrays_of(part: object) -> list[NDArray]:
    """The arrays that hold X, y or weights, where these are arrays or sparse."""
    found = [part]
    if sparse.issparse(part):
        found = [getattr(part, name, None) for name in ("data", "indices", "indptr")]
    return [a for a in found if isinstance(a, np.ndarray) and a.ndim and a.dtype != object]


def numbers_of(part: object) -> list[bytes]:
    """Of each of these arrays all numbers, or some of a table and of a sparse matrix.

    Rows are taken one by one: where there is hardly any memory, NumPy may end the process if it is
    to hash numbers in a thread (`unique`), and raises a SystemError if it is to take several rows.
    """
    found = []
    for array in arrays_of(part):
        if array.ndim > 1:
            rows = np.linspace(0, len(array) - 1, min(len(array), SAMPLE[0])).astype(int)
            found += [array[row, ..., : SAMPLE[1]].tobytes() for row in rows]
        else:
            step = max(1, len(array) // ENTRIES) if sparse.issparse(part) else 1
            found.append(array[::step].tobytes())
    return found


def own_arrays(blocks: Iterable[Any]) -> Iterator[Any]:
    """The blocks; raises where one has the memory of the block before it, with other numbers.

    Both are worked on at a time, and a buffer that is filled anew would be read twice as it is now.
    Of large X not all numbers are looked at, and of frames none.
    """
    before: list[tuple[Any, list[bytes]]] = []
    for i, block in enumerate(blocks):
        given = block if isinstance(block, tuple | list) else ()
        names = ("X", "y", "sample_weight")
        for name, now, (was, numbers) in zip(names, given, before, strict=False):
            pairs = zip(arrays_of(now), arrays_of(was), strict=False)
            if any(np.may_share_memory(*pair) for pair in pairs) and numbers_of(was) != numbers:
                raise ValueError(
                    f"block {i}: {name}: expected an array of its own, got the memory of block "
                    f"{i - 1}, whose numbers it has overwritten; give copies, as {name}.copy()"
                )
        before = [(part, numbers_of(part)) for part in given]
        yield block


@dataclass(frozen=True)
class SampleRules:
    """How much is compared with the first pass (docs/experiments/0090-rows-of-later-passes.md)."""

    rows: int = 16  # of X
    columns: int = 256
    entries: int = 1 << 11  # of each array of a sparse X
    targets: int = 256  # rows of a table y, and labels that are objects


RULES = SampleRules()


def evenly(size: int, most: int) -> slice:
    """At most so many of a number of things."""
    return slice(None, None, max(1, -(-size // most)))


def checksum(X: NDArray | sparse.csr_array) -> int:
    """Of some numbers of X, by which the same rows are known in later passes."""
    found = 0
    most = (RULES.entries,) if sparse.issparse(X) else (RULES.rows, RULES.columns)
    for array in arrays_of(X):
        found = crc32(array[tuple(map(evenly, array.shape, most))].tobytes(), found)
    return found


def same_targets(y: ArrayLike, before: NDArray) -> bool:
    """Whether these are the labels, or the table, of the first pass: where it is cheap, all rows
    are compared."""
    array = np.atleast_1d(as_array(y, "y", "labels"))
    plain = array.ndim == 1 and array.dtype.kind not in "OT"
    some = slice(None) if plain else evenly(len(array), RULES.targets)
    return len(array) == len(before) and np.array_equal(array_of(array[some], "y"), before[some])


def same_weights(weight: ArrayLike | None, before: NDArray | None) -> bool:
    """Whether these are the weights of the first pass, or one for all rows that is."""
    if weight is None or before is None:
        return weight is before
    now = as_array(weight, "sample_weight")
    return now.shape in ((), before.shape) and bool((now == before).all())


def as_before(**same: bool) -> None:
    """Raise for the first part of a block that is not the same as in the first pass."""
    for name, is_same in same.items():
        if not is_same:
            raise ValueError(
                f"{name}: expected the same values as in the first pass, got others: a source has "
                "to give the same rows in the same order in each pass. Turn off shuffling and "
                "random changes, as of a DataLoader, or read a copy by Blocks.cached"
            )


def folder(path: object) -> Path:
    """A folder that there is."""
    if not isinstance(path, str | PathLike):
        raise TypeError(f"folder: expected a path, got {shown(path)}")
    found = Path(path).absolute()
    if not found.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, "folder: expected an existing folder, got none", os.fspath(path)
        )
    return found


def alike(X: NDArray | sparse.csr_array, is_sparse: bool, width: int, dtype: np.dtype) -> None:
    """Raise unless a block's X goes with those before it."""
    if sparse.issparse(X) != is_sparse:
        kinds = "a dense array", "a sparse one"
        raise ValueError(
            f"X: expected {kinds[is_sparse]} as in the first block, got {kinds[not is_sparse]}"
        )
    if X.shape[1] != width:
        raise ValueError(f"X: expected {width} features as in the first block, got {X.shape[1]}")
    if X.dtype != dtype:
        raise ValueError(f"X: expected {dtype} as in the first block, got {X.dtype}")


def same_columns(X: object, first: object, place: str = "the first block") -> None:
    """Raise for a frame whose columns are others than those of the first, or in another order."""
    names, before = column_names(X), column_names(first)
    if None not in (names, before) and names != before:
        raise ValueError(
            f"X: expected the columns {shown(before)} as in {place}, in this order, got "
            f"{shown(names)}"
        )


def targets(y: ArrayLike, n: int, before: NDArray | None = None) -> NDArray:
    """Labels of a block, or rows of a table of targets, as wide as those `before`."""
    y = array_of(y, "y")
    if y.shape[:1] != (n,) or y.ndim > 2:
        raise ValueError(f"y: expected shape ({n},) as X has rows, got {y.shape}")
    if before is not None and y.shape[1:] != before.shape[1:]:
        columns = math.prod(before.shape[1:])
        raise ValueError(
            f"y: expected {columns} column{'s' * (columns > 1)} as in the first block, "
            f"got shape {y.shape}"
        )
    if y.ndim == 1 and y.dtype.kind == "f":
        finite(y, "y")
    return y


def alike_labels(y: NDArray, first: NDArray) -> None:
    """Raise for strings beside numbers, which NumPy would take for strings."""
    if (y.dtype.kind in "US") != (first.dtype.kind in "US"):
        raise ValueError(
            f"y: expected labels of the first block's kind, {first.dtype}, got {y.dtype}"
        )


def some(rows: int) -> None:
    if not rows:
        raise ValueError("source: expected blocks of rows, got none")


def all_or_none(weights: Sequence[Any], numbers: Sequence[int]) -> None:
    """Raise where some blocks, of these numbers, have weights and others have none."""
    given = [weight is not None for weight in weights]
    if any(given) and not all(given):
        raise ValueError(
            f"block {numbers[given.index(not given[0])]}: sample_weight: expected weights in all "
            "blocks or in none"
        )


def as_many(rows: int, before: int) -> None:
    """Raise unless a pass has brought as many rows as the first did."""
    if rows != before:
        raise ValueError(f"source: expected the same {before} rows in each pass, got {rows}")


def nothing_else(value: object, name: str, kind: str = "Blocks") -> None:
    """Raise for what rows in parts bring themselves."""
    if value is not None:
        raise TypeError(f"{name}: expected None beside {kind}, which bring it, got an argument")
