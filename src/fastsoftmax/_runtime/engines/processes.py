"""Processes on this machine, spoken to by pipes.

A thread speaks to them, one round after another: no interrupt falls within a message, and several
threads may ask. A round that nobody waits for any more ends before the next begins.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Self

from fastsoftmax._runtime.engines import pipes, sets
from fastsoftmax._runtime.engines.current import entered
from fastsoftmax._runtime.engines.wire import unpacked
from fastsoftmax._runtime.threads import available_threads

SPAWNED = multiprocessing.get_context("spawn")


class Processes:
    """Context in which worker processes on this machine run fits of `Partitions`.

    Parameters
    ----------
    n : int
        Number of processes, >= 1.
    n_threads : int, optional
        Threads of each process, >= 1; by default an equal share of those of this process.

    Raises
    ------
    ValueError
        If ``n`` or ``n_threads`` is not an integer >= 1.

    Examples
    --------
    >>> from fastsoftmax.engines import Processes
    >>> with Processes(2):  # doctest: +SKIP
    ...     model = fastsoftmax.fit(fastsoftmax.Partitions(loaders))
    """

    __module__ = "fastsoftmax.engines"

    def __init__(self, n: int, n_threads: int | None = None) -> None:
        self.n = sets.positive(n, "n")
        if n_threads is not None:
            sets.positive(n_threads, "n_threads")
        self.names: list[sets.Names] = [{} for _ in range(n)]
        self._n_threads = n_threads
        self._connections: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self._speaker = pipes.Speaker()
        self._stack.callback(self._speaker.close)
        n_threads = self._n_threads or max(1, available_threads() // self.n)
        for _ in range(self.n):
            here, there = SPAWNED.Pipe()
            process = SPAWNED.Process(target=pipes.serve, args=(there, n_threads), daemon=True)
            process.start()
            there.close()
            self._connections.append(here)
            self._processes.append(process)
            self._stack.callback(process.join)
            self._stack.callback(here.close)  # before: it is what ends the process
        self._stack.enter_context(entered(self))

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._connections.clear()
        self._processes.clear()

    def hold(self, load: Callable[..., Any], sources: Sequence[Sequence[Any]]) -> sets.HeldInSets:
        """As `Engine.hold`."""
        return sets.hold(self, load, sources)

    def ask(self, tasks: list[sets.Task], calls: list[bytes]) -> list[bytes]:
        """As `Workers.ask`; raises what the first of those that failed raised."""
        workers = self._connections, self._processes
        answers = self._speaker.ask(pipes.exchange, *workers, tasks, calls)
        for succeeded, result in answers:
            if not succeeded:
                unpacked(result).raise_here()
        return [result for _, result in answers]

    def add(self, tasks: list[sets.Task], calls: list[bytes], size: int) -> list[bytes]:
        """As `Workers.add`: those of each."""
        return self.ask(tasks, calls)
