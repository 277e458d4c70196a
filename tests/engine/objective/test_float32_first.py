"""Fits of float64 X begin in float32, and end at the result of float64."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from support.optimum import sum_objective
from support.tuned import Tuned

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.line_search import LineRules
from fastsoftmax._engine.objective import Objective, Observations, Penalty, precision
from fastsoftmax._engine.solvers import preconditioned
from fastsoftmax._engine.solvers.certificate import Linearised

FITTED = {"C": 10.0, "tol": 1e-11, "solver": "preconditioned-lbfgs"}


@pytest.fixture
def precisions(monkeypatch):
    """What each gradient of the loss was computed in, in order."""
    seen = []
    gradient = DenseData.value_and_grad

    def noted(self, *args, **more):
        seen.append(self.dtype.name)
        return gradient(self, *args, **more)

    monkeypatch.setattr(DenseData, "value_and_grad", noted)
    return seen


def blobs(n=600, d=12, k=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    return rng.normal(size=(k, d))[y] + rng.normal(size=(n, d)), y


def fitted(X, y, **more):
    return SoftmaxRegression(**FITTED | more).fit(X, y)


def in_float64(X, y, **more):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preconditioned, "to_float32", lambda objective: None)
        return fitted(X, y, **more)


def assert_same(model, other, X, y, **more):
    """Of two optima, objectives and, as far as these tell, coefficients."""
    assert model.converged_ and other.converged_
    values = [sum_objective(m, X, y, C=10.0, **more) for m in (model, other)]
    assert values[0] == pytest.approx(values[1], rel=1e-10, abs=0)
    assert model.objective_ == pytest.approx(other.objective_, rel=1e-10, abs=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("integers", [False, True])
def test_result(precisions, weighted, integers):
    X, y = blobs()
    X = np.round(100 * X).astype(np.int64) if integers else X
    weights = np.random.default_rng(1).random(len(y)) if weighted else None
    more = {} if weights is None else {"sample_weight": weights}
    model = SoftmaxRegression(C=10.0, tol=1e-11, solver="preconditioned-lbfgs")
    model.fit(X, y, sample_weight=weights)
    assert precisions[0] == "float32" and precisions[-1] == "float64"
    assert precisions.count("float32") > precisions.count("float64")
    assert precisions == sorted(precisions)  # never back
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preconditioned, "to_float32", lambda objective: None)
        other = SoftmaxRegression(C=10.0, tol=1e-11, solver="preconditioned-lbfgs")
        other.fit(X, y, sample_weight=weights)
    assert_same(model, other, X, y, **more)


def test_probabilities_and_offsets():
    X, y = blobs()
    rng = np.random.default_rng(2)
    P = rng.dirichlet(np.ones(4), len(y))
    offset = rng.normal(size=(len(y), 4))
    models = []
    for to_float32 in (precision.to_float32, lambda objective: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(preconditioned, "to_float32", to_float32)
            model = SoftmaxRegression(tol=1e-11, solver="preconditioned-lbfgs")
            models.append(model.fit(X, P, offset=offset))
    a, b = models
    assert a.objective_ == pytest.approx(b.objective_, rel=1e-10, abs=0)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=0, atol=1e-4)


def test_iterations_are_about_those_of_float64():
    X, y = blobs(3000, 40, 6)
    for C in (0.01, 1.0, 1000.0):
        assert fitted(X, y, C=C).n_iter_ <= 1.2 * in_float64(X, y, C=C).n_iter_ + 3


def test_history_is_of_float64():
    """Objectives recorded in float32 are corrected once float64 shows the difference."""
    X, y = blobs()
    model = fitted(X, y)
    values = np.array([iteration.objective for iteration in model.history_])
    assert (np.diff(values) <= 1e-6 * values[:-1]).all()
    exact = sum_objective(model, X, y, C=10.0) / (10.0 * len(y))
    assert values[-1] == pytest.approx(exact, rel=1e-13, abs=0)


def test_without_stored_logits(precisions):
    X, y = blobs()
    model = Tuned(**FITTED).tuned(line=LineRules(stored_bytes=0)).fit(X, y)
    other = in_float64(X, y)
    assert precisions[0] == "float32"
    assert_same(model, other, X, y)


def test_max_iter_ends_in_float64(precisions):
    X, y = blobs()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model = fitted(X, y, max_iter=2)
    assert precisions[-1] == "float64"
    exact = sum_objective(model, X, y, C=10.0) / (10.0 * len(y))
    assert model.objective_ == pytest.approx(exact, rel=1e-13, abs=0)


def far_off(X):
    """A feature of which float32 would keep too few digits, its mean being that large."""
    return X + 1e6 * (np.arange(X.shape[1]) == 3)


def no_room(X):
    return X


@pytest.mark.parametrize(
    ("change", "more"), [(far_off, {}), (no_room, {"max_memory": 100_000, "n_threads": 1})]
)
def test_not_where_it_would_not_do(change, more, precisions):
    X, y = blobs()
    fitted(change(X), y, **more)
    assert set(precisions) == {"float64"}


@pytest.mark.parametrize("value", [1e-60, 1e-30, 1e30, 1e60])
@pytest.mark.parametrize("constant", [False, True])
def test_what_float32_does_not_hold(value, constant):
    """A feature that is infinite or 0 there."""
    X, y = blobs()
    X = np.column_stack([X, np.full(len(y), value) if constant else value * X[:, 0]])
    with np.errstate(over="raise", invalid="raise"):
        model, other = (fit(X, y, tol=1e-10) for fit in (fitted, in_float64))
    assert model.converged_ and other.converged_
    assert model.n_iter_ <= other.n_iter_ + 3
    assert np.isfinite(model.coef_).all()
    assert model.objective_ == pytest.approx(other.objective_, rel=1e-9, abs=0)


def test_separable_without_a_penalty():
    X, y = blobs()
    X = X + 100 * np.eye(12)[y]
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = SoftmaxRegression(C=np.inf).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert (model.predict(X) == y).all()


def test_a_loss_with_its_gradient_is_a_pass():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.zeros(30, np.int32)
    o = Objective(Observations(DenseData(X, 1), y, 1), Penalty(1.0), fit_intercept=True)
    before = o.passes.count
    o.value_and_grad(np.zeros(3))
    assert o.passes.count == before + 1


def test_half_passes_of_a_proof_are_counted():
    """Logits of the model and of the direction, half a pass each, and a gradient from logits."""
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.zeros(30, np.int32)
    o = Objective(Observations(DenseData(X, 1), y, 1), Penalty(1.0), fit_intercept=True)
    before = o.passes.count
    linearised = Linearised(o, np.full(3, 0.1), np.full(3, 0.2))
    linearised.gradient()
    assert o.passes.count == before + 1.5
