"""How many threads a call may use: the least of affinity, quota and OMP_NUM_THREADS."""

import os
from pathlib import Path

import pytest

from fastsoftmax._runtime import threads as _threads
from fastsoftmax._runtime.threads import WORK_PER_THREAD, available_threads, team

NO_QUOTA = 1 << 30


@pytest.fixture
def machine(monkeypatch):
    """A machine of 8 processors, no quota, OMP_NUM_THREADS unset; set other values through it."""

    def set_to(*, processors=8, quota=NO_QUOTA, wanted=None, openmp=201511):
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda pid: set(range(processors)), raising=False
        )
        monkeypatch.setattr(_threads, "_cgroup_quota", lambda: quota)
        monkeypatch.setattr(_threads._cpu, "openmp_version", lambda: openmp)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if wanted is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", wanted)

    set_to()
    return set_to


def test_all_processors_of_the_affinity(machine):
    assert available_threads() == 8
    machine(processors=3)
    assert available_threads() == 3


def test_without_affinity_all_of_the_machine(machine, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert available_threads() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_threads() == 1


def test_the_least_counts(machine):
    machine(processors=8, quota=2)
    assert available_threads() == 2
    machine(processors=8, quota=6, wanted="3")
    assert available_threads() == 3
    machine(processors=1, quota=6, wanted="3")
    assert available_threads() == 1


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("1", 1), ("4", 4), (" 4 ", 4), ("2,3", 2), ("100", 8)]
    + [
        (text, 8) for text in ("", "0", "-2", "many", "2.5", "²", "٢", "9" * 5000)
    ],  # not numbers OpenMP would take
)
def test_omp_num_threads(machine, wanted, expected):
    machine(wanted=wanted)
    assert available_threads() == expected


def test_omp_num_threads_is_read_anew(machine, monkeypatch):
    assert available_threads() == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert available_threads() == 2


def test_a_build_without_openmp_has_one_thread(machine):
    machine(openmp=0)
    assert available_threads() == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", NO_QUOTA),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # one and a half: two threads get all of it
        ("50000 100000\n", 1),
        ("", NO_QUOTA),
    ],
)
def test_cgroup_quota(monkeypatch, text, expected):
    monkeypatch.setattr(Path, "read_text", lambda path: text)
    assert _threads._cgroup_quota.__wrapped__() == expected


def test_no_cgroup(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert _threads._cgroup_quota.__wrapped__() == NO_QUOTA


@pytest.mark.parametrize(
    ("n_threads", "work", "expected"),
    [
        (8, 0, 1),
        (8, 2 * WORK_PER_THREAD - 1, 1),
        (8, 2 * WORK_PER_THREAD, 2),
        (8, 5 * WORK_PER_THREAD, 5),
        (8, 1000 * WORK_PER_THREAD, 8),
        (1, 1000 * WORK_PER_THREAD, 1),
    ],
)
def test_team_gives_each_thread_enough_work(n_threads, work, expected, monkeypatch):
    monkeypatch.setattr(_threads, "can_run", lambda n: True)
    monkeypatch.setattr(_threads, "lateness", lambda: 0.0)
    assert team(n_threads, work) == expected


def test_one_thread_where_openmp_cannot_run_them(monkeypatch):
    asked = []
    monkeypatch.setattr(_threads, "can_run", lambda n: asked.append(n))
    monkeypatch.setattr(_threads, "lateness", lambda: 0.0)
    assert team(8, 5 * WORK_PER_THREAD) == 1
    assert asked == [5]
