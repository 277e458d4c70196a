"""One neuron and the online rule w ← w - rate * (a - y) x: ADALINE and logistic regression."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastsoftmax._neural.goals import Goal, TrainingRows
from fastsoftmax._neural.network import Network
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.schedules import Schedule
from fastsoftmax._neural.stable_rate import curvature, stable_rate
from fastsoftmax._neural.training import Epoch, Plan, Record, Task, train
from fastsoftmax._runtime.atomic import DivergedError
from fastsoftmax._runtime.dtypes import computed_in
from fastsoftmax._runtime.sklearn_compat import check_features_of_fit
from fastsoftmax._validation import check
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import networks as check_networks


def train_neuron(
    estimator: Any,
    params: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str,
    callback: Any,
) -> None:
    """Train by the rule for ``max_iter`` epochs, from zero, and set the estimator's attributes.

    `params` has that, ``learning_rate_init``, ``batch_size``, ``shuffle``, ``random_state``,
    ``verbose`` and ``n_threads``. Where the loss is no longer finite FloatingPointError names epoch
    and step, and the estimator has the last finite weights.
    """
    check_networks.callback(callback)
    rate = check_networks.rate(params.learning_rate_init, automatic=estimator._automatic_rate)
    max_iter = check.integer(params.max_iter, "max_iter", least=1)
    given, X = X, check_networks.rows(X)
    codes, classes = check_labels.labels(y, len(X))
    check_networks.two_classes(classes)
    check_networks.warn_of_column(y)
    dtype = computed_in(X.dtype)
    network = Network(
        (X.shape[1], 1), (), loss, dtype=dtype, n_threads=check.threads(params.n_threads)
    )
    batch_size = check_networks.batch_rows(params.batch_size, len(X))
    rate = stable_rate(X, batch_size) if rate is None else rate
    plan = Plan(
        max_iter,
        batch_size,
        Schedule("constant", rate),
        shuffle=check.flag(params.shuffle, "shuffle"),
        callback=callback,
        verbose=check.verbosity(params.verbose),
        kind=Epoch,
    )
    record = Record()
    task = Task(
        network,
        Rule("sgd", network),
        Goal(loss, "threshold", estimator._threshold),
        TrainingRows(X, codes.astype(dtype)[:, None]),
        np.arange(len(X), dtype=np.intp),
        record,
        check_networks.generator(params.random_state),
    )

    def keep() -> None:
        estimator._forget()
        check_features_of_fit(estimator, given, reset=True)
        estimator.classes_ = classes
        estimator.coef_, estimator.intercept_ = network.coefs[0].T, network.intercepts[0]
        estimator.history_ = record.history
        estimator.n_iter_ = estimator._counted(record.epochs)

    try:
        train(task, plan)
    except DivergedError as error:
        keep()
        if not estimator._automatic_rate:
            raise
        most = 2 / curvature(X, batch_size)
        raise check_networks.too_large_a_rate(error, rate, most) from None
    keep()
