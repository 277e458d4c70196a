"""Networks of dense layers: a whole epoch of training, and outputs, each in one call."""

from cpython.pycapsule cimport PyCapsule_GetPointer
import numpy as np
cimport numpy as cnp

from fastsoftmax._core._system import staying
from fastsoftmax._core.arrays cimport bytes_of, doubles, ints, intps
from fastsoftmax._core.binding cimport Binding
from fastsoftmax._core.network.network_kernels cimport (
    ABSOLUTE, ADAGRAD, ADAM, ADAMW, ARGMAX, BINARY, CROSS_ENTROPY, IDENTITY, LEAKY_RELU, LOGISTIC,
    MOMENTUM, NESTEROV, NOTHING, RELU, RMSPROP, SGD, SQUARED, SQUARES, STORE, TANH, THRESHOLD, Inputs,
    Rule, Shape, State, Table, Targets,
)
from fastsoftmax._core.simd.simd cimport real

cnp.import_array()


cdef Shape shape_of(cnp.ndarray sizes, cnp.ndarray activations, double slope):
    cdef Shape s
    s.sizes, s.activations = intps(sizes, "sizes"), ints(activations, "activations")
    s.n_layers, s.slope = sizes.shape[0] - 1, slope
    return s


cdef class Kernels(Binding):
    cdef const Table *kernels

    def __cinit__(self, capsule, *_):
        self.kernels = <const Table *>PyCapsule_GetPointer(capsule, "network")

    ACTIVATIONS = {
        "identity": IDENTITY, "logistic": LOGISTIC, "tanh": TANH, "relu": RELU,
        "leaky_relu": LEAKY_RELU,
    }
    LOSSES = {
        "cross_entropy": CROSS_ENTROPY, "binary_cross_entropy": BINARY, "mse": SQUARED, "mae": ABSOLUTE,
    }
    MEASURES = {"none": NOTHING, "argmax": ARGMAX, "threshold": THRESHOLD, "squares": SQUARES}
    RULES = {
        "store": STORE, "sgd": SGD, "momentum": MOMENTUM, "nesterov": NESTEROV, "adagrad": ADAGRAD,
        "rmsprop": RMSPROP, "adam": ADAM, "adamw": ADAMW,
    }

    def stride_of(self, Py_ssize_t n):
        """Elements of a row of weights of n inputs."""
        return self.kernels.row_length(n)

    def slice_rows(self):
        """Rows of a batch above which `epoch` needs `sums`."""
        return self.kernels.slice_rows()

    cdef Inputs inputs(self, cnp.ndarray x, double factor):
        cdef Inputs s
        s.x = self.cells(x)
        s.n, s.d = x.shape[0], x.shape[1]
        s.factor = factor
        s.order = NULL
        s.count = s.n
        return s

    def epoch(
        self, sizes, activations, double slope, int loss, int measured, double threshold,
        cnp.ndarray x not None, double factor, cnp.ndarray labels, cnp.ndarray given,
        cnp.ndarray sample_weight, cnp.ndarray order, Py_ssize_t batch, cnp.ndarray weights not None,
        cnp.ndarray first, cnp.ndarray second, cnp.ndarray sums, int kind, double rate, double beta_1,
        double beta_2, double epsilon, double alpha, double steps_before, cnp.ndarray totals not None,
        cnp.ndarray squares not None, workspace, int n_threads,
    ):
        """One step for each `batch` rows of x in that order; the number of steps that were done.

        Fewer than there are mean that the loss of the next was not finite; the weights are those
        before. totals: over the steps, rows times the mean loss, rows times half the squares of the
        coefficients by the weight of the batch; weight of the hits. squares (outputs,): squared errors.
        Contiguous arrays: labels int32 or given targets `real`, sample_weight `real`, order intp,
        blocks of weights and state `real`, totals float64. `sums` is wanted where a batch has more rows
        than `slice_rows()`. Shapes are not checked.
        """
        cdef cnp.ndarray all_sizes = np.array(sizes, np.intp)
        cdef cnp.ndarray kinds = np.array(activations, np.intc)
        cdef Shape shape = shape_of(all_sizes, kinds, slope)
        cdef Inputs inputs = self.inputs(x, factor)
        cdef Targets t
        cdef State state
        cdef Rule rule
        cdef Py_ssize_t done
        cdef double *total = doubles(totals, "totals")
        cdef double *errors = doubles(squares, "squares")
        t.loss, t.measure, t.threshold, t.k = loss, measured, threshold, sizes[shape.n_layers]
        t.labels = ints(labels, "labels")
        t.given = self.reals(given, "given")
        t.weights = self.reals(sample_weight, "sample_weight")
        if order is not None:
            inputs.order = intps(order, "order")
            inputs.count = order.shape[0]
        state.weights = self.reals(weights, "weights")
        state.first = self.reals(first, "first")
        state.second = self.reals(second, "second")
        state.sums = self.reals(sums, "sums")
        rule.kind, rule.rate, rule.beta_1, rule.beta_2 = kind, rate, beta_1, beta_2
        rule.epsilon, rule.alpha = epsilon, alpha
        cdef cnp.ndarray memory = workspace(self.kernels.epoch_bytes(&shape, batch))
        with staying(n_threads), nogil:
            done = self.kernels.epoch(
                &shape, &inputs, &t, &rule, &state, batch, steps_before, total, errors,
                bytes_of(memory), n_threads)
        return done

    def outputs(
        self, sizes, activations, double slope, cnp.ndarray x not None, double factor,
        cnp.ndarray weights not None, cnp.ndarray out not None, workspace, int n_threads,
    ):
        """The last layer's outputs before its activation, of the rows of x into out (n, k)."""
        cdef cnp.ndarray all_sizes = np.array(sizes, np.intp)
        cdef cnp.ndarray kinds = np.array(activations, np.intc)
        cdef Shape shape = shape_of(all_sizes, kinds, slope)
        cdef Inputs inputs = self.inputs(x, factor)
        cdef real *from_ = self.reals(weights, "weights")
        cdef real *to = self.reals(out, "out")
        cdef cnp.ndarray memory = workspace(self.kernels.outputs_bytes(&shape, n_threads))
        with nogil:
            self.kernels.outputs(&shape, &inputs, from_, to, bytes_of(memory), n_threads)
