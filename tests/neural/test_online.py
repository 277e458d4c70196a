"""The online rule: its model is the mean of its iterates, weighted by rows and numbers."""

import numpy as np

from fastsoftmax._engine.data import data_of
from fastsoftmax._neural.online import Stream


def test_mean_of_the_iterates():
    """The lagged sum is that mean; the last step has 8 rows, which are half of one."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 8)) + 1.0, rng.integers(4, size=200)
    s, iterates = Stream(8, 4, True), []
    step = s._step

    def watched(*arguments):
        step(*arguments)
        iterates.append(s._W.copy())

    s._step = watched
    s.learn(data_of(X, 1), y.astype(np.int32), None, 1.0)
    ages = np.append(np.arange(1, len(iterates)), 0.5 * 12.5)
    mean = np.einsum("t,tdk->kd", ages / ages.sum(), np.array(iterates))
    np.testing.assert_allclose(s.model()[0], mean, rtol=1e-10)


def test_features_have_unit_variance():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3)) * [1, 10, 0.01] + 5
    stream = Stream(3, 2, True)
    for some in (X[:20], X[20:]):
        shift, scales = stream._observe(data_of(some, 1), None)
    np.testing.assert_allclose(shift, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scales, 1 / X.std(axis=0), rtol=1e-12)
