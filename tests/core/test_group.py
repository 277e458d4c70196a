"""Descent by groups and the curvature of norms, against plain NumPy."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax._engine.linalg import WeightedColumns, descend_by_grams
from fastsoftmax._engine.linalg.coordinate import DescentRules
from fastsoftmax._engine.objective import group_norms
from fastsoftmax._engine.solvers.norm_curvature import NormCurvature

pytestmark = pytest.mark.kernel
TO_THE_END = DescentRules(cycles=5000, tolerance=0.0)


def tables(k, m, groups, seed):
    """(gradient, values, thresholds, groups); the first place has no penalty."""
    rng = np.random.default_rng(seed)
    g, v = rng.normal(size=(2, k, m))
    v[:, 3] = 0
    t = np.broadcast_to(np.sqrt(k) * rng.uniform(0.5, 2, m), (k, m)).copy()
    t[:, 0] = 0
    return g, v, t, np.broadcast_to(groups, (k, m))


def require_optimal(slopes, there, change, v, t, groups):
    """0 is a subgradient of the model, and a group that becomes 0 does so exactly."""
    assert np.abs(slopes[:, 0]).max() < 1e-7
    zeros = 0
    for group in np.unique(groups[0, 1:]):
        at = np.flatnonzero(groups[0] == group)
        w = (t * there)[:, at]
        if there[:, at].any():
            force = t[:, at] * w / np.linalg.norm(w)
            assert np.abs(slopes[:, at] + force).max() < 1e-7
        else:
            zeros += 1
            assert np.array_equal(change[:, at], -v[:, at])
            assert np.linalg.norm(slopes[:, at] / t[:, at]) <= 1 + 1e-7
    return zeros


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("groups", [np.arange(9), np.array([0, 1, 1, 2, 3, 3, 3, 1, 4])])
def test_by_grams(k, groups):
    m, zeros = len(groups), 0
    for seed in range(6):
        g, v, t, ids = tables(k, m, groups, seed)
        A = np.random.default_rng(seed).normal(size=(k, 40, m))
        H = np.einsum("knm,knj->kmj", A, A) / 40
        counts = np.full(k, m)
        d = descend_by_grams(H, counts, g, v, t, 2, TO_THE_END, ids)
        slopes = g + np.einsum("kmj,kj->km", H, d)
        zeros += require_optimal(slopes, v + d, d, v, t, ids)
    assert zeros


@pytest.mark.parametrize("intercept", [0, 1])
@pytest.mark.parametrize("groups", [np.arange(9), np.array([0, 1, 1, 2, 3, 3, 3, 1, 4])])
def test_by_columns(intercept, groups):
    n, k, m, zeros = 50, 4, len(groups), 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        g, v, t, ids = tables(k, m, groups, seed)
        X = rng.normal(size=(n, m)) * (rng.random((n, m)) < 0.5)
        weights, ridges = rng.uniform(0.2, 1, (k, n)) / n, rng.uniform(0.01, 0.1, (k, m))
        columns = np.tile(np.arange(m), (k, 1))
        if intercept:
            X[:, 0], ridges[:, 0] = 1, 0
        # the intercept's column is not read: it is eliminated
        held = WeightedColumns(sparse.csc_array(X), columns, np.full(k, m), intercept, 2)
        held.weigh(weights)
        held.add(ridges)
        d = held.descend(g, v, t, TO_THE_END, ids)
        slopes = g + ridges * d + np.einsum("kn,nj,nm,km->kj", weights, X, X, d, optimize=True)
        zeros += require_optimal(slopes, v + d, d, v, t, ids)
    assert zeros


@pytest.mark.parametrize("groups", [np.arange(5), np.array([9, 1, 1, 0, 2])])
def test_curvature(groups):
    k, m = 3, 5
    _, v, t, ids = tables(k, m, groups, 0)
    curved, face = NormCurvature(v, t, ids), group_norms.norms(v, ids) != 0

    def slope(x):
        return t * group_norms.unit(t * x, ids)

    M, h = np.zeros((k * m, k * m)), 1e-6
    for i, e in enumerate(np.eye(k * m).reshape(-1, k, m)):
        M[i] = ((slope(v + h * e * face) - slope(v - h * e * face)) / (2 * h)).ravel()
    x = np.random.default_rng(1).normal(size=(k, m)) * face
    assert np.allclose(curved.times(x).ravel(), M @ x.ravel(), atol=1e-7)
    diagonal = np.random.default_rng(2).uniform(0.5, 2, (k, m))
    whole = M + np.diag(diagonal.ravel())
    assert np.allclose(
        curved.solve(diagonal, x).ravel(), np.linalg.solve(whole, x.ravel()), atol=1e-6
    )

    def solve(table):
        return table / (diagonal + curved.diagonal) * face

    corrected = curved.corrected(solve, face)(x)
    assert np.allclose(corrected, curved.solve(diagonal, x) * face, atol=1e-10)
    at = np.flatnonzero(face)
    H = np.zeros((len(at), len(at)))
    curved.add_to(H, *np.nonzero(face))
    assert np.allclose(H, M[np.ix_(at, at)], atol=1e-7)


def test_norms():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2, 6))
    groups = np.broadcast_to([4, 0, 4, 1, 1, 7], x.shape)
    for group in np.unique(groups):
        at = groups == group
        norm = np.linalg.norm(x[at])
        assert np.allclose(group_norms.norms(x, groups)[at], norm)
        assert np.allclose(group_norms.unit(x, groups)[at], x[at] / norm)
        assert np.allclose(group_norms.inner(x, y, groups)[at], x[at] @ y[at])
        radius = 0.5 * norm
        assert np.allclose(group_norms.within(x, radius, groups)[at], x[at] / 2)
        assert np.array_equal(group_norms.within(x, 2 * norm, groups)[at], x[at])
        assert (group_norms.sizes(groups)[at] == at.sum()).all()
    assert np.array_equal(group_norms.norms(x, None), np.abs(x))
    assert group_norms.total(x, None) == np.abs(x).sum()
    assert np.isclose(
        group_norms.total(x, groups),
        sum(np.linalg.norm(x[groups == group]) for group in np.unique(groups)),
    )
    assert not group_norms.unit(np.zeros((2, 6)), groups).any()
