"""Problems of two classes: texts, clicks, pixels and a wide table."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from benchmarks.sparse.problems import posts
from benchmarks.support.data import folder, mnist

ROWS, COLUMNS, FIELDS = 1_000_000, 1 << 20, 39  # of the click log
DATA = ("20newsgroups-comp", "clicks", "mnist-odd", "wide")
SMALL = ("wide, C=1", "wide, L1, C=3")  # where nothing is timed


class Problem(NamedTuple):
    """A data set and a penalty."""

    data: str
    C: float
    l1: bool = False

    @property
    def name(self):
        return f"{self.data}, {'L1, ' if self.l1 else ''}C={self.C:g}"


PROBLEMS = [Problem(data, C) for data in DATA for C in (0.01, 0.1, 1.0, 10.0, 100.0)]
PROBLEMS += [Problem(data, C, l1=True) for data in DATA[::3] for C in (0.3, 3.0, 30.0)]


def newsgroups():
    """TF-IDF of the training posts, comp.* against the rest."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, labels = posts("train")
    X = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts)
    return sparse.csr_array(X), np.array([label.startswith("comp.") for label in labels], int)


def clicks():
    """One-hot columns of 39 fields, their values with Zipf's frequencies; clicks at random."""
    rng = np.random.default_rng(0)
    width = COLUMNS // FIELDS
    ranks = np.minimum(rng.zipf(1.2, size=(ROWS, FIELDS)), width) - 1
    indices = np.sort(ranks + width * np.arange(FIELDS), axis=1).astype(np.int32)
    starts = np.arange(0, ROWS * FIELDS + 1, FIELDS, dtype=np.int32)
    values = np.ones(ROWS * FIELDS, np.float32)
    X = sparse.csr_array((values, indices.ravel(), starts), shape=(ROWS, COLUMNS))
    logits = X @ (0.5 * rng.standard_normal(COLUMNS))
    return X, (logits - 1.5 + rng.logistic(size=ROWS) > 0).astype(int)


def odd():
    X, y = mnist()
    return X, y % 2


def wide():
    """More features than rows, correlated."""
    rng = np.random.default_rng(0)
    n, d = 1000, 10_000
    X = rng.standard_normal((n, 50)) @ rng.standard_normal((50, d)) / 7
    X += rng.standard_normal((n, d))
    logits = X @ rng.standard_normal(d) / np.sqrt(d)
    return X.astype(np.float32), (logits + rng.logistic(size=n) > 0).astype(int)


MADE = {"20newsgroups-comp": newsgroups, "clicks": clicks, "mnist-odd": odd, "wide": wide}


def load(name):
    """(X, y), y of 0 and 1; FileNotFoundError where the data is not there."""
    if name in ("20newsgroups-comp", "mnist-odd"):
        folder()
    return MADE[name]()


def objective(X, y, w, problem):
    """Mean logistic loss + ½‖w‖² / (C n), or + ‖w‖₁ / (C n): no intercept, which some penalise."""
    w = np.asarray(w, float).ravel()
    z = np.concatenate([X[i : i + 100_000].astype(float) @ w for i in range(0, len(y), 100_000)])
    loss = np.logaddexp(0, np.where(y == 1, -z, z)).mean()
    penalty = np.abs(w).sum() if problem.l1 else 0.5 * np.square(w).sum()
    return loss + penalty / (problem.C * len(y))
