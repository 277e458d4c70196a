"""What a fitted linear model says of rows: probabilities, beside logits and labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import functional
from fastsoftmax._neural.labels import Labels
from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.collections import lazy
from fastsoftmax._runtime.typing import MatrixLike


class Probabilities(Labels):
    """Logits, labels and probabilities of an estimator whose logits are log-odds."""

    @lazy
    @of_one_fit
    def predict_proba(self, X: MatrixLike) -> NDArray:
        """Probability of each class, by the order of ``classes_``.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D)

        Returns
        -------
        ndarray of shape (n, K)
            Rows sum to 1, unless they have several labels. Of two classes, or of a label, it is
            > 0.5 exactly where the logit is > 0; of more classes rounding may make the largest
            equal, while `predict` compares logits. In float32 if X is, else in float64.
        """
        logits = self._tempered(X)
        if logits.shape[1] > 1 and not self._several_labels:
            return functional.softmax(logits, n_threads=self._threads)
        both = self._sides(logits)
        p = functional.sigmoid(both, n_threads=self._threads)
        # where rounding would make a small logit one of 0
        return np.where((both > 0) & (p == 0.5), np.nextafter(p, p.dtype.type(1)), p)

    @lazy
    @of_one_fit
    def predict_log_proba(self, X: MatrixLike) -> NDArray:
        """Logarithm of `predict_proba`, finite where that underflows.

        Of two classes, or of a label, the one that `predict` gives has the larger one.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D)

        Returns
        -------
        ndarray of shape (n, K)
        """
        logits = self._tempered(X)
        if logits.shape[1] > 1 and not self._several_labels:
            return functional.log_softmax(logits, n_threads=self._threads)
        both = self._sides(logits)
        p = functional.log_sigmoid(both, n_threads=self._threads)
        # as in `predict_proba`
        half = p.dtype.type(np.log(0.5))
        return np.where((both > 0) & (p <= half), np.nextafter(half, p.dtype.type(0)), p)

    def _tempered(self, X: MatrixLike) -> NDArray:
        """Logits over the temperature, where the fit has found one."""
        logits = self._logits(X, precise=True)
        temperature = getattr(self, "temperature_", None)
        return logits if temperature is None else logits / logits.dtype.type(temperature)

    def _sides(self, logits: NDArray) -> NDArray:
        """The logits of both labels, -z and z, of one logit z; of several labels, as they are."""
        return logits if self._several_labels else np.column_stack([-logits[:, 0], logits[:, 0]])
