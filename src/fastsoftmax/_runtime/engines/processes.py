"""Processes on this machine, spoken to by pipes."""

import multiprocessing
import pickle
import signal
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

from fastsoftmax._runtime.engines.current import entered
from fastsoftmax._runtime.engines.protocol import Stays
from fastsoftmax._runtime.engines.tree import fold_partitions, shares, total
from fastsoftmax._runtime.threads import available_threads, of_worker

Shares = list[dict[int, int]]  # of each worker: numbers of partitions, and by which it knows them
SPAWNED = multiprocessing.get_context("spawn")


class Task(NamedTuple):
    """What a worker is asked."""

    serial: int
    forgotten: list[int]  # sets of partitions that nobody asks for any more
    kept: int  # the set that is asked for
    share: dict[int, int]
    new: int | None  # the set that the results become; None if they come back
    size: int | None  # of the tree in which they are summed


def work(connection: Connection, n_threads: int) -> None:
    """Do one task after another: the life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who waits for the results
    of_worker.set(n_threads)
    sets: dict[int, dict[int, Any]] = {}
    while True:
        try:
            task: Task = pickle.loads(connection.recv_bytes())
            body = connection.recv_bytes()
        except EOFError:
            return
        for name in task.forgotten:
            sets.pop(name, None)
        try:
            answer = task.serial, True, done(sets, task, *pickle.loads(body))
        except Exception as error:
            answer = task.serial, False, error
        connection.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def done(
    sets: dict[int, dict[int, Any]],
    task: Task,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    per: dict[int, tuple[Any, ...]],
) -> Any:
    """The result of a task."""
    kept = sets.get(task.kept, {})
    held = {i: kept.get(key) for i, key in task.share.items()}
    if task.size is not None:
        return fold_partitions(held, function, args, task.size)
    results = {i: function(partition, *args, *per.get(i, ())) for i, partition in held.items()}
    if task.new is None:
        return results
    sets[task.new] = results
    return {}


class Processes:
    """Worker processes on this machine, for fits within its context.

    Parameters
    ----------
    n : int
        Processes, >= 1.
    n_threads : int, optional
        Threads of each; their share of this process's by default.
    """

    def __init__(self, n: int, n_threads: int | None = None) -> None:
        self._n, self._n_threads = n, n_threads or max(1, available_threads() // n)
        self._serials, self._names = count(), count(1)
        self._forgotten: list[int] = []
        self.connections: list[Connection] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for _ in range(self._n):
            here, there = SPAWNED.Pipe()
            process = SPAWNED.Process(target=work, args=(there, self._n_threads), daemon=True)
            process.start()
            there.close()
            self.connections.append(here)
            self._stack.callback(process.join)
        for connection in self.connections:
            self._stack.callback(connection.close)
        self._stack.enter_context(entered(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self.connections.clear()

    def hold(self, load: Callable[..., Any], sources: Sequence[Any]) -> "HeldByProcesses":
        parts = [{i: i for i in part} for part in shares(len(sources), self._n)]
        return HeldByProcesses(self, Name(self, 0), parts).map(call, load, per=sources)

    def name(self) -> int:
        """A new one, of a set of partitions."""
        return next(self._names)

    def forget(self, name: int) -> None:
        """A set, with the next round."""
        self._forgotten.append(name)

    def ask(self, tasks: list[Task], bodies: list[bytes]) -> list[Any]:
        """Results of a task for each of the first workers; raises what the first of them raised."""
        serial, answers = next(self._serials), []
        forgotten, self._forgotten = self._forgotten, []
        used = self.connections[: len(tasks)]
        try:
            for connection, task, body in zip(used, tasks, bodies, strict=True):
                task = task._replace(serial=serial, forgotten=forgotten)
                connection.send_bytes(pickle.dumps(task))
                connection.send_bytes(body)
            for connection in used:
                answers.append(self._answer(connection, serial))
        except (EOFError, OSError) as error:
            raise RuntimeError("a worker process has ended; enter a new context") from error
        for succeeded, result in answers:
            if not succeeded:
                raise result
        return [result for _, result in answers]

    def _answer(self, connection: Connection, serial: int) -> tuple[bool, Any]:
        """That to this task; earlier ones were not waited for, as after Ctrl-C."""
        while True:
            answered, *answer = pickle.loads(connection.recv_bytes())
            if answered == serial:
                return tuple(answer)


def call(nothing: None, load: Callable[..., Any], source: Sequence[Any]) -> Any:
    """A partition, loaded."""
    return load(*source)


class Name:
    """Of a set of partitions, which is forgotten with it."""

    def __init__(self, engine: Processes, name: int) -> None:
        self.number = name
        if name:
            weakref.finalize(self, engine.forget, name)


class HeldByProcesses(Stays):
    """A set of partitions, each on the worker that loaded it."""

    def __init__(self, engine: Processes, name: Name, parts: Shares) -> None:
        self._engine, self._name, self._parts = engine, name, parts
        self.count = sum(map(len, parts))

    def _round(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        per: Sequence[Any] | None = None,
        new: int | None = None,
        size: int | None = None,
    ) -> list[Any]:
        tasks = [Task(0, [], self._name.number, part, new, size) for part in self._parts]
        if per is None:
            bodies = [pickle.dumps((function, args, {}), pickle.HIGHEST_PROTOCOL)] * len(tasks)
        else:
            own = [{i: (per[i],) for i in part} for part in self._parts]
            bodies = [pickle.dumps((function, args, each), pickle.HIGHEST_PROTOCOL) for each in own]
        return self._engine.ask(tasks, bodies)

    def each(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        results = {i: found for part in self._round(function, args) for i, found in part.items()}
        return [results[i] for i in range(self.count)]

    def sum(self, function: Callable[..., Any], *args: Any) -> Any:
        return total(*self._round(function, args, size=self.count), count=self.count)

    def map(
        self, function: Callable[..., Any], *args: Any, per: Sequence[Any] | None = None
    ) -> "HeldByProcesses":
        name = Name(self._engine, self._engine.name())
        self._round(function, args, per, new=name.number)
        parts = [{i: i for i in part} for part in self._parts]
        return HeldByProcesses(self._engine, name, parts)

    def only(self, numbers: Sequence[int]) -> "HeldByProcesses":
        new = {old: i for i, old in enumerate(numbers)}
        parts = [{new[i]: key for i, key in part.items() if i in new} for part in self._parts]
        return HeldByProcesses(self._engine, self._name, parts)
