"""Between θ, of features that are centred and scaled, and the model: the table."""

from fastsoftmax._core.simd.simd cimport real

cdef enum:
    MOST_SUMS = 3  # of a class


cdef struct Coordinates:
    Py_ssize_t k, d, size  # classes, features, parameters of a class: these and an intercept, if any
    const real *scales  # of a weight: θ is so many times the weight
    const real *shift  # of a feature
    double intercept_scale


cdef struct Table:
    void (*model)(
        const double *at, Py_ssize_t rows, Py_ssize_t size, const double *scale, const double *centre,
        Py_ssize_t d, double intercept_scale, real *to_w, real *to_b, int n_threads,
    ) noexcept nogil
    double (*gradient)(
        const Coordinates *c, const real *at, const real *from_w, const real *from_b, double ridge,
        const unsigned char *left_out, real *to, double *squares, int n_threads,
    ) noexcept nogil
    void (*products)(
        const Coordinates *c, const real *x, const real *y, double *to, double *sums, int n_threads
    ) noexcept nogil
    void (*norms)(
        const Coordinates *c, const real *x, double *to, double *sums, int n_threads
    ) noexcept nogil
    void (*centre)(
        const real *x, Py_ssize_t rows, Py_ssize_t size, real *to, real *means, int n_threads
    ) noexcept nogil
