"""Cholesky factors of whatever comes: they are there in the end, or an error is."""

import numpy as np
import pytest

from fastsoftmax._engine.linalg import ClassFactors


def matrices(dtype):
    A = np.random.default_rng(0).normal(size=(3, 40, 40))
    return (A @ A.transpose(0, 2, 1)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("place", [(5, 3), (3, 5), (39, 38), (7, 7)])
def test_entries_that_are_not_finite_are_left_out(dtype, bad, place):
    whole, broken = matrices(dtype), matrices(dtype)
    broken[(1, *place)] = bad
    right = np.random.default_rng(1).normal(size=(3, 40))
    expected, found = (ClassFactors(M, 1).solve(right)[0] for M in (whole, broken))
    assert np.isfinite(found).all()
    assert np.array_equal(found[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_inverse_of_a_matrix_without_a_finite_diagonal_is_taken_for_1(dtype):
    broken, right = matrices(dtype), np.random.default_rng(1).normal(size=(3, 40))
    broken[1, 3, 3] = np.inf
    assert np.allclose(ClassFactors(broken, 1).solve(right)[0][1], right[1], rtol=1e-5)


def test_a_diagonal_that_is_not_finite_is_an_error():
    factors = ClassFactors(matrices(np.float64), 1)
    with pytest.raises(FloatingPointError, match="expected finite scales"):
        factors.with_added(np.full(40, np.nan))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diagonal_that_is_added(dtype):
    A, right = matrices(dtype), np.random.default_rng(1).normal(size=(3, 40))
    added = np.random.default_rng(2).uniform(1, 100, size=(3, 40))
    found = ClassFactors(A.copy(), 1).with_added(added).solve(right)[0]
    expected = [np.linalg.solve(M + np.diag(a), z) for M, a, z in zip(A, added, right, strict=True)]
    assert np.allclose(found, expected, rtol=1e4 * np.finfo(dtype).eps, atol=1e-6)
