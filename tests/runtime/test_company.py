"""Threads of a team are kept apart, and late ones are done without."""

import os
import subprocess
import sys
import threading
import time

import pytest
from support.processes import run
from support.threads import changed_teams

from fastsoftmax import _core
from fastsoftmax._core import _cpu, _system
from fastsoftmax._runtime import company as _company
from fastsoftmax._runtime import teams, threads
from fastsoftmax._runtime.company import RULES, Company
from fastsoftmax._runtime.threads import TeamRules

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what Linux tells")
two = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="one processor",
)


@pytest.fixture(autouse=True)
def punctual():
    """Not here: lateness counts."""


class Clock:
    """Time, and what the system says of a thread's waits, as told."""

    def __init__(self, monkeypatch):
        self.now, self.waited, self.times = 1.0, 0.0, 0.0
        monkeypatch.setattr(_company.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(_company._system, "waited", lambda thread: self.told())

    def told(self):
        return self.waited, self.times

    def after(self, company, *, waited=0.0, times=0):
        """The lateness after a pause in which it waited so often, so long each time."""
        self.now += RULES.pause
        self.waited += waited * times
        self.times += times
        return company.lateness()


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_lateness_is_the_mean_wait(clock):
    company = Company([7])
    for _ in range(40):
        found = clock.after(company, waited=2e-3, times=5)
    assert found == pytest.approx(2e-3)


def test_one_long_wait_is_forgotten(clock):
    company = Company([7])
    for _ in range(20):
        clock.after(company, waited=1e-5, times=5)
    assert clock.after(company, waited=4e-3, times=1) < 4e-4
    for _ in range(20):
        found = clock.after(company, waited=1e-5, times=5)
    assert found < 2e-5


def test_a_thread_that_is_not_used_is_tried_again(clock):
    company = Company([7])
    late = clock.after(company, waited=1e-3, times=8)
    after = [clock.after(company) for _ in range(100)]
    assert after == sorted(after, reverse=True)
    assert after[-1] == pytest.approx(late * (1 - RULES.forgotten) ** 100)


def test_it_looks_once_in_a_while(clock):
    company = Company([7])
    found = clock.after(company, waited=1e-3, times=8)
    clock.waited, clock.times = 1e9, 1
    assert company.lateness() == found


def test_a_system_that_tells_nothing(clock, monkeypatch):
    monkeypatch.setattr(_company._system, "waited", lambda thread: None)
    assert clock.after(Company([7])) == 0
    assert clock.after(Company([0])) == 0  # without a number
    assert clock.after(Company([])) == 0


@pytest.mark.parametrize(
    ("lateness", "expected"), [(0.0, 8), (1e-4, 8), (2e-4, 5), (4e-4, 2), (6e-4, 1), (5e-2, 1)]
)
def test_late_threads_are_done_without(monkeypatch, lateness, expected):
    monkeypatch.setattr(threads, "can_run", lambda n: True)
    monkeypatch.setattr(threads, "lateness", lambda: lateness)
    assert threads.team(8, 20_000_000) == expected


def test_results_do_not_depend_on_lateness(monkeypatch):
    import numpy as np

    from fastsoftmax import SoftmaxRegression
    from fastsoftmax.datasets import load_digits

    X, y = load_digits()
    sizes = []
    found = []
    for late in ([0.0], [1.0], [0.0, 1.0, 1e-5]):
        calls = iter(range(10**9))

        def lateness(late=late, calls=calls):
            return late[next(calls) % len(late)]

        def can_run(n):
            sizes.append(n)
            return teams.can_run(n)

        monkeypatch.setattr(threads, "lateness", lateness)
        monkeypatch.setattr(threads, "can_run", can_run)
        with changed_teams(per_thread=10_000, per_second=TeamRules().per_second):
            found.append(SoftmaxRegression(C=0.1, n_threads=3).fit(X, y).coef_)
    assert 3 in sizes
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@linux
def test_a_thread_that_waits_for_a_processor():
    """Beside a process on the same processor it waits about half of the time."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    found = []

    def compute():
        me = threading.get_native_id()
        one = min(os.sched_getaffinity(0))
        os.sched_setaffinity(me, {one})
        os.sched_setaffinity(loop.pid, {one})
        began, before = time.monotonic(), _system.waited(me)
        while time.monotonic() < began + 0.5:
            pass
        found.extend(now - then for now, then in zip(_system.waited(me), before, strict=True))
        found.append(time.monotonic() - began)

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    loop.kill()
    loop.wait()
    waited, times, elapsed = found
    assert 0.1 < waited < elapsed
    assert times >= 1


@linux
def test_no_such_thread():
    assert _system.waited(2**31 - 1) is None


@linux
def test_the_processor_of_this_thread():
    def told():
        one = max(os.sched_getaffinity(0))
        os.sched_setaffinity(threading.get_native_id(), {one})
        found.append((one, _system.processor()))

    found = []
    thread = threading.Thread(target=told)
    thread.start()
    thread.join()
    assert found[0][0] == found[0][1]


APART = """
import os, sys
from fastsoftmax._runtime import teams
here = {0}
os.sched_setaffinity(0, {{here}})  # on which this thread runs
free = os.sched_getaffinity(0)
os.sched_setaffinity(0, {1})
assert teams.can_run(2)
other = teams._pool.company._others[0]
print(sorted(os.sched_getaffinity(other)), teams._pool.company._avoided)
print(sorted(os.sched_getaffinity(0)))
"""


@linux
@two
@pytest.mark.skipif("libgomp" not in _cpu.start_openmp(), reason="another OpenMP than GNU's")
def test_others_keep_off_the_processor_of_the_caller():
    free = sorted(os.sched_getaffinity(0))
    result = run(APART.format(free[0], free))
    assert result.returncode == 0, result.stderr
    others, mine = result.stdout.splitlines()
    at = int(others.split()[-1])
    assert others == f"{[one for one in free if one != at]} {at}"
    assert mine == str(free)  # the caller's own are as they were


STAYS = """
import os
from fastsoftmax._core import _system
from fastsoftmax._runtime import teams
free = set(sorted(os.sched_getaffinity(0))[:2])
os.sched_setaffinity(0, free)

def within(n_threads):
    with _system.staying(n_threads):
        return os.sched_getaffinity(0)

def stayed():
    assert teams.can_run(2)
    return within(2) == {teams._pool.company._avoided}

assert any(stayed() for _ in range(100))  # the system may move this thread in between
assert os.sched_getaffinity(0) == free
assert within(1) == free
try:
    with _system.staying(2):
        raise KeyError
except KeyError:
    assert os.sched_getaffinity(0) == free
_system.avoid(-1)
assert within(2) == free
"""


@linux
@two
@pytest.mark.skipif("libgomp" not in _cpu.start_openmp(), reason="another OpenMP than GNU's")
def test_the_caller_stays_while_a_kernel_runs():
    result = run(STAYS)
    assert result.returncode == 0, result.stderr


@linux
@two
def test_nor_is_it_held_where_the_user_places_threads():
    result = run(
        "import os; from fastsoftmax._core import _system; from fastsoftmax._runtime import teams; "
        "free = os.sched_getaffinity(0); teams.can_run(2)\n"
        "with _system.staying(2): assert os.sched_getaffinity(0) == free",
        OMP_PLACES="threads",
        OMP_PROC_BIND="false",
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture
def moved(monkeypatch):
    """What threads are moved, on a machine of eight processors whose OpenMP is ours."""
    calls = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda *call: calls.append(call), raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: set(range(8)), raising=False)
    monkeypatch.setattr(os.path, "exists", lambda path: not path.endswith("/9"))
    monkeypatch.setattr(_company._system, "processor", lambda: 3)
    monkeypatch.setattr(_core, "openmp_was_loaded", False)
    for name in _company.BOUND_BY_USER:
        monkeypatch.delenv(name, raising=False)
    return calls


def test_once_where_the_caller_stays(moved, monkeypatch):
    company = Company([5, 6, 7])
    company.keep_apart(3)
    company.keep_apart(3)
    assert moved == [(5, {0, 1, 2, 4, 5, 6, 7}), (6, {0, 1, 2, 4, 5, 6, 7})]
    moved.clear()
    monkeypatch.setattr(_company._system, "processor", lambda: 0)
    company.keep_apart(2)
    assert moved == [(5, {1, 2, 3, 4, 5, 6, 7})]


@pytest.mark.parametrize(("n", "stays"), [(2, -1), (7, -1), (8, 3), (9, -1)])
def test_the_caller_stays_where_the_others_cannot_give_way(moved, monkeypatch, n, stays):
    told = []
    monkeypatch.setattr(_company._system, "avoid", told.append)
    Company(list(range(10, 20))).keep_apart(n)
    assert told[-1] == stays


@pytest.mark.parametrize("name", _company.BOUND_BY_USER)
def test_the_user_says_where_threads_run(moved, monkeypatch, name):
    monkeypatch.setenv(name, "true")
    Company([5]).keep_apart(2)
    assert moved == []


def test_a_runtime_that_others_use_is_left_alone(moved, monkeypatch):
    monkeypatch.setattr(_core, "openmp_was_loaded", True)
    Company([5]).keep_apart(2)
    assert moved == []


def test_more_threads_than_processors_run_anywhere(moved):
    Company(list(range(10, 20))).keep_apart(9)
    assert moved == []


def test_a_thread_that_has_ended_is_left_alone(moved):
    Company([9, 5]).keep_apart(3)
    assert [thread for thread, _ in moved] == [5]
