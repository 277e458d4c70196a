"""Numbers at the ends of what floats hold: a result or an error that says why, and no warning."""

import contextlib

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = np.arange(60) % 3
SOLVERS = ["gd", "lbfgs", "newton", "preconditioned-lbfgs", "auto"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_features_of_zeros(solver, C, fit_intercept):
    """All that there is to learn are the shares of the classes."""
    model = SoftmaxRegression(C=C, solver=solver, fit_intercept=fit_intercept)
    model.fit(0 * X[:, :2], np.minimum(Y, 1))
    share = np.array([1 / 3, 2 / 3] if fit_intercept else [0.5, 0.5])
    np.testing.assert_allclose(model.predict_proba(0 * X[:1, :2])[0], share, atol=1e-3)
    assert model.converged_ and not model.coef_.any()


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_a_penalty_beyond_the_largest_number(l1_ratio):
    """C times the sum of the weights overflows: what is left is no penalty."""
    SoftmaxRegression(C=1e300, l1_ratio=l1_ratio, max_iter=3).fit(X, Y, np.full(60, 1e300))


def test_a_ridge_below_the_smallest_number():
    units = 10.0 ** np.array([-250.0, 0, 100, 250])
    for seed in range(5):
        few = np.random.default_rng(seed).normal(size=(2, 4)) * units
        SoftmaxRegression(C=1e-8, l1_ratio=0.5, max_iter=1).fit(few, [0, 1])


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_factors_of_features_beyond_the_largest_number(make, scale):
    given = (X * 10.0 ** np.array([-35, 0, 20, 35])).astype(np.float32)
    with contextlib.suppress(ValueError):
        SoftmaxRegression(feature_scale=np.full(4, scale), max_iter=5).fit(make(given), Y)
