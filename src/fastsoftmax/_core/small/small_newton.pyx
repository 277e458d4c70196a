"""Newton's method for small problems, from the first step to the proof, without Python in between.

The steps are those of `_engine/solvers/newton.py` and `certificate.py`, in float64, with X in tiles of
rows; large Gram matrices are made in float32, for directions alone:

    d = -H⁻¹ ∇F      by factors of H, a Gram matrix for each pair of classes; where these are too many,
                     by conjugate gradients, preconditioned by float32 factors of H's blocks for classes
    t                a step along d that makes |φ'| small, on stored logits
    F - F* <= bound  once the decrease ½ |∇F·d| is within the tolerance: weak duality at probabilities
                     linearised along d (docs/design/certificate.md)

Features are centred by their means where there is an intercept: θ = (W, c), c = b + W·means. What is not
small, not finite, not proved within so many steps or has features far from 0 is left to the general
solvers. Measurements: docs/experiments/0054-small-fits.md, 0084-small-fits-without-regions.md.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport INFINITY, fabs, fmax, fmin, isfinite, log
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
cimport numpy as cnp

from fastsoftmax._core._system import staying
from fastsoftmax._core.arguments cimport Problem
from fastsoftmax._core.arrays cimport doubles
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.hessian.cholesky_kernels cimport Table as Cholesky
from fastsoftmax._core.simd.simd cimport real
from fastsoftmax._core.sizes cimport ALIGNMENT, aligned_start, parts_of
from fastsoftmax._core.small.small_factors cimport build, find_direction
from fastsoftmax._core.small.small_problem cimport (
    MOST_CLASSES, MOST_EXACT, MOST_FREE, WIDE_WORK, Fit, Tables, by_given, dot, lay_out, prepare,
    store_logits, value_and_grad,
)
from fastsoftmax._core.small.small_proof cimport of_rounded_logits, proved_bound
from fastsoftmax._core.solver.dual_kernels cimport Table as Dual
from fastsoftmax._core.small.tiled_kernels cimport Table as TiledTable
from fastsoftmax._core.solver.line_kernels cimport Table as Line

cnp.import_array()

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec, tv_nsec

    int timespec_get(timespec *, int)
    enum:
        TIME_UTC


cdef enum:
    MOST_TRIALS = 20  # of a step
    MOST_PROOFS = 4  # that may fail
    HISTORY = 5  # numbers of a step: F, max |∇F|, passes, seconds, gap
    # a product with H takes as long as Gram matrices of DEAR (1 + COMMON / k) features
    DEAR = 5
    COMMON = 4
    EXPECTED = 3  # products of a direction from factors of a point before

cdef double EPSILON = 2.220446049250313e-16  # 2^-52: of float64
cdef double NEAR = 0.1  # |φ'| at the end of a search, as a share of |φ'(0)|
cdef double CLEAR = 0.3  # of the tolerance, up to which it is worth while to try a proof by old factors
cdef double ENOUGH = 1e-4  # of the slope times the step, by which F falls at least


cdef inline double now() noexcept nogil:
    """Seconds."""
    cdef timespec time
    timespec_get(&time, TIME_UTC)
    return time.tv_sec + 1e-9 * time.tv_nsec


cdef double find_step(Fit *f, double value, double slope) noexcept nogil:
    """How far to go along `step`, whose logits are `change`; 0 where F does not fall."""
    cdef Problem p = f.losses
    cdef double phi[3]
    cdef double t = 1., low = 0., high = INFINITY, linear = 0., square = 0., penalty = 0., w, d, next
    cdef double rounding = 4 * EPSILON * fabs(value)
    cdef Py_ssize_t i, j, _trial
    p.stored = <real *>f.logits
    p.scale = 1. / f.n
    for i in range(f.k):
        for j in range(f.d):
            w, d = f.theta[i * f.width + j], f.step[i * f.width + j]
            penalty += 0.5 * f.ridge[j] * w * w
            linear += f.ridge[j] * w * d
            square += f.ridge[j] * d * d
    for _trial in range(MOST_TRIALS):
        f.call.line.along(&p, <const real *>f.change, t, 1, phi, f.memory, f.n_threads)
        phi[0] += penalty + t * linear + 0.5 * t * t * square
        phi[1] += linear + t * square
        phi[2] += square
        if phi[0] <= value + ENOUGH * t * slope + rounding and fabs(phi[1]) <= -NEAR * slope:
            return t
        if phi[1] < 0.:
            low = t
        else:
            high = t
        next = t - phi[1] / phi[2]
        if next >= high or not isfinite(next) or next <= low:
            next = 0.5 * (low + high) if high < INFINITY else 4. * t
        t = fmin(next, 4. * t)
    return 0.


cdef struct End:
    bint proved
    double value, bound, largest  # F, of F - F*, max |∇F|
    Py_ssize_t n_steps


cdef bint start(Fit *f) noexcept nogil:
    """The intercept-only model into theta; whether it has one: no class may be without weight."""
    cdef Py_ssize_t i, j
    cdef double *shares = f.small
    cdef double total = 0., mean = 0., w
    memset(f.theta, 0, f.size * sizeof(double))
    if not f.intercept:
        return True
    memset(shares, 0, f.k * sizeof(double))
    for i in range(f.n):
        w = f.row_weights[i]
        total += w
        if f.is_table:
            for j in range(f.k):
                shares[j] += w * (<const double *>f.losses.targets)[i * f.losses.target_step + j]
        elif not f.losses.logistic or f.losses.labels[i]:
            shares[0 if f.losses.logistic else f.losses.labels[i]] += w
    for j in range(f.k):
        if not 0. < shares[j] < total:
            return False
        shares[j] /= f.n
        shares[j] = log(shares[j]) - (log(1. - shares[j]) if f.losses.logistic else 0.)
        mean += shares[j]
    for j in range(f.k):
        f.theta[j * f.width + f.d] = shares[j] - (0. if f.losses.logistic else mean / f.k)
    return True


cdef bint proved_by_last(
    Fit *f, double wanted, double value, End *end, double *history
) noexcept nogil:
    """Whether a direction by the factors of the point before is good enough for a proof: where the last
    step was short, it often is."""
    cdef double decrease
    find_direction(f, wanted, True)
    decrease = -0.5 * dot(f.gradient, f.step, f.size)
    if decrease > CLEAR * wanted:
        return False
    store_logits(f, f.step, f.change)
    end.bound = proved_bound(f, &end.value)
    end.proved = end.bound <= wanted
    history[(end.n_steps - 1) * HISTORY + 4] = decrease / value
    return end.proved


cdef End descend(
    Fit *f, double tolerance, double least, Py_ssize_t most, double *history
) noexcept nogil:
    """Newton's method from the intercept-only model, until the bound is within the tolerance times F, or
    no further."""
    cdef End end
    cdef double value, wanted, slope, t, began = now()
    cdef Py_ssize_t products = 0, proofs = 0, i
    cdef bint fresh, built = False
    cdef double dear = <double>f.width * f.k / ((f.k + COMMON) * DEAR)
    f.uniform = True
    end.proved, end.n_steps, end.bound = False, 0, INFINITY
    store_logits(f, f.theta, f.logits)
    value = value_and_grad(f, &end.largest)
    while isfinite(value):
        wanted = tolerance * fmax(value, least)
        f.call.line.probabilities(
            <real *>f.logits, f.losses.logistic, f.tiles, f.k, <real *>f.probabilities, f.n_threads)
        f.call.line.variances(
            <real *>f.logits, f.losses.logistic, f.losses.weights, f.n, f.tiles, f.k,
            <real *>f.variances, f.n_threads)
        if not built or max(products, EXPECTED) >= dear:
            if built and f.exact and proved_by_last(f, wanted, value, &end, history):
                return end
            built, fresh = True, f.exact
            if not build(f):
                return end
        else:
            fresh = False
        products = find_direction(f, wanted, fresh)
        slope = dot(f.gradient, f.step, f.size)
        if end.n_steps:
            history[(end.n_steps - 1) * HISTORY + 4] = -0.5 * slope / value
        store_logits(f, f.step, f.change)
        if -0.5 * slope <= wanted:
            proofs += 1
            end.bound = proved_bound(f, &end.value)
            end.proved = end.bound <= wanted
            if end.proved or proofs == MOST_PROOFS:
                return end
        if end.n_steps == most or not slope < 0.:
            return end
        t = find_step(f, value, slope)
        if not t > 0.:
            return end
        for i in range(f.size):
            f.theta[i] += t * f.step[i]
        f.uniform = False
        f.call.line.move(
            <real *>f.logits, <const real *>f.change, t, f.tiles, f.k, f.n_threads)
        value = value_and_grad(f, &end.largest)
        history[end.n_steps * HISTORY] = value
        history[end.n_steps * HISTORY + 1] = end.largest
        history[end.n_steps * HISTORY + 2] = f.passes
        history[end.n_steps * HISTORY + 3] = now() - began
        history[end.n_steps * HISTORY + 4] = 0.
        end.n_steps += 1
    return end


cdef class Kernels(Binding):
    """On kernels of float64, tiled, line, dual and cholesky, and of float32, tiled and cholesky, whose
    capsules it is given."""

    cdef Tables call

    def __cinit__(self, capsules, *_):
        tiled, line, dual, cholesky, narrow, narrow_cholesky = capsules
        self.call.tiled = <const TiledTable *>PyCapsule_GetPointer(tiled, "tiled")
        self.call.line = <const Line *>PyCapsule_GetPointer(line, "line")
        self.call.dual = <const Dual *>PyCapsule_GetPointer(dual, "dual")
        self.call.cholesky = <const Cholesky *>PyCapsule_GetPointer(cholesky, "cholesky")
        self.call.narrow = <const TiledTable *>PyCapsule_GetPointer(narrow, "tiled")
        self.call.narrow_cholesky = <const Cholesky *>PyCapsule_GetPointer(
            narrow_cholesky, "cholesky")

    def minimize(
        self, cnp.ndarray x not None, targets not None, weights, cnp.ndarray ridge not None,
        bint intercept, cnp.ndarray theta not None, cnp.ndarray gradient not None,
        cnp.ndarray means not None, double tolerance, double least, cnp.ndarray history not None,
        int n_threads, int gram_threads,
    ):
        """Minimise the mean loss and ½ Σ ridge θ² by theta (k, width), all float64.

        x (n, d) is of any type that `convert` knows, targets and weights as `set_targets` and
        `set_weights` take them, but no indicators, weights of mean 1; ridge (width,), width = d +
        intercept, is > 0 but for the intercept's. The model has the intercepts theta[:, -1] -
        theta[:, :-1] means; into means (d,) come these means, into gradient (k, width) that by the
        model's weights and intercepts, into history (steps, 5) F, max |gradient|, passes and seconds so
        far, and the estimated gap of each step. The bound allows for rounding of the logits, not of the
        model's intercepts.

        Returns (F, bound, steps, passes, max |gradient|), or None where F is not proved to be within the
        tolerance times max(F, least) after len(history) steps, or the problem is none for this method.
        """
        cdef Fit f
        cdef End end
        cdef char *memory
        cdef char *at = NULL
        cdef double *to_theta = doubles(theta, "theta")
        cdef double *to_gradient = doubles(gradient, "gradient")
        cdef double *to_means = doubles(means, "means")
        cdef double *to_history = doubles(history, "history")
        cdef Py_ssize_t most = history.shape[0], i, j
        memset(&f, 0, sizeof(Fit))
        f.call, f.intercept = self.call, intercept
        f.n, f.d, f.k = x.shape[0], x.shape[1], theta.shape[0]
        f.width = f.d + intercept
        f.size = f.k * f.width
        if theta.shape[1] != f.width or ridge.shape[0] != f.width:
            raise ValueError(f"theta, ridge: expected {f.width} columns")
        f.ridge = doubles(ridge, "ridge")
        f.n_threads, f.gram_threads = n_threads, gram_threads
        f.cells = self.cells(x)
        f.rows.n, f.rows.k = f.n, f.k
        self.set_targets(&f.rows, None)
        self.set_weights(&f.rows, weights)
        f.losses = f.rows
        self.set_targets(&f.losses, targets)
        f.is_table = f.losses.targets != NULL
        if f.k > MOST_CLASSES or f.losses.indicators != NULL:
            return None
        f.free = f.k - (not f.losses.logistic)
        f.pairs = f.free * (f.free + 1) // 2
        f.exact = f.k == 1 or f.free <= MOST_FREE and f.free * f.width <= MOST_EXACT
        f.narrow = not f.exact or f.pairs * f.n * f.width * (f.width + 1) // 2 > WIDE_WORK
        f.row_tile = self.call.dual.tile_rows()
        f.tiles = parts_of(f.n, f.row_tile)
        f.cells_of_rows = f.tiles * f.k * f.row_tile
        lay_out(&f, &at)
        memory = <char *>malloc(<size_t>at + ALIGNMENT)
        if memory == NULL:
            raise MemoryError(f"{<size_t>at} bytes of a small fit")
        at = aligned_start(memory)
        lay_out(&f, &at)
        end.proved = False
        with staying(max(n_threads, gram_threads)), nogil:
            if prepare(&f) and start(&f):
                end = descend(&f, tolerance, least, most, to_history)
        if end.proved:
            memcpy(to_theta, f.theta, f.size * sizeof(double))
            memcpy(to_means, f.means, f.d * sizeof(double))
            end.bound = of_rounded_logits(&f, end.bound)
            if end.n_steps:
                to_history[(end.n_steps - 1) * HISTORY] = end.value
                to_history[(end.n_steps - 1) * HISTORY + 2] = f.passes
            for i in range(f.k):
                for j in range(f.width):
                    to_gradient[i * f.width + j] = by_given(&f, f.gradient, i, j)
        free(memory)
        return (end.value, end.bound, end.n_steps, f.passes, end.largest) if end.proved else None
