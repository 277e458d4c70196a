"""Between θ, of features that are centred and scaled, and the model (`coordinates/standardised.py`)."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport free, malloc
cimport numpy as cnp

from fastsoftmax._core.arrays cimport doubles, flags
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.solver.standardised_kernels cimport MOST_SUMS, Coordinates, Table

cnp.import_array()


cdef double *sums_of(const Coordinates *c) except NULL:
    """Room for the sums of each class."""
    cdef double *sums = <double *>malloc((MOST_SUMS * c.k + 1) * sizeof(double))
    if sums == NULL:
        raise MemoryError(f"{MOST_SUMS * c.k} sums")
    return sums


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "standardised")

    cdef Coordinates coordinates(
        self, cnp.ndarray table, cnp.ndarray scales, cnp.ndarray shift, double intercept_scale
    ):
        cdef Coordinates c
        c.k, c.size, c.d = table.shape[0], table.shape[1], scales.shape[0]
        c.scales = self.reals(scales, "scales")
        c.shift = self.reals(shift, "shift")
        c.intercept_scale = intercept_scale
        return c

    def model(
        self, cnp.ndarray theta not None, cnp.ndarray scales not None, cnp.ndarray shift not None,
        double intercept_scale, cnp.ndarray w not None, cnp.ndarray b, int n_threads,
    ):
        """W (K, D) and b (K,) or None, `real`, of theta (K, D) or (K, D + 1), float64 whatever `real`
        is.

        So are scales and shift. All is contiguous.
        """
        cdef const double *at = doubles(theta, "theta")
        cdef const double *scale = doubles(scales, "scales")
        cdef const double *centre = doubles(shift, "shift")
        cdef Py_ssize_t rows = theta.shape[0], size = theta.shape[1], d = scales.shape[0]
        cdef real *to_w = self.reals(w, "w")
        cdef real *to_b = self.reals(b, "b")
        with nogil:
            self.kernels.model(
                at, rows, size, scale, centre, d, intercept_scale, to_w, to_b, n_threads)

    def gradient(
        self, cnp.ndarray theta not None, cnp.ndarray by_w not None, cnp.ndarray by_b not None,
        double ridge, cnp.ndarray scales not None, cnp.ndarray shift not None, double intercept_scale,
        cnp.ndarray constant not None, cnp.ndarray out not None, int n_threads,
    ):
        """That of loss and ridge with respect to theta into out, like theta, from those of the loss
        with respect to W and b, float64; 0 for features that are `constant`, (D,) bool. And the
        ridge."""
        cdef Coordinates c = self.coordinates(theta, scales, shift, intercept_scale)
        cdef const real *at = self.reals(theta, "theta")
        cdef const real *from_w = self.reals(by_w, "by_w")
        cdef const real *from_b = self.reals(by_b, "by_b")
        cdef const unsigned char *left_out = <const unsigned char *>flags(constant, "constant")
        cdef real *to = self.reals(out, "out")
        cdef double *squares = sums_of(&c)
        cdef double value
        with nogil:
            value = self.kernels.gradient(
                &c, at, from_w, from_b, ridge, left_out, to, squares, n_threads)
        free(squares)
        return value

    def products(
        self, cnp.ndarray theta not None, cnp.ndarray direction not None, cnp.ndarray scales not None,
        cnp.ndarray out not None, int n_threads,
    ):
        """out = ⟨W, W⟩, ⟨W, V⟩, ⟨V, V⟩ of the weights of two vectors like theta, float64."""
        cdef double *to = doubles(out, "out")
        cdef Coordinates c = self.coordinates(theta, scales, scales, 1.)
        cdef const real *x = self.reals(theta, "theta")
        cdef const real *y = self.reals(direction, "direction")
        cdef double *sums = sums_of(&c)
        with nogil:
            self.kernels.products(&c, x, y, to, sums, n_threads)
        free(sums)

    def norms(
        self, cnp.ndarray gradient not None, cnp.ndarray scales not None, cnp.ndarray shift not None,
        double intercept_scale, int n_threads,
    ):
        """From the gradient with respect to θ, max |∇F| with respect to (W, b), NaN if one is, and
        ‖∇_W F‖² with respect to the weights of centred features: where intercepts are optimal it is the
        same, but for what is left of their gradient times the shift."""
        cdef Coordinates c = self.coordinates(gradient, scales, shift, intercept_scale)
        cdef const real *x = self.reals(gradient, "gradient")
        cdef double *sums = sums_of(&c)
        cdef double[2] found
        with nogil:
            self.kernels.norms(&c, x, found, sums, n_threads)
        free(sums)
        return found[0], found[1]

    def centre(self, cnp.ndarray table not None, cnp.ndarray out not None, int n_threads):
        """table (K, size) less the mean over its rows, contiguous, into out."""
        cdef const real *x = self.reals(table, "table")
        cdef real *to = self.reals(out, "out")
        cdef Py_ssize_t rows = table.shape[0], size = table.shape[1]
        cdef real *means = <real *>malloc((size + 1) * self.element)
        if means == NULL:
            raise MemoryError(f"{size} means")
        with nogil:
            self.kernels.centre(x, rows, size, to, means, n_threads)
        free(means)
