"""Both ends of a pipe to a worker: tasks there, answers back."""

import signal
from concurrent.futures import Future, wait
from multiprocessing.connection import Connection
from typing import TypeVar

from fastsoftmax._runtime.engines.sets import Task, Worker
from fastsoftmax._runtime.engines.wire import packed, unpacked
from fastsoftmax._runtime.interrupts import BETWEEN_CHECKS

Result = TypeVar("Result")
ENDED = (
    "a worker process has ended; enter a new context. A script that starts processes needs "
    '`if __name__ == "__main__":` before what it runs'
)


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
        except Exception as error:
            succeeded, answer = False, packed(error)
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
    connections: list[Connection], tasks: list[Task], calls: list[bytes]
) -> list[tuple[bool, bytes]]:
    """Send each worker a task, and wait for the answers. What fails meanwhile is the end of the
    pipes: some may be within a message."""
    try:
        for connection, task, call in zip(connections, tasks, calls, strict=False):
            send(connection, task, call)
        return [answer(connection) for connection in connections[: len(tasks)]]
    except BaseException:
        for connection in connections:
            connection.close()
        raise


def awaited(talk: Future[Result]) -> Result:
    """What a thread returns or raises; meanwhile signals are handled."""
    while not wait([talk], BETWEEN_CHECKS).done:
        continue
    return talk.result()
