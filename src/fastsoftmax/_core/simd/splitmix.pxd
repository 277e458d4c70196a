"""Numbers that their place in a stream names, whatever thread asks for them."""

from libc.stdint cimport uint64_t


cdef inline uint64_t scrambled(uint64_t x) noexcept nogil:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    x = (x ^ (x >> 27)) * <uint64_t>0x94d049bb133111eb
    return x ^ (x >> 31)


cdef inline double uniform(uint64_t key, Py_ssize_t i) noexcept nogil:
    """In [0, 1), number i of the stream that the key names."""
    cdef uint64_t bits = scrambled(key + <uint64_t>(i + 1) * <uint64_t>0x9e3779b97f4a7c15)
    return <double>(bits >> 11) * 1.1102230246251565e-16
