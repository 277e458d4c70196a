"""Random problems of a few kinds: rows, and the class of each."""

import numpy as np


def softmax_rows(n, d, k, seed=0, *, mean=0.0, slope=1.0):
    """X of normal features, and classes drawn by a softmax of normal weights times the slope.

    The seed may be a generator, which goes on.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + mean
    return X, (slope * (X @ rng.normal(size=(d, k))) + rng.gumbel(size=(n, k))).argmax(axis=1)


def clusters(n, d, k, *, distance=0.7):
    """X about a point on an axis for each class, in turn."""
    y = np.arange(n) % k
    return np.random.default_rng(0).normal(size=(n, d)) + distance * np.eye(k, d)[y], y
