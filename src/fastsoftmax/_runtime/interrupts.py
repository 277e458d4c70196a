"""Ctrl-C as a request to stop, which is granted where nothing is half done."""

import signal
import threading
from types import FrameType
from typing import Any, Self

BETWEEN_CHECKS = 0.1  # seconds until a wait looks for signals, which do not end it everywhere


class Interrupts:
    """While it is entered, the first SIGINT is noted, and only the next raises KeyboardInterrupt.

    Signals reach the main thread alone, and handlers other than Python's own are left in place:
    elsewhere nothing is noted.
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: Any = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.noted

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
