"""Data in partitions, for fits on several processes or machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fastsoftmax._runtime import sources
from fastsoftmax._runtime.engines import current_engine
from fastsoftmax._runtime.parts import Parts
from fastsoftmax._validation import partitions as check


class Partitions(sources.FromFiles, Parts):
    """Rows in partitions that workers hold, each loaded where it is needed.

    ``fit(Partitions(loaders))`` finds the optimum of all rows, as if they were one array: the same
    objective, solver and certificate. Rows, labels and weights stay with the workers, except for a
    sample of them; each evaluation of the objective is a round, to which every partition adds its
    part. The bits of the result depend on the partitions and on the processor level of the kernels,
    not on the workers or on the engine that runs them: the current Dask client, if there is one,
    the engine of `fastsoftmax.engines` whose context is entered, or else this process.

    Parameters
    ----------
    loaders : sequence of callables
        Functions without arguments, each of which returns the rows of one partition, the same rows
        in each call: ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y, sample_weight, offset)``. X
        is in all partitions dense or in all sparse, and of the same dtype; partitions may be empty.
        The functions are sent to workers, so they must be functions of a module or
        `functools.partial` of them, and they are called again if a worker is lost.

    Raises
    ------
    TypeError
        If loaders is not a sequence of functions.

    Examples
    --------
    >>> from functools import partial
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> def rows(begin, end):
    ...     X, y = load_digits()
    ...     return X[begin:end], y[begin:end]
    >>> loaders = [partial(rows, begin, begin + 300) for begin in range(0, 1797, 300)]
    >>> model = fastsoftmax.fit(fastsoftmax.Partitions(loaders), C=0.01)
    >>> model.certified_
    True
    >>> X, y = load_digits()
    >>> bool(abs(model.objective_ - fastsoftmax.fit(X, y, C=0.01).objective_) < 1e-6)
    True
    """

    __module__ = "fastsoftmax"

    def __init__(self, loaders: Sequence[Callable[[], tuple[Any, ...]]]) -> None:
        self.loaders = check.loaders(loaders)

    @classmethod
    def _of_parts(cls, parts: list[list[Any]]) -> Partitions:
        """Partitions of blocks of Dask's collections: (X, y, sample_weight, offset) of each."""
        partitions = cls.__new__(cls)
        partitions.loaders = parts
        return partitions

    @classmethod
    def _of_loads(cls, loads: Callable[[], Iterable[sources.Load]]) -> Partitions:
        return cls(list(loads()))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """(X, y) or (X, y, sample_weight) of each that has rows, loaded in this process."""
        for number, loader in enumerate(self.loaders):
            if (found := of_partition((number, loader), without_nothing, ())) is not None:
                yield found

    def _each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        sources = current_engine().hold(numbered, list(enumerate(self.loaders)))
        made = [part for part in sources.each(of_partition, function, args) if part is not None]
        check.some(len(made))
        return made


def without_nothing(part: tuple[Any, ...]) -> tuple[Any, ...]:
    """X, y, and weights if there are any."""
    return part if part[2] is not None else part[:2]


def numbered(number: int, loader: Any) -> tuple[int, Any]:
    """What a worker keeps where it is to hold one partition at a time: how it is loaded."""
    return number, loader


def of_partition(
    source: tuple[int, Any], function: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    """What a function makes of a partition, which is loaded for that; None of an empty one."""
    number, loader = source
    with check.named(number):
        X, y, weights, _ = check.parts(loader() if callable(loader) else loader)
        some = X.shape[0] if hasattr(X, "shape") else len(X)
        return function((X, y, weights), *args) if some else None
