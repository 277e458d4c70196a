"""Weighted Grams of drawn rows, Cholesky factors and solves, against plain float64 NumPy."""

import numpy as np
import pytest

from fastsoftmax._core import kernels
from fastsoftmax._engine.data import DenseData, RowSample
from fastsoftmax._engine.linalg import ClassFactors

pytestmark = pytest.mark.kernel
FLOATS = (np.float32, np.float64)


def drawn(n, m, most, dtype, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.integers(n, size=(m, most)), axis=1).astype(np.int32)
    counts = rng.integers(most // 2, most + 1, m).astype(np.intp)
    return RowSample(rows, rng.random((m, most)).astype(dtype), counts, np.ones(m))


def exact(X, draw, centre, scales, scale, ridge):
    U = (X.astype(float) - centre) * scales[: X.shape[1]]
    if len(scales) > X.shape[1]:
        U = np.column_stack([U, np.full(len(U), scales[-1])])
    for rows, factors, count in zip(*draw[:3], strict=True):
        u = U[rows[:count]] * factors[:count, None].astype(float)
        yield scale * u.T @ u + np.diag(ridge)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("n", "d", "m"), [(1, 1, 1), (40, 15, 3), (700, 16, 2), (1500, 61, 9)])
def test_gram(n, d, m, intercept, dtype):
    rng = np.random.default_rng(d)
    X = rng.normal(size=(n, d)).astype(dtype)
    draw = drawn(n, m, n, dtype)
    centre, scales = rng.normal(size=d), rng.random(d + intercept) + 0.5
    ridge, shared = rng.random(d + intercept), rng.random((d + intercept,) * 2).astype(dtype)
    shared = shared + shared.T
    right = list(exact(X, draw, centre, scales, 0.3, ridge))
    results = []
    wide, flipped = np.repeat(X, 2, axis=1)[:, ::2], X[::-1, ::-1].copy()[::-1, ::-1]
    for x in (X, np.asfortranarray(X), wide, flipped):
        got = DenseData(x, 2).gram(draw, centre, scales, 0.3, ridge)
        for ours, theirs in zip(got, right, strict=True):
            bound = 200 * np.finfo(dtype).eps * np.sqrt(np.outer(np.diag(theirs), np.diag(theirs)))
            assert (np.abs(ours - theirs) <= bound).all()
            np.testing.assert_array_equal(ours, ours.T)
        results.append(got.tobytes())
    assert len(set(results)) == 1
    mixed = DenseData(X, 2).gram(draw, centre, scales, 0.3, ridge, shared, np.full(m, 2.0))
    np.testing.assert_allclose(mixed, got + 2 * shared, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("m", [1, 5, 40])
def test_threads_change_no_bit(m, dtype):
    X = np.random.default_rng(0).normal(size=(3000, 60)).astype(dtype)
    draw = drawn(3000, m, 2500, dtype)
    scales, ridge = np.ones(61), np.full(61, 0.1)
    v = np.random.default_rng(1).normal(size=(m, 61))
    results = set()
    for threads in (1, 2, 3, 8):
        G = DenseData(X, threads).gram(draw, np.zeros(60), scales, 1.0, ridge)
        before = G.tobytes()
        results.add((before, ClassFactors(G, threads).solve(v, 2 * v)[1].tobytes()))
    assert len(results) == 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1, 7, 31, 47, 48, 49, 60, 61, 95, 96, 97, 130, 200, 333])
def test_threads_that_share_a_matrix_change_no_bit(size, dtype):
    A = np.random.default_rng(size).normal(size=(size, size + 5))
    M = (A @ A.T / size).astype(dtype)
    scales = (1 / np.sqrt(np.diag(M))).astype(dtype)
    results = set()
    for threads in (1, 2, 3, 8):
        factors, failed = M[None].copy(), np.ones(1, np.int32)
        kernels(np.dtype(dtype)).cholesky.factor(
            factors, scales[None], np.full(1, 1e-5), failed, threads
        )
        assert not failed[0]
        np.testing.assert_array_equal(np.tril(factors[0], -1), np.tril(M, -1))
        results.add(factors.tobytes())
    assert len(results) == 1
    U, expected = np.triu(factors[0]).astype(float), np.outer(scales, scales) * M.astype(float)
    np.fill_diagonal(expected, 1 + 1e-5)
    np.testing.assert_allclose(U.T @ U, expected, atol=20 * np.finfo(dtype).eps)
    indefinite = np.where(np.eye(size) > 0, 1, 2).astype(dtype)[None]
    for threads in (1, 4):
        failed = np.ones(1, np.int32)
        kernels(np.dtype(dtype)).cholesky.factor(
            indefinite.copy(), np.ones((1, size), dtype), np.zeros(1), failed, threads
        )
        assert failed[0] == (size > 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 15, 16, 17, 33, 100])
def test_factors_solve(size, dtype):
    rng = np.random.default_rng(size)
    A = rng.normal(size=(3, size, 2 * size + 2))
    A *= np.logspace(-3, 3, size)[:, None]  # the scaling takes this out
    M = A @ A.transpose(0, 2, 1)
    v = rng.normal(size=(4, 3, size))
    solved = ClassFactors(M.astype(dtype), 2).solve(*v)
    for right, z in zip(v, solved, strict=True):
        expected = np.linalg.solve(M, right[..., None])[..., 0]
        error = np.sqrt(np.einsum("ki,kij,kj->k", z - expected, M, z - expected))
        norm = np.sqrt(np.einsum("ki,kij,kj->k", expected, M, expected))
        assert (error <= 1e4 * np.finfo(dtype).eps * norm).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_matrix_for_all_classes_each_by_its_mass(dtype):
    M, v = np.diag([1.0, 4.0]).astype(dtype)[None], np.ones((3, 2))
    (z,) = ClassFactors(M, 1, np.array([1.0, 2.0, 4.0])).solve(v)
    np.testing.assert_allclose(z, [[1, 0.25], [0.5, 0.125], [0.25, 0.0625]], rtol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [0.0, 1.0, np.inf, np.nan])
def test_singular_and_unusable_matrices_still_give_descent(value, dtype):
    M, v = np.full((2, 9, 9), value, dtype), np.random.default_rng(0).normal(size=(2, 9))
    (z,) = ClassFactors(M, 1).solve(v)
    assert np.isfinite(z).all() and (np.sum(z * v, axis=1) > 0).all()
