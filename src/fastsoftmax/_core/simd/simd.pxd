"""simd.h for Cython: vectors declared as scalars, so that + - * on them are what they look like.

`real` and `lane` stand for float and int32 or for double and int64, as the build decides. Never
compare or divide vectors with operators: Cython would take the result for a number.
"""

cdef extern from "simd.h" nogil:
    const double LARGEST  # finite `real`
    const double SMALLEST  # normal one above 0
    ctypedef double real
    ctypedef double vreal
    ctypedef long long lane
    ctypedef long long vlane
    ctypedef vreal vreal_inlined  # a vreal, returned by a function that is always inlined
    ctypedef int inlined  # 0, returned by a function that always is
    ctypedef int outlined  # 0, by one that never is
    enum:
        VL  # lanes a vector
        VL_MOST  # lanes of the widest vector of any build
        ROW_BLOCK  # rows of a register tile that is 4 units wide
        CLASS_BLOCK  # classes of a register tile that is two vectors, or two rows, wide

    const vreal *no_sums  # zeros, as many as a register tile has sums
    vreal set1(double)
    vlane set1_lane(long long)
    vlane lane_index()
    vreal load(const real *)
    vreal load_first(const real *, int)
    vlane load_labels(const int *)
    vreal pick(vreal, vreal, vlane)
    vreal in_register(vreal)
    void store(real *, vreal)
    void store_first(real *, vreal, int)
    ctypedef struct float16:
        pass
    ctypedef struct bfloat16:
        pass
    ctypedef struct real1:  # rows of so many numbers, or vectors of them
        pass
    ctypedef struct real2:
        pass
    ctypedef struct real4:
        pass
    ctypedef struct real8:
        pass
    ctypedef struct double1:
        pass
    ctypedef struct double2:
        pass
    ctypedef struct double4:
        pass
    ctypedef struct double8:
        pass
    enum:
        PICKED  # numbers of a real4
    void add_times(void *, real, const void *)  # macros: they go by the types of the pointers
    void add_picked(real4 *, const real *, const real *, const void *)
    vreal load_stored(const void *)  # a macro: it goes by the type of the pointer
    vreal load_stored_first(const void *, int)
    void store_float16(void *, const float *)
    void store_rounded(float16 *, vreal)
    enum:
        HALF_BY_INSTRUCTION  # whether float16 becomes float by one

    void prefetch(const void *)
    void prefetch_l2(const void *)

    vlane bits(vreal)
    vreal from_bits(vlane)
    vlane shift_left(vlane, int)
    vlane shift_right(vlane, int)
    vreal to_real(vlane)

    vreal divide(vreal, vreal)
    vreal multiply_add(vreal, vreal, vreal)
    vreal absolute(vreal)
    vreal square_root(vreal)
    vreal maximum(vreal, vreal)
    vreal minimum(vreal, vreal)
    vreal select_gt(vreal, vreal, vreal, vreal)
    vreal select_eq(vlane, vlane, vreal, vreal)
    vreal plus_where_unequal(vreal, vreal, vreal, vreal)
    vreal plus_where_equal(vreal, vreal, vreal, vreal)
    vreal scale_by_power_of_two(vreal, vreal)

    vreal sum_each(const vreal *)
    void transpose(vreal *)
    double sum_lanes(vreal)
    vreal max_all(vreal)
    vreal sum_all(vreal)
    bint any_gt(vreal, vreal)
    void stream(real *, vreal)
    void fence()
    void add_to_doubles(double *, vreal)

cdef extern from "with_constant.h" nogil:
    int with_constant(int n, ...)  # a macro: f(n, ...) of n, f, ..., n from 1 to CLASS_BLOCK a constant
