"""When the preconditioner is rebuilt, and when Newton's method takes over."""

import numpy as np
import pytest
from support.problems import softmax_rows

from examples.imagenet_probe import made_rows
from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.curvature.hessian import CurvatureRules
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._engine.solvers import Options, lbfgs
from fastsoftmax._engine.solvers.base import Run
from fastsoftmax._engine.solvers.block_preconditioner import BlockPreconditioner, RebuildSchedule
from fastsoftmax._engine.solvers.preconditioned import Handover, minimize_preconditioned
from fastsoftmax.datasets import load_mnist

OPTIONS = Options(1e-12, 500)


def objective():
    """300 logits' worth of classes side by side: too many parameters for a joint Hessian."""
    rng = np.random.default_rng(0)
    y = np.arange(900) % 9
    X = 0.7 * rng.normal(size=(9, 30))[y] + rng.normal(size=(900, 30))
    data = DenseData(X, 1)
    return Objective(Observations(data, y.astype(np.int32), 9), Penalty(100.0), fit_intercept=True)


def builds(schedule):
    """How often M was rebuilt, and the least F."""
    o, count = objective(), 0
    run = Run(o, OPTIONS)
    preconditioner = BlockPreconditioner(run.curvature, 0, schedule)
    update = preconditioner.update

    def counted(it, n_iter):
        nonlocal count
        rebuilt = update(it, n_iter)
        count += rebuilt
        return rebuilt

    preconditioner.update = counted
    it, _ = lbfgs.descend(run, start_of(o), preconditioner, memory=30)
    return count, it.value


def test_the_schedule_decides_when_m_is_rebuilt():
    never, value = builds(RebuildSchedule(first_build_delay=np.inf, far_row_change=np.inf))
    as_usual, other = builds(RebuildSchedule())
    always, third = builds(RebuildSchedule(amortisation=0, first_build_delay=0, weight_change=-1))
    assert never == 0 < as_usual < always
    assert other == pytest.approx(value, rel=1e-10)
    assert third == pytest.approx(value, rel=1e-10)


def weights_of(it):
    """p(1 - p) of the rows of whole tiles, (896, K)."""
    Z = it.logits(0).table()[:896]
    P = np.exp(Z - Z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    return P * (1 - P)


def test_what_rises_of_the_weights_and_what_changes():
    o = objective()
    it = iterate_at(o, start_of(o))
    curvature = curvature_of(o, CurvatureRules(reference_rows=10**6))
    assert curvature.change_of_weights(it).rise == np.inf
    curvature.set_start(it)
    before = weights_of(it)
    assert curvature.change_of_weights(it) == (0, 0)
    it.step(it.line(-it.gradient), 3.0)
    now = weights_of(it)
    size = np.abs(now - before).sum(axis=0) / now.sum(axis=0)
    rise = np.maximum(now - before, 0).sum(axis=0) / before.sum(axis=0)
    assert 0 < rise.mean() < size.mean()
    np.testing.assert_allclose(curvature.change_of_weights(it), (size.mean(), rise.mean()))
    curvature.set_reference(it)
    assert curvature.change_of_weights(it) == (0, 0)


def test_weights_at_the_start_are_those_of_the_shares():
    """Wherever the fit begins: so are the blocks."""
    o = objective()
    it = iterate_at(o, 0.1 * np.random.default_rng(0).normal(size=o.size))
    curvature = curvature_of(o, CurvatureRules(reference_rows=10**6))
    curvature.set_start(it)
    now, before = weights_of(it), o.shares * (1 - o.shares)
    rise = np.maximum(now - before, 0).sum(axis=0) / (len(now) * before)
    assert curvature.change_of_weights(it).rise == pytest.approx(rise.mean())


def test_many_classes_get_blocks_after_the_first_step():
    """Weights rise there from 1/K to up to 1/4: with blocks from the fourth step on this fit took
    61 passes, of 41 iterations."""
    X, y = made_rows(10000, 64, 1000)
    model = SoftmaxRegression().fit(X, y)
    assert model.certified_ and model.n_iter_ < 22 and model.n_passes_ < 36


def test_blocks_come_from_all_rows_where_logits_do_not_fit():
    """With blocks from every fourth row, and from the fourth step on, this fit took 85 passes, of
    34 iterations."""
    X, y = made_rows(6000, 64, 300)
    model = SoftmaxRegression(max_memory=14 << 20).fit(X, y)
    assert model.certified_ and model.n_iter_ < 20 and model.n_passes_ < 56


def test_newton_takes_over_when_it_is_due():
    o = objective()
    at_once = minimize_preconditioned(o, start_of(o), OPTIONS, Handover(newton_steps=0))
    never = minimize_preconditioned(o, start_of(o), OPTIONS, Handover(newton_steps=10**6))
    assert at_once.converged and never.converged
    assert at_once.value == pytest.approx(never.value, rel=1e-10)
    assert len(at_once.history) < 15 < len(never.history)


def test_builds_for_many_far_rows_are_amortised(data_folder):
    """Raw pixels, 0 in nearly all rows: a build in each iteration made 5900 passes."""
    mnist = load_mnist(data_folder / "mnist")
    X, y = mnist.X_train[:2000], mnist.y_train[:2000]
    model = SoftmaxRegression(C=1.0).fit(X, y)
    assert model.certified_ and model.n_passes_ < 1000


def test_long_rows_without_far_cells_forget_no_history():
    """The history of L-BFGS knows what M says of the longest rows: 147 passes where each change of
    half a feature by them cleared it."""
    rng = np.random.default_rng(7)
    X, y = softmax_rows(5000, 60, 8, rng, slope=2 / np.sqrt(60))
    X *= np.exp(1.5 * rng.normal(size=(5000, 1)))
    model = SoftmaxRegression(solver="preconditioned-lbfgs").fit(X, y)
    assert model.certified_ and model.n_passes_ < 120
