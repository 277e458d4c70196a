"""Covariances that hold where the model of probabilities does not: H⁻¹ B H⁻¹.

H is the information, B the sum of the outer products of the scores, the gradients of the rows'
log-likelihoods (Huber, The behavior of maximum likelihood estimates under nonstandard conditions,
Proc. 5th Berkeley Symposium 1, 1967; White, Maximum likelihood estimation of misspecified models,
Econometrica 50, 1982), or of their sums by group (Liang & Zeger, Longitudinal data analysis using
generalized linear models, Biometrika 73, 1986).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.inference.likelihood import Maximum

NONROBUST, CLUSTER = "nonrobust", "cluster"
COV_TYPES = NONROBUST, "HC0", "HC1", CLUSTER
SCORES = 1 << 22  # numbers of scores at a time


def covariance_of(
    best: Maximum, cov_type: str, groups: NDArray[np.intp] | None, n: float, *, events: bool
) -> NDArray[np.float64]:
    """That of the coefficients of the features as the likelihood has them, for n observations.

    `events`: whether a row's targets are shares of events, each an observation of its own.
    """
    if cov_type == NONROBUST:
        return best.inverse
    p = len(best.inverse)
    if groups is not None:
        B = of_groups(best, groups, int(groups.max()) + 1)
        weights = best.likelihood.sample.weights
        # a row without a weight is none
        n_groups = len(np.unique(groups if weights is None else groups[weights > 0]))
        B *= n_groups / (n_groups - 1) * (n - 1) / (n - p)
    else:
        B = of_rows(best, events=events)
        B *= n / (n - p) if cov_type == "HC1" else 1.0
    H = best.inverse
    return H @ B @ H


def of_rows(best: Maximum, *, events: bool) -> NDArray[np.float64]:
    """Σ sᵢ gᵢ gᵢᵀ, a row of weight s being s observations."""
    sample = best.likelihood.sample
    B = np.zeros_like(best.inverse)
    for rows, U, Y, P in pieces(best):
        s = np.ones(len(U)) if sample.weights is None else sample.weights[rows]
        G = scores(U, Y - P)
        B += (G * s[:, None]).T @ G
        if events:  # of which y is the mean: e - y of each has no part in g
            q = U.shape[1]
            spread = np.einsum("nk,kl->nkl", Y, np.eye(Y.shape[1])) - Y[:, :, None] * Y[:, None]
            blocks = B.reshape(Y.shape[1], q, Y.shape[1], q)
            for k, other in np.ndindex(spread.shape[1:]):
                blocks[k, :, other] += (U * (s * spread[:, k, other])[:, None]).T @ U
    return B


def of_groups(best: Maximum, groups: NDArray[np.intp], n_groups: int) -> NDArray[np.float64]:
    """The sum over the groups of tᵍ tᵍᵀ, tᵍ being the sum of sᵢ gᵢ."""
    sample = best.likelihood.sample
    totals = np.zeros((n_groups, len(best.inverse)))
    for rows, U, Y, P in pieces(best):
        s = np.ones(len(U)) if sample.weights is None else sample.weights[rows]
        np.add.at(totals, groups[rows], scores(U, (Y - P) * s[:, None]))
    return totals.T @ totals


def scores(U: NDArray, residuals: NDArray) -> NDArray[np.float64]:
    """(rows, m·q)."""
    return (residuals[:, :, None] * U[:, None]).reshape(len(U), -1)


def pieces(best: Maximum) -> Iterator[tuple[slice, NDArray, NDArray, NDArray]]:
    """Some rows at a time: features as the likelihood has them, and targets and probabilities of
    the free logits."""
    likelihood = best.likelihood
    sample, free = likelihood.sample, likelihood.sample.free
    most = max(1, SCORES // len(best.inverse))
    first_code = 1 if sample.n_logits == 1 else 0  # of the logits
    codes = np.flatnonzero(free) + first_code
    for rows, data, logits in likelihood.logits(best.standardised):
        X = data.as_array(None)
        U = np.column_stack([X, np.ones(len(X))]) if sample.fit_intercept else X
        P = likelihood.loss.probabilities(logits)[0][:, free]
        y = sample.targets[rows]
        Y = (y[:, None] == codes).astype(float) if y.ndim == 1 else y[:, free].astype(float)
        for first in range(0, len(U), most):
            some = slice(first, first + most)
            where = slice(rows.start + first, min(rows.start + first + most, rows.stop))
            yield where, U[some], Y[some], P[some]
