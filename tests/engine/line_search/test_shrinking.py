"""Shrinking: the same optimum, an objective that does not rise, and rows that are reactivated."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support.optimum import sum_objective
from support.tuned import Tuned
from threadpoolctl import threadpool_limits

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.line_search import LineRules, ShrinkingRules, iterate_at, shrinking
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._runtime.memory_budget import MemoryBudget

FLOATS = (np.float32, np.float64)
OFTEN = ShrinkingRules(check_interval=3)
ROUNDING = 10 * float(np.finfo(np.float32).eps)  # in which float64 X is fitted at first, too


def separable(n=2000, k=4, seed=0):
    """Classes that are near separable; eight features that two rows have, each."""
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    X = np.hstack(
        [2.5 * rng.normal(size=(k, 20))[y] + 1.5 * rng.normal(size=(n, 20)), np.zeros((n, 8))]
    )
    for j in range(20, 28):
        X[rng.choice(n, 2, replace=False), j] = 30 * rng.normal(size=2)
    return X, y


def optimum(X, y, C):
    with threadpool_limits(1):
        model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-13, max_iter=500)
        return sum_objective(model.fit(X, y), X, y, C=C)


def tuned(rules=OFTEN, **params):
    params = {"solver": "preconditioned-lbfgs", "tol": 1e-9} | params
    return Tuned(**params).tuned(line=LineRules(shrinking=rules))


@pytest.fixture
def record(monkeypatch):
    """Shares of the active rows, as they are chosen, and how often rows were reactivated."""
    shares, reactivated = [], []
    choose, reactivate = shrinking.Shrinking.choose, shrinking.Shrinking.reactivate

    def chosen(self, logits):
        active = choose(self, logits)
        shares.append(1.0 if active is None else active.logits.n / logits.n)
        return active

    monkeypatch.setattr(shrinking.Shrinking, "choose", chosen)
    monkeypatch.setattr(
        shrinking.Shrinking,
        "reactivate",
        lambda self, logits: (reactivated.append(1), reactivate(self, logits))[1],
    )
    return shares, reactivated


def does_not_rise(model, rounding):
    values = np.array([iteration.objective for iteration in model.history_])
    return (np.diff(values) <= rounding * values[:-1]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_same_optimum(dtype, record):
    X, y = separable()
    X, C = X.astype(dtype), 1e4
    model = tuned(C=C, max_iter=3000).fit(X, y)
    assert min(record[0]) < 0.5
    assert model.converged_
    assert does_not_rise(model, ROUNDING)
    best = optimum(X.astype(float), y, C)
    assert sum_objective(model, X, y, C=C) == pytest.approx(best, rel=1e-8, abs=0)


def test_rows_that_are_reactivated(record):
    """Without norms, and with a high threshold, rows become inactive that should not."""
    X, y = separable()
    rules = replace(OFTEN, curvature=1e9, largest_residual=0.05)
    model = tuned(rules, C=1e4, max_iter=3000).fit(X, y)
    assert record[1]
    assert model.converged_
    assert does_not_rise(model, ROUNDING)
    got = sum_objective(model, X, y, C=1e4)
    assert got == pytest.approx(optimum(X, y, 1e4), rel=1e-8, abs=0)


def test_rows_of_weight_zero_are_inactive_from_the_start(record):
    X, y = separable()
    weights = np.arange(len(y)) % 2 * 1.0
    model = tuned(C=0.01).fit(X, y, sample_weight=weights)
    assert record[0][0] == 0.5
    best = optimum(X[weights > 0], y[weights > 0], 0.01)
    got = sum_objective(model, X, y, C=0.01, sample_weight=weights)
    assert got == pytest.approx(best, rel=1e-8, abs=0)


def test_threads_change_no_bit(record):
    X, y = separable(20_000)
    coefs = [tuned(C=1e4, tol=1e-6, n_threads=t).fit(X, y).coef_ for t in (1, 2, 3)]
    assert min(record[0]) < 0.5
    np.testing.assert_array_equal(coefs[0], coefs[1])
    np.testing.assert_array_equal(coefs[0], coefs[2])


def shrunk(dtype, max_memory=None):
    """An iterate, most of whose rows are inactive, and the objective."""
    X, y = separable()
    objective = Objective(
        Observations(DenseData(X.astype(dtype), 1), y.astype(np.int32), 4),
        Penalty(1e4),
        fit_intercept=True,
        memory=MemoryBudget.of(max_memory, X.nbytes),
    )
    model = SoftmaxRegression(C=1e4).fit(X, y)
    it = iterate_at(objective, start_of(objective, model.coef_.astype(float), model.intercept_))
    assert not it.update_active_rows()
    return it, objective


@pytest.mark.parametrize("dtype", FLOATS)
def test_their_loss_is_its_tangent(dtype):
    it, objective = shrunk(dtype)
    value, gradient = objective.value_and_grad(it.theta)
    close = 50 * float(np.finfo(dtype).eps)
    assert it.value == pytest.approx(value, rel=close)
    direction = np.random.default_rng(0).normal(size=objective.size)
    passes = objective.passes.count
    it.step(it.line(direction), 1e-3)
    assert objective.passes.count - passes < 0.5
    value, exact = objective.value_and_grad(it.theta)
    np.testing.assert_allclose(it.gradient, exact, atol=0.01 * np.abs(exact - gradient).max())
    # convex: at most F, and far along the line well below it
    assert it.value <= value * (1 + close)
    it.step(it.line(direction), 30.0)
    model, slope = it.value, it.gradient @ direction
    line = it.line(direction)
    trials = [line.evaluate(t).value for t in (-1e-5, 1e-5)]
    assert (trials[1] - trials[0]) / 2e-5 == pytest.approx(slope, rel=0.05)
    assert model < objective.value_and_grad(it.theta)[0]
    it.verify_logits()
    assert it.value == pytest.approx(objective.value_and_grad(it.theta)[0], rel=close)
    assert it.way_back is not None


def test_lengths_in_features_of_unit_variance():
    """From 16 projections: their squares are 0.35 off, and the rare features stand out."""
    X, _ = separable(5000)
    objective = Objective(
        Observations(DenseData(X, 1), np.zeros(len(X), np.int32), 1),
        Penalty(1e9),
        fit_intercept=True,
    )
    squares = np.square((X - X.mean(axis=0)) / X.std(axis=0)).sum(axis=1)
    before = objective.passes.count
    got = np.square(objective.lengths())
    assert objective.passes.count - before == 16 / 2  # logits of one class are half a pass
    assert got.mean() == pytest.approx(1)
    ratios = got / squares * squares.mean()
    assert 0.2 < np.sqrt(np.mean((ratios / ratios.mean() - 1) ** 2)) < 0.5
    long = squares > 20 * squares.mean()
    assert long.any()
    assert got[long].min() > 2 * got[squares < squares.mean()].max()


def test_without_room_for_a_copy_all_rows_stay_active():
    """The logits take 2 * 64 kB, X has 448 kB, of which 0.4 of the memory is for both."""
    few = []
    for most in (10**6, 4 * 10**5):
        it, objective = shrunk(np.float64, most)
        passes = objective.passes.count
        it.line(it.gradient)
        few.append(objective.passes.count - passes < 0.4)
    assert few == [True, False]


def test_each_objective_of_the_history_is_that_of_its_model(record):
    """While rows are inactive, too, whose losses a tangent follows, which lies below them."""
    X, y = separable()
    C, seen = 1e4, []

    def callback(state):
        z = X @ state.coef.T + state.intercept
        losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(y)), y]
        ridge = 0.5 * np.sum(state.coef**2) / (C * len(y))
        seen.append((state.objective, losses.mean() + ridge))

    tuned(C=C, max_iter=300).fit(X, y, callback=callback)
    assert min(record[0]) < 0.5
    told, found = np.array(seen).T
    np.testing.assert_allclose(told, found, rtol=1e-3)
    assert (told <= found * (1 + 1e-5)).all()
