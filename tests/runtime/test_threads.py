"""How many threads a call may use: the least of affinity, quota and OMP_NUM_THREADS."""

import os

import pytest

from fastsoftmax._runtime import threads as _threads
from fastsoftmax._runtime.threads import TeamRules, available_threads, team

ENOUGH = TeamRules().per_thread

NO_QUOTA = 1 << 30


@pytest.fixture
def machine(monkeypatch):
    """A machine of 8 processors, no quota, OMP_NUM_THREADS unset; set other values through it."""

    def set_to(*, processors=8, quota=NO_QUOTA, wanted=None, openmp=201511):
        monkeypatch.setattr(_threads._system, "processors", lambda: processors)
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
    machine(processors=0)
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


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell")
def test_processors_are_those_of_the_affinity():
    assert _threads._system.processors() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("0::/", {"cpu.max": "max 100000\n"}, NO_QUOTA),
        ("0::/", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/", {"cpu.max": "150000 100000\n"}, 2),  # one and a half: two threads get all of it
        ("0::/", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/", {"cpu.max": ""}, NO_QUOTA),
        ("0::/", {}, NO_QUOTA),
        ("0::/a/b", {"cpu.max": "max 1", "a/cpu.max": "300 100", "a/b/cpu.max": "400 100"}, 3),
        ("0::/of/the/host", {"cpu.max": "200 100"}, 2),
        (
            "3:memory:/a\n2:cpu,cpuacct:/a\n0::/",
            {"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, NO_QUOTA),
    ],
)
def test_cgroup_quota(monkeypatch, tmp_path, group, files, expected):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    read = _threads._text
    monkeypatch.setattr(_threads, "_text", lambda at: group if "proc" in str(at) else read(at))
    assert _threads._cgroup_quota.__wrapped__(tmp_path) == expected


def test_no_cgroup(monkeypatch):
    monkeypatch.setattr(_threads, "_text", lambda at: "")
    assert _threads._cgroup_quota.__wrapped__() == NO_QUOTA


@pytest.mark.parametrize(
    ("n_threads", "work", "expected"),
    [
        (8, 0, 1),
        (8, 2 * ENOUGH - 1, 1),
        (8, 2 * ENOUGH, 2),
        (8, 5 * ENOUGH, 5),
        (8, 1000 * ENOUGH, 8),
        (1, 1000 * ENOUGH, 1),
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
    assert team(8, 5 * ENOUGH) == 1
    assert asked == [5]
