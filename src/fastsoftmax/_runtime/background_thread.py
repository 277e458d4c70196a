"""A thread beside the caller's whose start cannot hang.

`threading.Thread.start` waits for ever for a thread that runs out of memory before its first line
(CPython's issue 140746).
"""

import _thread
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from fastsoftmax._runtime.interrupts import BETWEEN_CHECKS

Answer = TypeVar("Answer")


class Life:
    """Held by a thread alone: it is freed when the thread has ended, whatever has ended it."""


class BackgroundThread:
    """A running thread, for which the end of the process does not wait.

    Raises RuntimeError where the system has no thread to give.
    """

    def __init__(self, function: Callable[..., None], *args: Any) -> None:
        life = Life()
        self._life = weakref.ref(life)
        _thread.start_new_thread(run, (life, function, args))

    def is_alive(self) -> bool:
        return self._life() is not None

    def answer(self, answers: SimpleQueue[Answer]) -> Answer:
        """What the thread puts next; meanwhile signals are handled."""
        while True:
            alive = self.is_alive()
            try:
                return answers.get(timeout=BETWEEN_CHECKS)
            except Empty:
                if not alive:
                    raise out_of_memory() from None

    def join(self) -> None:
        """Wait until it has ended."""
        while self.is_alive():
            time.sleep(0.001)


def run(life: Life, function: Callable[..., None], args: tuple[Any, ...]) -> None:
    del life  # the tuple of arguments holds it, which no traceback does
    function(*args)


def out_of_memory() -> MemoryError:
    """What ends a thread that otherwise passes on whatever is raised in it."""
    return MemoryError("a thread has ended without its result: no memory was left for it")
