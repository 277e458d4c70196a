"""How long OpenMP's threads spin at a barrier before they sleep.

GNU OpenMP spins for some 300 000 turns by default, which is 7 to 18 ms. That saves a wake-up of
about 50 µs where processors are free; where another process needs them, each of the many short
parallel regions of a fit may wait a time slice (docs/experiments/0048-company.md). The runtime
reads the number once, when it is loaded, from the environment. We set it for that moment only and
only where the user has not, so that other libraries and child processes are not affected. What
counts is the time (docs/experiments/0063-threads-apart.md), and a turn takes 23 to 60 ns.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SPIN = 20e-6  # seconds: the gap between two regions of a fit, and less than a wake-up costs
TURNS = 300  # where it is not known how long one takes
NAMES = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # of GNU's and of LLVM's runtime
BY_USER = ("OMP_WAIT_POLICY", *NAMES)


def briefly(turn: float) -> dict[str, str]:
    """Turns of GNU's runtime, of so many seconds each, and milliseconds of LLVM's."""
    return dict(zip(NAMES, (str(round(SPIN / turn) if turn else TURNS), "0"), strict=True))


def set_by_user() -> bool:
    """Whether the environment says how threads wait."""
    return any(name in os.environ for name in BY_USER)


@contextmanager
def spinning_briefly(turn: float) -> Iterator[None]:
    """An OpenMP runtime that is loaded meanwhile spins briefly; a turn takes so many seconds."""
    if set_by_user():
        yield
        return
    os.environ.update(briefly(turn))
    try:
        yield
    finally:
        for name in NAMES:
            del os.environ[name]
