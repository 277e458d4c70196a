"""Feasible points of the dual problem: probabilities a other than the model's p, and KL(a ‖ p).

A Newton step that changes the logits by δ predicts the probabilities a = p(1 + ζ), where
ζₖ = δₖ - Σ p δ of a softmax and (1 - p) δ of a logistic function. They are linear in δ, so that the
intercepts' part of δ can be chosen to make the gradient by the intercepts at a vanish exactly.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, xlog1py, xlogy

from fastsoftmax.data import ClassFactors, StoredLogits

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective

CHUNK = 1 << 15  # logits at a time
UNKNOWN = 2  # of an indicator
ROUNDING = 1e-13  # of a class's Σ s|a - y|, up to which the gradient by its intercept vanishes,
NOTHING = 1e-16  # or of that of all classes
FEASIBLE = 1e-12  # -a / p, up to which a is a probability but for rounding
REFINEMENTS = 6  # of the intercepts' part of δ
FITS = 60  # of the intercepts to the shares of the classes, at most
SMALL = 1e-3  # |x| below which (1 + x) log(1 + x) - x is its power series
TINY = float(np.finfo(np.float64).tiny)
LEAST = 1e-290  # probabilities below which a / p may overflow


class DualPoint:
    """Probabilities a, from the logits of θ and their change δ by a step, if there is one.

    Parameters
    ----------
    objective : Objective
    logits, change : StoredLogits
        Those of θ, and δ or None for δ = 0.
    """

    def __init__(
        self, objective: "Objective", logits: StoredLogits, change: StoredLogits | None = None
    ) -> None:
        self._objective, self._logits, self._change = objective, logits, change
        self._shift = np.zeros(objective.n_logits)  # the intercepts' part of δ
        self._moved = np.zeros(objective.n_logits)  # of p's intercepts in p(1 + ζ), from θ's
        if objective.fit_intercept:  # of classes without any weight, or with all, it is infinite
            self._moved[objective.shares == 0] = -np.inf
            if objective.logistic:
                self._moved[objective.shares == 1] = np.inf

    def store_errors(self, out: StoredLogits) -> bool:
        """Each row's weight times a - y, once their sums over the rows vanish if there are
        intercepts; False where no such a was found among the probabilities.

        A Newton step in the intercepts finds it unless they are far off, as after a warm start.
        They are then fitted to the shares of the classes first.
        """
        for _ in range(FITS):
            if self._store_balanced(out):
                return True
            if self._change is not None or not self._objective.fit_intercept:
                return False
            self._shift[:] = 0
            self._moved += self._towards_shares()
        return False

    def divergence(self, alpha: float) -> float:
        """Mean of s KL(y + α(a - y) ‖ p) over the rows."""
        total = 0.0
        for rows, weights, z in self._chunks():
            error = errors(z, self._objective.targets[rows], self._objective.logistic)
            pull = alpha * self._pull(rows, z)
            each = divergences(z, error, pull, self._objective.logistic)
            total += float(np.sum(np.where(weights > 0, weights * each, 0.0)))
        return max(total, 0.0) / self._logits.n

    def _chunks(self) -> Iterator[tuple[slice, NDArray, NDArray]]:
        """Rows, their weights (m, K), 0 where a label is not known, and their logits (m, K)."""
        o, size, k = self._objective, self._logits.tiles.shape[2], self._logits.n_logits
        step = max(1, CHUNK // (size * k)) * size
        for start in range(0, self._logits.n, step):
            rows = slice(start, min(start + step, self._logits.n))
            z = self._logits.part(rows).table().astype(np.float64, copy=False)
            weights = np.ones((len(z), 1))
            if o.weights is not None:
                weights = o.weights[rows, None].astype(np.float64)
            if o.targets.dtype == np.uint8:
                weights = weights * (o.targets[rows] != UNKNOWN)
            yield rows, np.broadcast_to(weights, z.shape), z

    def _step(self, rows: slice) -> NDArray:
        """δ of some rows."""
        if self._change is None:
            return self._shift
        return self._change.part(rows).table() + self._shift

    def _pull(self, rows: slice, z: NDArray) -> NDArray:
        """a - y of some rows, (m, K)."""
        return self._predicted(rows, z)[0]

    def _predicted(self, rows: slice, z: NDArray) -> tuple[NDArray, NDArray]:
        """a - y of some rows, and the least a / p of each class or of both its sides."""
        o = self._objective
        z = z + self._moved
        step = np.broadcast_to(self._step(rows), z.shape)
        if o.logistic:
            error = errors(z, o.targets[rows], o.logistic)
            p, q = expit(z), expit(-z)
            ratios = 1 + np.minimum(q * step, -p * step)
            return error + p * q * step, np.where(p * q > 0, ratios, 1.0)
        p = softmax(z)
        zeta = step - np.einsum("nk,nk->n", p, step)[:, None]
        ratios = np.where(p > 0, 1 + zeta, 1.0)
        return difference(p * (1 + zeta), o.targets[rows]), ratios

    def _store_balanced(self, out: StoredLogits) -> bool:
        """As `store_errors`, by one Newton step in the intercepts and its refinements."""
        solve = None
        for _ in range(REFINEMENTS):
            (sums, scales), least = np.zeros((2, self._logits.n_logits)), 0.0
            for rows, weights, z in self._chunks():
                pull, ratios = self._predicted(rows, z)
                pull = np.where(weights > 0, weights * pull, 0.0)  # the others may be anything
                out.part(rows).put(pull)
                sums += pull.sum(axis=0)
                scales += np.abs(pull).sum(axis=0)
                least = min(least, float(np.min(ratios, where=weights > 0, initial=0.0)))
            if not np.isfinite(sums).all():
                return False
            rounding = np.maximum(ROUNDING * scales, NOTHING * scales.sum())
            if not self._objective.fit_intercept or (np.abs(sums) <= rounding).all():
                return least >= -FEASIBLE
            solve = solve or self._intercept_solver()
            self._shift -= solve(sums)
        return False

    def _intercept_solver(self) -> "Solver":
        """The inverse of the loss's Hessian by the intercepts, times n."""
        o, k = self._objective, self._logits.n_logits
        diagonal, products = np.zeros(k), np.zeros((k, k))
        for _, weights, z in self._chunks():
            if o.logistic:
                p, q = expit(z + self._moved), expit(-z - self._moved)
            else:
                p = softmax(z + self._moved)
                roots = np.ascontiguousarray(np.sqrt(weights) * p)
                products += len(z) * o.data.like(roots).second_moments()
                q = 1 - p
            diagonal += np.sum(np.where(weights > 0, weights * p * q, 0.0), axis=0)
        return Solver(diagonal, None if o.logistic else products, o.data.n_threads)

    def _towards_shares(self) -> NDArray:
        """A change of the intercepts that fits the mean probabilities to the shares of the classes.

        Iterative proportional fitting, which lowers the loss from any point.
        """
        o = self._objective
        mass, total = np.zeros((2, self._logits.n_logits))
        for _, weights, z in self._chunks():
            p = expit(z + self._moved) if o.logistic else softmax(z + self._moved)
            mass += np.sum(np.where(weights > 0, weights * p, 0.0), axis=0)
            total += weights.sum(axis=0)
        mean = mass / np.maximum(total, TINY)
        change = log(o.shares) - log(mean)
        return change - (log(1 - o.shares) - log(1 - mean)) if o.logistic else change


