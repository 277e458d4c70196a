"""Networks of dense layers: what Python says of them, and the table."""

from fastsoftmax._core.arguments cimport Cells
from fastsoftmax._core.simd.simd cimport real

cdef enum Activation:
    IDENTITY
    LOGISTIC
    TANH
    RELU
    LEAKY_RELU

cdef enum Loss:
    CROSS_ENTROPY  # of the softmax of z
    BINARY  # cross-entropy of the logistic function of each z
    SQUARED  # half the squares
    ABSOLUTE

cdef enum Measure:  # what is counted beside the loss
    NOTHING
    ARGMAX  # rows whose largest output is that of the largest target
    THRESHOLD  # rows whose outputs lie on the right side of a threshold, targets of 1/2
    SQUARES  # squared errors of each output

cdef enum Kind:
    STORE  # the gradient, and leave the weights
    SGD
    MOMENTUM
    NESTEROV
    ADAGRAD
    RMSPROP
    ADAM
    ADAMW


cdef struct Shape:  # of a network
    const Py_ssize_t *sizes  # (n_layers + 1,)
    const int *activations  # (n_layers,)
    Py_ssize_t n_layers
    double slope  # of a leaky relu


cdef struct State:  # blocks laid out as the weights; all but these may be NULL
    real *weights
    real *first  # of the rule
    real *second
    real *sums  # over the slices of a batch so far


cdef struct Inputs:
    Cells x
    Py_ssize_t n, d
    double factor
    const Py_ssize_t *order  # of the rows, or NULL: as they stand
    Py_ssize_t count  # rows in that order


cdef struct Targets:
    int loss
    int measure
    double threshold
    Py_ssize_t k  # outputs
    const int *labels  # or NULL
    const real *given  # (N, k), where there are no labels
    const real *weights  # or NULL: all one


cdef struct Rule:
    int kind
    double rate
    double beta_1  # of the mean of gradients: momentum
    double beta_2  # of the mean of their squares
    double epsilon
    double alpha  # of the penalty
    # for a step:
    double scale  # 1 / weight of the batch
    double share  # its rows / its weight
    double step_rate
    double shrink  # what is left of a coefficient before the step


cdef struct Table:
    Py_ssize_t (*row_length)(Py_ssize_t n) noexcept nogil
    Py_ssize_t (*slice_rows)() noexcept nogil
    Py_ssize_t (*epoch_bytes)(const Shape *shape, Py_ssize_t batch) noexcept nogil
    Py_ssize_t (*epoch)(
        const Shape *shape, const Inputs *inputs, const Targets *t, Rule *rule, const State *state,
        Py_ssize_t batch, double steps_before, double *total, double *errors, char *memory,
        int n_threads,
    ) noexcept nogil
    Py_ssize_t (*outputs_bytes)(const Shape *shape, int n_threads) noexcept nogil
    void (*outputs)(
        const Shape *shape, const Inputs *inputs, real *weights, real *to, char *memory, int n_threads
    ) noexcept nogil
