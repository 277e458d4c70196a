"""Linear equations of a matrix that is never made."""

import numpy as np
import pytest
from scipy.special import softmax

from fastsoftmax._engine.linalg import conjugate_gradients


@pytest.mark.parametrize("scale", [1.0, 1e100])
def test_a_laplacian(scale):
    """A softmax's Hessian, singular along the ones, with diagonals from 1e-12 to 1."""
    rng = np.random.default_rng(0)
    P = softmax(rng.normal(size=(200, 30)) + np.linspace(-25, 0, 30), axis=1)
    H = np.diag(P.sum(axis=0)) - P.T @ P
    right = scale * H @ rng.normal(size=30)
    asked = []

    def product(x):
        asked.append(x)
        return H @ x

    least = 1e-9 * np.abs(right)
    x, solved = conjugate_gradients(product, np.diag(H), right, least, 100)
    assert solved
    assert (np.abs(H @ x - right) <= 2 * least).all()
    assert len(asked) <= 60
    few, solved = conjugate_gradients(product, np.diag(H), right, 0 * least, 3)
    assert np.isfinite(few).all()
    assert not solved


def test_nothing_to_solve():
    x, solved = conjugate_gradients(lambda x: 0 * x, *np.zeros((3, 3, 2)), 100)
    assert solved
    assert not x.any()
