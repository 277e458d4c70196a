"""Problems on which whole fits are timed: real data, or made with a fixed seed."""

from typing import NamedTuple

import numpy as np

from benchmarks.support import data


class Problem(NamedTuple):
    """A data set, a penalty, and the relative gap at which a fit counts as done."""

    data: str
    C: float
    gap: float

    @property
    def name(self):
        return f"{self.data}, C={self.C:g}"


PROBLEMS = [
    Problem("mnist", 0.01, 1e-5),
    Problem("mnist", 1.0, 1e-5),
    Problem("mnist", 100.0, 1e-5),
    Problem("letter", 1.0, 1e-8),
    Problem("letter", 100.0, 1e-8),
    Problem("letter-standardised", 1.0, 1e-8),
    Problem("few-rows", 1.0, 1e-6),
    Problem("banking77", 1.0, 1e-6),
    Problem("banking77", 100.0, 1e-6),
    Problem("20ng-chunks", 1.0, 1e-6),
    Problem("20ng-chunks", 100.0, 1e-6),
    Problem("synthetic-50000x512-K1000", 1.0, 1e-6),
    Problem("synthetic-50000x1024-K100", 1.0, 1e-6),
    Problem("synthetic-20000x4096-K100", 1.0, 1e-6),
    Problem("long-tailed", 1.0, 1e-6),
    Problem("outlier", 1.0, 1e-6),
    Problem("sentinels", 1.0, 1e-6),
    Problem("raw-pixels", 1.0, 1e-5),
]


def raw_pixels():
    X, y = data.pixels()
    return X[:10000], y[:10000]


def letter_standardised():
    X, y = data.letter()
    return (X - X.mean(0)) / X.std(0), y


def few_rows():
    """Nearly separable: 60 rows per class around centres in 617 dimensions, columns correlated."""
    rng = np.random.default_rng(0)
    n, d, k = 1560, 617, 26
    y = np.arange(n) % k
    mixing = rng.standard_normal((d, d)) / np.sqrt(np.arange(1, d + 1))[:, None]
    X = (rng.standard_normal((k, d))[y] * 0.7 + rng.standard_normal((n, d))) @ mixing
    return X / X.std(), y


def drawn(X, K, rng):
    """Labels of softmax regression with random weights."""
    logits = X @ rng.standard_normal((X.shape[1], K))
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


def outlier():
    """One cell far from the others."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5))
    y = drawn(X, 3, rng)
    X[0, 0] = 999999
    return X, y


def sentinels():
    """Numbers that stand for missing values, in one cell of a hundred."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20000, 50))
    y = drawn(X, 5, rng)
    missing = rng.random(X.shape) < 0.01
    X[missing] = rng.choice([-999, 99999, 1e7], size=missing.sum())
    return X, y


LENGTHS = {100: 2.25, 300: 2.6, 1000: 2.6}  # of rows, by classes: accuracies near 0.8 at C = 1


def synthetic(n, d, k):
    """Rows of one length, eigenvalues of the covariance falling as 1/j."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    X *= 1 / np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    W = rng.standard_normal((k, d), dtype=np.float32)
    noise = rng.gumbel(size=(n, k)).astype(np.float32)
    logits = X @ W.T
    logits *= 30 / logits.std()
    return X * np.float32(LENGTHS[k]), (logits + noise).argmax(1)


def long_tailed():
    """Classes of 1 to 284 rows."""
    return synthetic(12000, 128, 300)


def load(name):
    """(X, y) of a data set; FileNotFoundError where it is real and not there."""
    if name.startswith("synthetic"):
        shape, k = name.split("-")[1:]
        n, d = map(int, shape.split("x"))
        return synthetic(n, d, int(k[1:]))
    made = {
        "mnist": data.mnist,
        "letter": data.letter,
        "letter-standardised": letter_standardised,
        "few-rows": few_rows,
        "long-tailed": long_tailed,
        "outlier": outlier,
        "sentinels": sentinels,
        "raw-pixels": raw_pixels,
    }
    if name in made:
        return made[name]()
    X, y = data.embeddings(name)
    return X.astype(np.float32), y


def objective(X, y, W, b, C):
    """C * sum of cross-entropies + ||W||² / 2 in float64, for one column of labels 0..K-1."""
    total = 0.0
    W, b = np.asarray(W, float), np.asarray(b, float)
    for start in range(0, len(X), 4096):
        z = X[start : start + 4096].astype(float) @ W.T + b
        z -= z.max(1, keepdims=True)
        own = z[np.arange(len(z)), y[start : start + 4096]]
        total += (np.log(np.exp(z).sum(1)) - own).sum()
    return C * total + 0.5 * (W**2).sum()
