"""`partial_fit` of the linear estimators: the online rule on rows that are checked."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastsoftmax._engine.data import data_of
from fastsoftmax._linear.problem.targets import class_totals, referred, weighted
from fastsoftmax._neural.labels import dense
from fastsoftmax._neural.online import STATE, Stream
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.atomic import atomic
from fastsoftmax._runtime.collections import computed, is_collection, together
from fastsoftmax._runtime.parts import Parts
from fastsoftmax._runtime.sklearn_compat import check_features_of_fit
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import blocks as check_blocks
from fastsoftmax._validation import check, saved
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import targets as check_targets
from fastsoftmax._validation.sparse import features
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

OF_A_STREAM = {"_stream": saved.fields(**STATE)}


class PartialFit:
    """`partial_fit` of an estimator of the linear model."""

    _stream: Stream | None = None
    _weight: float | None = None  # of the rows of the fit

    @atomic
    def partial_fit(
        self,
        X: MatrixLike | Blocks | Partitions,
        y: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from these rows, once, in addition to those of earlier calls.

        Averaged AdaGrad [1]_ with 16 rows per step, on features that are normalised by their
        statistics so far [2]_. One pass over data in random order comes close to what `fit` finds.
        After `fit` it continues from there: the model counts as the mean of a stream of all rows of
        the fit, so that a few rows change it little. A model of which it is not known how many rows
        it comes from, such as one whose ``coef_`` was set, counts as one of 10 000. The features'
        statistics are those of the rows of `partial_fit` alone, and until it has seen 16 rows only
        the intercepts change. Large calls learn a little better than small ones, since steps use
        the statistics of all rows of their call. ``tol``, ``max_iter``, ``solver``, ``max_memory``,
        ``n_threads``, ``random_state``, ``warm_start`` and ``verbose`` have no effect.
        ``l1_ratio``, ``penalty_factor``, ``standardize``, ``calibrate`` and balanced classes, which
        would change the model, are refused.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
            Blocks, partitions and Dask collections are processed one part after another, in order,
            each loaded in this process.
        y : array-like of shape (n,)
            Labels among ``classes``. Blocks and partitions contain their own labels and weights.
        classes : array-like of shape (K,)
            All labels that will occur in any call; needed in the first call.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As in `fit`; if ``classes`` is missing in the first call or differs later; and if y
            holds another label.

        References
        ----------
        .. [1] Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and
           stochastic optimization", JMLR 12, 2011.
        .. [2] Ross, Mineiro & Langford, "Normalized online learning", UAI 2013.

        Examples
        --------
        >>> from fastsoftmax import SoftmaxRegression
        >>> from fastsoftmax.datasets import load_digits
        >>> X, y = load_digits()
        >>> model = SoftmaxRegression()
        >>> for start in range(0, 1500, 100):
        ...     block = slice(start, start + 100)
        ...     _ = model.partial_fit(X[block], y[block], classes=range(10))
        >>> bool(model.score(X[1500:], y[1500:]) > 0.85)
        True
        """
        if is_collection(X) or isinstance(X, Parts):
            for block in in_order(X, y, sample_weight):
                self.partial_fit(block[0], block[1], classes, *block[2:])
            return self
        native = self._native()
        C = check.number(native.C, "C", above=0)
        check_targets.for_a_stream(native, self._several_labels)
        fit_intercept = check.flag(self.fit_intercept, "fit_intercept")
        first = not hasattr(self, "coef_")
        width = {} if first else {"n_features": self.n_features_in_, "owner": type(self).__name__}
        given, X = X, features(X, **width)
        known = check_labels.classes_of_first_fit(classes) if first else self.classes_
        check_labels.same_classes(classes, known)
        codes = check_labels.known_codes(y, known, X.shape[0])
        weights = check.weights(sample_weight, X.shape[0], np.dtype(np.float64))
        check.usable_sum(weights)
        if not sparse.issparse(X):
            check.require_finite(X)
        scale = check.feature_scale(self.feature_scale, X.shape[1])
        targets = weighted(
            codes, known, weights, self.class_weight,
            check_targets.smoothing(self.label_smoothing),
        )  # fmt: skip
        reference = check_targets.reference(self.reference_class, known)
        w = targets.weights
        rows = X.shape[0] if w is None else float(w.sum())
        check.penalty(C, rows)
        check_features_of_fit(self, given, reset=first)

        stream = deepcopy(self._stream)  # what ends this call before its end changes nothing
        if stream is None:
            row_weight = rows / (X.shape[0] if w is None else np.count_nonzero(w))
            stream = Stream(X.shape[1], targets.n_logits, fit_intercept, row_weight)
            if first:
                shares = class_totals(codes, targets.weights, len(known))
                stream.begin_at_shares(shares / shares.sum())
            else:
                stream.begin(dense(self.coef_), self.intercept_, self._weight)
        stream.learn(data_of(X, 1, scale), targets.values, targets.weights, C)
        self._stream, self.classes_, self._feature_scale = stream, known, scale
        self.coef_, self.intercept_ = referred(*stream.model(), reference)
        self._forget_fit()
        return self

    def _attributes_to_save(self) -> dict[str, Any]:
        attributes = super()._attributes_to_save()
        if "_stream" in attributes:
            attributes["_stream"] = self._stream.state()
        return attributes

    def _restore(self, attributes: dict[str, Any]) -> None:
        if "_stream" in attributes:
            attributes["_stream"] = Stream.of(attributes["_stream"])
        super()._restore(attributes)


def in_order(
    X: Any, y: ArrayLike | None, sample_weight: ArrayLike | None
) -> Iterable[tuple[Any, ...]]:
    """(X, y) or (X, y, sample_weight) of blocks, one after another."""
    if is_collection(X):
        return computed(together(X, y=y, sample_weight=sample_weight))
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        check_blocks.nothing_else(value, name, type(X).__name__)
    return X
