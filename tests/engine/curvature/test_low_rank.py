"""Blocks of low rank, what they are made of, and the subsampled line, against plain float64
NumPy."""

import math

import numpy as np
import pytest

from fastsoftmax import SoftmaxRegression
from fastsoftmax._engine.curvature import curvature_of, low_rank
from fastsoftmax._engine.curvature.block_gram import ClassGrams
from fastsoftmax._engine.curvature.low_rank import LowRankBlocks
from fastsoftmax._engine.data import DenseData, RowSample
from fastsoftmax._engine.linalg import (
    ClassFactors,
    LowRankFactors,
    add,
    dot,
    low_rank_blocks,
    orthonormal_rows,
)
from fastsoftmax._engine.line_search import LineRules, iterate_at
from fastsoftmax._engine.line_search.fused import FusedIterate
from fastsoftmax._engine.line_search.stored import StoredIterate
from fastsoftmax._engine.objective import Objective, Observations, Penalty

FLOATS = (np.float32, np.float64)


def objective(n=300, d=12, k=4, *, dtype=np.float64, n_threads=1, C=1.0, fit_intercept=True):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 1).astype(dtype)
    y = (rng.integers(k, size=n)).astype(np.int32)
    rows = Observations(DenseData(X, n_threads), y, k)
    return Objective(rows, Penalty(C), fit_intercept=fit_intercept)


def features(o):
    """What θ multiplies, (n, D + 1)."""
    X = (np.asarray(o.data.X, float) - o.parameters.shift) / o.parameters.scales
    return np.column_stack([X, np.full(len(X), 1 / o.parameters.intercept_scale)])


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 4096, 4097, 100_003])
def test_dot_and_add(n, dtype):
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(2, n)).astype(dtype)
    right = math.fsum(a.astype(float) * b.astype(float))
    bound = 8 * np.finfo(dtype).eps * math.fsum(np.abs(a.astype(float) * b.astype(float)))
    dots = {dot(a, b, threads) for threads in (1, 2, 3, 8)}
    assert len(dots) == 1
    assert abs(dots.pop() - right) <= bound
    for threads in (1, 2, 8):
        got = a.copy()
        add(got, 0.3, b, threads)
        np.testing.assert_allclose(got, a + 0.3 * b.astype(float), rtol=1e-6, atol=1e-6)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("d", [1, 7, 16, 129, 300])
def test_sums_of_drawn_rows(d, dtype):
    rng = np.random.default_rng(d)
    X = rng.normal(size=(90, d)).astype(dtype)
    rows = rng.integers(90, size=(3, 70)).astype(np.int32)
    drawn = RowSample(rows, rng.random((3, 70)).astype(dtype), np.array([70, 33, 0]), np.ones(3))
    right = [
        np.square(f[:c].astype(float)) @ X[r[:c]].astype(float)
        for r, f, c in zip(rows, drawn.factors, drawn.counts, strict=True)
    ]
    for x in (X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        for threads in (1, 2, 8):
            got = DenseData(x, threads).sums(drawn)
            np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-4)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("one", [True, False])  # matrix for all classes
