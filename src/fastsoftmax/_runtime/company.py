"""The threads of a team beside other work: where they run, and how late they come.

Linux tends to wake a thread on the processor of the one that wakes it, where it takes the others
for busy, as it does idle ones of a virtual machine. Two threads of a team then run one after the
other. So those that OpenMP keeps may run anywhere but there, and where the team needs all
processors, the caller stays there while a kernel of several regions runs (`_system.staying`).

Where other processes compute, a thread waits for a processor, up to some milliseconds each time
that it is woken or has used up its time slice. The system counts both. Measurements:
docs/experiments/0063-threads-apart.md.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass

from fastsoftmax import _core
from fastsoftmax._core import _system

BOUND_BY_USER = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


@dataclass(frozen=True)
class Rules:
    """How lateness is estimated (docs/experiments/0063-threads-apart.md)."""

    pause: float = 1e-3  # seconds between two looks, which take some microseconds
    kept: float = 0.75  # of what was seen before a look
    forgotten: float = 1 / 16  # of the waiting, for each look at a thread that had nothing to do
    few: float = 4.0  # waits, of which one long one does not count in full


RULES = Rules()


class Company:
    """What the threads that OpenMP keeps for one, its `others`, meet with."""

    def __init__(self, others: list[int]) -> None:
        self._others = [thread for thread in others if thread]  # as the system numbers them
        self._avoided = -1
        self._next = 0.0
        self._seen = (0.0, 0.0)
        self._waited = self._times = 0.0

    def keep_apart(self, n: int) -> None:
        """Keep the others of a team of n off the processor that this thread runs on."""
        here = _system.processor()
        if here == self._avoided:
            return
        self._avoided = here
        _system.avoid(-1)
        if not is_ours():
            return
        with suppress(OSError):
            free = os.sched_getaffinity(0) - {here}
            if len(free) < n - 1:
                return
            for thread in self._others[: n - 1]:
                if os.path.exists(f"/proc/self/task/{thread}"):
                    os.sched_setaffinity(thread, free)
            if len(free) == n - 1:  # so that none of them could give way
                _system.avoid(here)

    def lateness(self) -> float:
        """Seconds that the first of the others waits for a processor, each time that it does."""
        now = time.monotonic()
        if self._others and now >= self._next:
            self._next = now + RULES.pause
            self._look()
        return self._waited / max(self._times, RULES.few)

    def _look(self) -> None:
        found = _system.waited(self._others[0]) or self._seen
        waited, times = (now - before for now, before in zip(found, self._seen, strict=True))
        self._seen = found
        if times > 0:
            self._waited = RULES.kept * self._waited + waited
            self._times = RULES.kept * self._times + times
        else:
            self._waited *= 1 - RULES.forgotten


def is_ours() -> bool:
    """Whether no other library uses these threads, and the user has not said where they run."""
    return not (_core.openmp_was_loaded or any(name in os.environ for name in BOUND_BY_USER))
