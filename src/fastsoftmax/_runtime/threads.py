"""How many threads a call may use."""

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastsoftmax import _core
from fastsoftmax._core import _cpu, _system
from fastsoftmax._runtime.teams import can_run, lateness


class TeamRules(NamedTuple):
    """What makes a thread worth while, in multiply-adds.

    docs/experiments/0010-busy-machines.md and 0063-threads-apart.md.
    """

    per_thread: int = 1_000_000  # more than a parallel region costs, some ten microseconds
    per_second: float = 20e9  # by one thread: what is lost where it waits for a processor
    long: int = 20_000_000  # a millisecond: less is not worth a barrier at which others spin


USUAL = TeamRules()
team_rules: ContextVar[TeamRules] = ContextVar("team_rules", default=USUAL)

FIRST = re.compile(rb"\s*([0-9]{1,9})\s*(?:,|$)")  # of OMP_NUM_THREADS, a number for each level
GROUPS = Path("/sys/fs/cgroup")

#: what an engine gives each of its workers, in place of what the machine has
of_worker: ContextVar[int | None] = ContextVar("of_worker", default=None)


def available_threads() -> int:
    """Processors this process may use: affinity, cgroup quota, OMP_NUM_THREADS, the least."""
    if (given := of_worker.get()) is not None:
        return given
    if not _cpu.openmp_version():
        return 1
    # both in C: with many Python threads each microsecond of a call counts
    count = _system.processors() or os.cpu_count() or 1
    # read now rather than asked of OpenMP, which read it once when it was loaded
    if (wanted := _system.threads_asked()) and (first := FIRST.match(wanted)):
        count = min(count, int(first[1]) or count)
    return max(1, min(count, _cgroup_quota()))


@cache
def _cgroup_quota(groups: Path = GROUPS) -> int:
    """Whole processors of the least quota that holds here; a huge number where there is none."""
    wholes = (max(1, math.ceil(quota / period)) for quota, period in _quotas(groups))
    return min(wholes, default=1 << 30)


def _quotas(groups: Path) -> Iterator[tuple[int, int]]:
    """Quota and period of the control groups of this process, and of those above them."""
    for line in _text("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2
            root, files = groups, ("cpu.max",)
        elif "cpu" in controllers.split(","):
            root, files = groups / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        names = [name for name in group.split("/") if name]
        for depth in range(len(names) + 1):  # of a container only its own group is there, as root
            at = root.joinpath(*names[:depth])
            with suppress(ValueError):  # no such file, or "max"
                quota, period = map(int, " ".join(_text(at / name) for name in files).split())
                if quota > 0:
                    yield quota, period


def _text(path: str | Path) -> str:
    """What a file says; nothing where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def team(n_threads: int, work: int) -> int:
    """Threads for so many multiply-adds, at most n_threads; one where OpenMP cannot run them."""
    rules = team_rules.get()
    least = rules.long if _core.spins_long else 2 * rules.per_thread
    if n_threads == 1 or work < least:
        return 1
    share = max(rules.per_thread, int(rules.per_second * lateness()))
    wanted = min(n_threads, work // share)
    return wanted if wanted > 1 and can_run(wanted) else 1
