"""The loss of a row: the cross-entropy of one softmax, or of a logistic function per logit.

Whatever depends on which of the two it is, is asked of the loss; only the kernels are told by a
flag, `per_logit`. Shares (K,) are the probabilities of the intercept-only model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, RowSample, StoredLogits, is_per_logit
from fastsoftmax._runtime.dtypes import TINY

MISSING = 2  # of an indicator: neither on, 1, nor off, 0
NEVER = 1e-25  # a probability that a change of no longer counts

Table = NDArray[np.float64]
Gram = Callable[[RowSample], NDArray]  # of rows and their weights: (m, size, size)


@dataclass(frozen=True)
class ShareRules:
    """What classes that have hardly any weight begin with."""

    least: float = 1e-30  # share, by which an intercept begins: a logit of -69
    variance: float = 1e-3  # of a typical share, at least (0071)


@dataclass(frozen=True)
class Loss(ABC):
    """What is asked of either loss.

    Attributes
    ----------
    n_logits : int
    rules : ShareRules
    per_logit : bool
        Whether each logit has a logistic function of its own: what the kernels are told.
    shift_invariant : bool
        Whether adding one number to all logits of a row changes nothing.
    couples_classes : bool
        Whether the Hessian has blocks off the diagonal.
    largest_curvature : float
        The largest eigenvalue that the Hessian of a row's loss by its logits can have (Böhning
        1992; Gao & Pavel 2017).
    """

    n_logits: int
    rules: ShareRules = ShareRules()

    per_logit = False
    shift_invariant = False
    couples_classes = False
    largest_curvature = 0.25

    def logits_of(self, data: Data) -> StoredLogits:
        """Memory for the logits of some data."""
        n = data.shape[0]
        return StoredLogits(n, self.n_logits, data.dtype, data.n_threads, self.per_logit)

    def shares(self, targets: NDArray, weights: NDArray | None) -> Table:
        """The probability of each class, or of each logit's being on."""
        weights = np.ones(len(targets)) if weights is None else weights
        if targets.dtype == np.uint8:
            on, off = (np.einsum("n,nk->k", weights, targets == i) for i in (1, 0))
            return on / np.maximum(on + off, TINY)
        if targets.ndim == 2:
            share = np.einsum("n,nk->k", weights, targets, dtype=np.float64)
            if self.n_logits == 1:
                off = np.einsum("n,nk->k", weights, 1 - targets, dtype=np.float64)
                share = np.concatenate([off, share])
        else:
            share = np.bincount(targets, weights, minlength=max(2, self.n_logits))
        return (share / share.sum())[-self.n_logits :]  # 1 to all digits, of a class on its own

    def missing(self, targets: NDArray) -> NDArray[np.bool_] | None:
        """Which logits have no loss, since their targets are not known, (n, K); None if none."""
        return targets == MISSING if targets.dtype == np.uint8 else None

    def variances(self, shares: Table) -> Table:
        """p(1 - p) of each logit for these shares, and no less than a little."""
        return np.maximum(shares * (1 - shares), self.rules.variance * self.typical_share)

    @property
    @abstractmethod
    def typical_share(self) -> float:
        """The probability of each class where all are equally probable."""

    @property
    @abstractmethod
    def uniform_loss(self) -> float:
        """The loss where all classes are equally probable, which is F at θ = 0."""

    @abstractmethod
    def null_loss(self, shares: Table) -> float:
        """The loss of the best intercept-only model: the entropy of the shares."""

    @abstractmethod
    def intercepts(self, shares: Table) -> Table:
        """The intercepts of the intercept-only model."""

    @abstractmethod
    def absent(self, shares: Table) -> NDArray[np.bool_]:
        """Logits whose intercepts have no optimum."""

    @abstractmethod
    def probabilities(self, logits: StoredLogits) -> tuple[Table, Table]:
        """P, (n, K), and 1 - P to all digits."""

    @abstractmethod
    def relative_changes(self, P: Table, Q: Table, change: Table) -> Table:
        """Relative changes of p, or of 1 - p if those are lower, by changes of logits: (n, K)."""

    @property
    @abstractmethod
    def n_grams(self) -> int:
        """Gram matrices that the exact Hessian is made of."""

    @abstractmethod
    def hessian(self, P: Table, Q: Table, weights: NDArray | None, size: int, gram: Gram) -> Table:
        """The Hessian by all parameters, (K, size, K, size), for P and Q = 1 - P, (n, K)."""

    @abstractmethod
    def root_of_hessian(self, P: Table, Q: Table, weights: NDArray | None) -> Table:
        """R, (n, K, K), by the logits of each row: RᵀR is the Hessian."""

    @abstractmethod
    def hessian_by_intercepts(self, logits: StoredLogits, weights: NDArray | None) -> Table:
        """The sum over the rows of the Hessians by the logits, (K, K)."""

    @abstractmethod
    def hessian_of_shares(self, shares: Table) -> Table:
        """The Hessian by the logits of a row of these probabilities, (K, K)."""


