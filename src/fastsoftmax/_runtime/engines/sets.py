"""Partitions in sets that workers keep by name: of engines whose workers have a memory."""

import pickle
import weakref
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Any, NamedTuple, Protocol

from fastsoftmax._runtime.engines.failures import Ended, Failure
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import renumbered, shares, total
from fastsoftmax._runtime.engines.wire import Traffic, calls, packed, unpacked
from fastsoftmax._runtime.engines.work import made_of
from fastsoftmax._runtime.places import partitions

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
    per: dict[int, Any] | None  # a last argument for each partition
    forgotten: list[int]  # sets that nobody asks for any more


class Worker:
    """A worker, which keeps sets of partitions.

    Parameters
    ----------
    n_threads : int
    pickler : module
        Pickles what is raised, for the engine to send.
    """

    def __init__(self, n_threads: int, pickler: Any = pickle) -> None:
        self._n_threads, self._pickler = n_threads, pickler
        self._sets: dict[int, dict[int, Any]] = {}

    def work(self, task: Task, call: bytes) -> bytes:
        """What a function makes of partitions; what it raises, as a Failure."""
        try:
            return self._work(task, call)
        except BaseException as error:
            raise Failure.of(error, self._pickler) from None

    def _work(self, task: Task, call: bytes) -> bytes:
        for name in task.forgotten:
            self._sets.pop(name, None)
        kept = self._sets.get(task.kept, {})
        held = {i: kept.get(key) for i, key in task.share.items()}
        made = made_of(held, call, self._n_threads, task.size, task.per)
        if task.new is not None:
            self._sets[task.new], made = made, {}
        return packed(made)


class SetName:
    """The name of a set; once the name is gone, workers forget the set.

    Tasks say which names are gone. Nothing is called where one goes: an interrupt there is lost.
    """

    def __init__(self, number: int, names: "list[Names]") -> None:
        self.number = number
        for each in names:
            each[number] = weakref.ref(self)


Names = dict[int, weakref.ref[SetName]]  # by their numbers


def gone(names: Names) -> list[int]:
    """The numbers of those that are gone, which are taken out."""
    numbers = [number for number, name in list(names.items()) if name() is None]
    for number in numbers:
        names.pop(number, None)
    return numbers


class Workers(Protocol):
    """The workers of an engine."""

    n: int
    names: list[Names]  # for each: of the sets that it keeps

    def ask(self, tasks: list[Task], calls: list[bytes]) -> list[bytes]:
        """The answers of the first workers, a task for each. Raises Ended where some have ended."""

    def add(self, tasks: list[Task], calls: list[bytes], size: int) -> list[bytes]:
        """Their sums over so many partitions, which they may have added."""


def hold(workers: Workers, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldInSets":
    """Partitions, each loaded by a worker."""
    parts = [{i: i for i in part} for part in shares(len(sources), workers.n)]
    numbers = range(len(sources))
    nothing = HeldInSets(workers, SetName(NOTHING, []), parts, Traffic(), numbers)
    return nothing.map(loaded, load, per=list(map(packed_source, sources)))


def packed_source(source: Any) -> bytes:
    """A source as a worker is sent it."""
    try:
        return packed(source)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            "loaders: expected functions that can be sent to other processes, as those of a module "
            f"and functools.partial of these can, got one that cannot: {error}"
        ) from error


def loaded(nothing: None, load: Callable[..., Any], source: bytes) -> Any:
    """A partition from its source."""
    return load(*unpacked(source))


class HeldInSets(Stays):
    """A set of partitions.

    Parameters
    ----------
    workers : Workers
    name : SetName
    parts : list of dict
        For each worker, the numbers of partitions and by which the worker knows them.
    traffic : Traffic
    sources : sequence of int
        The numbers that the sources of the partitions have.
    """

    def __init__(
        self,
        workers: Workers,
        name: SetName,
        parts: list[dict[int, int]],
        traffic: Traffic,
        sources: Sequence[int],
    ) -> None:
        self._workers, self._name, self._parts = workers, name, parts
        self.count, self.traffic, self._sources = len(sources), traffic, sources

    def _tasks(
        self, per: Sequence[Any] | None = None, new: int | None = None, size: int | None = None
    ) -> list[Task]:
        tasks = []
        for part, names in zip(self._parts, self._workers.names, strict=False):
            own = None if per is None else {i: per[i] for i in part}
            tasks.append(Task(self._name.number, part, new, size, own, gone(names)))
        return tasks

    def _calls(self, function: Callable[..., Any], args: tuple[Any, ...]) -> list[bytes]:
        sent = calls(function, args, self._parts)
        self.traffic.count(sent)
        return sent

    def _asked(self, ask: Callable[..., list[bytes]], *task: Any) -> list[bytes]:
        """Answers of the workers. Raises RuntimeError where some have ended."""
        try:
            return ask(*task)
        except Ended as error:
            held = [i for worker in error.workers for i in chain(*self._parts[worker : worker + 1])]
            had = partitions(sorted(self._sources[i] for i in held)) if held else "no partition"
            raise RuntimeError(
                f"{error.how}, with {had}; enter a new context. {error.advice}"
            ) from error.__cause__

    def _answers(self, answers: list[bytes]) -> list[Any]:
        self.traffic.got(answers)
        return list(map(unpacked, answers))

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        results: dict[int, Any] = {}
        sent = self._calls(function, args)
        for part in self._answers(self._asked(self._workers.ask, self._tasks(), sent)):
            results |= part
        return [results[i] for i in range(self.count)]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        tasks, sent = self._tasks(size=self.count), self._calls(function, args)
        sums = self._asked(self._workers.add, tasks, sent, self.count)
        return total(*self._answers(sums), count=self.count)

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldInSets":
        name = SetName(next(NAMES), self._workers.names)
        sent = self._calls(function, args)
        self._asked(self._workers.ask, self._tasks(per, name.number), sent)
        parts = [{i: i for i in part} for part in self._parts]
        return HeldInSets(self._workers, name, parts, self.traffic, self._sources)

    def only(self, numbers: Sequence[int]) -> "HeldInSets":
        parts, sources = renumbered(self._parts, numbers), [self._sources[i] for i in numbers]
        return HeldInSets(self._workers, self._name, parts, self.traffic, sources)
