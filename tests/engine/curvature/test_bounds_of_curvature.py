"""Bounds on the curvature of F, and on the memory of matrices that have it."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.curvature.block_gram import ClassGrams
from fastsoftmax._engine.curvature.low_rank import LowRankBlocks
from fastsoftmax._engine.data import DenseData, SparseData
from fastsoftmax._engine.objective import Objective, Observations, Penalty
from fastsoftmax._runtime.memory_budget import MemoryBudget

MB = 1 << 20


def objective(X, k, *, fit_intercept=True, max_memory=None):
    data = SparseData(sparse.csr_array(X), 1) if sparse.issparse(X) else DenseData(X, 1)
    rows = Observations(data, np.arange(X.shape[0], dtype=np.int32) % max(k, 2), k)
    memory = MemoryBudget.of(max_memory, X.nbytes if k > 9 else 0)
    return Objective(rows, Penalty(1.0), fit_intercept=fit_intercept, memory=memory)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_lipschitz_bounds_the_largest_eigenvalue(fit_intercept, make, k, scale):
    """Of the Hessian at 0, where the losses curve most, from differences of gradients."""
    rng = np.random.default_rng(0)
    X = -scale * rng.random((40, 5)) * (rng.random((40, 5)) < 0.5)
    o = objective(make(X), k, fit_intercept=fit_intercept)
    steps = 1e-4 * np.eye(o.size)
    H = [(o.value_and_grad(s)[1] - o.value_and_grad(-s)[1]) / 2e-4 for s in steps]
    assert curvature_of(o).lipschitz() >= np.linalg.eigvalsh(np.array(H))[-1] * (1 - 1e-6)


@pytest.mark.parametrize(("factor", "fits"), [(1.01, True), (0.99, False)])
def test_a_matrix_for_each_class_is_counted(factor, fits):
    d, k = 300, 20
    needed = k * (d + 1) ** 2 * 4
    X = np.random.default_rng(0).standard_normal((50, d)).astype(np.float32)
    o = objective(
        X, k, max_memory=int(factor * needed / 0.4)
    )  # its share: docs/design/objective.md
    size = o.shape[1]
    assert (k * size**2 * o.data.dtype.itemsize <= o.memory.preconditioner) == fits
    assert ClassGrams(curvature_of(o), 0).fits == fits


def test_rows_in_leading_directions_are_counted():
    """Of tall X they take more than the matrices."""
    X = np.random.default_rng(0).standard_normal((40_000, 40)).astype(np.float32)
    roomy, tight = (objective(X, 3, max_memory=mb * MB) for mb in (64, 4))
    low = LowRankBlocks(curvature_of(tight), 0)
    rank = low._rank
    assert 40_000 * rank * 4 > tight.memory.preconditioner > 3 * rank**2 * 4
    assert not low.fits
    assert LowRankBlocks(curvature_of(roomy), 0).fits
