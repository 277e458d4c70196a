"""Engines: the same bits on each, whoever holds which partitions."""

import gc
import operator
import os
import signal
import sys
import threading
import time
from copy import copy
from functools import partial, reduce
from multiprocessing.context import SpawnProcess

import numpy as np
import pytest
from support.interrupts import Places, raise_at
from support.partitions import broken, partitions, same_bits

from fastsoftmax import Partitions, SoftmaxRegression
from fastsoftmax._runtime.engines import entered, pipes
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


@pytest.mark.parametrize("name", NAMES)
def test_a_path_with_warm_starts(name, two):
    """What a fit leaves for the next has kernels in it, which cannot be sent."""

    def path():
        model = SoftmaxRegression(warm_start=True)
        for C in (0.1, 1.0):
            yield copy(model.set_params(C=C).fit(partitions(name)))

    there = list(path())
    with entered(InProcess()):
        for one, other in zip(path(), there, strict=True):
            assert same_bits(one, other)


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


def test_nothing_is_called_where_a_set_is_gone(two):
    """An interrupt that comes there would be lost."""
    held, called = two.hold(number, [(i,) for i in range(4)]), []
    sys.setprofile(lambda frame, event, arg: called.append(frame) if event == "call" else None)
    try:
        del held
    finally:
        sys.setprofile(None)
    assert called == []


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


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="traced as Python 3.11 does")
def test_an_interrupt_at_any_instruction_of_a_round_leaves_the_workers(two):
    held = two.hold(number, [(i,) for i in range(4)])

    def call():
        assert held.each(operator.index) == [0, 1, 2, 3]

    places = Places(call)
    for i in range(places.total):
        with pytest.raises(KeyboardInterrupt):
            raise_at(places.find(i), KeyboardInterrupt(), call)
        call()


def rounds_until_interrupted(held, sent, seconds):
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
    for _ in range(1000):
        held.each(operator.mul, sent)


def test_an_interrupt_within_a_message_leaves_the_workers(two):
    """Of some megabytes each way, which pipes do not hold."""
    held, sent = two.hold(number, [(i,) for i in range(2)]), np.ones(1_000_000)
    for seconds in np.linspace(0, 0.03, 16):
        with pytest.raises(KeyboardInterrupt):
            rounds_until_interrupted(held, sent, seconds)
        assert all((x == i).all() for i, x in enumerate(held.each(operator.mul, sent)))


def test_several_threads_ask_at_once(two):
    held, wrong = two.hold(number, [(i,) for i in range(4)]), []

    def work(k):
        for _ in range(100):
            if held.each(operator.mul, k) != [0, k, 2 * k, 3 * k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_fails_within_a_message_ends_the_workers(monkeypatch):
    with Processes(2) as engine:
        held = engine.hold(number, [(i,) for i in range(4)])
        monkeypatch.setattr(pipes, "answer", lambda connection: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            held.each(operator.index)
        monkeypatch.undo()
        with pytest.raises(RuntimeError, match="a worker process has ended; enter a new context"):
            held.each(operator.index)


def test_no_process_is_left_by_an_interrupt_while_they_start(monkeypatch):
    start, started = SpawnProcess.start, []

    def interrupted(process):
        if len(started) == 2:
            raise KeyboardInterrupt
        started.append(process)
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", interrupted)
    engine = Processes(3)
    with pytest.raises(KeyboardInterrupt), engine:
        pass
    assert [process.exitcode for process in started] == [0, 0]
    monkeypatch.undo()
    with engine:
        held = engine.hold(number, [(i,) for i in range(4)])
        assert held.each(operator.index) == [0, 1, 2, 3]


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
