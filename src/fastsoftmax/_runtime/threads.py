"""How many threads a call may use."""

import math
import os
import re
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from fastsoftmax import _core
from fastsoftmax._core import _cpu

# A parallel region costs some microseconds: what a thread is given should outweigh them.
WORK_PER_THREAD = 500_000  # multiply-adds
# about a millisecond of them: below it a barrier at which others' threads spin is not worth while
LONG_WORK = 20_000_000

#: what an engine gives each of its workers, in place of what the machine has
of_worker: ContextVar[int | None] = ContextVar("of_worker", default=None)

_team_started = False
_forked = False


def _note_fork() -> None:
    global _forked
    _forked = _team_started


# GNU OpenMP keeps its threads waiting between parallel regions. A forked child inherits the belief
# in them but not the threads, and its next parallel region would wait for ever: there, one thread.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def available_threads() -> int:
    """Processors this process may use: affinity, cgroup quota, OMP_NUM_THREADS, the least."""
    if (given := of_worker.get()) is not None:
        return given
    if not _cpu.openmp_version():
        return 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    # read now rather than asked of OpenMP, which read it once when it was loaded
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if re.fullmatch("[0-9]{1,9}", wanted) and int(wanted) > 0:
        count = min(count, int(wanted))
    return max(1, min(count, _cgroup_quota()))


@cache
def _cgroup_quota() -> int:
    """Whole processors of the container's quota (cgroup v2); a huge number where there is none."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return 1 << 30


def team(n_threads: int, work: int) -> int:
    """Threads for so many multiply-adds, at most n_threads."""
    global _team_started
    least = LONG_WORK if _core.spins_long else 2 * WORK_PER_THREAD
    if _forked or n_threads == 1 or work < least:
        return 1
    _team_started = True
    return min(n_threads, work // WORK_PER_THREAD)
