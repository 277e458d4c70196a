"""The Hessian of a softmax from drawn pairs of classes."""

import numpy as np
import pytest
from support.logits import stored
from support.tuned import Tuned

import fastsoftmax
from fastsoftmax._core import kernels
from fastsoftmax._engine.curvature import BlockRules, blocks_for, curvature_of
from fastsoftmax._engine.curvature.block_gram import ClassGrams
from fastsoftmax._engine.curvature.joint import JointHessian
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.linalg import assemble_joint_hessian
from fastsoftmax._engine.objective import Objective, Observations, Penalty
from fastsoftmax._engine.objective.loss import Softmax
from fastsoftmax._engine.solvers.block_preconditioner import RebuildSchedule
from fastsoftmax._runtime.memory_budget import MemoryBudget
from fastsoftmax._runtime.threads import available_threads

DTYPES = [np.float32, np.float64]


def problem(n, k, dtype, seed=0):
    """Probabilities, weights, squared lengths and resistances."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.standard_normal((n, k))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    weights = rng.random(n) * (rng.random(n) < 0.8)
    return p.astype(dtype), weights.astype(dtype), 0.5 + rng.random(n), 0.5 + rng.random(k)


def pairs_of(k):
    return [(a, b) for a in range(k) for b in range(a)]


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "k", "m"), [(1, 3, 500), (33, 2, 1000), (100, 5, 60000)])
def test_draws_follow_their_weights(n, k, m, dtype):
    p, weights, squares, r = problem(n, k, dtype)
    weights[0] = 1
    drawn = stored(p, dtype).sample_pairs(m, 3, r, weights, squares)
    assert drawn.counts.sum() == m
    total = sum(
        weights * squares * p[:, a].astype(float) * p[:, b] * (r[a] + r[b]) for a, b in pairs_of(k)
    ).sum()
    for (a, b), (rows, factors), summed in zip(
        pairs_of(k), drawn.each(), drawn.totals, strict=True
    ):
        chance = weights * squares * p[:, a].astype(float) * p[:, b] * (r[a] + r[b]) / total
        seen = np.bincount(rows, minlength=n)
        # one draw of each m-th of the whole: the variance is at most that of independent ones
        assert np.all(np.abs(seen - m * chance) <= 5 * np.sqrt(m * chance) + 3)
        assert np.all(np.diff(rows) >= 0)
        expected = total / (m * squares[rows] * (r[a] + r[b]))
        np.testing.assert_allclose(factors.astype(float) ** 2, expected, rtol=1e-5)
        np.testing.assert_allclose(summed, expected.sum(), rtol=1e-5, atol=1e-12)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_weighs_nothing_is_never_drawn(dtype):
    p, weights, squares, r = problem(200, 6, dtype)
    p[:, 2] = 0
    p[:100] = np.eye(6)[np.arange(100) % 6]  # certain rows
    drawn = stored(p, dtype).sample_pairs(5000, 0, r, weights, squares)
    gone = [2 in pair for pair in pairs_of(6)]
    assert not drawn.counts[gone].any()
    assert drawn.counts.sum() == 5000
    assert drawn.rows.min() >= 100
    assert (weights[drawn.rows] > 0).all()
    certain = np.eye(6)[np.arange(200) % 6]
    for rows, of_rows in ((p, np.zeros_like(weights)), (certain, None)):
        none = stored(rows, dtype).sample_pairs(100, 0, r, of_rows, squares)
        assert not none.counts.any()
        assert not none.totals.any()


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [31, 32, 5000])
def test_draws_by_the_probabilities_of_logits(n, dtype):
    p, weights, squares, r = problem(n, 7, dtype)
    logits = stored(np.log(np.maximum(p, 1e-20)), dtype)
    of = logits.probabilities()
    out = logits.like()
    expected = of.sample_pairs(1000, 0, r, weights, squares)
    got = out.sample_pairs(1000, 0, r, weights, squares, of=logits)
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
    np.testing.assert_array_equal(out.table(), of.table())


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_are_the_same_for_any_number_of_threads(dtype):
    p, weights, squares, r = problem(5000, 7, dtype)
    first, *others = (
        stored(p, dtype, threads).sample_pairs(20000, 1, r, weights, squares)
        for threads in (1, 2, 3, 8)
    )
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    another = stored(p, dtype).sample_pairs(20000, 2, r, weights, squares)
    assert not np.array_equal(first.rows, another.rows)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("k", "size"), [(2, 1), (3, 5), (7, 33)])
def test_assembled_as_defined(k, size, dtype):
    rng = np.random.default_rng(0)
    grams = rng.standard_normal((k * (k - 1) // 2, size, size))
    grams = (grams + grams.transpose(0, 2, 1)).astype(dtype)
    shared = np.cov(rng.standard_normal((size, 2 * size + 2))).reshape(size, size).astype(dtype)
    shares, common, ridge = rng.random(k), rng.random(k), rng.random(size)
    expected = np.kron(np.diag(shares) + np.outer(common, common), shared.astype(float))
    expected += np.kron(np.eye(k), np.diag(ridge))
    for (a, b), gram in zip(pairs_of(k), grams.astype(float), strict=True):
        e = np.eye(k)[a] - np.eye(k)[b]
        expected += np.kron(np.outer(e, e), gram)
    results = [
        assemble_joint_hessian(grams, shared, shares, common, ridge, threads)
        for threads in (1, 2, 8)
    ]
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        np.tril(results[0][0]), np.tril(expected), rtol=tolerance, atol=tolerance
    )
    lower = [np.tril(result[0]) for result in results]
    assert np.array_equal(lower[0], lower[1]) and np.array_equal(lower[0], lower[2])
    out = np.empty_like(results[0])
    assert assemble_joint_hessian(grams, shared, shares, common, ridge, 1, out) is out


@pytest.mark.parametrize("rare", [False, True])
def test_the_joint_hessian_on_average(rare):
    """Its eigenvalues beside the exact one's, also where a class is a thousand times rarer."""
    n, d, k = 3000, 6, 5
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-1, 1, d)
    z = rng.standard_normal((n, k))
    z[:, 0] -= 7 * rare
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    data, ones = DenseData(X, available_threads()), np.ones(d)

    def gram(drawn):
        return data.gram(drawn, 0 * ones, ones, 1 / n, 0 * ones)

    exact = Softmax(k).hessian(p, 1 - p, None, d, gram).reshape(k * d, k * d)
    masses = np.mean(p * (1 - p), axis=0)
    squares = np.sum((X / X.std(axis=0)) ** 2, axis=1)
    drawn = stored(p, np.float64).sample_pairs(200 * k * d, 0, 1 / masses, None, squares)
    sampled = np.tril(
        assemble_joint_hessian(gram(drawn), np.eye(d), np.zeros(k), np.zeros(k), 0 * ones, 1)[0]
    )
    sampled += np.tril(sampled, -1).T
    apart = np.linalg.svd(np.eye(k) - 1 / k)[0][:, : k - 1]  # of what classes have in common
    basis = np.kron(apart, np.eye(d))
    inner = np.linalg.cholesky(basis.T @ exact @ basis)
    ratio = np.linalg.solve(inner, np.linalg.solve(inner, basis.T @ sampled @ basis).T)
    eigenvalues = np.linalg.eigvalsh(ratio)
    assert 0.6 < eigenvalues.min() < 1 < eigenvalues.max() < 1.5


