"""What a fitted linear model says of rows: probabilities, beside logits and labels."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import functional
from fastsoftmax._linear.problem.collections import from_collections
from fastsoftmax._neural.labels import Labels
from fastsoftmax._neural.ranking import Ranking
from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.parts import Part, Parts, by_rows, joined
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import blocks as check_blocks
from fastsoftmax._validation import check
from fastsoftmax._validation import labels as check_labels
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation.targets import as_table
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions


class Probabilities(Ranking, Labels):
    """Logits, labels and probabilities of an estimator whose logits are log-odds."""

    @by_rows
    @of_one_fit
    def predict_proba(self, X: MatrixLike | Blocks | Partitions) -> NDArray:
        """Probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions

        Returns
        -------
        ndarray of shape (n, K)
            Rows sum to 1, unless they have several labels. With two classes, or for a label, the
            probability is > 0.5 exactly where the logit is > 0. With more classes rounding may make
            the largest probabilities equal; `predict` compares logits. In float32 if X is,
            otherwise in float64.
        """
        parts = self._outputs_in_parts(X, precise=True)
        return joined([self._probabilities(logits) for logits in parts])

    def _probabilities(self, logits: NDArray) -> NDArray:
        """Those of each class."""
        logits = self._tempered(logits)
        if logits.shape[1] > 1 and not self._several_labels:
            return functional.softmax(logits, n_threads=self._threads)
        both = self._sides(logits)
        p = functional.sigmoid(both, n_threads=self._threads)
        # where rounding would make a small logit one of 0
        return np.where((both > 0) & (p == 0.5), np.nextafter(p, p.dtype.type(1)), p)

    @by_rows
    @of_one_fit
    def predict_log_proba(self, X: MatrixLike | Blocks | Partitions) -> NDArray:
        """Logarithms of `predict_proba`, finite where that underflows.

        With two classes, or for a label, the class that `predict` returns has the larger value.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions

        Returns
        -------
        ndarray of shape (n, K)
        """
        parts = self._outputs_in_parts(X, precise=True)
        return joined([self._log_probabilities(logits) for logits in parts])

    def _log_probabilities(self, logits: NDArray) -> NDArray:
        logits = self._tempered(logits)
        if logits.shape[1] > 1 and not self._several_labels:
            return functional.log_softmax(logits, n_threads=self._threads)
        both = self._sides(logits)
        p = functional.log_sigmoid(both, n_threads=self._threads)
        # as in `_probabilities`
        half = p.dtype.type(np.log(0.5))
        return np.where((both > 0) & (p <= half), np.nextafter(half, p.dtype.type(0)), p)

    def _tempered(self, logits: NDArray) -> NDArray:
        """Logits over the temperature, where the fit has found one."""
        temperature = getattr(self, "temperature_", None)
        return logits if temperature is None else logits / logits.dtype.type(temperature)

    def _sides(self, logits: NDArray) -> NDArray:
        """The logits of both labels, -z and z, of one logit z; of several labels, as they are."""
        return logits if self._several_labels else np.concatenate([-logits, logits], axis=1)

    @overload
    def predict_topk(
        self, X: MatrixLike | Blocks | Partitions, k: int, *, return_proba: Literal[False] = ...
    ) -> NDArray: ...

    @overload
    def predict_topk(
        self, X: MatrixLike | Blocks | Partitions, k: int, *, return_proba: Literal[True]
    ) -> tuple[NDArray, NDArray]: ...

    @by_rows
    @of_one_fit
    def predict_topk(
        self, X: MatrixLike | Blocks | Partitions, k: int, *, return_proba: bool = False
    ) -> Any:
        """Labels of the k most probable classes of each row.

        No array of the logits of all rows is made.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
        k : int
            Number of labels per row, from 1 to K.
        return_proba : bool, default=False
            Whether to return their probabilities too.

        Returns
        -------
        labels : ndarray of shape (n, k)
            The most probable first; of classes with equal logits the first of ``classes_``. The
            first column is what `predict` gives.
        probabilities : ndarray of shape (n, k)
            Those of `predict_proba`, with ``return_proba`` only.

        Raises
        ------
        ValueError, TypeError
            If k is not an integer from 1 to K; for X as in `predict`.
        """
        return self._ranked(X, k, return_proba)

    @of_one_fit
    def score(
        self,
        X: MatrixLike | Blocks | Partitions,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        top_k: int = 1,
    ) -> float:
        """Weighted share of rows whose label, or all of whose labels, are predicted correctly.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
            The last two contain their labels and weights. Of a collection of Dask's, workers of the
            current client compute the share, or else this process, block by block.
        y : array-like of shape (n,) or (n, K)
            Labels.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.
        top_k : int, default=1
            How many of the most probable classes of a row count as its prediction: those of
            `predict_topk`. More than 1 only where rows have one label each.

        Returns
        -------
        float
        """
        k = self._ranks(top_k, "top_k")
        check_labels.one_of_several(k, self._several_labels)
        X, y, sample_weight, _ = from_collections(X, y, sample_weight, None)
        if isinstance(X, Parts):
            for value, name in ((y, "y"), (sample_weight, "sample_weight")):
                check_blocks.nothing_else(value, name, type(X).__name__)
            hits = X._each(hits_of_part, self, k)
        else:
            check_labels.to_score(y)
            hits = [hits_of_part((X, y, sample_weight), self, k)]
        right, total = np.sum(hits, axis=0)
        check.some_weight(total)
        return float(right / total)


def hits_of_part(part: Part, model: Any, k: int) -> tuple[float, float]:
    """Weight of the rows whose label is among the first k, and of all."""
    X, y, sample_weight = part
    if model._several_labels:
        labels = model.predict(X)
        y = check_networks.table(as_table(y), len(labels))
        check_networks.as_many_columns(y.shape[1], labels.shape[1], "y")
        hits = (labels == y).all(axis=1)
    else:
        labels = model.predict_topk(X, k)
        y = check_labels.one_a_row(y, len(labels), "y")
        check_labels.same_type(y, model.classes_)
        hits = (labels == y[:, None]).any(axis=1)
    weights = check.weights_of_a_part(sample_weight, len(labels), "sample_weight")
    if weights is None:
        return hits.sum(), len(hits)
    return weights[hits].sum(dtype=np.float64), weights.sum(dtype=np.float64)
