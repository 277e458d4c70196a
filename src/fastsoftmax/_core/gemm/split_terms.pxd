"""Numbers as sums of terms of bfloat16, for the matrix units.

The units multiply numbers of bfloat16, of 8 binary digits, exactly and sum in float32. Three terms hold
a float32, two a number of 16 bits, one a number of 8 bits or a bfloat16, each exactly: a term is what
those before leave, rounded. A product of such sums is a sum of products of terms, of which
`multiply_terms` makes those that are not as small as rounding. Terms below 2^-126 are 0 to the units. So
numbers are multiplied by powers of two first, which bring the largest of a row or column into [1, 2).

Measurements: docs/experiments/0081-matrix-units.md.
"""

from fastsoftmax._core.arguments cimport BFLOAT16, BOOL, FLOAT16, INT8, INT16, UINT8, UINT16
from fastsoftmax._core.simd.simd cimport VL, bfloat16, load, real, store, vreal, vreal_inlined
from fastsoftmax._core.sizes cimport LINE, parts_of

cdef extern from "matrix_units.h" nogil:
    enum:
        UNIT  # rows of a tile, and columns of one of floats: VL
        DEPTH  # numbers that a product of tiles sums: SIDE
        SQUARE  # numbers of two tiles
        HALF  # of one
    void take_units()
    void leave_units()
    ctypedef struct Ahead:
        const char *at
        Py_ssize_t lines, step
    ctypedef struct Sums:
        pass
    void clear_sums(Sums *)
    void store_sums(const Sums *, float *)
    void add_products(
        Sums *, const bfloat16 *a, Py_ssize_t step, bint paired, const bfloat16 *b, Py_ssize_t n,
        Ahead *)
    void store_halves(bfloat16 *p, vreal x)
    void store_pairs(bfloat16 *p, vreal first, vreal second)
    vreal exponents(vreal x)
    vreal rounded_to_bfloat16(vreal x)

cdef enum:
    TERMS = 3  # of a float32
    SIDE = 2 * UNIT  # of a square of tiles


cdef inline int terms_of(int type) noexcept nogil:
    """Terms that hold every number of the type, as float32."""
    if type == UINT8 or type == INT8 or type == BOOL or type == BFLOAT16:
        return 1
    if type == UINT16 or type == INT16 or type == FLOAT16:
        return 2
    return TERMS


cdef inline vreal_inlined next_term(vreal *x) noexcept nogil:
    """x rounded to bfloat16, and subtracted from x."""
    cdef vreal t = rounded_to_bfloat16(x[0])
    x[0] = x[0] - t
    return t


cdef inline void split(vreal x, int terms, bfloat16 *to, Py_ssize_t step) noexcept nogil:
    """Terms of x, part of a row of A, each `step` behind the one before."""
    cdef int i
    for i in range(terms):
        store_halves(to + i * step, next_term(&x))


cdef inline void split_pairs(
    vreal first, vreal second, int terms, bfloat16 *to, Py_ssize_t step
) noexcept nogil:
    """The same for a row of B, of pairs."""
    cdef vreal t
    cdef int i
    for i in range(terms):
        t = next_term(&first)
        store_pairs(to + i * step, t, next_term(&second))


cdef inline void multiply_terms(
    const bfloat16 *a, Py_ssize_t a_step, const bfloat16 *b, Py_ssize_t b_step, int terms, Py_ssize_t n,
    real *c, Ahead *ahead,
) noexcept nogil:
    """c = A B, for A (SIDE, n*DEPTH) of three terms and B of so many, as squares of tiles.

    The products of first terms have a sum of their own, since the others are smaller by 2^-8: in one sum
    they would lose these digits. Where terms are 0 the result is the same as without them.
    """
    cdef real others[SIDE * SIDE]
    cdef Sums sums
    cdef Py_ssize_t i
    cdef int of_b
    clear_sums(&sums)
    add_products(&sums, a, a_step, False, b, n, ahead)
    store_sums(&sums, <float *>c)
    clear_sums(&sums)
    add_products(&sums, a + a_step, a_step, True, b, n, ahead)
    for of_b in range(1, terms):
        add_products(&sums, a, a_step, of_b == 1, b + of_b * b_step, n, ahead)
    store_sums(&sums, <float *>others)
    for i from 0 <= i < SIDE * SIDE by VL:
        store(c + i, load(c + i) + load(others + i))


cdef inline Ahead ahead_of(const bfloat16 *at, Py_ssize_t squares, Py_ssize_t during) noexcept nogil:
    """Squares of tiles that are to come while so many are multiplied."""
    cdef Ahead ahead
    ahead.at = <const char *>at
    ahead.lines = squares * SQUARE * sizeof(bfloat16) // LINE
    ahead.step = parts_of(ahead.lines, max(during, 1))
    return ahead


cdef inline const real *row_of(const real *c, Py_ssize_t row, Py_ssize_t half) noexcept nogil:
    """Of c, the UNIT numbers of a row in its left or right half."""
    return c + (row // UNIT * 2 + half) * UNIT * UNIT + row % UNIT * UNIT
