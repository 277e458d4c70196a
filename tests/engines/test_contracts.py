"""What is promised of rounds and of the process that asks for them, whatever the fit."""

import tracemalloc
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from support.partitions import Counting

from fastsoftmax import Partitions, SoftmaxRegression
from fastsoftmax._engine.data import DensePartitions, Partition, PartitionRows
from fastsoftmax._engine.data.partitioned import partition
from fastsoftmax._engine.data.partitioned.by_row import Samples
from fastsoftmax._runtime import engines
from fastsoftmax._runtime.engines.tree import added
from fastsoftmax.engines import Processes

ENDS = [0, 1, 40, 40, 300]


@pytest.mark.parametrize("engine", ["in_process", "processes", "dask", "ray"])
def test_an_engine_is_less_than_a_hundred_lines(engine):
    assert len((Path(engines.__file__).parent / f"{engine}.py").read_text().splitlines()) < 100


@pytest.mark.parametrize("count", range(1, 10))
def test_sums_of_workers_take_one_task_less_than_there_are_workers(count):
    tasks = []

    def add(a, b):
        tasks.append((a, b))
        return a + b

    assert added(list(range(count)), add) == sum(range(count))
    assert len(tasks) == count - 1


@pytest.mark.parametrize("has", ["nothing", "weights", "offset"])
def test_a_hessian_product_is_one_round_of_the_model_and_the_direction(has):
    rng = np.random.default_rng(0)
    n, d, k = ENDS[-1], 6, 4
    X, y = rng.normal(size=(n, d)), rng.integers(0, k, n).astype(np.int32)
    weights = rng.random(n) if has == "weights" else None
    offset = rng.normal(size=(n, k)) if has == "offset" else None
    model, direction = ((rng.normal(size=(k, d)), rng.normal(size=k)) for _ in range(2))
    parts = [
        (
            Partition(
                a, PartitionRows(*(None if x is None else x[a:b] for x in (X, y, weights, offset)))
            ),
        )
        for a, b in pairwise(ENDS)
        if a < b
    ]
    engine = Counting()
    data = DensePartitions(
        engine.hold(lambda each: each, parts), (n, d), np.dtype(np.float64), 8.0 * n * d, 1
    )
    view = data.view(None, 1 / n)
    _, by_W, by_b = data.sum(partition.curved, view, model, direction)
    P = softmax(X @ model[0].T + model[1] + (0 if offset is None else offset), axis=1)
    along = X @ direction[0].T + direction[1]
    curved = P * (along - np.sum(P * along, axis=1, keepdims=True)) / n
    curved = curved if weights is None else weights[:, None] * curved
    np.testing.assert_allclose(by_W, curved.T @ X, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(by_b, curved.sum(axis=0), rtol=1e-10, atol=1e-13)
    again = data.sum(partition.curved, view, model, direction)  # nothing is kept between rounds
    assert again[1].tobytes() == by_W.tobytes() and again[2].tobytes() == by_b.tobytes()
    assert [name for name, *_ in engine.rounds] == ["curved", "curved"]
    numbers = k * d + k
    assert all(sent + got <= 1.1 * 3 * 8 * numbers + 1000 for _, sent, got in engine.rounds)


def drawn(seed, rows):
    """Rows of a partition, which are made where it is held."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 2))
    return X, (X[:, 0] + rng.normal(size=rows) > 0).astype(int), rng.random(rows)


def test_this_process_has_nothing_for_each_row():
    """Neither labels nor weights: its memory is that of a fit of a quarter of the rows."""
    peaks = {}
    with Processes(2):
        for rows in (75_000, 300_000):
            parts = Partitions([partial(drawn, seed, rows) for seed in range(4)])
            SoftmaxRegression().fit(parts)  # what is made once
            tracemalloc.start()
            try:
                assert SoftmaxRegression().fit(parts).certified_
                peaks[rows] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    assert peaks[300_000] - peaks[75_000] < 4 * 225_000  # a byte for each row


@pytest.mark.parametrize("weighted", [False, True])
def test_sizes_of_offsets_are_weighted_root_mean_squares(weighted):
    rng = np.random.default_rng(0)
    n, k = ENDS[-1], 3
    X, y, weights = np.zeros((n, 1)), np.zeros(n, np.int32), rng.random(n)
    offset = rng.normal(size=(n, k)) * [1, 10, 1e200]
    parts = [
        (Partition(a, PartitionRows(*(x[a:b] for x in (X, y, weights, offset)))),)
        for a, b in pairwise(ENDS)
        if a < b
    ]
    found = Samples(Counting().hold(lambda each: each, parts), 1).offset_sizes(weighted)
    shares = weights / weights.sum() if weighted else np.full(n, 1 / n)
    largest = np.abs(offset).max(axis=0)
    right = largest * np.sqrt(shares @ np.square(offset / largest))
    np.testing.assert_allclose(found, right, rtol=1e-12)
