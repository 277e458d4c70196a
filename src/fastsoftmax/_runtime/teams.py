"""Whether OpenMP can run a team of threads here; where it cannot, it would hang or end the process.

GNU OpenMP keeps the threads of a team for the next one. A forked child inherits the belief in them
but not the threads, and waits for them for ever. Where the system refuses a thread, the runtime
ends the process. So each team that needs more threads than there are is asked for here first.
"""

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from fastsoftmax import _core
from fastsoftmax._core import _cpu, _loaded

if TYPE_CHECKING:
    from fastsoftmax._runtime.company import Company

FORKED = 0x40  # Linux: PF_FORKNOEXEC, of a process that has not begun a program of its own


class Pool(threading.local):
    """The threads that OpenMP keeps for this one."""

    size = 1
    company: "Company | None" = None  # from the first team on


_pool = Pool()
_started = False  # by any thread of this process or of those that it was forked from
_may_be_dead: bool | None = False  # what a fork left behind; None: the libraries tell


def can_run(n: int) -> bool:
    """Whether a team of n threads runs; it is started if need be."""
    global _started
    if n > _pool.size:
        if may_be_dead():
            return False
        _started = True
        others = _cpu.start_team(n)
        if others is None:
            return False
        from fastsoftmax._runtime.company import (
            Company,
        )  # which the import of the package can do without

        _pool.company = Company(others)
    _pool.size = n  # OpenMP ends those that are more
    if _pool.company is not None:
        _pool.company.keep_apart(n)
    return True


def lateness() -> float:
    """Seconds that the threads of this one's team wait for a processor, each time that they do."""
    return 0.0 if _pool.company is None else _pool.company.lateness()


def may_be_dead() -> bool:
    """Whether a process that this one was forked from may have started OpenMP's threads."""
    global _may_be_dead
    if _may_be_dead is None:
        _may_be_dead = is_shared(_core.openmp_library)
    return _may_be_dead


def is_shared(runtime: str) -> bool:
    """Whether a library that is loaded, other than ours, needs the OpenMP runtime by its name."""
    ours = os.path.dirname(_core.__file__) + os.sep
    others = [path for path in _loaded.libraries() if not path.startswith(ours)]
    with suppress(OSError, ValueError):
        called, _ = _loaded.names(runtime)
        return any(called in needed_by(path) for path in others)
    return True


def needed_by(path: str) -> list[str]:
    """The names of the libraries that one needs; none if it is not there any more."""
    try:
        return _loaded.names(path)[1]
    except OSError:
        return []


def is_inherited(runtime: str) -> bool:
    """Whether the runtime may have been loaded before a fork, of which only its traces tell."""
    with open("/proc/self/stat", encoding="utf-8", errors="surrogateescape") as file:
        state = file.read().rpartition(")")[2].split()
    parent, flags = int(state[1]), int(state[6])
    if not flags & FORKED:
        return False
    mine, theirs = _loaded.libraries(), _loaded.libraries(parent)
    executable = os.path.realpath("/proc/self/exe")
    if executable not in theirs:  # another program, since the one that forked has ended
        return True
    return theirs.get(runtime) == mine.get(runtime)


def _note_fork() -> None:
    global _pool, _may_be_dead
    _pool = Pool()
    _may_be_dead = _may_be_dead or _started or None


def note_forks() -> None:
    """From here on; and one before that has left its traces."""
    global _may_be_dead
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_note_fork)
    if _core.openmp_was_loaded:
        with suppress(OSError):
            _may_be_dead = is_inherited(_core.openmp_library)
