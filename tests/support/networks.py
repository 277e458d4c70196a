"""Problems and networks for the tests of networks."""

from itertools import pairwise

import numpy as np
from support import reference_networks as oracle

from fastsoftmax._neural import Network, Rule

LOSSES = ("cross_entropy", "binary_cross_entropy", "mse", "mae")
ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu")


def parameters(sizes, dtype=np.float64, seed=0):
    """Lists of coefs (in, out) and intercepts of layers of these sizes."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    coefs = [(rng.standard_normal(pair) / np.sqrt(pair[0])).astype(dtype) for pair in pairs]
    return coefs, [(rng.standard_normal(m) / 2).astype(dtype) for m in sizes[1:]]


def rows(n, d, k, loss="cross_entropy", dtype=np.float64, seed=1):
    """X and targets (n, k) of the kind the loss is for."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(dtype)
    if loss == "cross_entropy":
        Y = np.eye(k)[rng.integers(k, size=n)]
    elif loss == "binary_cross_entropy":
        Y = rng.integers(2, size=(n, k))
    else:
        Y = rng.standard_normal((n, k))
    return X, Y.astype(dtype)


def network(coefs, intercepts, activation="relu", loss="cross_entropy", **options):
    names = oracle.each_layer(activation, len(coefs) - 1)
    sizes = [len(coefs[0]), *map(len, intercepts)]
    made = Network(sizes, names, loss, dtype=coefs[0].dtype, **options)
    made.coefs, made.intercepts = coefs, intercepts
    return made


def wide(arrays):
    return [np.asarray(a, np.float64) for a in arrays]


def assert_arrays_near(actual, expected, tolerance):
    """Arrays, each equal to so much of its largest element."""
    for got, wanted in zip(actual, expected, strict=True):
        assert got.shape == wanted.shape
        scale = max(np.abs(wanted).max(initial=0), 1e-2)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * scale)


def epoch(made, X, Y, *, rule="sgd", rate=0.05, batch_size=32, order=None, **options):
    """What one pass of a network over the rows returns."""
    rule = Rule(rule, made) if isinstance(rule, str) else rule
    return made.epoch(X, Y, order, batch_size, rule, rate, **options)


def arrays_of(result):
    """All gradients of a value_and_grad in one list: coefs, then intercepts."""
    return [*result[1], *result[2]]


def assert_same_bits(one, other):
    """Of the parameters of two estimators."""
    for a, b in zip(
        [*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_], strict=True
    ):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
