"""Problems of more features than rows: normal features, labels that depend on them."""

from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    n: int
    d: int
    k: int
    C: float

    @property
    def name(self):
        return f"{self.n}×{self.d}, K={self.k}, C={self.C:g}"


SHAPES = [(16, 768, 2), (40, 768, 5), (128, 2048, 10), (512, 4096, 100)]
PROBLEMS = [Problem(*shape, C) for shape in SHAPES for C in (1e-3, 1.0, 1e3, 1e6, 1e8)]


def load(problem):
    """X (n, d) in float64 and labels 0..k-1, all of which there are."""
    n, d, k, _ = problem
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = np.argmax(1.5 / np.sqrt(d) * X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k)), axis=1)
    y[:k] = np.arange(k)
    return X, y


def objective(X, y, W, b, C):
    """F in NumPy; losses keep their digits where they are far below 1."""
    z = X @ W.T + b
    z = np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z
    z = z - z[np.arange(len(y)), y][:, None]
    z[np.arange(len(y)), y] = -np.inf
    top = np.maximum(z.max(axis=1), 0)
    others = np.exp(z - top[:, None]).sum(axis=1)
    losses = np.where(top > 0, top + np.log(np.exp(-top) + others), np.log1p(others))
    return float(losses.mean() + 0.5 * np.sum(np.square(W)) / (C * len(y)))
