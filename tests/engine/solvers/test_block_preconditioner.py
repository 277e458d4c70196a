"""When the preconditioner is rebuilt, and when Newton's method takes over."""

import numpy as np
import pytest

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.data import DenseData
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
    X, W = rng.normal(size=(5000, 60)), rng.normal(size=(60, 8)) * 2 / np.sqrt(60)
    y = np.argmax(X @ W + rng.gumbel(size=(5000, 8)), axis=1)
    X *= np.exp(1.5 * rng.normal(size=(5000, 1)))
    model = SoftmaxRegression(solver="preconditioned-lbfgs").fit(X, y)
    assert model.certified_ and model.n_passes_ < 120
