"""A solver, a preconditioner and a data format are each one file and one registration.

Each is added here from outside the package, and a fit with it compared with the ordinary one.
"""

from typing import NamedTuple

import numpy as np
import pytest

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.data import DenseBlocks, DenseData, data_of
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._engine.solvers import SOLVERS, Options, certificate_at, find, lbfgs
from fastsoftmax._engine.solvers.base import Run, register

rng = np.random.default_rng(0)
CODES = rng.integers(4, size=(600, 5))
PALETTE = np.sort(rng.normal(size=(4, 5)), axis=0) * [1, 3, 10, 30, 100]
X = np.take_along_axis(PALETTE, CODES, axis=0)
Y = (X / X.std(axis=0) @ rng.normal(size=(5, 3)) + rng.gumbel(size=(600, 3))).argmax(axis=1)


def objective_of(data):
    rows = Observations(data, Y.astype(np.int32), 3)
    return Objective(rows, Penalty(1.0), fit_intercept=True)


# ---- a solver: the gradient method of Barzilai & Borwein (1988)


def minimize_bb(objective, theta, options):
    """Steps of the length that the last one would have had if F were a parabola."""
    run, it = Run(objective, options), iterate_at(objective, theta)
    length = 1 / run.curvature.lipschitz()
    while True:
        square = dot(it.gradient, it.gradient)
        run.notify(it.theta, square * length)
        wanted = run.tolerance(it.value)
        if square * length <= wanted:
            proof = certificate_at(run.curvature, it, wanted, 100, options.seed, bound=False)
            if run.proves(proof):
                return run.end(it)
        if reason := run.stops(it):
            run.result.stop = reason
            return run.end(it)
        before = it.gradient
        it.step(it.line(-before), length)
        change = it.gradient - before
        length *= -dot(change, before) / dot(change, change)
        run.record(it.value, it.gradient)


@pytest.fixture
def bb():
    register("bb", needs=("smooth",))(minimize_bb)
    yield
    del SOLVERS["bb"]


def test_a_solver(bb):
    model = SoftmaxRegression(solver="bb", tol=1e-9, max_iter=500).fit(X, Y)
    best = SoftmaxRegression(tol=1e-9).fit(X, Y)
    assert model.certified_
    assert model.objective_ == pytest.approx(best.objective_, rel=2e-9)
    assert len(model.history_) == model.n_iter_ > 3
    with pytest.raises(ValueError, match="'bb' needs a smooth penalty"):
        SoftmaxRegression(solver="bb", l1_ratio=1.0).fit(X, Y)


# ---- a preconditioner: the diagonal of the Hessian where all shares are those of the classes


class Jacobi:
    """Made once, from what the curvature knows without a pass."""

    since, factor, forgets, joint = 0, 4.0, False, False

    def __init__(self, curvature):
        masses = curvature.start_masses()[:, None]
        self.diagonal = (masses * curvature.spread + curvature.ridge).ravel()
        self._project = curvature.objective.parameters.project

    def update(self, it, n_iter):
        return False

    def solve(self, *vectors):
        return [self._project(v / self.diagonal) for v in vectors]


def test_a_preconditioner():
    o = objective_of(DenseData(X, 1))
    run = Run(o, Options(1e-9, 500))
    jacobi = Jacobi(run.curvature)
    result = lbfgs.finish(run, *lbfgs.descend(run, start_of(o), jacobi, memory=10))
    best = find("newton", o).minimize(o, start_of(o), Options(1e-9, 500))
    assert result.converged
    assert result.value == pytest.approx(best.value, rel=2e-9)


# ---- a data format: a byte per number, and the values that it stands for


class Coded(NamedTuple):
    """X of few different values in each feature."""

    codes: np.ndarray  # (n, d), uint8
    palette: np.ndarray  # (256, d) or less

    def blocks(self, rows=250):
        """Some rows at a time as they are."""
        for start in range(0, len(self.codes), rows):
            yield np.take_along_axis(self.palette, self.codes[start : start + rows], axis=0)


class CodedData(DenseBlocks):
    """Decoded in blocks on the way into the kernels."""

    def __init__(self, X, n_threads):
        shape, dtype = X.codes.shape, X.palette.dtype
        super().__init__(X.blocks, shape, dtype, X.codes.nbytes, n_threads)


@data_of.register(Coded)
def coded_data(X, n_threads, feature_scale=None):
    data = CodedData(X, n_threads)
    return data if feature_scale is None else data.scaled(feature_scale)


@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "newton", "gd"])
def test_a_data_format(solver):
    data = data_of(Coded(CODES.astype(np.uint8), PALETTE), 1)
    assert isinstance(data, CodedData) and data.nbytes == CODES.size
    results = []
    for kind in (data, data_of(X, 1)):
        o = objective_of(kind)
        options = Options(1e-6, 2000)
        results.append(find(solver, o).minimize(o, start_of(o), options))
        coef, intercept = o.models.of(results[-1].theta)
        assert coef.shape == (3, 5) and intercept.shape == (3,)
    assert results[0].certified
    assert results[0].value == pytest.approx(results[1].value, rel=2e-6)