@pytest.mark.parametrize(
    ("k", "d", "r"), [(1, 1, 1), (3, 5, 5), (7, 33, 4), (13, 40, 16), (20, 129, 65)]
)
def test_low_rank_solves(k, d, r, one, intercept, dtype):
    rng = np.random.default_rng([k, d, r])
    U = np.linalg.qr(rng.normal(size=(d, r)))[0].astype(dtype)
    A = rng.normal(size=(1 if one else k, r, r + 9))
    B = (A @ A.transpose(0, 2, 1)).astype(dtype)
    masses = rng.uniform(0.5, 2, k) if one else None
    tails, means, h = rng.uniform(0.5, 2, k), rng.normal(size=(k, d)), rng.uniform(0.5, 2, k)
    v = rng.normal(size=(2, k, d + intercept)) * [[[1]], [[1e30]]]
    extra = (means, h) if intercept else ()
    results = set()
    for threads in (1, 2, 3, 8):
        factors = ClassFactors(B.copy(), threads, masses)
        basis = np.ascontiguousarray(U.T)
        solved = LowRankFactors(basis, factors, tails, threads, *extra).solve(*v)
        results.add(b"".join(z.tobytes() for z in solved))
    assert len(results) == 1
    for i in range(k):
        inner = B[0] * masses[i] if one else B[i]
        M = U @ (inner - tails[i] * np.eye(r)) @ U.T + tails[i] * np.eye(d)
        if intercept:  # of rows whose weighted mean is not 0, in h the sum of their weights
            m = means[i]
            M = np.block([[M + h[i] * np.outer(m, m), h[i] * m[:, None]], [h[i] * m, h[i]]])
        for right, z in zip(v, solved, strict=True):
            error = np.abs(M @ z[i] - right[i]).max() / np.abs(right[i]).max()
            assert error <= 3e4 * np.finfo(dtype).eps


@pytest.mark.kernel
@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize("r", [1, 7, 16, 33])
def test_low_rank_blocks(r, decoupled):
    rng = np.random.default_rng(r)
    u, w = rng.normal(size=(4, 50, r + 1)), rng.random((4, 50, 1))
    u[..., -1] = 1
    w[3] = 0  # a class of no rows
    grams = (u.transpose(0, 2, 1) @ (w * u)).astype(np.float32)
    own, shared = rng.random((2, 4))
    covariance, ridge = rng.normal(size=(2, r, r)).astype(np.float32)
    means = np.sum(w * u, axis=1) / np.maximum(w.sum(axis=1), 1e-30)
    centred = u - means[:, None] if decoupled else u
    G = (centred.transpose(0, 2, 1) @ (w * centred))[:, :r, :r]
    right = own[:, None, None] * G + shared[:, None, None] * covariance + ridge
    for threads in (1, 2, 8):
        got = low_rank_blocks(grams, decoupled, own, shared, covariance, ridge, threads)
        np.testing.assert_allclose(got, right, atol=1e-4)


@pytest.mark.kernel
@pytest.mark.parametrize("m", [1, 5, 16, 40])
def test_orthonormal_rows(m):
    rng = np.random.default_rng(m)
    vectors = rng.normal(size=(m, 60))
    vectors[3:5] = 0  # nothing
    vectors[7:9] = vectors[:2].sum(axis=0)  # what others hold
    rows = orthonormal_rows(vectors @ vectors.T, 1e-10)
    kept = rows @ vectors
    assert len(rows) == np.linalg.matrix_rank(vectors)
    np.testing.assert_allclose(kept @ kept.T, np.eye(len(rows)), atol=1e-10)


def test_leading_directions_are_those_of_the_svd():
    rng = np.random.default_rng(0)
    X = (
        rng.normal(size=(500, 200))
        * 0.9 ** np.arange(200)
        @ np.linalg.qr(rng.normal(size=(200, 200)))[0]
    )
    B = low_rank.ScaledFeatures(DenseData(X, 1), np.zeros(200), np.ones(200))
    Q = low_rank.leading(B, 20, rng)
    np.testing.assert_allclose(Q @ Q.T, np.eye(20), atol=1e-9)
    held = np.square(X @ Q.T).sum() / np.square(X).sum()
    assert held > 0.98 * np.square(np.linalg.svd(X)[1][:20]).sum() / np.square(X).sum()


