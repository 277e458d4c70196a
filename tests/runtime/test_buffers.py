"""Memory of blocks: no array shares it with another, and what is free is used again."""

import pickle

import numpy as np
from support.threads import at_once

from fastsoftmax._runtime.buffers import BufferRules, Buffers


def test_memory_in_use_is_not_given_again():
    buffers = Buffers()
    held = [buffers.empty(100)[10:].view(np.int16) for _ in range(5)]
    for i, array in enumerate(held):
        array[:] = i
    assert all((array == i).all() for i, array in enumerate(held))


def test_free_memory_is_given_again():
    buffers = Buffers()
    first = buffers.empty(100)
    place = first.ctypes.data
    del first
    view = buffers.empty(80)[3:]
    assert view.ctypes.data == place + 3
    assert buffers.empty(80).ctypes.data != place


def test_large_blocks_and_many_are_not_kept():
    buffers = Buffers(BufferRules(most=2, large=100))
    held = [buffers.empty(size) for size in (101, 60, 70, 80)]
    assert sorted(map(len, buffers._buffers)) == [70, 80]
    assert len(held[0]) == 101


def test_a_copy_begins_with_none():
    buffers = Buffers(BufferRules(most=1))
    buffers.empty(10)
    other = pickle.loads(pickle.dumps(buffers))
    assert not other._buffers and other._rules.most == 1


def test_threads_do_not_get_the_same_memory():
    buffers, wrong = Buffers(BufferRules(most=8)), []

    def work(mark):
        for _ in range(2000):
            mine = buffers.empty(64)
            mine[:] = mark
            if not (mine == mark).all():
                wrong.append(mark)

    at_once(work, range(4))
    assert not wrong