class Softmax(Loss):
    """One softmax of all logits of a row."""

    shift_invariant = couples_classes = True
    largest_curvature = 0.5

    @property
    def typical_share(self) -> float:
        return 1 / self.n_logits

    @property
    def uniform_loss(self) -> float:
        return -float(np.log(self.typical_share))

    def null_loss(self, shares: Table) -> float:
        return entropy(shares)

    def intercepts(self, shares: Table) -> Table:
        logarithms = np.log(np.maximum(shares, self.rules.least))
        return logarithms - logarithms.mean()

    def absent(self, shares: Table) -> NDArray[np.bool_]:
        return shares == 0

    def probabilities(self, logits: StoredLogits) -> tuple[Table, Table]:
        z = logits.table().astype(np.float64)
        rows, top = np.arange(len(z)), z.argmax(axis=1)
        e = np.exp(z - z[rows, top][:, None])
        e[rows, top] = 0
        others = e.sum(axis=1)
        e[rows, top] = 1
        P = e / (1 + others)[:, None]
        Q = 1 - P
        Q[rows, top] = others / (1 + others)
        return P, Q

    def relative_changes(self, P: Table, Q: Table, change: Table) -> Table:
        return change - np.sum(P * change, axis=1, keepdims=True)

    @property
    def n_grams(self) -> int:
        return self.n_logits * (self.n_logits + 1) // 2

    def hessian(self, P: Table, Q: Table, weights: NDArray | None, size: int, gram: Gram) -> Table:
        P, Q = P.T, Q.T
        weighted = P if weights is None else weights * P
        variances = weighted * Q
        H = np.zeros((len(P), size, len(P), size))
        for a in range(len(P)):  # the blocks (a, 0 .. a)
            by_class = np.concatenate([weighted[a] * P[:a], variances[a, None]])
            *others, own = gram(RowSample.of_all_rows(by_class))
            for b, block in enumerate(others):
                H[a, :, b] = H[b, :, a] = -block
            H[a, :, a] = own
        return H

    def root_of_hessian(self, P: Table, Q: Table, weights: NDArray | None) -> Table:
        R = np.repeat(-P[:, None], self.n_logits, axis=1)
        R[:, range(self.n_logits), range(self.n_logits)] = Q
        return R * np.sqrt(P if weights is None else weights[:, None] * P)[:, :, None]

    def hessian_by_intercepts(self, logits: StoredLogits, weights: NDArray | None) -> Table:
        H = -logits.probabilities().class_moments(weights)
        # rows sum to 0: p(1 - p) without the cancellation in 1 - p
        H[np.diag_indices(self.n_logits)] = 0
        H[np.diag_indices(self.n_logits)] = -H.sum(axis=1)
        return H

    def hessian_of_shares(self, shares: Table) -> Table:
        return np.diag(shares) - np.outer(shares, shares)


class LogisticPerLogit(Loss):
    """A logistic function of each logit, as of two classes: problems that share X."""

    per_logit = True

    @property
    def typical_share(self) -> float:
        return 0.5

    @property
    def uniform_loss(self) -> float:
        return -float(np.log(self.typical_share)) * self.n_logits

    def null_loss(self, shares: Table) -> float:
        return entropy(np.concatenate([shares, 1 - shares]))

    def intercepts(self, shares: Table) -> Table:
        on, off = np.log(np.maximum([shares, 1 - shares], self.rules.least))
        return on - off

    def absent(self, shares: Table) -> NDArray[np.bool_]:
        return (shares == 0) | (shares == 1)

    def probabilities(self, logits: StoredLogits) -> tuple[Table, Table]:
        from scipy.special import expit

        z = logits.table().astype(np.float64)
        return expit(z), expit(-z)

    def relative_changes(self, P: Table, Q: Table, change: Table) -> Table:
        return np.minimum(Q * change, -P * change)

    def change_to(self, logits: StoredLogits, log_odds: Table) -> Table:
        """The change of logits along which linearised probabilities come to have these log-odds."""
        P, Q = self.probabilities(logits)
        way = log_odds - logits.table()
        less = np.exp(-np.abs(way))
        there, back = np.where(way > 0, (P, Q), (Q, P))
        return -np.sign(way) * np.expm1(-np.abs(way)) / np.maximum(there + back * less, TINY)

    @property
    def n_grams(self) -> int:
        return self.n_logits

    def hessian(self, P: Table, Q: Table, weights: NDArray | None, size: int, gram: Gram) -> Table:
        P, Q = P.T, Q.T
        blocks = gram(RowSample.of_all_rows((P if weights is None else weights * P) * Q))
        if len(blocks) == 1:
            return blocks[:, :, None]
        H = np.zeros((len(P), size, len(P), size))
        for k, block in enumerate(blocks):
            H[k, :, k] = block
        return H

    def root_of_hessian(self, P: Table, Q: Table, weights: NDArray | None) -> Table:
        roots = np.sqrt(P * Q if weights is None else weights[:, None] * P * Q)
        return roots[:, :, None] * np.eye(self.n_logits)

    def hessian_by_intercepts(self, logits: StoredLogits, weights: NDArray | None) -> Table:
        variances = logits.like()
        logits.variances(weights, variances)
        return np.diag(variances.class_sums())

    def hessian_of_shares(self, shares: Table) -> Table:
        return np.diag(self.variances(shares))


def loss_of(targets: NDArray, n_logits: int) -> Loss:
    """The loss of such targets: logistic functions for two classes and for indicators."""
    return (LogisticPerLogit if is_per_logit(targets, n_logits) else Softmax)(n_logits)


def entropy(shares: Table) -> float:
    """-Σ p log p, of zeros too."""
    return float(-np.sum(shares * np.log(np.maximum(shares, TINY))))
