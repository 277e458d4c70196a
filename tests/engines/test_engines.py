"""Engines: the same bits on each, whoever holds which partitions."""

import gc
import operator
import os
import signal
import threading
import time
from functools import partial, reduce

import numpy as np
import pytest
from support.partitions import broken, partitions, same_bits

from fastsoftmax import Partitions, SoftmaxRegression
from fastsoftmax._runtime.engines.in_process import InProcess
from fastsoftmax._runtime.engines.tree import fold_partitions, join, shares, total
from fastsoftmax.engines import Processes

NAMES = ["dense", "float32", "sparse"]


# ---- the tree


def value(number, scale):
    return scale * np.float32(10.0) ** (-number) / 3


def tree_by_hand(numbers, scale):
    """Halves of halves."""
    if len(numbers) == 1:
        return value(numbers[0], scale)
    middle = (numbers[0] + numbers[-1] + 1) // 2 - numbers[0]
    return tree_by_hand(numbers[:middle], scale) + tree_by_hand(numbers[middle:], scale)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
def test_a_sum_does_not_depend_on_who_holds_what(count):
    scale = np.float32(np.pi)
    expected = tree_by_hand(range(count), scale)
    for workers in range(1, count + 1):
        held = [{i: i for i in part} for part in shares(count, workers)]
        assert sorted(i for part in held for i in part) == list(range(count))
        sums = [fold_partitions(part, value, (scale,), count) for part in held]
        assert total(*sums, count=count) == expected
        pairwise = reduce(lambda a, b: join(a, b, count=count), reversed(sums))
        assert pairwise == {(0, count): expected}
    scattered = [{i: i for i in range(count)[start::3]} for start in range(3)]
    sums = [fold_partitions(part, value, (scale,), count) for part in scattered if part]
    assert total(*sums, count=count) == expected


def test_two_or_four_workers_send_one_sum_each():
    for count in range(4, 40):
        for workers in (2, 4):
            for part in shares(count, workers):
                held = dict.fromkeys(part, 1)
                assert len(fold_partitions(held, operator.add, (0,), count)) == 1


# ---- processes


@pytest.fixture(scope="module")
def expected():
    return {name: SoftmaxRegression(C=0.1).fit(partitions(name)) for name in NAMES}


@pytest.mark.parametrize("workers", [1, 3])
def test_processes_have_the_bits_of_this_process(workers, expected):
    with Processes(workers):
        for name in NAMES:
            assert same_bits(SoftmaxRegression(C=0.1).fit(partitions(name)), expected[name])


def test_threads_do_not_show(expected):
    with Processes(1, n_threads=2):
        assert same_bits(SoftmaxRegression(C=0.1).fit(partitions("dense")), expected["dense"])


@pytest.fixture(scope="module")
def two():
    with Processes(2) as engine:
        yield engine


def test_more_workers_than_partitions(two, expected):
    model = SoftmaxRegression(C=0.1).fit(partitions("dense", 1))
    assert model.objective_ == pytest.approx(expected["dense"].objective_, rel=1e-5)


def test_what_a_loader_raises_is_raised_here(two, expected):
    with pytest.raises(OSError, match="no such shard"):
        SoftmaxRegression().fit(Partitions([*partitions("dense").loaders, broken]))
    assert same_bits(SoftmaxRegression(C=0.1).fit(partitions("dense")), expected["dense"])


def test_sets_are_forgotten(two):
    SoftmaxRegression().fit(partitions("small"))
    gc.collect()
    held = two.hold(number, [(i,) for i in range(4)])
    held.each(operator.index)  # with which the workers learn of it
    assert held.each(sets_here) == [1, 1, 1, 1]


def number(i):
    return i


def sets_here(partition):
    from fastsoftmax._runtime.engines.sets import Worker

    [worker] = [each for each in gc.get_objects() if isinstance(each, Worker)]
    return len(worker._sets)


def slow(partition, seconds):
    time.sleep(seconds)
    return partition


def test_ctrl_c_ends_a_round_and_leaves_the_workers(two):
    held = two.hold(number, [(i,) for i in range(4)])
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        held.each(slow, 1.0)
    assert time.perf_counter() - began < 0.9
    assert held.each(operator.index) == [0, 1, 2, 3]  # not the answers to the round before


def test_a_callback_that_raises_leaves_the_estimator(two):
    model = SoftmaxRegression()

    def callback(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(partitions("dense"), callback=callback)
    assert not hasattr(model, "coef_")
    assert model.fit(partitions("dense")).certified_


def exits(partition):
    os._exit(1)


def test_a_process_that_ends_is_an_error():
    with Processes(2) as engine:
        held = engine.hold(number, [(i,) for i in range(4)])
        with pytest.raises(RuntimeError, match="a worker process has ended"):
            held.each(exits)


def test_an_empty_round_takes_a_millisecond(two):
    held = two.hold(number, [(i,) for i in range(8)])
    times = []
    for _ in range(50):
        began = time.perf_counter()
        held.sum(operator.index)
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.01  # as a rule 0.2 ms; others use this machine


# ---- this process


def test_partitions_of_their_own_arguments():
    held = InProcess().hold(number, [(3,), (5,)])
    assert held.map(operator.add, per=[10, 20]).each(operator.index) == [13, 25]
    assert held.only([1]).sum(operator.mul, 2) == 10


@pytest.mark.parametrize("loaders", [[], "abc", [1], partial, iter([]), [partial(number, 1), None]])
def test_what_are_no_loaders(loaders):
    with pytest.raises(TypeError, match=r"loaders: expected a sequence of functions"):
        Partitions(loaders)