def letters(n=4000, d=8, k=12, dtype=np.float64, seed=0):
    """Classes side by side, of very different sizes."""
    rng = np.random.default_rng(seed)
    y = np.minimum(rng.geometric(0.25, n) - 1, k - 1)
    X = rng.standard_normal((k, d))[y] + rng.standard_normal((n, d))
    return X.astype(dtype), y


def without(X, y, sample_weight=None, **params):
    """A fit as it is without pairs of classes."""
    never = BlockRules(joint_passes=0, joint_work=0)
    model = Tuned(solver="preconditioned-lbfgs", **params).tuned(blocks=never)
    return model.fit(X, y, sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_the_same_optimum_in_fewer_iterations(C, fit_intercept, weighted):
    X, y = letters()
    weights = np.random.default_rng(1).random(len(y)) if weighted else None
    options = {"C": C, "tol": 1e-11, "fit_intercept": fit_intercept, "sample_weight": weights}
    model = fastsoftmax.fit(X, y, solver="preconditioned-lbfgs", **options)
    other = without(X, y, **options)
    assert model.converged_
    assert model.objective_ == pytest.approx(other.objective_, rel=1e-9)
    assert model.n_iter_ < other.n_iter_


def test_few_iterations_of_the_joint_hessian():
    X, y = letters(20000, 16, 26)
    model = fastsoftmax.fit(X, y, tol=1e-7)
    assert model.converged_
    assert model.n_iter_ <= 14  # blocks take about 40


def test_features_with_large_means_and_no_intercept():
    """The false curvature of squared means once hid what was left to gain."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 6)) + rng.uniform(-50, 50, 6)
    y = (X @ rng.standard_normal((6, 10)) + 5 * rng.gumbel(size=(3000, 10))).argmax(axis=1)
    for dtype in DTYPES:
        model, other = (
            fit(X.astype(dtype), y, tol=1e-7, fit_intercept=False)
            for fit in (fastsoftmax.fit, without)
        )
        assert model.objective_ <= other.objective_ * (1 + 2e-6)


def test_one_row_of_a_class():
    """Of which nothing is drawn unless rare classes are drawn as often as others."""
    X, y = letters()
    y[y == 11] = 10
    y[7] = 11
    loose, tight = (fastsoftmax.fit(X, y, C=100, tol=tol) for tol in (1e-7, 1e-12))
    assert loose.objective_ <= tight.objective_ * (1 + 2e-7)


def test_a_path_of_penalties_carries_it():
    X, y = letters()
    model = fastsoftmax.SoftmaxRegression(warm_start=True, tol=1e-10)
    for C in (0.01, 0.1, 10.0):
        model.set_params(C=C).fit(X, y)
        cold = fastsoftmax.fit(X, y, C=C, tol=1e-10)
        assert model.objective_ == pytest.approx(cold.objective_, rel=1e-8)
    # another budget, in which blocks of another kind may be chosen
    model.set_params(max_memory=1 << 16).fit(X, y)
    assert model.objective_ == pytest.approx(cold.objective_, rel=1e-8)


def test_blocks_of_rows_in_turn():
    X, y = letters()
    blocks = fastsoftmax.Blocks([(X[i : i + 900], y[i : i + 900]) for i in range(0, len(X), 900)])
    here = fastsoftmax.fit(X, y, tol=1e-10, solver="preconditioned-lbfgs")
    there = fastsoftmax.fit(blocks, tol=1e-10)
    assert there.objective_ == pytest.approx(here.objective_, rel=1e-9)
    assert there.n_iter_ <= here.n_iter_ + 2


def objective(n, d, k, memory=None):
    X = np.random.default_rng(0).standard_normal((n, d))
    rows = Observations(DenseData(X, 1), np.arange(n, dtype=np.int32) % max(k, 2), k)
    return Objective(rows, Penalty(1.0), fit_intercept=True, memory=memory)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((20000, 16, 26), JointHessian),
        ((300, 8, 6), JointHessian),  # slight, whatever a pass takes
        ((500, 64, 10), ClassGrams),  # dear
        ((20000, 16, 1), ClassGrams),  # there is nothing to couple
    ],
)
def test_where_it_is_cheap(shape, kind):
    assert type(blocks_for(curvature_of(objective(*shape)), 0)[0]) is kind


def test_not_where_memory_is_short():
    curvature = curvature_of(objective(20000, 16, 26, memory=MemoryBudget.of(1 << 20, 0)))
    assert type(blocks_for(curvature, 0)[0]) is ClassGrams


def test_hard_problems_go_on_with_blocks(monkeypatch):
    X, y = letters()
    made = []
    build = ClassGrams.by_class
    monkeypatch.setattr(
        ClassGrams, "by_class", lambda self, *args: made.append(type(self)) or build(self, *args)
    )
    model = Tuned(tol=1e-12, warm_start=True).tuned(rebuilds=RebuildSchedule(joint_iterations=3))
    for C in (1e4, 1e2, 1e3):  # blocks are reused, and are not of the kind to begin with
        model.set_params(C=C).fit(X, y)
        assert ClassGrams in made
        assert model.converged_
        made.clear()


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_pairs_than_int32_can_number(dtype):
    """They are numbered row by row of a triangle: 0 + 1 + 2 + … before each."""
    number = kernels(dtype).coupling.pair_number
    assert [number(*pair) for pair in pairs_of(4)] == list(range(6))
    for k in (46_341, 65_536, 65_537, 70_000, 2**31 - 1):  # of squares and pairs beyond int32
        assert number(k, 0) == sum_below(k)
        assert number(k, k - 1) == sum_below(k + 1) - 1


def sum_below(k):
    """0 + 1 + … + (k - 1), of Python's integers."""
    return k * (k - 1) // 2
