"""One neuron and the online rule w ← w - rate * (a - y) x: ADALINE and logistic regression."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import _validation as check
from fastsoftmax import _validation_networks as check_networks
from fastsoftmax._dtypes import computed_in
from fastsoftmax._sklearn import (
    BaseEstimator,
    ClassifierMixin,
    check_features_of_fit,
    require_fit,
)
from fastsoftmax.neural import Epoch, Network, Rule
from fastsoftmax.neural.goals import Goal, Rows
from fastsoftmax.neural.schedules import Schedule
from fastsoftmax.neural.training import Plan, Record, train


class Neuron(ClassifierMixin, BaseEstimator):
    """A binary classifier of one output; subclasses give its loss and where it is undecided."""

    _loss: str
    _threshold: float

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, *, callback: Any = None) -> Self:
        """Train for ``max_iter`` epochs, from zero.

        Parameters
        ----------
        X : array-like of shape (N, D)
            Features, best of similar scales: the rule diverges if learning_rate_init * ‖x‖² is
            large.
        y : array-like of shape (N,)
            Labels of two classes; the greater is what the neuron fires for.
        callback : callable, optional
            As of `MLPClassifier.fit`: called with the state after every epoch, ends the fit by
            returning something true.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument.
        FloatingPointError
            If the loss is no longer finite, naming epoch and step. The estimator then has the last
            finite weights.
        """
        check_networks.callback(callback)
        rate = check_networks.finite(self.learning_rate_init, "learning_rate_init", above=0.0)
        max_iter = check.integer(self.max_iter, "max_iter", least=1)
        given, X = X, check_networks.rows(X)
        codes, classes = check.labels(y, len(X))
        check_networks.two_classes(classes)
        check_networks.warn_of_column(y)
        dtype = computed_in(X.dtype)
        network = Network(
            (X.shape[1], 1), (), self._loss, dtype=dtype, n_threads=check.threads(self.n_threads)
        )
        plan = Plan(
            max_iter,
            check_networks.batch_rows(self.batch_size, len(X)),
            Schedule("constant", rate),
            shuffle=bool(self.shuffle),
            callback=callback,
            verbose=bool(self.verbose),
            kind=Epoch,
        )
        record = Record()

        def keep() -> None:
            check_features_of_fit(self, given, reset=True)
            self.classes_ = classes
            self.coef_, self.intercept_ = network.coefs[0].T, network.intercepts[0]
            self.history_, self.n_iter_ = record.history, record.epochs

        try:
            train(
                network,
                Rule("sgd", network),
                Goal(self._loss, "threshold", self._threshold),
                Rows(X, codes.astype(dtype)[:, None]),
                np.arange(len(X), dtype=np.intp),
                plan,
                record,
                check_networks.generator(self.random_state),
            )
        except FloatingPointError:
            keep()
            raise
        keep()
        return self

    def _outputs(self, X: ArrayLike) -> NDArray:
        """w x + b of each row (N,)."""
        require_fit(self, "coef_")
        given, X = X, check_networks.rows(
            X, n_features=self.n_features_in_, owner=type(self).__name__
        )  # fmt: skip
        check_features_of_fit(self, given, reset=False)
        network = Network(
            (X.shape[1], 1), (), self._loss, dtype=self.coef_.dtype,
            n_threads=check.threads(self.n_threads),
        )  # fmt: skip
        network.coefs, network.intercepts = [self.coef_.T], [self.intercept_]
        return network.outputs(X)[:, 0]

    def decision_function(self, X: ArrayLike) -> NDArray:
        """How far the output (N,) lies above the threshold: > 0 means ``classes_[1]``."""
        z = self._outputs(X)
        return z - z.dtype.type(self._threshold)

    def predict(self, X: ArrayLike) -> NDArray:
        """Label of each row (N,)."""
        fires = self.decision_function(X) > 0
        return self.classes_[fires.astype(int)]
