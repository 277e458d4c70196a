"""A proof ends with the products that it needs."""

import numpy as np
import pytest
from support.sparse_rows import text

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.solvers import lbfgs
from fastsoftmax._engine.solvers.rules import ProofRules

N, D = 400, 900


@pytest.mark.parametrize("share", [0.5, 0.92, 0.97])
def test_steps_that_gain_nearly_the_tolerance(share, monkeypatch):
    """No bound is less than F falls by along the step: to ask for less has no end."""
    rng = np.random.default_rng(0)
    X = text(N, D, rng, np.float64)
    y = X @ rng.standard_normal(D) * 3 + rng.logistic(size=N) > 0
    seen, prove = [], lbfgs.prove

    most = ProofRules().products

    def told(objective, it, direction, solve, tolerance, *args, **rules):
        decrease = prove(
            objective, it, direction, solve, 0.0, most, bound=True
        ).certificate.decrease
        products, times = [], it.hessian_times
        monkeypatch.setattr(it, "hessian_times", lambda v: products.append(0) or times(v))
        found = prove(objective, it, direction, solve, decrease / share, most).certificate
        seen.append((len(products), found.bound * share / decrease))
        return prove(objective, it, direction, solve, tolerance, *args, **rules)

    monkeypatch.setattr(lbfgs, "prove", told)
    SoftmaxRegression(C=50.0, tol=1e-6, solver="preconditioned-lbfgs").fit(X, y)
    assert seen
    for products, bound in seen:
        assert products < most / 2
        assert bound <= 1
