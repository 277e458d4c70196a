"""A query leaves θ, F and ∇F as they are, whichever kind of iterate is asked."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax._engine.data import DenseData, SparseData
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, Observations, Penalised, Penalty, start_of
from fastsoftmax._runtime.memory_budget import MemoryBudget

N = 5000  # enough for a subsample


def objective(memory=None, l1_ratio=0.0, groups=None):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6))
    X /= X.std(axis=0)
    y = (X @ rng.normal(size=(6, 4)) + rng.gumbel(size=(N, 4))).argmax(axis=1).astype(np.int32)
    return Objective(
        Observations(DenseData(X, 1), y, 4), Penalty(0.01, l1_ratio, Penalised(groups=groups)),
        fit_intercept=True, memory=MemoryBudget.of(memory, X.nbytes),
    )  # fmt: skip


KINDS = {"stored": {}, "fused": {"memory": 1000}, "L1": {"l1_ratio": 0.5}}
QUERIES = {
    "evaluate": lambda it, line, d: line.evaluate(0.3),
    "by passes": lambda it, line, d: [line.by_passes().evaluate(t) for t in (0.3, 0.1)],
    "subsample": lambda it, line, d: line.subsample().correct_slope(-1.0),
    "reach": lambda it, line, d: line.reach(),
    "Hessian": lambda it, line, d: it.hessian_times(d),
    "logits": lambda it, line, d: it.logits(1000),
    "samples": lambda it, line, d: list(it.samples()),
    "active rows": lambda it, line, d: it.update_active_rows(),
}


NOT_WITH_L1 = ("by passes", "active rows")  # asked of smooth objectives alone
ASKED = [(k, q) for k in KINDS for q in QUERIES if k != "L1" or q not in NOT_WITH_L1]


@pytest.mark.parametrize(("kind", "query"), ASKED)
def test_queries_do_not_move_it(kind, query):
    o = objective(**KINDS[kind])
    it = iterate_at(o, start_of(o))
    it.step(it.line(-it.gradient), 0.5)
    before = it.theta.copy(), it.value, it.gradient.copy()
    line = it.line(-it.gradient)
    QUERIES[query](it, line, -it.gradient)
    np.testing.assert_array_equal(it.theta, before[0])
    assert it.value == before[1]
    np.testing.assert_array_equal(it.gradient, before[2])


@pytest.mark.parametrize("groups", [None, np.array([0, 0, 1, 1, 2, 2])])
def test_a_subgradient_of_least_norm_is_how_fast_f_falls_along_it(groups):
    """F'(θ; -g) = -‖g‖², with weights of 0 and others."""
    o = objective(l1_ratio=0.5, groups=groups)
    theta = start_of(o)
    o.parameters.layout.table(theta)[:, 2:4] = np.random.default_rng(1).normal(size=(4, 2))
    it = iterate_at(o, theta)
    g = it.gradient
    assert np.count_nonzero(g) > 8
    falls = (it.value - iterate_at(o, theta - 1e-6 * g).value) / 1e-6
    assert falls == pytest.approx(g @ g, rel=1e-3)


def test_variances_are_the_same_some_rows_at_a_time():
    """Of weighted sparse rows: from stored logits, and from those of as many rows as there is room
    for."""
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.normal(size=(N, 6)) * (rng.random((N, 6)) < 0.5))
    weights, y = rng.random(N), rng.integers(4, size=N).astype(np.int32)
    theta, found = 0.1 * rng.normal(size=4 * (6 + 1)), []
    for memory in (None, 400_000):
        o = Objective(
            Observations(SparseData(X, 1), y, 4, weights), Penalty(0.01), fit_intercept=True,
            memory=MemoryBudget.of(memory, X.data.nbytes),
        )  # fmt: skip
        it = iterate_at(o, theta)
        tiles = it.variances()
        whole = np.concatenate([v.tiles for v in tiles(o.data, slice(0, N), 0)])
        later = o.data.rows(slice(2048, N))
        part = np.concatenate([v.tiles for v in tiles(later, slice(0, N - 2048), 2048)])
        found.append((type(it).__name__, len(list(tiles(o.data, slice(0, N), 0))), whole, part))
    (stored, one, *expected), (fused, many, *some) = found
    assert stored != fused
    assert one == 1 < many
    for a, b, rows in zip(expected, some, (N, N - 2048), strict=True):
        a, b = (tiles.transpose(0, 2, 1).reshape(-1, 4)[:rows] for tiles in (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("memory", [500_000, 250_000, 1000])
def test_products_take_a_pass_where_probabilities_are_kept(memory):
    """They are the derivative of the gradient, at the point where the iterate is now."""
    o = objective(memory)
    it = iterate_at(o, start_of(o))
    assert type(it).__name__ == "FusedIterate"
    direction = -it.gradient
    for _ in range(2):
        it.step(it.line(direction), 0.3)
        theta, eps = it.theta, 1e-4
        ends = [o.value_and_grad(theta + e * direction)[1] for e in (eps, -eps)]
        expected = (ends[0] - ends[1]) / (2 * eps)
        costs = []
        for _ in range(3):
            before = o.passes.count
            np.testing.assert_allclose(it.hessian_times(direction), expected, rtol=1e-5, atol=1e-8)
            costs.append(o.passes.count - before)
        kept = o.memory.stored_logits >= 8 * 4 * N
        assert costs[0] == pytest.approx(1.5)
        assert costs[1] == costs[2]
        assert (costs[1] == pytest.approx(1.0)) == kept
        assert costs[1] < 1.5 or memory == 1000
