"""Problems with an L1 penalty: real data, and the peer's objective in plain NumPy."""

from typing import NamedTuple

import numpy as np

from benchmarks.fit.problems import load as load_table
from benchmarks.sparse.problems import load as load_texts
from benchmarks.support.data import mnist


class Problem(NamedTuple):
    """A data set and a penalty."""

    data: str
    l1_ratio: float
    C: float

    @property
    def name(self):
        return f"{self.data}, l1_ratio={self.l1_ratio:g}, C={self.C:g}"


DATA = ("mnist-5000", "letter", "letter-standardised", "20newsgroups")
PROBLEMS = [Problem(data, r, 1.0) for data in DATA for r in (1.0, 0.5)]
PROBLEMS += [Problem(data, 1.0, 0.1) for data in DATA]
PROBLEMS += [Problem(data, 1.0, 10.0) for data in ("letter-standardised", "mnist-5000")]
PROBLEMS += [Problem("20newsgroups", 1.0, 10.0)]
TIMES = 20  # as fast as saga: the bound


def newsgroups():
    """TF-IDF of the posts of the training folder, in an order of its own."""
    X, y = load_texts("20newsgroups")
    order = np.random.default_rng(0).permutation(len(y))
    return X[order], y[order]


def load(name):
    """(X, y), float64; FileNotFoundError where the data is not there."""
    if name == "20newsgroups":
        return newsgroups()
    if name == "mnist-5000":
        X, y = mnist()
        return X[:5000].astype(float), y[:5000]
    return load_table(name)


def objective(X, y, W, b, problem):
    """Mean cross-entropy + ((1 - r)/2 ||W||² + r ||W||₁) / (C n)."""
    z = X @ W.T + b
    z -= z.max(1, keepdims=True)
    loss = (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()
    r = problem.l1_ratio
    penalty = r * np.abs(W).sum() + (1 - r) / 2 * (W**2).sum()
    return loss + penalty / (problem.C * len(y))
