"""Partitions in sets that workers keep by name: of engines whose workers have a memory."""

import pickle
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import fold_partitions, shares
from fastsoftmax._runtime.threads import of_worker

NAMES = count(1)
NOTHING = 0  # the name of a set of partitions that are yet to be loaded


def positive(value: int, name: str) -> int:
    """A number of workers or threads."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name}: expected an integer >= 1, got {value!r}")
    return int(value)


class Task(NamedTuple):
    """What a worker is asked."""

    kept: int  # the set
    share: dict[int, int]  # numbers of partitions, and by which the worker knows them
    new: int | None  # the set that the results become; None if they come back
    size: int | None  # of the tree in which they are summed
    forgotten: list[int]  # sets that nobody asks for any more


class Worker:
    """A worker, which keeps sets of partitions.

    Parameters
    ----------
    n_threads : int
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._sets: dict[int, dict[int, Any]] = {}

    def work(self, task: Task, call: bytes) -> Any:
        """What a function makes of partitions."""
        of_worker.set(self._n_threads)
        for name in task.forgotten:
            self._sets.pop(name, None)
        function, args, per = pickle.loads(call)
        kept = self._sets.get(task.kept, {})
        held = {i: kept.get(key) for i, key in task.share.items()}
        if task.size is not None:
            return fold_partitions(held, function, args, task.size)
        made = {i: function(partition, *args, *per.get(i, ())) for i, partition in held.items()}
        if task.new is None:
            return made
        self._sets[task.new] = made
        return {}


class Workers(Protocol):
    """The workers of an engine."""

    n: int
    forgotten: list[list[int]]  # for each: sets that nobody asks for any more

    def ask(self, tasks: list[Task], calls: list[bytes]) -> list[Any]:
        """The answers of the first workers, a task for each."""

    def add(self, tasks: list[Task], calls: list[bytes], size: int) -> Any:
        """The sum of their sums, over so many partitions."""


def hold(workers: Workers, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldInSets":
    """Partitions, each loaded by a worker."""
    parts = [{i: i for i in part} for part in shares(len(sources), workers.n)]
    return HeldInSets(workers, SetName(NOTHING, []), parts).map(loaded, load, per=sources)


def loaded(nothing: None, load: Callable[..., Any], source: Sequence[Any]) -> Any:
    """A partition from its source."""
    return load(*source)


class SetName:
    """The name of a set; once the name is gone, workers forget the set."""

    def __init__(self, number: int, forgotten: list[list[int]]) -> None:
        self.number = number
        for each in forgotten:
            weakref.finalize(self, each.append, number)


class HeldInSets(Stays):
    """A set of partitions."""

    def __init__(self, workers: Workers, name: SetName, parts: list[dict[int, int]]) -> None:
        self._workers, self._name, self._parts = workers, name, parts
        self.count = sum(map(len, parts))

    def _round(
        self,
        call: tuple[Any, ...],
        per: Sequence[Any] | None = None,
        new: int | None = None,
        size: int | None = None,
    ) -> tuple[list[Task], list[bytes]]:
        forgotten = [each.copy() for each in self._workers.forgotten]
        tasks = [
            Task(self._name.number, part, new, size, mine)
            for part, mine in zip(self._parts, forgotten, strict=False)
        ]
        for each, mine in zip(self._workers.forgotten, forgotten[: len(tasks)], strict=False):
            del each[: len(mine)]
        if per is None:
            return tasks, [pickle.dumps((*call, {}), pickle.HIGHEST_PROTOCOL)] * len(tasks)
        own = [{i: (per[i],) for i in part} for part in self._parts]
        return tasks, [pickle.dumps((*call, each), pickle.HIGHEST_PROTOCOL) for each in own]

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        results: dict[int, Any] = {}
        for part in self._workers.ask(*self._round((function, args))):
            results |= part
        return [results[i] for i in range(self.count)]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._workers.add(*self._round((function, args), size=self.count), self.count)

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldInSets":
        name = SetName(next(NAMES), self._workers.forgotten)
        self._workers.ask(*self._round((function, args), per, new=name.number))
        parts = [{i: i for i in part} for part in self._parts]
        return HeldInSets(self._workers, name, parts)

    def only(self, numbers: Sequence[int]) -> "HeldInSets":
        new = {old: i for i, old in enumerate(numbers)}
        parts = [{new[i]: key for i, key in part.items() if i in new} for part in self._parts]
        return HeldInSets(self._workers, self._name, parts)
