"""Progress on standard error: a bar where tqdm can draw one, else a line per second."""

import sys
import time
from importlib.util import find_spec
from typing import Any, Self

INTERVAL = 1.0  # seconds between two lines, which stay


class Lines:
    """Prints a text once per second, and the last one; silent where it is not wanted.

    Used as a context manager.
    """

    def __init__(self, wanted: bool, n_rounds: int | None, unit: str) -> None:
        self._wanted, self._unit = wanted, unit
        self._total = "" if n_rounds is None else f"/{n_rounds}"
        self._count = 0
        self._left = ""  # to print
        self._next = 0.0

    def __call__(self, text: str, rounds: int = 1) -> None:
        self._count += rounds
        self._left = f"{self._unit} {self._count}{self._total}   {text}"
        if self._wanted and time.monotonic() >= self._next:
            self._print()

    def _print(self) -> None:
        print(self._left, file=sys.stderr, flush=True)
        self._left = ""
        self._next = time.monotonic() + INTERVAL

    def __enter__(self) -> Self:
        self._next = time.monotonic() + INTERVAL
        return self

    def __exit__(self, *exception: object) -> None:
        if self._wanted and self._left:
            self._print()


class Bar:
    """tqdm's bar over so many rounds, if that is known, and a text; as a context manager."""

    def __init__(self, n_rounds: int | None, unit: str) -> None:
        from tqdm.auto import tqdm  # in a notebook that of notebooks

        self._bar: Any = tqdm(total=n_rounds, unit=f" {unit}s")

    def __call__(self, text: str, rounds: int = 1) -> None:
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(rounds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


def can_draw() -> bool:
    """Whether standard error shows what changes in place: a terminal or a notebook."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


def progress(wanted: bool, n_rounds: int | None = None, unit: str = "iteration") -> Bar | Lines:
    """What shows a text after a round, or several, of at most so many."""
    if wanted and can_draw() and find_spec("tqdm") is not None:
        return Bar(n_rounds, unit)
    return Lines(wanted, n_rounds, unit)
