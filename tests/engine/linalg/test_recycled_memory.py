"""Memory that goes from one fit to the next."""

import sys

import numpy as np
import pytest
from support.problems import softmax_rows
from support.threads import at_once

import fastsoftmax
from fastsoftmax._core import recycled
from fastsoftmax._engine.linalg.memory import RecyclingRules, empty

MB = 1 << 20


@pytest.fixture(autouse=True)
def nothing_free():
    """Each test begins with no free blocks."""
    recycled.free.clear()


def address(array):
    return array.__array_interface__["data"][0]


def test_shape_and_dtype_are_those_asked_for():
    a = empty((3, 5, 1 << 13), np.float32)
    assert (a.shape, a.dtype) == ((3, 5, 1 << 13), np.float32)
    assert a.flags.c_contiguous
    assert a.flags.writeable
    a[...] = 7
    assert (a == 7).all()
    assert empty(1 << 20, np.uint8).shape == (1 << 20,)


@pytest.mark.parametrize("size", [RecyclingRules.large, MB + 1, RecyclingRules.kept // 3])
def test_large_arrays_begin_with_a_line_of_cache(size):
    assert address(empty(size, np.uint8)) % 64 == 0


def test_what_is_free_is_used_again():
    a = empty(MB, np.float64)
    at = address(a)
    del a
    assert address(empty(MB, np.float64)) == at
    # and by a little less of another type too: the numbers of folds differ from one to the next
    assert address(empty(2 * MB - 1000, np.float32)) == at


def test_no_array_gets_memory_that_another_still_sees():
    a = empty((1000, 1000), np.float64)
    view = a[10:20].T
    view[...] = 3
    del a
    others = [empty((1000, 1000), np.float64) for _ in range(3)]
    for other in others:
        assert not np.shares_memory(other, view)
        other[...] = 0
    assert (view == 3).all()


@pytest.mark.parametrize("size", [RecyclingRules.large - 1, RecyclingRules.kept + 1])
def test_small_and_huge_arrays_are_not_kept(size):
    a = empty(size, np.uint8)
    del a
    assert recycled.free == []


def test_no_more_is_kept_than_allowed():
    arrays = [empty(RecyclingRules.kept // 4, np.uint8) for _ in range(10)]
    last = address(arrays[-1])
    while arrays:
        del arrays[0]
    assert sum(block.size for block in recycled.free) <= RecyclingRules.kept
    assert 0 <= last - address(recycled.free[-1]) < recycled.LINE


def test_threads_never_share_an_array():
    wrong = []

    def work(number):
        for i in range(300):
            size = RecyclingRules.large + 1000 * (i % 7)
            a = empty(size, np.uint8)
            a[...] = number
            b = empty(size, np.uint8)
            b[...] = number + 100
            if not ((a == number).all() and (b == number + 100).all()):
                wrong.append(i)

    at_once(work, range(8))
    assert not wrong


def test_an_interrupt_while_a_block_is_given_back_is_not_lost():
    """A signal is handled by the next instruction of Python, and in none that gives it back."""
    seen = []

    def count(frame, event, arg):
        frame.f_trace_opcodes = True
        seen.append(frame.f_code.co_name)
        return count

    a = empty(MB, np.uint8)
    before = sys.gettrace()
    sys.settrace(count)
    del a
    sys.settrace(before)
    assert recycled.free
    assert not seen


def test_fits_agree_whatever_was_in_the_memory():
    X, y = softmax_rows(20000, 30, 5)
    first = fastsoftmax.fit(X, y)
    assert recycled.free
    for block in recycled.free:
        block[...] = 255  # NaN, in any precision
    again = fastsoftmax.fit(X, y)
    assert np.array_equal(first.coef_, again.coef_)
    assert first.gap_bound_ == again.gap_bound_