@pytest.mark.parametrize("columns", ["none", "few", "repeated"])
def test_directions_without_features_are_left_out(columns):
    rng = np.random.default_rng(0)
    X = np.zeros((50, 30))
    if columns == "few":
        X[:, :3] = rng.normal(size=(50, 3))
    elif columns == "repeated":
        X[:] = rng.normal(size=(50, 5))[:, np.arange(30) % 5]
    Q = low_rank.leading(
        low_rank.ScaledFeatures(DenseData(X, 1), np.zeros(30), np.ones(30)), 20, rng
    )
    assert len(Q) == {"none": 1, "few": 3, "repeated": 5}[columns]
    np.testing.assert_allclose(Q @ Q.T, np.eye(len(Q)), atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_of_full_rank_and_all_rows_it_is_the_hessians_block(fit_intercept):
    """But for the small share of the unweighted covariance that every block is given."""
    o = objective(fit_intercept=fit_intercept, C=0.01)
    blocks = LowRankBlocks(curvature_of(o), 0)
    rng = np.random.default_rng(1)
    parameters = o.parameters
    it = iterate_at(o, parameters.project(rng.normal(size=o.size)))
    blocks.at_start(it)
    inverse = blocks.by_class(it, len(o.data.X), 0)
    W, b = parameters.user(it.theta, np.dtype(np.float64))
    z = o.data.X @ W.T + (b if fit_intercept else 0)
    P = np.exp(z - z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    U = features(o)[:, : o.shape[1]]
    v = rng.normal(size=o.shape)
    got = inverse.factors.solve(v)[0]
    ridge = np.diag(curvature_of(o).ridge)
    for k, w in enumerate((P * (1 - P)).T):
        block = U.T @ (w[:, None] * U) / len(U)
        mean = (w @ U[:, :12]) / w.sum() if fit_intercept else np.zeros(12)
        centred = U[:, :12] - mean
        own = centred.T @ (w[:, None] * centred) / len(U)
        mixed = block.copy()
        mixed[:12, :12] += low_rank.LowRankRules.shared * (
            w.mean() * U[:, :12].T @ U[:, :12] / len(U) - own
        )
        np.testing.assert_allclose((mixed + ridge) @ got[k], v[k], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("low", [True, False])
def test_blocks_do_not_depend_on_threads(low):
    solved = set()
    for n_threads in (1, 2, 3, 8):
        o = objective(2000, 90, 5, dtype=np.float32, n_threads=n_threads)
        blocks = (LowRankBlocks if low else ClassGrams)(curvature_of(o), 3)
        v = np.random.default_rng(1).normal(size=o.size)
        it = iterate_at(o, o.parameters.project(0.1 * v))
        first = blocks.at_start(it).solve(v)[0]
        solved.add((first.tobytes(), blocks.by_class(it, 300, 7).solve(v)[0].tobytes()))
    assert len(solved) == 1


def test_a_subsample_of_all_rows_is_the_line():
    o = objective()
    theta, direction = np.random.default_rng(2).normal(size=(2, o.size)) / 9
    it = FusedIterate(o, theta, LineRules())
    line, stored = it.line(direction), StoredIterate(o, theta, LineRules()).line(direction)
    assert line.reach() == pytest.approx(stored.reach(), rel=1e-12)
    subsample = line.subsample()
    for t in (0.0, 0.5, 2.0):
        np.testing.assert_allclose(subsample.evaluate(t), stored.evaluate(t), rtol=1e-10)
        np.testing.assert_allclose(line.evaluate(t)[:2], stored.evaluate(t)[:2], rtol=1e-10)
    it = FusedIterate(o, theta, LineRules(subsample_rows=50))
    slope = float(it.gradient @ direction)
    subsample = it.line(direction).subsample()
    subsample.correct_slope(slope)
    assert subsample.evaluate(0.0).slope == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_few_rows_of_many_features_reach_the_optimum(dtype):
    """The kind of problem that `auto` gives to blocks of low rank."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 20
    X = (rng.normal(size=(20, 300))[y] * 0.4 + rng.normal(size=(400, 300))).astype(dtype)
    model = SoftmaxRegression(tol=1e-9 if dtype == np.float64 else 1e-6).fit(X, y)
    other = SoftmaxRegression(tol=1e-10, solver="lbfgs").fit(X.astype(float), y)
    assert model.converged_
    assert model.objective_ == pytest.approx(
        other.objective_, rel=1e-8 if dtype == np.float64 else 1e-5
    )
    assert model.n_iter_ < 0.6 * other.n_iter_
    assert model.n_passes_ < 1.05 * other.n_passes_  # builds among them
