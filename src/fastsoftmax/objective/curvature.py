"""What a solver may know of the Hessian: Gram matrices of X, a class each, or all of it.

The softmax Hessian is Σᵢ sᵢ (diag(pᵢ) - pᵢ pᵢᵀ) ⊗ uᵢ uᵢᵀ, u the features of θ and a 1: its block of
class k is the Gram matrix of the rows weighted by p(1 - p). A few thousand rows, drawn with
probability proportional to that weight, give it to a few percent; drawn uniformly it takes four to
eight times as many.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import ClassFactors, Draw, StoredLogits
from fastsoftmax.objective.line import Line

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective

SHARED = 0.02  # of the unweighted Gram in that of a class: no direction is without curvature
DIAGONAL = 0.01  # of the variances in the unweighted Gram of some rows
MATRICES = 0.4  # of the memory budget
WATCHED = 2048  # rows whose p(1 - p) tell how far the weights have moved
HESSIAN_PARAMETERS = 2048  # at most, for all of the Hessian


class Curvature:
    """Curvature of an objective with respect to θ; counts what it costs in its passes."""

    def __init__(self, objective: "Objective", variances: NDArray) -> None:
        self._objective = objective
        h2 = objective.scales**2
        intercept = [1 / objective.intercept_scale] if objective.fit_intercept else []
        # a constant feature has no curvature beside the intercept's
        self._units = np.concatenate([~objective.constant / objective.scales, intercept])
        self._ridge = np.concatenate([objective.penalty / h2, np.zeros(len(intercept))])
        self._spread = np.concatenate([variances / h2, np.square(intercept)])
        self._shared: NDArray | None = None
        self._watched: NDArray | None = None

    def cost(self, rows: int, n_matrices: int | None = None) -> float:
        """Passes that a matrix from so many rows, and its factor, is worth for each class."""
        n, d = self._objective.data.shape
        k, size = self._objective.shape
        count = k if n_matrices is None else n_matrices
        return count * (rows * size**2 / 2 + size**3 / 6) / (2 * n * d * k)

    def _bytes(self, n_matrices: int) -> int:
        return n_matrices * self._objective.shape[1] ** 2 * self._objective.data.dtype.itemsize

    def fits(self, n_matrices: int) -> bool:
        """Whether so many matrices leave room for the rest."""
        return self._bytes(n_matrices) <= MATRICES * self._objective.max_memory

    def _gram(self, drawn: Draw, scale: float, ridge: NDArray, **more: NDArray) -> NDArray:
        o = self._objective
        return o.data.gram(drawn, o.shift, self._units, scale, ridge, **more)

    def _of_rows(self, rows: NDArray, weights: NDArray, scale: float, ridge: NDArray) -> NDArray:
        """One Gram of the rows, weighted."""
        drawn = Draw(rows[None], np.sqrt(weights)[None], np.array([len(rows)]), np.ones(1))
        return self._gram(drawn, scale, ridge)[0]

    def shared(self, rows: int, seed: int) -> ClassFactors:
        """One unweighted Gram of some uniform rows for all classes, each by p(1 - p) of its share.

        The Hessian where logits are those of the shares, but for the coupling of classes.
        """
        o = self._objective
        n = len(o.data.X)
        chosen = np.arange(n, dtype=np.int32)
        if rows < n:
            generator = np.random.default_rng([seed, n])
            chosen = np.sort(generator.choice(n, rows, replace=False)).astype(np.int32)
        weights = np.ones(len(chosen)) if o.weights is None else o.weights[chosen].astype(float)
        self._shared = self._of_rows(chosen, weights, 1 / len(chosen), DIAGONAL * self._spread)
        o.n_passes += self.cost(len(chosen), 1)
        share = o.shares()[-o.n_logits :]
        strengths = np.maximum(share * (1 - share), 1e-3 / max(o.n_logits, 2))
        matrix = self._shared[None].copy()
        np.einsum("kii->ki", matrix)[:] += self._ridge / strengths.mean()
        return ClassFactors(matrix, o.data.n_threads, strengths)

    def by_class(self, line: Line, rows: int, seed: int) -> ClassFactors:
        """The block of each class at the line's point, from about so many rows."""
        o = self._objective
        sample = line.sample()
        weights = None if o.weights is None else np.ascontiguousarray(o.weights[:: sample.step])
        sample.logits.variances(weights, sample.room)
        drawn = sample.room.draw(rows, seed)
        drawn.rows[:] *= sample.step  # of the whole X
        n = sample.logits.n
        matrices = self._gram(
            drawn, (1 - SHARED) / n, self._ridge,
            shared=self._shared, shares=SHARED * drawn.totals / n,
        )  # fmt: skip
        o.n_passes += self.cost(int(drawn.counts.sum()) // o.n_logits)
        self._watched = self._watch(line)
        return ClassFactors(matrices, o.data.n_threads)

    def _watch(self, line: Line) -> NDArray | None:
        sample = line.logits(WATCHED)
        out = sample.like()
        whole = sample.n == len(self._objective.data.X)
        sample.variances(self._objective.weights if whole else None, out)
        return out.tiles.astype(np.float64)

    def moved(self, line: Line) -> float:
        """How far the weights p(1 - p) are from those of the last build: mean over the classes of
        the sum of the changes over that of the weights."""
        if self._watched is None:
            return np.inf
        now = self._watch(line)
        change = np.abs(now - self._watched).sum(axis=(0, 2))
        total = now.sum(axis=(0, 2))
        return float(np.mean(change / np.where(total > 0, total, 1)))

    def of_intercepts(self, line: Line) -> NDArray[np.float64]:
        """The Hessian of F with respect to the intercepts in θ, (K, K), from some rows."""
        P = probabilities(line.logits(max(4 * WATCHED, 8 * self._objective.n_logits)))
        if P.shape[1] == 1:
            H = np.array([[np.mean(P * (1 - P))]])
        else:
            H = np.diag(P.mean(axis=0)) - np.einsum("nk,nl->kl", P, P, optimize=False) / len(P)
        return H / self._objective.intercept_scale**2

    def lipschitz(self) -> float:
        """A bound on the largest eigenvalue of the Hessian of F, anywhere."""
        o = self._objective
        n = len(o.data.X)
        weights = np.ones(n) if o.weights is None else o.weights
        gram = self._of_rows(np.arange(n, dtype=np.int32), weights, 1 / n, 0 * self._ridge)
        o.n_passes += self.cost(n, 1)
        if not np.isfinite(gram).all():
            return np.inf
        # of a matrix without negative eigenvalues: the norm of its largest row sum bounds them
        largest = min(np.abs(gram).sum(axis=1).max(), np.einsum("ii->", gram))
        if len(gram) <= HESSIAN_PARAMETERS:
            largest = np.linalg.eigvalsh(gram.astype(np.float64))[-1] * (1 + 1e-3)
        return (0.25 if o.n_logits == 1 else 0.5) * float(largest) + float(self._ridge.max())

    def solve_hessian(self, line: Line) -> NDArray:
        """H⁻¹ ∇F, without a gauge."""
        factors = ClassFactors(self.hessian(line)[None], self._objective.data.n_threads)
        return self._objective.project(factors.solve(line.gradient[None])[0][0])

    def hessian_bytes(self) -> int:
        """What the exact Hessian and its factor take."""
        return 3 * 8 * self._objective.size**2

    def hessian(self, line: Line) -> NDArray[np.float64]:
        """All of it, (size, size): K(K + 1)/2 Grams of all rows."""
        o = self._objective
        P = probabilities(line.logits(0))
        weights = np.ones(len(P)) if o.weights is None else o.weights
        k, size = o.shape
        H = np.empty((k, size, k, size))
        for a in range(k):  # the blocks (a, 0 .. a)
            factors = np.sqrt(weights * P[:, a] * P[:, : a + 1].T)
            factors[a] = np.sqrt(weights * P[:, a] * (1 - P[:, a]))
            rows = np.broadcast_to(np.arange(len(P), dtype=np.int32), factors.shape)
            counts = np.full(a + 1, len(P), np.intp)
            drawn = Draw(np.ascontiguousarray(rows), factors, counts, np.ones(a + 1))
            blocks = self._gram(drawn, 1 / len(P), 0 * self._ridge)
            for b, block in enumerate(blocks[:a]):
                H[a, :, b] = H[b, :, a] = -block
            H[a, :, a] = blocks[a] + np.diag(self._ridge)
        o.n_passes += (k + 1) * len(P) * size**2 / (8 * o.data.X.size)
        return H.reshape(o.size, o.size)


def probabilities(stored: StoredLogits) -> NDArray[np.float64]:
    """Softmax of stored logits, (n, K)."""
    z = stored.table().astype(np.float64)
    if z.shape[1] == 1:
        return 1 / (1 + np.exp(-z))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
