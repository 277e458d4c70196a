"""Sizes in memory, and loops cut into parts that are as equal as can be."""

cdef enum:
    LINE = 64  # bytes of a cache line
    ALIGNMENT = LINE  # at a multiple of which arrays of a workspace begin


cdef inline char *aligned_start(char *memory) noexcept nogil:
    """The first aligned address from `memory` on, less than ALIGNMENT bytes further."""
    return memory + (ALIGNMENT - <size_t>memory % ALIGNMENT) % ALIGNMENT


cdef inline Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    """Bytes, rounded up so that what follows is aligned."""
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef inline Py_ssize_t rounded_up(Py_ssize_t size, Py_ssize_t unit) noexcept nogil:
    return (size + unit - 1) // unit * unit


cdef inline Py_ssize_t parts_of(Py_ssize_t size, Py_ssize_t most) noexcept nogil:
    """Parts of at most so many each."""
    return (size + most - 1) // most


cdef inline Py_ssize_t part_start(Py_ssize_t size, Py_ssize_t parts, Py_ssize_t i) noexcept nogil:
    """Where part i of so many begins, all about equal."""
    return i * size // parts
