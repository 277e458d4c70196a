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
        return H @ x, np.diag(H)

    x = conjugate_gradients(product, right, 1e-9, 100)
    roots = np.sqrt(np.diag(H))
    assert np.linalg.norm((H @ x - right) / roots) <= 1e-8 * np.linalg.norm(right / roots)
    assert len(asked) <= 60
    few = conjugate_gradients(product, right, 0.0, 3)
    assert np.isfinite(few).all()


def test_nothing_to_solve():
    def product(x):
        return 0 * x, 0 * x

    assert not conjugate_gradients(product, np.zeros((3, 2)), 1e-9, 100).any()
