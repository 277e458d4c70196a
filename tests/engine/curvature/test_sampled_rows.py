"""Rows from which blocks are made, where logits are stored and where they do not fit."""

import numpy as np
import pytest

from fastsoftmax._engine.curvature import curvature_of
from fastsoftmax._engine.data import DenseBlocks, DenseData
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import Objective, Observations, Penalty, start_of
from fastsoftmax._runtime.memory_budget import MemoryBudget

N, D, K = 1003, 20, 5
EIGHTH = 8 * K * (N + 100)  # bytes of which logits of an eighth fit into an eighth
MEMORY = [None, EIGHTH, 2000]
rng = np.random.default_rng(0)
X, WEIGHTS = rng.normal(size=(N, D)), rng.integers(1, 4, N).astype(float)
Y = (X @ rng.normal(size=(D, K)) + rng.gumbel(size=(N, K))).argmax(axis=1).astype(np.int32)


def iterate(memory, data=None, weights=WEIGHTS):
    """Of a point that is not the start."""
    data = data or DenseData(X, 1)
    o = Objective(
        Observations(data, Y, K, weights), Penalty(1.0), fit_intercept=True,
        memory=MemoryBudget.of(memory, 0),
    )  # fmt: skip
    it = iterate_at(o, start_of(o))
    it.step(it.line(-it.gradient), 0.5)
    return o, it


def curvatures(o, it):
    """The weights times p(1 - p), (n, K), by NumPy."""
    W, b = o.parameters.user(it.theta, np.dtype(float))
    P = np.exp(X @ W.T + b)
    P /= P.sum(axis=1, keepdims=True)
    return (WEIGHTS / WEIGHTS.mean())[:, None] * P * (1 - P)


@pytest.mark.parametrize(("memory", "parts"), [(None, 1), (EIGHTH, 8)])
def test_samples_have_each_row_once(memory, parts):
    _, it = iterate(memory)
    rows = [np.arange(N)[sample.rows] for sample in it.samples()]
    assert it.sample_step == 1 and it.incremental_logits == (memory is None)
    assert len(rows) == parts and sorted(np.concatenate(rows)) == list(range(N))


@pytest.mark.parametrize("memory", MEMORY)
def test_where_all_rows_are_drawn_they_have_their_curvature(memory):
    o, it = iterate(memory)
    drawn, step, n = curvature_of(o).sample_rows(it, N, 0)
    expected = curvatures(o, it)
    assert (step, n) == (1, N)
    np.testing.assert_array_equal(drawn.counts, N)
    for (rows, factors), own in zip(drawn.each(), expected.T, strict=True):
        np.testing.assert_array_equal(np.sort(rows), np.arange(N))
        np.testing.assert_allclose(factors**2, own[rows], rtol=1e-6)
    np.testing.assert_allclose(drawn.totals, expected.sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize("memory", MEMORY[:2])
def test_some_rows_stand_for_all(memory):
    """Sums over 100 drawn rows of each class scatter around those of all: 300 samples' mean."""
    o, it = iterate(memory)
    expected, curvature = curvatures(o, it), curvature_of(o)
    sums, counts = np.zeros((K, D)), np.zeros(K)
    for seed in range(300):
        drawn, _, _ = curvature.sample_rows(it, 100, 100 * seed)
        counts += drawn.counts / 300
        for total, (rows, factors) in zip(sums, drawn.each(), strict=True):
            total += (factors**2 @ X[rows] ** 2) / 300
    np.testing.assert_allclose(counts, 100, rtol=0.1)
    np.testing.assert_allclose(sums, expected.T @ X**2, rtol=0.05)


def test_pairs_are_drawn_as_well_in_the_place_of_logits():
    o, it = iterate(EIGHTH)
    curvature = curvature_of(o)
    here, step, n = curvature.sample_pairs(it, 400, 0)
    sample = next(it.samples())
    it.samples = lambda: iter([sample._replace(scratch=sample.logits.like())])
    beside, *_ = curvature.sample_pairs(it, 400, 0)
    assert (step, n) == (8, -(-N // 8)) and here.counts.sum() == 400
    for one, other in zip(here, beside, strict=True):
        np.testing.assert_array_equal(one, other)


def test_blocks_of_rows_are_read_once_for_a_sample():
    readings = []

    def read():
        readings.append(1)
        yield from np.array_split(X, 7)

    data = DenseBlocks(read, X.shape, X.dtype, X.nbytes, 1)
    o, it = iterate(EIGHTH, data)
    readings.clear()
    samples = list(it.samples())
    assert len(readings) == len(samples) == 1
    assert samples[0].rows == slice(0, None, 8) and it.sample_step == 8
    expected = curvatures(o, it)[::8]
    drawn, step, n = curvature_of(o).sample_rows(it, N, 0)
    assert (step, n) == (8, len(expected))
    np.testing.assert_allclose(drawn.totals, expected.sum(axis=0), rtol=1e-6)
