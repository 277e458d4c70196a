"""What watches a fit: callbacks, the history, the line of progress."""

import copy

import numpy as np
import pytest
from support.sparse_rows import uniform

import fastsoftmax
from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine import solvers

SOLVERS = ["auto", "preconditioned-lbfgs", "lbfgs", "newton", "gd"]


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    y = np.argmax(X @ rng.normal(size=(6, 3)) + rng.normal(size=(300, 3)), axis=1)
    return X, y


@pytest.mark.parametrize("solver", SOLVERS)
def test_callback_sees_every_iteration(problem, solver):
    X, y = problem
    seen = []

    def callback(state):
        seen.append((state.n_iter, state.objective, state.gap, state.coef, state.intercept))

    model = SoftmaxRegression(solver=solver, max_iter=100000).fit(X, y, callback=callback)
    assert [n for n, *_ in seen] == list(range(1, model.n_iter_ + 1))
    for (_, objective, gap, coef, intercept), entry in zip(seen, model.history_, strict=True):
        assert objective >= entry.objective - 1e-9
        assert gap >= 0
        z = X @ coef.T + intercept
        loss = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])
        F = loss + 0.5 * np.sum(coef**2) / len(y)
        assert np.isclose(F, objective, rtol=1e-9)
    assert seen[-1][2] <= 1e-4


def test_callback_of_sparse_X(problem):
    X = uniform(3000, 400, 0.02, np.random.default_rng(0))
    y = np.arange(3000) % 3
    shapes = []
    fastsoftmax.fit(X, y, callback=lambda state: shapes.append(state.coef.shape))
    assert set(shapes) == {(3, 400)}


@pytest.mark.parametrize("solver", SOLVERS)
def test_callback_stops_the_fit(problem, solver, recwarn):
    model = SoftmaxRegression(solver=solver, tol=1e-12, max_iter=100000)
    model.fit(*problem, callback=lambda state: state.n_iter == 2)
    assert model.n_iter_ == 2
    assert not model.converged_
    assert not recwarn.list


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_a_callback_raises_reaches_the_user(problem, solver):
    model = SoftmaxRegression(solver=solver).fit(*problem)
    before = copy.deepcopy(vars(model))

    def callback(state):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model.set_params(C=0.01).fit(*problem, callback=callback)
    model.set_params(C=1.0)
    np.testing.assert_equal(vars(model), before)


def test_state_is_of_its_iteration(problem):
    states = []
    fastsoftmax.fit(*problem, callback=states.append)
    with pytest.raises(RuntimeError, match="while the callback ran"):
        _ = states[0].coef
    with pytest.raises(AttributeError, match="loss"):
        _ = states[0].loss
    assert states[0].objective == states[0].history[0].objective and len(states[0].history) == 1
    assert "1 iterations" in repr(states[0])


def test_verbose_shows_the_gap(problem, capsys):
    fastsoftmax.fit(*problem, verbose=True)
    assert "gap" in capsys.readouterr().err


def test_history_has_the_gap(problem):
    model = fastsoftmax.fit(*problem, solver="lbfgs")
    assert isinstance(model.history_[0], solvers.Iteration)
    gaps = [entry.gap for entry in model.history_]
    assert gaps[-1] < gaps[0]
