"""What a warm start keeps changes how fast a fit is, never where it ends."""

import numpy as np
import pytest
from support.problems import softmax_rows

from fastsoftmax import Blocks, SoftmaxRegression
from fastsoftmax._engine.curvature import warm_start_of
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._engine.solvers import Options, find

WARM = {"warm_start": True, "solver": "preconditioned-lbfgs", "tol": 1e-9}


def problem():
    return softmax_rows(3000, 12, 4, mean=1)


@pytest.mark.parametrize("form", [lambda X, y: (X, y), lambda X, y: (Blocks([(X, y)]),)])
def test_a_path_ends_at_the_optima_of_cold_fits(form):
    X, y = problem()
    model = SoftmaxRegression(**WARM)
    for C in (1e-3, 1e-2, 0.1, 1.0):
        model.set_params(C=C).fit(*form(X, y))
        cold = SoftmaxRegression(C=C, tol=1e-11).fit(X, y)
        np.testing.assert_allclose(model.objective_, cold.objective_, rtol=1e-8)


@pytest.mark.parametrize("form", [lambda X, y: (X, y), lambda X, y: (Blocks([(X, y)]),)])
def test_a_feature_that_was_constant_before(form):
    X, y = problem()
    X[:, 3] = 2.0
    model = SoftmaxRegression(**WARM).fit(*form(X, y))
    X[1::2, 3] = y[1::2]  # in rows that no fingerprint sees
    model.fit(*form(X, y))
    cold = SoftmaxRegression(tol=1e-11).fit(X, y)
    np.testing.assert_allclose(model.objective_, cold.objective_, rtol=1e-8)


def test_nan_that_was_not_there_before():
    X, y = problem()
    model = SoftmaxRegression(**WARM).fit(X, y)
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match="row 7, column 2"):
        model.fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tol", [1e-4, 1e-8])  # for which a fit ends in float32, and in float64
def test_it_is_taken_over_whichever_precision_a_fit_ends_in(dtype, tol):
    X, y = problem()
    data = DenseData(X.astype(dtype), 1)
    states, passes = [None], []
    for _ in range(2):
        o = Objective(
            Observations(data, y.astype(np.int32), 4), Penalty(1.0), fit_intercept=True,
            warm_start=states[-1],
        )  # fmt: skip
        taken = o.warm_start is not None
        result = find("preconditioned-lbfgs", o).minimize(o, start_of(o), Options(tol, 100))
        states.append(warm_start_of(result.curvature))
        passes.append(o.passes.count)
    assert taken and passes[1] < passes[0]


def test_factors_that_a_fit_was_changing_are_not_used_again(monkeypatch):
    X, y = problem()
    model = SoftmaxRegression(**WARM).fit(X, y).set_params(C=100.0)

    def interrupted(factors, diagonal):
        factors.matrices[:] = np.nan
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ClassFactors, "with_added", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
    assert model._warm_start_state.grams.ridge is None
    cold = SoftmaxRegression(C=100.0, tol=1e-11).fit(X, y)
    np.testing.assert_allclose(model.fit(X, y).objective_, cold.objective_, rtol=1e-8)
    assert model.converged_ and model.n_iter_ <= 2 * cold.n_iter_
