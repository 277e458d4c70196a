"""Both ends of a pipe to a worker: tasks with their numbers there, answers with these back."""

import signal
from multiprocessing.connection import Connection

from fastsoftmax._runtime.engines.sets import Task, Worker
from fastsoftmax._runtime.engines.wire import packed, unpacked


def serve(connection: Connection, n_threads: int) -> None:
    """Do one task after another: the life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who waits for the results
    worker = Worker(n_threads)
    while True:
        try:
            serial, task = unpacked(connection.recv_bytes())
            call = connection.recv_bytes()
        except EOFError:
            return
        try:
            succeeded, answer = True, worker.work(task, call)
        except Exception as error:
            succeeded, answer = False, packed(error)
        connection.send_bytes(packed((serial, succeeded)))
        connection.send_bytes(answer)


def send(connection: Connection, serial: int, task: Task, call: bytes) -> None:
    """Send a worker a task of this number."""
    connection.send_bytes(packed((serial, task)))
    connection.send_bytes(call)


def answer(connection: Connection, serial: int) -> tuple[bool, bytes]:
    """Whether a task succeeded, and what it returned or raised; earlier answers, not waited for
    after Ctrl-C, are skipped."""
    while True:
        answered, succeeded = unpacked(connection.recv_bytes())
        result = connection.recv_bytes()
        if answered == serial:
            return succeeded, result
