"""One neuron and the online rule w ← w - rate * (a - y) x: ADALINE and logistic regression."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastsoftmax._neural.goals import Goal, Rows
from fastsoftmax._neural.network import Network
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.schedules import Schedule
from fastsoftmax._neural.training import Epoch, Plan, Record, train
from fastsoftmax._runtime.atomic import DivergedError
from fastsoftmax._runtime.dtypes import computed_in
from fastsoftmax._runtime.sklearn_compat import check_features_of_fit
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation import numbers as check


def train_neuron(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str,
    threshold: float,
    max_iter: int,
    callback: Any,
) -> None:
    """Train by the rule for so many epochs, from zero, and set the estimator's attributes.

    It gives ``learning_rate_init``, ``batch_size``, ``shuffle``, ``random_state``, ``verbose`` and
    ``n_threads``. Where the loss is no longer finite FloatingPointError names epoch and step, and
    the estimator has the last finite weights.
    """
    check_networks.callback(callback)
    rate = check_networks.finite(estimator.learning_rate_init, "learning_rate_init", above=0.0)
    max_iter = check.integer(max_iter, "max_iter", least=1)
    given, X = X, check_networks.rows(X)
    codes, classes = check_labels.labels(y, len(X))
    check_networks.two_classes(classes)
    check_networks.warn_of_column(y)
    dtype = computed_in(X.dtype)
    network = Network(
        (X.shape[1], 1), (), loss, dtype=dtype, n_threads=check.threads(estimator.n_threads)
    )
    plan = Plan(
        max_iter,
        check_networks.batch_rows(estimator.batch_size, len(X)),
        Schedule("constant", rate),
        shuffle=check.flag(estimator.shuffle, "shuffle"),
        callback=callback,
        verbose=check.verbosity(estimator.verbose),
        kind=Epoch,
    )
    record = Record()

    def keep() -> None:
        estimator._forget()
        check_features_of_fit(estimator, given, reset=True)
        estimator.classes_ = classes
        estimator.coef_, estimator.intercept_ = network.coefs[0].T, network.intercepts[0]
        estimator.history_, estimator.n_iter_ = record.history, record.epochs

    try:
        train(
            network,
            Rule("sgd", network),
            Goal(loss, "threshold", threshold),
            Rows(X, codes.astype(dtype)[:, None]),
            np.arange(len(X), dtype=np.intp),
            plan,
            record,
            check_networks.generator(estimator.random_state),
        )
    except DivergedError:
        keep()
        raise
    keep()
