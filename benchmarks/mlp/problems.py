"""Networks and rows on which a step of training is timed: MNIST's first 5000, else random ones."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.support import data

N, D, K = 5000, 784, 10


class Problem(NamedTuple):
    """Layers of D inputs, some hidden units (ReLU) and K classes; a batch size and a rule."""

    hidden: tuple[int, ...]
    batch_size: int
    solver: str  # "sgd" without momentum, or "adam"
    rate: float
    numpy: float | None = None  # the peer's time over ours that is asked for
    torch: float | None = None

    @property
    def sizes(self):
        return (D, *self.hidden, K)

    @property
    def steps(self):
        """Of an epoch."""
        return -(-N // self.batch_size)

    @property
    def name(self):
        return f"{'→'.join(map(str, self.sizes))}, {self.solver}, batch {self.batch_size}"


PROBLEMS = [
    Problem((), 1, "sgd", 0.01, numpy=10, torch=30),
    Problem((10,), 1, "sgd", 0.01, numpy=10, torch=30),
    Problem((), 32, "sgd", 0.1, numpy=3, torch=8),
    Problem((10,), 32, "sgd", 0.1, numpy=3, torch=8),
    Problem((256,), 128, "sgd", 0.1, torch=1),
    Problem((), 32, "adam", 1e-3, torch=8),
    Problem((10,), 32, "adam", 1e-3, torch=8),
]


def rows():
    """X float32 (N, D) in 0..1, labels y, and whether they are MNIST's."""
    try:
        X, y = data.mnist()
        return X[:N].copy(), y[:N].astype(np.int64), True
    except FileNotFoundError:
        rng = np.random.default_rng(0)
        y = rng.integers(K, size=N)
        centres = rng.random((K, D), dtype=np.float32)
        return (centres[y] + rng.random((N, D), dtype=np.float32)) / 2, y, False


def start(problem):
    """Coefs (in, out) by Glorot's rule and zero intercepts, float32: equal for every peer."""
    rng = np.random.default_rng(1)
    pairs = list(pairwise(problem.sizes))
    coefs = [rng.uniform(-1, 1, pair) * np.sqrt(6 / sum(pair)) for pair in pairs]
    return [W.astype(np.float32) for W in coefs], [np.zeros(m, np.float32) for _, m in pairs]
