"""Arrays that begin between two elements: as aligned ones, to the bit, in every argument."""

import numpy as np
import pytest
from scipy import sparse

import fastsoftmax as fs
from fastsoftmax._core import kernels

N, D, K = 50, 7, 4
rng = np.random.default_rng(0)
Y = rng.permutation(N) % K
S = rng.random(N)
P = rng.dirichlet(np.ones(K), N)
EVENTS = np.eye(K, dtype=int)[Y]
DTYPES = ["f4", "f8", "f2", "i4", "u2"]


def misaligned(x):
    """A copy, one byte off."""
    out = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    assert x.itemsize == 1 or not out.flags.aligned
    return out


def csr(values, at, starts):
    """Compressed rows of these very arrays."""
    X = sparse.csr_array((N, D), dtype=values.dtype)
    X.data, X.indices, X.indptr = values, at, starts
    return X


def fitted(make, *attributes):
    """A function of arguments of `fit` that gives these attributes."""

    def call(*args, **kwargs):
        model = make().fit(*args, **kwargs)
        return [getattr(model, name) for name in attributes or ("coef_",)]

    return call


def functions(dtype):
    """Function, and arguments."""
    X, Z = (10 * rng.normal(size=(N, D))).astype(dtype), (5 * rng.normal(size=(N, K))).astype(dtype)
    floats = np.dtype("f4" if dtype == "f4" else "f8")
    W, b = rng.normal(size=(K, D)).astype(floats), rng.normal(size=K).astype(floats)
    few = (X / np.array(100, X.dtype)).astype(dtype)
    rows = sparse.csr_array(X.astype(floats) * (rng.random(X.shape) < 0.5))
    model = fs.SoftmaxRegression().fit(X, Y)

    def lce(X, W, b, y, s):
        return fs.linear_cross_entropy_value_and_grad(X, W, b, y, sample_weight=s)

    def offset(X, y, given, factors):
        how = fs.SoftmaxRegression(feature_scale=factors, penalty_factor=factors)
        return how.fit(X, y, offset=given).coef_

    def partial(X, y, s):
        model = fs.SoftmaxRegression().partial_fit(X, y, np.arange(K), s)
        return model.coef_, model.intercept_

    network = lambda: fs.MLPClassifier(3, max_iter=2, random_state=0)  # noqa: E731
    return {
        "softmax": (fs.softmax, Z),
        "log_softmax": (fs.log_softmax, Z),
        "logsumexp": (fs.logsumexp, Z),
        "sigmoid": (fs.sigmoid, Z),
        "log_sigmoid": (fs.log_sigmoid, Z),
        "logit": (fs.logit, P.astype(floats)),
        "softmax_vjp": (fs.softmax_vjp, P.astype(floats), W[0, 0] * P.astype(floats)),
        "out": (lambda z, out: fs.softmax(z, out=out), Z.astype(floats), P.astype(floats)),
        "cross_entropy": (fs.cross_entropy, Z, P),
        "cross_entropy_value_and_grad": (fs.cross_entropy_value_and_grad, Z, Y),
        "nll_loss": (fs.nll_loss, Z, Y),
        "binary_cross_entropy": (fs.binary_cross_entropy, Z, 1.0 * EVENTS),
        "mse": (fs.mse, Z, P),
        "mae": (fs.mae, Z, P),
        "linear": (lce, X, W, b, Y, S),
        "linear, probabilities": (lce, X, W, b, P, S),
        "sparse linear": (
            lambda *parts: lce(csr(*parts), W, b, Y, S),
            *(rows.data, rows.indices, rows.indptr),
        ),
        "fit": (fitted(fs.SoftmaxRegression), X, Y, S),
        "fit, probabilities": (fitted(fs.SoftmaxRegression), X, P, S),
        "fit, L1": (fitted(lambda: fs.SoftmaxRegression(l1_ratio=1.0)), X, Y),
        "fit, offset": (offset, X, Y, 1.0 * EVENTS, np.full(D, 0.5)),
        "fit, several labels": (fitted(fs.LogisticRegression), X, EVENTS),
        "fit, sparse": (
            lambda *parts: fs.SoftmaxRegression().fit(csr(*parts), Y).coef_,
            *(rows.data, rows.indices, rows.indptr),
        ),
        "CV": (fitted(lambda: fs.SoftmaxRegressionCV(Cs=[1.0], cv=2)), X, Y, S),
        "partial_fit": (partial, X, Y, S),
        "predict_proba": (model.predict_proba, X),
        "certify": (lambda *args: model.certify(*args).gap_bound, X, Y, S),
        "network": (fitted(network, "coefs_"), X, Y, S),
        "neuron": (
            fitted(lambda: fs.LogisticRegression(solver="sgd", max_iter=2)),
            *(few, (Y > 1).astype(int)),
        ),
    }


def equal(a, b):
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(equal, a, b))
    return a is b is None or np.array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", functions("f8"))
@pytest.mark.filterwarnings("ignore:.*onverge", "ignore:Stochastic optimizer")
def test_misaligned_arguments(name, dtype):
    call, *arguments = functions(dtype)[name]
    expected = call(*(x.copy() for x in arguments))
    for i in range(len(arguments)):
        given = [misaligned(x) if j == i else x.copy() for j, x in enumerate(arguments)]
        assert equal(call(*given), expected), i


def test_kernels_take_aligned_arrays_only():
    with pytest.raises(ValueError, match="scales: expected aligned elements"):
        kernels(np.float64).cholesky.factor(
            np.eye(3)[None], misaligned(np.ones((1, 3))), np.zeros(1), np.ones(1, np.int32), 1
        )
