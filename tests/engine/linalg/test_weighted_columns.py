"""Xᵀ diag(w) X of a sparse X that is never made, by what of it the intercept takes out."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax._engine.linalg import WeightedColumns


@pytest.mark.parametrize("intercept", [0, 1])
def test_diagonals_without_the_intercepts_part(intercept):
    """h - (Σ w x)² / (Σ w + ridge) + ridge: the Schur complement of the intercept."""
    rng = np.random.default_rng(0)
    X = sparse.csc_array(sparse.random(50, 6, density=0.4, random_state=rng))
    weights, ridges = rng.uniform(size=(3, 50)), rng.uniform(size=(3, 6 + intercept))
    places = np.arange(6) + intercept
    columns = np.tile(np.append(np.zeros(intercept, int), np.arange(6)), (3, 1))
    counts = np.full(3, 6 + intercept)
    of = WeightedColumns(X, columns, counts, intercept, 1)
    of.weigh(weights)
    of.add(ridges)
    dense = X.toarray()
    expected = weights @ np.square(dense) + ridges[:, places]
    if intercept:
        mass = weights.sum(axis=1, keepdims=True) + ridges[:, :1]
        assert np.allclose(of.diagonals[:, :1], mass, rtol=1e-12)
        expected -= np.square(weights @ dense) / mass
    assert np.allclose(of.diagonals[:, places], expected, rtol=1e-12)
