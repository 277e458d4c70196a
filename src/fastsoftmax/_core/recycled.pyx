"""Blocks of memory that are kept when the arrays in them are gone, for the next of their size.

Compiled, so that no instruction of Python runs where a block is given back: an interrupt that came
in a `__del__` would be lost.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
cimport numpy as cnp

import numpy as np

cnp.import_array()

LINE = 64  # bytes, at a multiple of which what is lent begins
cdef Py_ssize_t line = LINE
cdef list blocks = []  # that are free: the one that was in use last at the end
cdef object guard = object()
free = blocks  # by its name in Python


cdef object taken(Py_ssize_t size):
    """A free block of this size, or a new one."""
    cdef Py_ssize_t i
    with cython.critical_section(guard):
        for i in reversed(range(len(blocks))):
            if cnp.PyArray_NBYTES(<cnp.ndarray>blocks[i]) == size:
                return blocks.pop(i)
    return np.empty(size, np.uint8)


@cython.no_gc
cdef class Lent:
    """A block in use: the base of all arrays in it, and when the last is gone the block is free.

    Then the oldest free blocks are given up until at most `kept` bytes are left.
    """
    cdef cnp.ndarray block
    cdef Py_ssize_t kept

    def __cinit__(self, Py_ssize_t size, Py_ssize_t kept):
        self.block, self.kept = taken(size + line), kept

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        cdef Py_ssize_t size = cnp.PyArray_NBYTES(self.block) - line
        cdef char *start = cnp.PyArray_BYTES(self.block)
        start += (line - <size_t>start % line) % line
        PyBuffer_FillInfo(buffer, self, start, size, 0, flags)

    def __dealloc__(self):
        cdef Py_ssize_t size = 0
        if self.block is None:  # there was no memory for it
            return
        with cython.critical_section(guard):
            blocks.append(self.block)
            for block in blocks:
                size += cnp.PyArray_NBYTES(<cnp.ndarray>block)
            while size > self.kept:
                size -= cnp.PyArray_NBYTES(<cnp.ndarray>blocks.pop(0))
