"""Blocks are read ahead, by a thread that no interrupt and no end of a process waits for."""

import _thread
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from support.estimators import LARGE
from support.processes import run
from support.threads import are_at_most, running_threads

from fastsoftmax import Blocks, SoftmaxRegression
from fastsoftmax._runtime.ahead import ahead

X, Y = LARGE
TRIES = 10


def comes_true(condition):
    """Whether it does, within some time."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_items_come_in_order_and_one_ahead():
    fetched = []

    def items():
        for i in range(5):
            fetched.append(i)
            yield i

    seen = []
    for item in ahead(items()):
        seen.append(item)
        expected = list(range(min(item + 2, 5)))
        assert comes_true(lambda all_of_them=expected: fetched == all_of_them)
        time.sleep(0.01)
        assert fetched == expected
    assert seen == list(range(5))


def test_what_the_source_raises_comes_out_at_its_place():
    def items():
        yield 1
        raise ZeroDivisionError("of the source")

    iterator = ahead(items())
    assert next(iterator) == 1
    with pytest.raises(ZeroDivisionError, match="of the source"):
        next(iterator)


def test_without_a_thread_items_are_fetched_when_needed():
    code = """
import _thread, resource
from fastsoftmax._runtime.ahead import ahead
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), -1))  # less than a stack
items = iter(range(5))
seen = []
for item in ahead(items):
    seen.append(item)
    assert _thread._count() == 0
    if item == 2:
        assert next(items) == 3
assert seen == [0, 1, 2, 4], seen
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_no_thread_is_left():
    before = running_threads()
    assert list(ahead([1, 2])) == [1, 2]
    iterator = ahead(iter(int, 1))  # without an end
    next(iterator)
    iterator.close()
    assert are_at_most(before)


def test_no_thread_is_left_by_an_interrupt_while_it_starts(monkeypatch):
    before, start = running_threads(), _thread.start_new_thread

    def interrupted(*args):
        start(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(_thread, "start_new_thread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(ahead([1, 2]))
    assert are_at_most(before)


class Source:
    """Blocks, one of which does not come until the source is released."""

    def __init__(self, passes):
        self.passes, self.blocks, self.released = passes, threading.Event(), threading.Event()

    def __call__(self):
        self.passes -= 1
        yield X[:50], Y[:50]
        if self.passes < 0:
            self.thread = threading.get_ident()
            self.blocked = time.perf_counter()
            self.blocks.set()
            self.released.wait(60)
        yield X[50:], Y[50:]


def to_the_process(source):
    os.kill(os.getpid(), signal.SIGINT)


def to_the_reader(source):
    """Which does not end the wait of the main thread, as on some systems no signal does."""
    signal.pthread_kill(source.thread, signal.SIGINT)


def seconds_of_an_interrupt(passes, send):
    """From the block that does not come to the error, by an interrupt in between."""
    source = Source(passes)

    def interrupt():
        source.blocks.wait()
        send(source)

    threading.Thread(target=interrupt, daemon=True).start()
    model = SoftmaxRegression()
    with pytest.raises(KeyboardInterrupt):
        model.fit(Blocks(source))
    seconds = time.perf_counter() - source.blocked
    source.released.set()
    assert not hasattr(model, "coef_")
    return seconds


@pytest.mark.parametrize("passes", [0, 1, 3])
@pytest.mark.parametrize("send", [to_the_process, to_the_reader])
def test_the_first_interrupt_ends_a_fit_whose_source_blocks(passes, send):
    within_a_second(lambda: seconds_of_an_interrupt(passes, send))


def within_a_second(seconds):
    """At least one of several tries is: on a busy machine others may wait for a processor."""
    tries = []
    while len(tries) < TRIES and min(tries, default=1) >= 1:
        tries.append(seconds())
    assert min(tries) < 1, tries


PROGRAM = """
import os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
from runtime.test_ahead import Source
from fastsoftmax import Blocks, SoftmaxRegression

source = Source(1)
def interrupt():
    source.blocks.wait()
    print(time.time(), flush=True)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    SoftmaxRegression().fit(Blocks(source))
except KeyboardInterrupt:
    pass
"""


def seconds_of_an_end():
    """From an interrupt of a process whose source blocks to its end."""
    tests = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, tests], capture_output=True, text=True, timeout=50
    )
    over = time.time()
    assert run.returncode == 0 and not run.stderr
    return over - float(run.stdout)


def test_the_end_of_the_process_does_not_wait_for_a_source():
    within_a_second(seconds_of_an_end)


def test_a_fit_of_blocks_is_that_of_the_array():
    model = SoftmaxRegression(tol=1e-10).fit(Blocks(Source(10**6)))
    np.testing.assert_allclose(model.coef_, SoftmaxRegression(tol=1e-10).fit(X, Y).coef_, atol=1e-4)
