"""Whole fits, by fastsoftmax and by its peers, from loose to tight.

Each maker yields settings in turn, as functions of no arguments that fit and return (W, b); the
benchmark takes the first that comes close enough to the optimum. A missing peer is an ImportError.
"""

import warnings

import numpy as np

import fastsoftmax
from fastsoftmax._runtime.threads import available_threads


def quietly(fit):
    """(W, b) of a model that is fitted without warnings; `model` is the last one fitted."""

    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call.model = fit()
        return call.model.coef_, call.model.intercept_

    return call


def fastsoftmax_by(solver):
    def settings(X, y, C):
        for tol in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10):
            yield quietly(lambda tol=tol: fastsoftmax.fit(X, y, C=C, tol=tol, solver=solver))

    return settings


def sklearn_by(solver):
    def settings(X, y, C):
        from sklearn.linear_model import LogisticRegression

        for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8):
            model = LogisticRegression(C=C, solver=solver, tol=tol, max_iter=2000)
            yield quietly(lambda model=model: model.fit(X, y))

    return settings


def sklearn_intelex(X, y, C):
    from sklearnex.linear_model import LogisticRegression

    for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8):
        model = LogisticRegression(C=C, tol=tol, max_iter=2000)
        yield quietly(lambda model=model: model.fit(X, y))


def floats(X):
    """X for peers that take nothing else."""
    return X if np.issubdtype(X.dtype, np.floating) else X.astype(np.float32)


def torch(X, y, C):
    import torch

    torch.set_num_threads(available_threads())
    inputs, labels = torch.from_numpy(floats(X)), torch.from_numpy(np.asarray(y, np.int64))
    scale = 1 / (C * len(X))

    def fit(steps):
        W = torch.zeros(int(y.max()) + 1, X.shape[1], dtype=inputs.dtype, requires_grad=True)
        b = torch.zeros(len(W), dtype=inputs.dtype, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [W, b], max_iter=steps, history_size=10, line_search_fn="strong_wolfe",
            tolerance_grad=0, tolerance_change=0,
        )  # fmt: skip

        def closure():
            optimiser.zero_grad()
            logits = torch.nn.functional.linear(inputs, W, b)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            loss = loss + 0.5 * scale * (W**2).sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        return W.detach().numpy(), b.detach().numpy()

    for steps in (25, 35, 50, 70, 100, 140, 200, 280, 400, 800):
        yield lambda steps=steps: fit(steps)


def cyanure(X, y, C):
    from cyanure.estimators import Classifier

    X = floats(X)
    for tol in (1e-3, 1e-5, 1e-7):
        model = Classifier(
            loss="multiclass-logistic", penalty="l2", lambda_1=1 / (C * len(X)), tol=tol,
            max_iter=1000, verbose=False, n_threads=available_threads(),
        )  # fmt: skip

        def fit(model=model):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, y)
            return model.coef_.T, model.intercept_.ravel()

        yield fit


PEERS = {
    "fastsoftmax": fastsoftmax_by("auto"),
    "scikit-learn lbfgs": sklearn_by("lbfgs"),
    "scikit-learn newton-cg": sklearn_by("newton-cg"),
    "scikit-learn newton-cholesky": sklearn_by("newton-cholesky"),
    "scikit-learn-intelex": sklearn_intelex,
    "torch L-BFGS": torch,
    "cyanure": cyanure,
}
LARGEST_HESSIAN = 6000  # parameters up to which newton-cholesky is tried
