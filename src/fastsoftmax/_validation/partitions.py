"""Partitions, checked where they are held, and then together (part of `_validation`)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime import places
from fastsoftmax._validation import blocks
from fastsoftmax._validation.arrays import shown

PARTS = "(X, y), (X, y, sample_weight) or (X, y, sample_weight, offset)"


def named(number: int) -> AbstractContextManager[None]:
    """Messages about what a partition holds begin with its number."""
    return places.named(f"partition {number}")


def loaders(source: object) -> list[Any]:
    """Functions that load partitions."""
    if isinstance(source, Sequence) and source and all(map(callable, source)):
        return list(source)
    if isinstance(source, Sequence) and not isinstance(source, str):
        wrong = next((each for each in source if not callable(each)), None)
        got = "an empty one" if not source else f"{shown(wrong)} in it"
    else:
        got = f"a {type(source).__name__}"
    raise TypeError(f"loaders: expected a sequence of functions without arguments, got {got}")


def parts(loaded: object) -> tuple[Any, Any, Any, Any]:
    """X, y, weights and offset, or None for either, that a function returned."""
    if not isinstance(loaded, tuple | list) or not 2 <= len(loaded) <= 4:
        got = type(loaded).__name__
        if isinstance(loaded, tuple | list):
            got = f"a {got} of {len(loaded)}"
        raise ValueError(f"expected {PARTS}, got {got}")
    X, y, *more = loaded
    weights, offset = [*more, None, None][:2]
    return X, y, weights, offset


def bring_all(**others: object) -> None:
    """Raise for what is given beside partitions."""
    for name, value in others.items():
        blocks.nothing_else(value, name, "Partitions")


def alike(name: str, got: Sequence[Any], numbers: Sequence[int], of: str) -> None:
    """Raise for the first partition that differs from the first in something."""
    for number, each in zip(numbers, got, strict=True):
        if each != got[0]:
            raise ValueError(
                f"partition {number}: {name}: expected {of.format(got[0])} as in partition "
                f"{numbers[0]}, got {of.format(each) if of != '{}' else each}"
            )


def no_collection(is_one: bool, name: str) -> None:
    """Raise for a collection of Dask's beside an X that is none."""
    if is_one:
        raise TypeError(
            f"{name}: expected an array, as X is, got a collection of Dask's; make it an array by "
            ".compute(), or X a collection"
        )


def no_offset(offset: object) -> None:
    """Raise where there is no engine to hold an offset."""
    if offset is not None:
        raise TypeError(
            "offset: expected None beside a collection of Dask's without a client, got an "
            "argument: start a distributed.Client"
        )


def one_level(levels: Sequence[str], numbers: Sequence[int]) -> None:
    """Raise where workers have kernels of different processor levels, which round differently."""
    other = next((i for i, level in enumerate(levels) if level != levels[0]), None)
    if other is not None:
        raise ValueError(
            f"workers: expected kernels of one processor level, got {levels[0]!r} for partition "
            f"{numbers[0]} and {levels[other]!r} for partition {numbers[other]}: set "
            "FASTSOFTMAX_ISA to the lowest of them in the environment of all workers"
        )


def some(rows: int) -> None:
    if not rows:
        raise ValueError("X: expected rows, got empty partitions alone")


def some_weight(total: float | None) -> None:
    """Raise unless weights sum to a number to divide by."""
    if total is None:
        return
    if not 0 < total < np.inf:
        got = "zeros only" if total == 0 else "a sum that is not"
        raise ValueError(f"sample_weight: expected weights of a finite, positive sum, got {got}")


def supported(l1_ratio: float, C: float, penalty_factor: NDArray | None) -> None:
    """Raise for what no engine fits, saying what does."""
    if l1_ratio:
        raise ValueError(
            f"l1_ratio: expected 0 for rows in partitions, got {l1_ratio:g}: an L1 penalty needs "
            "the rows on one machine, as Blocks or as an array"
        )
    if np.inf == C or (penalty_factor is not None and not penalty_factor.all()):
        name = "C: expected a finite number" if np.inf == C else "penalty_factor: expected > 0"
        raise ValueError(
            f"{name} for rows in partitions, got {'inf' if np.inf == C else 0}: a fit without a "
            "penalty, and inference, need the rows on one machine, as Blocks or as an array"
        )
