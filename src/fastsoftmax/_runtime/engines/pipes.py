"""Both ends of a pipe to a worker: tasks there, answers back."""

import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Any, TypeVar

from fastsoftmax._runtime.background_thread import BackgroundThread
from fastsoftmax._runtime.engines.failures import Failure, ended
from fastsoftmax._runtime.engines.sets import Task, Worker
from fastsoftmax._runtime.engines.wire import packed, unpacked

Result = TypeVar("Result")
ENDS = 5.0  # seconds that a process takes to end once its pipe is closed, at most


def serve(connection: Connection, n_threads: int) -> None:
    """Do one task after another: the life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who waits for the results
    worker = Worker(n_threads)
    while True:
        try:
            task = unpacked(connection.recv_bytes())
            call = connection.recv_bytes()
        except EOFError:
            return
        try:
            succeeded, answer = True, worker.work(task, call)
        except Failure as failure:
            succeeded, answer = False, packed(failure)
        connection.send_bytes(packed(succeeded))
        connection.send_bytes(answer)


def send(connection: Connection, task: Task, call: bytes) -> None:
    """Send a worker a task."""
    connection.send_bytes(packed(task))
    connection.send_bytes(call)


def answer(connection: Connection) -> tuple[bool, bytes]:
    """Whether a task succeeded, and what it returned or raised."""
    return unpacked(connection.recv_bytes()), connection.recv_bytes()


def exchange(
    connections: list[Connection],
    processes: list[SpawnProcess],
    tasks: list[Task],
    calls: list[bytes],
) -> list[tuple[bool, bytes]]:
    """Send each worker a task, and wait for the answers. What fails meanwhile is the end of the
    pipes: some may be within a message."""
    if any(connection.closed for connection in connections):
        raise RuntimeError("a worker process has ended; enter a new context")
    try:
        for connection, task, call in zip(connections, tasks, calls, strict=False):
            send(connection, task, call)
        return [answer(connection) for connection in connections[: len(tasks)]]
    except BaseException as error:
        gone = exitcodes(processes) if isinstance(error, EOFError | OSError) else {}
        for connection in connections:
            connection.close()  # which ends the other processes
        if gone:
            raise ended(gone) from error
        raise


def exitcodes(processes: list[SpawnProcess]) -> dict[int, int]:
    """Those of the processes that have ended, by their numbers, once one has."""
    ready = wait([process.sentinel for process in processes], ENDS)
    for process in processes:
        if process.sentinel in ready:  # before the exit code is there
            process.join(ENDS)
    codes = [process.exitcode for process in processes]
    return {i: code for i, code in enumerate(codes) if code is not None}


class Speaker:
    """A thread that makes one call after another for those that wait.

    Its queues are compiled: an interrupt leaves no lock of theirs held, as it may one of a
    `ThreadPoolExecutor`, for which the next call would wait for ever.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = BackgroundThread(self._run)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def ask(self, function: Callable[..., Result], *args: Any) -> Result:
        """What the function returns or raises; meanwhile signals are handled."""
        answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

        def call() -> None:
            try:
                answers.put((True, function(*args)))
            except BaseException as error:
                answers.put((False, error))

        self._calls.put(call)
        succeeded, result = self._thread.answer(answers)
        if not succeeded:
            raise result
        return result

    def close(self) -> None:
        """End, after the calls that have been asked for."""
        self._calls.put(None)
        self._thread.join()
