"""Dask's collections, known by their graph, without an import of Dask."""

from collections.abc import Callable, Iterator
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from fastsoftmax._runtime.places import named


def is_collection(x: object) -> bool:
    """Whether x is computed later: an array, a frame or a column of Dask's, or the like."""
    graph = getattr(x, "__dask_graph__", None)
    return callable(graph) and not isinstance(x, type) and graph() is not None


def require_rows(X: Any, name: str) -> None:
    """Raise for a collection that has no blocks of rows: bags, and delayed objects, which seem to
    have every attribute."""
    if not (hasattr(type(X), "to_delayed") and hasattr(type(X), "ndim")):
        raise TypeError(
            f"{name}: expected an array or a frame of Dask's, got {type(X).__name__}; of delayed "
            "partitions make Partitions"
        )


def delayed_parts(X: Any, name: str = "X") -> list[Any]:
    """Blocks of rows of a collection, each computed later."""
    require_rows(X, name)
    if len(getattr(X, "numblocks", ())) > 1 and X.numblocks[1] > 1:
        raise ValueError(
            f"{name}: expected all columns of a row in one chunk, got chunks of "
            f"{', '.join(map(str, X.chunks[1]))}: use {name}.rechunk({{1: -1}})"
        )
    return list(np.ravel(np.asarray(X.to_delayed(), object)))


def together(X: Any, **others: Any) -> list[list[Any]]:
    """Blocks of X with those of others, or None, which go with the rows."""
    parts, lengths = delayed_parts(X), lengths_of(X)
    columns = [parts]
    for name, other in others.items():
        if other is None:
            columns.append([None] * len(parts))
            continue
        if not is_collection(other):
            columns.append(cut(other, lengths, name))
            continue
        require_rows(other, name)
        own = lengths_of(other)
        if lengths is not None and own is not None and own != lengths:
            if sum(own) != sum(lengths):
                raise ValueError(f"{name}: expected {sum(lengths)} rows, as X has, got {sum(own)}")
            other = other.rechunk({0: tuple(lengths)})
        columns.append(found := delayed_parts(other, name))
        if len(found) != len(parts):
            raise ValueError(
                f"{name}: expected {len(parts)} blocks of rows, as X has, got {len(found)}"
            )
    return [list(row) for row in zip(*columns, strict=True)]


def lengths_of(X: Any) -> list[int] | None:
    """Rows of each block; None where they are not known."""
    chunks = getattr(X, "chunks", ((np.nan,),))[0]
    return None if np.isnan(chunks).any() else list(chunks)


def cut(array: Any, lengths: list[int] | None, name: str) -> list[Any]:
    """An array that is here, in the blocks of X."""
    if lengths is None:
        raise TypeError(
            f"{name}: expected a collection of Dask's, as X is, whose lengths are not known, got "
            f"{type(array).__name__}"
        )
    if len(array) != sum(lengths):
        raise ValueError(f"{name}: expected {sum(lengths)} rows, as X has, got {len(array)}")
    ends = np.cumsum([0, *lengths])
    return [array[begin:end] for begin, end in pairwise(ends)]


def computed(rows: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """One block after another, in this process."""
    import dask

    for i, parts in enumerate(rows):
        with named(f"block {i}"):
            X, y, weights, *_ = dask.compute(*parts)
        yield (X, y) if weights is None else (X, y, weights)


def later(method: Callable[..., Any], model: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
    """What a method makes of each block, as an array of Dask's; as several if it gives a tuple."""
    import dask

    parts = delayed_parts(X)
    if X.ndim != 2:
        raise ValueError(f"X: expected a 2-d collection (rows, features), got {X.ndim}-d")
    model, d = copy(model), X.shape[1]  # as it is now, whatever changes it until then
    row = np.ones((1, d), X.dtype) if hasattr(X, "chunks") else X._meta_nonempty
    example = method(model, row, *args, **kwargs)
    several = isinstance(example, tuple)
    examples = [each[:0] for each in (example if several else (example,))]
    nothing = tuple(examples) if several else examples[0]
    call, shared = dask.delayed(of_block, pure=True), dask.delayed(model, pure=True, traverse=False)
    made = [call(i, part, method, shared, nothing, args, kwargs) for i, part in enumerate(parts)]
    if not several:
        return as_collection(made, lengths_of(X), nothing)
    columns = [[each[i] for each in made] for i in range(len(examples))]
    return tuple(
        as_collection(column, lengths_of(X), each)
        for column, each in zip(columns, examples, strict=True)
    )


def as_collection(parts: list[Any], lengths: list[int] | None, nothing: Any) -> Any:
    """An array of Dask's of blocks that are computed later, of so many rows each."""
    import dask.array

    arrays = [
        dask.array.from_delayed(
            part, (np.nan if lengths is None else lengths[i], *nothing.shape[1:]), meta=nothing
        )
        for i, part in enumerate(parts)
    ]
    return dask.array.concatenate(arrays, allow_unknown_chunksizes=True)


def of_block(
    number: int,
    X: Any,
    method: Callable[..., Any],
    model: Any,
    nothing: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """What a method makes of a block, nothing of an empty one."""
    with named(f"block {number}"):
        return method(model, X, *args, **kwargs) if X.shape[0] else nothing
