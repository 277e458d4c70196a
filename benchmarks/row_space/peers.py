"""Fits of more features than rows: each peer gives a function that fits, or several in turn."""

from unittest import mock

import fastsoftmax
from benchmarks.fit import peers


def ours(X, y, C, tol=1e-6):
    return peers.quietly(lambda: fastsoftmax.fit(X, y, C=C, tol=tol))


def without(X, y, C):
    """The same, on the features as they are."""

    def fit():
        with mock.patch("fastsoftmax._linear.problem.problem.row_space_of", return_value=None):
            return fastsoftmax.fit(X, y, C=C)

    return peers.quietly(fit)


PEERS = {
    "fastsoftmax": ours,
    "without the row space": without,
    **{name: fit for name, fit in peers.PEERS.items() if name.startswith("scikit-learn ")},
}
