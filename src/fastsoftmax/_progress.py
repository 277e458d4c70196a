"""One updating line on standard error."""

import sys
import time
from typing import Self

INTERVAL = 0.05  # seconds between two updates: a terminal is slower than a pass over small data


class ProgressLine:
    """Shows text in place; silent where it is not wanted.

    Used as a context manager: leaving it shows the last text and ends the line.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._text = ""
        self._shown = ""
        self._next = 0.0

    def __call__(self, text: str) -> None:
        self._text = text
        if self._wanted and time.monotonic() >= self._next:
            self._show()
            self._next = time.monotonic() + INTERVAL

    def _show(self) -> None:
        sys.stderr.write("\r" + self._text.ljust(len(self._shown)))
        sys.stderr.flush()
        self._shown = self._text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._wanted and self._text:
            self._show()
            sys.stderr.write("\n")
