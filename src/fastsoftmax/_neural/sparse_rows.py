"""Sparse X of networks: rows are made dense some batches at a time, then trained on as others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._neural.network import Network, Pass
from fastsoftmax._neural.rules import Rule
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._validation import networks as check_networks
from fastsoftmax._validation.sparse import features

BLOCK_NUMBERS = 1 << 22  # that are dense at a time, or those of a batch


class SparseRows:
    """Compressed rows, as far as networks ask for them."""

    def __init__(self, X: sparse.csr_array) -> None:
        self._X, self.shape, self.dtype, self.ndim = X, X.shape, X.dtype, 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> SparseRows:
        return SparseRows(self._X[rows])

    def dense(self, rows: Any) -> NDArray:
        return self._X[rows].toarray()


Inputs = NDArray | SparseRows


def rows(
    X: ArrayLike, *, n_features: int | None = None, owner: str = "", argument: str = "X"
) -> Inputs:
    """X as a network reads it, all of it finite."""
    if not sparse.issparse(X):
        return check_networks.rows(X, n_features=n_features, owner=owner, argument=argument)
    return SparseRows(features(X, n_features=n_features, owner=owner, name=argument))


def epoch(
    network: Network,
    X: Inputs,
    targets: NDArray,
    order: NDArray[np.intp],
    batch_size: int,
    rule: Rule,
    rate: float,
    *,
    sample_weight: NDArray | None,
    most_numbers: int = BLOCK_NUMBERS,
    **measure: Any,
) -> Pass:
    """`Network.epoch` of these rows; of sparse ones so many numbers are dense at a time."""
    if not isinstance(X, SparseRows):
        return network.epoch(
            X, targets, order, batch_size, rule, rate, sample_weight=sample_weight, **measure
        )
    step = batch_size * max(1, most_numbers // (batch_size * X.shape[1]))
    loss, done = 0.0, Pass(0.0, 0, np.zeros(network.sizes[-1]), 0, True)
    for start in range(0, len(order), step):
        some = order[start : start + step]
        part = network.epoch(
            X.dense(some), targets[some], None, batch_size, rule, rate,
            sample_weight=None if sample_weight is None else sample_weight[some], **measure,
        )  # fmt: skip
        loss += part.loss * min(part.n_steps * batch_size, len(some))
        done = Pass(
            0.0, done.hits + part.hits, done.errors + part.errors, done.n_steps + part.n_steps,
            part.complete, part.interrupted,
        )  # fmt: skip
        if not part.complete:
            break
    trained = max(1, min(done.n_steps * batch_size, len(order)))
    return done._replace(loss=loss / trained)


def outputs(network: Network, X: Inputs, most_numbers: int = BLOCK_NUMBERS) -> NDArray:
    """`Network.outputs` of these rows."""
    if not isinstance(X, SparseRows):
        return network.outputs(X)
    step = max(1, most_numbers // X.shape[1])
    parts = [
        network.outputs(X.dense(slice(start, start + step))) for start in range(0, len(X), step)
    ]
    return np.concatenate(parts)
