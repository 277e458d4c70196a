"""Loss + gradient, fits and predictions of sparse X, by fastsoftmax and by scikit-learn."""

import numpy as np
from sklearn._loss import HalfMultinomialLoss
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model._linear_loss import LinearModelLoss

import fastsoftmax
from benchmarks.fit.peers import quietly
from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.data import Batch, Point, SparseData
from fastsoftmax._runtime.threads import available_threads

# ---- loss + gradient: makers of functions of no arguments that return both


def in_a_fit(X, W, b, y):
    """The columns of X are laid out once."""
    data, labels = SparseData(X, available_threads()), y.astype(np.int32)
    W = np.asfortranarray(W)

    def call():
        loss, grads = data.value_and_grad(Point(W, b), Batch(labels, None, 1 / len(y)))
        return loss, grads.W

    return call


def function(X, W, b, y):
    def call():
        loss, grads = fastsoftmax.linear_cross_entropy_value_and_grad(X, W, b, y)
        return loss, grads.W

    return call


def sklearn_gradient(X, W, b, y):
    k = len(W)
    loss = LinearModelLoss(base_loss=HalfMultinomialLoss(n_classes=k), fit_intercept=True)
    coef, labels = np.asfortranarray(np.column_stack([W, b])), y.astype(X.dtype)

    def call():
        value, gradient = loss.loss_gradient(coef, X, labels, n_threads=available_threads())
        return value, gradient.reshape(k, -1, order="F")[:, :-1]

    return call


GRADIENTS = {
    "scikit-learn": sklearn_gradient,
    "fastsoftmax, one call": function,
    "fastsoftmax": in_a_fit,
}

# ---- fits: settings from loose to tight, functions of no arguments that return (W, b)


def fastsoftmax_fit(X, y, C):
    for tol in (1e-6, 1e-7, 1e-8):
        yield quietly(lambda tol=tol: fastsoftmax.fit(X, y, C=C, tol=tol))


def sklearn_fit(solver):
    def settings(X, y, C):
        for tol in (1e-3, 1e-4, 1e-5, 1e-6):
            model = LogisticRegression(C=C, solver=solver, tol=tol, max_iter=5000)
            yield quietly(lambda model=model: model.fit(X, y))

    return settings


FITS = {
    "scikit-learn lbfgs": sklearn_fit("lbfgs"),
    "scikit-learn newton-cg": sklearn_fit("newton-cg"),
    "fastsoftmax": fastsoftmax_fit,
}

# ---- predictions: estimators with these parameters, laid out as a fit leaves them


def with_parameters(model, W, b):
    model.coef_, model.intercept_ = W, b
    model.classes_, model.n_features_in_ = np.arange(len(b)), W.shape[1]
    return model


PREDICTIONS = {
    "scikit-learn": lambda W, b: with_parameters(LogisticRegression(), np.ascontiguousarray(W), b),
    "fastsoftmax": lambda W, b: with_parameters(SoftmaxRegression(), W, b),
}
