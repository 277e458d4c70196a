"""One updating line on standard error, or a bar where tqdm is installed."""

import sys
import time
from importlib.util import find_spec
from typing import Any, Self

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


class Bar:
    """tqdm's bar over so many rounds, if that is known, and a text; as a context manager."""

    def __init__(self, n_rounds: int | None, unit: str) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(total=n_rounds, unit=unit)

    def __call__(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


def progress(wanted: bool, n_rounds: int | None = None, unit: str = "it") -> Bar | ProgressLine:
    """What shows a text after each of at most so many rounds."""
    if wanted and find_spec("tqdm") is not None:
        return Bar(n_rounds, unit)
    return ProgressLine(wanted)
