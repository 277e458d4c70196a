"""How many threads a call may use."""

import math
import os
import re
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from fastsoftmax import _core
from fastsoftmax._core import _cpu
from fastsoftmax._runtime.teams import can_run, lateness

# What a thread is given should outweigh what a parallel region costs, some ten microseconds,
WORK_PER_THREAD = 1_000_000  # multiply-adds
# and how long it waits for a processor, where others compute
WORK_PER_SECOND = 20e9  # or more, by one thread
# about a millisecond of them: below it a barrier at which others' threads spin is not worth while
LONG_WORK = 20_000_000

#: what an engine gives each of its workers, in place of what the machine has
of_worker: ContextVar[int | None] = ContextVar("of_worker", default=None)


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
    if wanted and re.fullmatch("[0-9]{1,9}", wanted) and int(wanted) > 0:
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
    """Threads for so many multiply-adds, at most n_threads; one where OpenMP cannot run them."""
    least = LONG_WORK if _core.spins_long else 2 * WORK_PER_THREAD
    if n_threads == 1 or work < least:
        return 1
    share = max(WORK_PER_THREAD, int(WORK_PER_SECOND * lateness()))
    wanted = min(n_threads, work // share)
    return wanted if wanted > 1 and can_run(wanted) else 1
