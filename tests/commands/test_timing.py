"""The clockwork of demo and bench."""

import time
from statistics import median

import numpy as np
import pytest

from fastsoftmax._commands import gradient, timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by what calls add to it."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: None)

    def spend(seconds):
        now[0] += seconds

    return spend


def test_least_median_and_upper_quartile_of_turns(clock):
    spent = {"a": [], "b": []}

    def way(name, seconds):
        def call():
            spent[name].append(seconds * (1 + len(spent[name])))
            clock(spent[name][-1])

        return call

    times = timing.in_turns({"a": way("a", 1.0), "b": way("b", 10.0)}, seconds=0.0)
    for name, values in spent.items():
        counted = [v for i, v in enumerate(values) if i % (timing.TURN + 1)]  # first of each turn
        assert len(counted) == 2 * timing.TURN
        assert times[name].least == min(counted)
        assert times[name].median == pytest.approx(median(counted))
        assert sum(v > times[name].upper for v in counted) == len(counted) // 4
    assert times["a"].milliseconds(1) == "2000.0 ms (to 8750.0)"


def test_share_of_a_processor(monkeypatch):
    """A thread that runs half of the time gets half of a processor."""
    monkeypatch.setattr(timing.time, "thread_time", lambda: time.perf_counter() / 2)
    assert timing.processor_share(0.01) == pytest.approx(0.5, rel=0.01)


def test_a_busy_machine_is_said():
    assert timing.disturbance(1.0) is None
    assert timing.disturbance(0.4).startswith("busy machine: other work takes 60% of a processor")


def test_the_faster_of_numpys_ways_counts(monkeypatch):
    def in_turns(ways, seconds):
        for call in ways.values():
            call()
        return {
            "fused": timing.Timing(1, 2, 3),
            "numpy": timing.Timing(8, 9, 9),
            "numpy, one thread": timing.Timing(6, 20, 30),
        }

    monkeypatch.setattr(gradient, "in_turns", in_turns)
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(20, 4)), rng.normal(size=(3, 4))
    assert gradient.compare(X, W, np.zeros(3), rng.integers(0, 3, 20), 0.0).ratio == 6


def test_on_one_thread():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    np.ones((2, 2)) @ np.ones((2, 2))

    def threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    seen = []
    before = threads()
    gradient.on_one_thread(lambda: seen.extend(threads()))()
    assert seen == [1] * len(before) and threads() == before
