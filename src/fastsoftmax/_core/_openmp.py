"""How long OpenMP's threads spin at a barrier before they sleep.

GNU OpenMP spins for some 300 000 turns by default, which is 5 to 15 ms. That saves a wake-up of
about 50 µs where processors are free; where another process needs them, each of the many short
parallel regions of a fit may wait a time slice (docs/experiments/0048-company.md). The runtime
reads the number once, when it is loaded, from the environment. We set it for that moment only and
only where the user has not, so that other libraries and child processes are not affected.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# of GNU's and of LLVM's runtime: turns, and milliseconds
BRIEFLY = {"GOMP_SPINCOUNT": "300", "KMP_BLOCKTIME": "0"}
BY_USER = ("OMP_WAIT_POLICY", *BRIEFLY)


def set_by_user() -> bool:
    """Whether the environment says how threads wait."""
    return any(name in os.environ for name in BY_USER)


def loaded_libraries() -> frozenset[str]:
    """Paths of the shared libraries in this process, where the system tells (Linux)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            return frozenset(line[line.index("/") :].rstrip("\n") for line in maps if "/" in line)
    except OSError:
        return frozenset()


@contextmanager
def spinning_briefly() -> Iterator[None]:
    """An OpenMP runtime that is loaded meanwhile spins briefly."""
    if set_by_user():
        yield
        return
    os.environ.update(BRIEFLY)
    try:
        yield
    finally:
        for name in BRIEFLY:
            del os.environ[name]
