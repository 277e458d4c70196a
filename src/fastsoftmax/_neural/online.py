"""Softmax regression from a stream: averaged AdaGrad on normalised features.

Steps of AdaGrad (Duchi, Hazan & Singer, Adaptive subgradient methods, JMLR 12, 2011) over few rows
at a time, in features that are centred and scaled by what has been seen of them so far, with the
rate 1/√(mean ‖x‖²) of those: then no scale of the features matters, nor their number (Ross, Mineiro
& Langford, Normalized online learning, UAI 2013). The model is the mean of the iterates, each
weighted by its number (Polyak & Juditsky 1992; Lacoste-Julien, Schmidt & Bach 2012).
Accuracy after one pass: docs/experiments/0038-online-learning.md.

A model that comes from elsewhere counts as the mean of a stream of as many rows
(docs/experiments/0089-streams-after-fits.md).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Batch, Data, Point, data_of, merged
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.dtypes import TINY
from fastsoftmax._validation import check, saved

STEP_ROWS = 16  # docs/experiments/0038-online-learning.md
ROWS = 10_000.0  # that a model comes from, where nobody knows
FAR = 2.0  # of the mean of a sparse feature, in deviations, beyond which it is centred


# what there is of a stream in a file, for D features and L logits
STATE = {
    "fit_intercept": saved.flag,
    "row_weight": saved.positive,
    "earlier": saved.number,
    "W": saved.floats("D", "L"),
    "squares": saved.table("f", "D", "L"),  # which may be infinite
    "lag": saved.floats("D", "L"),
    "b": saved.floats("L"),
    "b_squares": saved.table("f", "L"),
    "b_lag": saved.floats("L"),
    "steps": saved.number,
    "ages": saved.number,
    "n": saved.positive,
    "norms": saved.number,
    "seen": saved.floats("D"),
    "means": saved.floats("D"),
    "deviations": saved.floats("D"),
}


class Stream:
    """The model and what the algorithm keeps, between blocks of rows.

    Parameters
    ----------
    n_features, n_logits : int
    fit_intercept : bool
    row_weight : float
        The usual weight of a row.
    """

    # of streams in pickles of former versions
    _row_weight = 1.0
    _earlier = 0.0

    def __init__(
        self, n_features: int, n_logits: int, fit_intercept: bool, row_weight: float = 1.0
    ) -> None:
        self._fit_intercept, self._row_weight = fit_intercept, row_weight
        # the classes of a feature side by side, since sparse steps touch few features
        shape = n_features, n_logits
        self._W, self._squares, self._lag = np.zeros((3, *shape))
        self._b, self._b_squares, self._b_lag = np.zeros((3, n_logits))
        self._steps, self._ages = 0.0, 0.0  # and the sum of their numbers
        self._earlier = 0.0  # weight of the rows that the model came from at the start
        self._n, self._norms = 0.0, 0.0  # rows, and the sum of their squared norms when normalised
        #: of each feature: the rows where it is not 0, and the moments over all
        self._seen, self._means, self._deviations = np.zeros((3, n_features))

    def begin(self, coef: NDArray, intercept: NDArray, weight: float | None) -> None:
        """Go on from a model of rows of this weight, as if a stream of them had led to it.

        The squares are those that rows would have left whose class the model did not know.
        """
        self._W[:], self._b[:] = coef.T, intercept
        self._earlier = ROWS * self._row_weight if weight is None else weight
        self._steps = self._earlier / (self._row_weight * STEP_ROWS)
        self._ages = self._steps * (self._steps + 1) / 2
        k = max(len(self._b), 2)
        squares = self._steps * (k - 1) / k**2 / STEP_ROWS
        self._squares[:], self._b_squares[:] = squares, squares

    def begin_at_shares(self, shares: NDArray) -> None:
        """Start with zero weights and the log-odds of the classes' shares."""
        if self._fit_intercept:
            logs = np.log(np.maximum(shares, 1e-3 / len(shares)))
            self._b[:] = logs[1:] - logs[0] if len(self._b) == 1 else logs - logs.mean()

    def state(self) -> dict[str, Any]:
        """All that it goes on from, for a file."""
        return {name: getattr(self, f"_{name}") for name in STATE}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """The stream of a state."""
        stream = cls(*state["W"].shape, state["fit_intercept"])
        for name, value in state.items():
            setattr(stream, f"_{name}", value)
        return stream

    def model(self) -> tuple[NDArray, NDArray]:
        """(coef, intercept): the mean of the iterates."""
        ages = self._ages or 1.0
        b = self._b + self._b_lag / ages
        return (self._W + self._lag / ages).T.copy(), b - b.mean() if len(b) > 1 else b

    def learn(self, data: Data, targets: NDArray, weights: NDArray | None, C: float) -> None:
        """One pass over the rows, in their order."""
        with np.errstate(over="ignore", invalid="ignore"):  # shows in the model
            self._learn(data, targets, weights, C)
            check.finite_model(self._W, self._lag)

    def _learn(self, data: Data, targets: NDArray, weights: NDArray | None, C: float) -> None:
        shift, scales = self._observe(data, weights)
        always = np.flatnonzero(shift)  # features of which a row without an entry tells something
        for start in range(0, data.shape[0], STEP_ROWS):
            rows = slice(start, start + STEP_ROWS)
            some = None if weights is None else weights[rows]
            if some is None or some.any():
                X = data.X[rows] if data.is_sparse else data.in_float64(rows)
                self._step(X, targets[rows], some, shift, scales, always, C)

    def _observe(self, data: Data, weights: NDArray | None) -> tuple[NDArray, NDArray]:
        """Centre and scale of each feature, from all rows so far.

        Of a sparse X only features with large means are centred, which have hardly any zeros; the
        scale of the others is that of their non-zeros.
        """
        n, d = data.shape
        w = np.ones(n) if weights is None else weights
        total = float(w.sum())
        if total:
            before = self._n, (self._means, self._deviations)
            moments = merged((before, (total, data.moments(weights))), d)
            check.spread(*moments)
            self._means, self._deviations = moments
            self._n += total
        lengths = np.hypot(self._means, self._deviations)
        if data.is_sparse:
            self._seen += (data.X != 0).T @ w
            share = np.where(self._seen > 0, self._seen / max(self._n, TINY), 1.0)
            spread = lengths / np.sqrt(share)
            centred = self._fit_intercept & (np.abs(self._means) > FAR * self._deviations)
            spread = np.where(centred, self._deviations, spread)
        else:
            self._seen += total
            centred = np.full(d, self._fit_intercept)
            spread = self._deviations if self._fit_intercept else lengths
        if self._earlier and self._n < STEP_ROWS * self._row_weight:
            spread = np.zeros_like(spread)  # of so few rows it says too little for a good model
        scales = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
        self._norms = float(np.sum(self._seen * (scales > 0))) / max(self._n, TINY)
        return np.where(centred, self._means, 0.0), scales

    def _step(
        self,
        X: NDArray | sparse.csr_array,
        targets: NDArray,
        weights: NDArray | None,
        shift: NDArray,
        scales: NDArray,
        always: NDArray[np.intp],
        C: float,
    ) -> None:
        at = slice(None)
        if sparse.issparse(X):
            touched = np.append(X.indices, always)
            if not len(touched):
                touched = np.zeros(1, np.intp)  # a kernel takes at least one feature
            at, columns = np.unique(touched, return_inverse=True)
            columns = columns[: len(X.indices)]
            X = sparse.csr_array((X.data, columns, X.indptr), (X.shape[0], len(at))).toarray()
        W, h, centre = self._W[at], scales[at, None], shift[at]
        total = X.shape[0] if weights is None else weights.sum()
        data = data_of(X - centre, 1)
        b = self._b + np.einsum("d,dk->k", centre, W)
        weights = None if weights is None else weights / total
        batch = Batch(targets, weights, 1 / total if weights is None else 1.0)
        _, grads = data.value_and_grad(Point(W.T, b), batch)
        by_W = grads.W.T + W / (C * (self._earlier + self._n))
        part = total / (self._row_weight * STEP_ROWS)  # of a whole step
        rate = 1 / np.sqrt(max(self._norms, 1.0))
        step = adapted(part * by_W * h, self._squares, at, rate) * h
        by_b = adapted(part * grads.b, self._b_squares, slice(None), rate) * self._fit_intercept
        by_b -= np.einsum("d,dk->k", centre, step)
        self._W[at] -= step
        self._b -= by_b
        # Σ age · iterate = ages · (last iterate) + Σ (ages before a step) · step: so the mean costs
        # no more than the step, which for sparse X is a few features
        self._lag[at] += self._ages * step
        self._b_lag += self._ages * by_b
        self._steps += part
        self._ages += part * self._steps


def adapted(gradient: NDArray, squares: NDArray, at: slice | NDArray, rate: float) -> NDArray:
    """The step of AdaGrad for a gradient; its squares are added to those at its place."""
    squares[at] += gradient**2
    return rate * gradient / np.sqrt(np.maximum(squares[at], TINY))
