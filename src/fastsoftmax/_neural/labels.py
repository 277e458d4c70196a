"""Logits w x + b of a layer of linear units, and the labels that they mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine.data import data_of
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.parts import by_rows, joined
from fastsoftmax._runtime.sklearn_compat import check_features_of_fit, require_fit
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import check
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation.sparse import features, require_finite

LARGE = 256.0  # an intercept that takes 8 of float32's 24 bits off the logits
# in size, of the largest: squares to 1e±30, and sums of 1e8 of these, are normal in float32
WEIGHTS = 1e-15, 1e15
# what logits are of, what the next call goes on from, and what inference needs
BESIDE = (
    *("_feature_scale", "_several_labels"),
    *("_stream", "_weight", "_warm_start_state", "_evidence"),
)
PART = 16 << 20  # bytes of logits that are made at a time, where not all are asked for


def cancels_in_float32(coef: NDArray, intercept: NDArray) -> bool:
    """Whether logits need float64: the means of features are far larger than their deviations, or
    weights are extreme."""
    largest = np.abs(coef).max(initial=0.0)
    moderate = largest == 0 or WEIGHTS[0] <= largest <= WEIGHTS[1]
    return not moderate or bool(np.abs(intercept).max(initial=0.0) > LARGE)


def dense(coef: NDArray | sparse.csr_array) -> NDArray:
    """Weights as an array, which `sparsify` may have made sparse."""
    return coef.toarray() if sparse.issparse(coef) else coef


class Labels:
    """Logits and labels of an estimator with ``coef_``, ``intercept_`` and ``classes_``."""

    _feature_scale: NDArray | None = None  # that of the fit: what coef_ is of
    _several_labels = False  # whether rows have several labels, each with a logistic function
    _automatic_rate = False  # whether ``learning_rate_init`` may be "auto"
    _threshold = 0.0  # above which one logit means the second class

    def _forget(self) -> None:
        """Leave nothing of a fit before."""
        for name in list(vars(self)):
            if name[-1] == "_" or name in BESIDE:
                delattr(self, name)

    @by_rows
    @of_one_fit
    def decision_function(self, X: MatrixLike) -> NDArray:
        """Logits of the rows of X.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D)

        Returns
        -------
        ndarray of shape (n, K), or (n,) for two classes
            W x + b, in the precision of X; for two classes the log-odds of ``classes_[1]``. With
            `Adaline`, whose threshold is ½, it is w x + b - ½.

        Raises
        ------
        NotFittedError
            Before ``fit``; scikit-learn's class where it is installed.
        ValueError
            If X has another number of features than in ``fit``, or is not finite.
        """
        logits = self._outputs(X)
        if logits.shape[1] > 1:
            return logits
        return logits[:, 0] - logits.dtype.type(self._threshold)

    @by_rows
    @of_one_fit
    def predict(self, X: MatrixLike) -> NDArray:
        """Label of each row.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D)

        Returns
        -------
        ndarray of shape (n,)
            The most probable class; with two classes the second if its logit is > 0. With several
            labels per row the shape is (n, K), with 1 for each label whose logit is > 0.
        """
        return joined([self._most_probable(logits) for logits in self._outputs_in_parts(X)])

    def _most_probable(self, logits: NDArray) -> NDArray:
        """The labels that logits mean."""
        if self._several_labels:
            return (logits > 0).astype(int)
        if logits.shape[1] == 1:
            return self.classes_[(logits[:, 0] > logits.dtype.type(self._threshold)).astype(int)]
        return self.classes_[logits.argmax(axis=1)]

    @staticmethod
    def _counted(iterations: int) -> Any:
        """What ``n_iter_`` is."""
        return iterations

    @property
    def _threads(self) -> int:
        return check.threads(self.n_threads)

    @of_one_fit
    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Weighted share of rows whose label, or all of whose labels, are predicted correctly.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D)
        y : array-like of shape (n,) or (n, K)
            Labels.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.

        Returns
        -------
        float
        """
        return super().score(X, check_labels.of_plain_dtype(y), sample_weight)

    def _outputs(self, X: MatrixLike) -> NDArray:
        """Logits of all rows."""
        (logits,) = self._outputs_in_parts(X, most=np.inf)
        return logits

    def _outputs_in_parts(
        self, X: MatrixLike, *, precise: bool = False, most: float = PART
    ) -> Iterator[NDArray]:
        """Logits of some rows after others, of about so many bytes at a time.

        With `precise` in float64 unless X is of float32, whatever computes them.
        """
        require_fit(self, "coef_")
        given, X = X, features(X, n_features=self.n_features_in_, owner=type(self).__name__)
        check_features_of_fit(self, given, reset=False)
        data = data_of(X, self._threads, self._feature_scale)
        dtype, coef = data.dtype, dense(self.coef_)
        if precise and X.dtype != np.float32:
            dtype = np.dtype(np.float64)
        if data.dtype == np.float32 and cancels_in_float32(coef, self.intercept_):
            data = data.to_float64()
        n = data.shape[0]
        step = max(1, int(min(n, most // (len(coef) * dtype.itemsize))))
        for start in range(0, n, step):
            some = data if step == n else data.rows(slice(start, start + step))
            with np.errstate(over="ignore"):
                logits = some.logits(coef, self.intercept_).astype(dtype, copy=False)
            if not np.isfinite(logits).all():  # one bad cell of X makes its row of logits bad
                require_finite(X)
                check.finite_attributes(self.coef_, self.intercept_)
            yield logits
