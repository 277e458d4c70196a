"""Problems with an L1 penalty: real data, and the peer's objective in plain NumPy."""

import tarfile
from typing import NamedTuple

import numpy as np
import problems_fit


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
    """TF-IDF of the raw posts of the training folder, in an order of its own."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = {}
    archive = next((problems_fit.folder() / "20newsgroups").glob("*.tar.gz"))
    with tarfile.open(archive) as files:
        for member in files:
            if member.isfile() and "train" in member.name:
                texts[member.name] = files.extractfile(member).read().decode("latin-1")
    names = np.random.default_rng(0).permutation(sorted(texts))
    y = np.unique([name.split("/")[-2] for name in names], return_inverse=True)[1]
    return TfidfVectorizer(sublinear_tf=True).fit_transform([texts[name] for name in names]), y


def load(name):
    """(X, y), float64; FileNotFoundError where the data is not there."""
    if name == "20newsgroups":
        return newsgroups()
    if name == "mnist-5000":
        X, y = problems_fit.mnist()
        return X[:5000].astype(float), y[:5000]
    return problems_fit.load(name)


def objective(X, y, W, b, problem):
    """Mean cross-entropy + ((1 - r)/2 ||W||² + r ||W||₁) / (C n)."""
    z = X @ W.T + b
    z -= z.max(1, keepdims=True)
    loss = (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()
    r = problem.l1_ratio
    penalty = r * np.abs(W).sum() + (1 - r) / 2 * (W**2).sum()
    return loss + penalty / (problem.C * len(y))