class Solver:
    """The inverse of diag(d) of logistic functions, or of a softmax's diag(Σ s p) - Σ s p pᵀ.

    The latter is singular along (1, ..., 1), so that one class, of most curvature, is left out.
    """

    def __init__(self, diagonal: NDArray, products: NDArray | None, n_threads: int) -> None:
        self._diagonal, self._factors = diagonal, None
        if products is None:
            return
        H = -products
        np.einsum("kk->k", H)[:] = diagonal
        self._kept = np.delete(np.arange(len(H)), np.argmax(diagonal))
        self._factors = ClassFactors(H[np.ix_(self._kept, self._kept)][None], n_threads)

    def __call__(self, sums: NDArray) -> NDArray:
        if self._factors is None:
            usable = self._diagonal > 0
            return np.divide(sums, self._diagonal, out=np.zeros_like(sums), where=usable)
        out = np.zeros_like(sums)
        out[self._kept] = self._factors.solve(sums[None, self._kept])[0][0]
        return out


def softmax(z: NDArray) -> NDArray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def log(shares: NDArray) -> NDArray:
    """Logarithms, finite for 0."""
    return np.log(np.maximum(shares, TINY))


def difference(p: NDArray, targets: NDArray) -> NDArray:
    """p - y of rows p that sum to 1, which are overwritten; without the cancellation in p - 1."""
    if targets.ndim == 2:
        return p - targets
    at = np.arange(len(p)), targets
    p[at] = 0
    p[at] = -p.sum(axis=1)
    return p


def errors(z: NDArray, targets: NDArray, logistic: bool) -> NDArray:
    """p - y of each row, with all digits where p is near to y."""
    if not logistic:
        return difference(softmax(z), targets)
    if targets.dtype.kind == "f":
        return expit(z) - targets
    on = (targets if targets.ndim == 2 else targets[:, None]) == 1
    return np.where(on, -expit(-z), expit(z))


def divergences(z: NDArray, error: NDArray, pull: NDArray, logistic: bool) -> NDArray:
    """Terms of KL(a ‖ p) of each row, (m, K), from p - y and a - y; of both sides of each logit."""
    change = pull - error
    if logistic:
        return terms(log_expit(z), change) + terms(log_expit(-z), -change)
    z = z - z.max(axis=1, keepdims=True)
    return terms(z - np.log(np.exp(z).sum(axis=1, keepdims=True)), change)


def terms(log_p: NDArray, change: NDArray) -> NDArray:
    """a log(a / p) - (a - p), from log p and a - p."""
    p = np.exp(log_p)
    x = np.maximum(change / np.maximum(p, LEAST), -1.0)
    large = np.abs(x) >= SMALL
    u = np.where(large, 0.0, x)
    h = u * u * (0.5 - u * (1 / 6 - u * (1 / 12 - u / 20)))
    u = x[large]
    h[large] = xlog1py(1 + u, u) - u
    h *= p
    vanishing = p < LEAST
    if vanishing.any():
        a = np.maximum(change + p, 0.0)
        h = np.where(vanishing, xlogy(a, a) - a * log_p - change, h)
    return h
