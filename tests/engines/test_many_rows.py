"""Numbers of rows beyond 32 bits: where they are counted over all partitions."""

import numpy as np
import pytest

from fastsoftmax._engine.data import (
    DensePartitions,
    Partition,
    PartitionRows,
    RowSample,
    numbers_of,
)
from fastsoftmax._runtime.engines.in_process import InProcess

BEGINS = [0, 3 * 10**9]
EACH = np.arange(8.0)


@pytest.fixture
def data():
    """8 rows each at two places, as if there were others between."""
    partitions = [
        (
            Partition(
                begin, PartitionRows((begin + EACH)[:, None], EACH.astype(np.int32), None, None)
            ),
        )
        for begin in BEGINS
    ]
    held = InProcess().hold(lambda partition: partition, partitions)
    return DensePartitions(held, (BEGINS[1] + 8, 1), np.dtype(np.float64), 8.0, 1)


def test_rows_by_number(data):
    numbers = np.array([2, 5, BEGINS[1], BEGINS[1] + 7])
    assert data.rows(numbers).X.ravel().tolist() == numbers.tolist()


def test_every_row(data):
    numbers = data.every(3).X.ravel()
    assert numbers.tolist() == [
        0,
        3,
        6,
        *(BEGINS[1] + i for i in range(8) if (BEGINS[1] + i) % 3 == 0),
    ]


def test_drawn_rows(data):
    step = 1000
    drawn = RowSample(
        np.array([[0, 3_000_000, 7]], np.int32), np.ones((1, 3)), np.array([2]), np.ones(1)
    )
    of_all = drawn.of_all(step, 3_000_001)
    assert of_all.rows.dtype == np.int64
    assert of_all.rows[0, 1] == BEGINS[1]
    gram = data.gram(of_all, np.zeros(1), np.ones(1), 1.0, np.zeros(1))
    assert gram.ravel() == pytest.approx([float(BEGINS[1]) ** 2])


def test_numbers_that_fit_are_of_32_bits():
    assert numbers_of(2**31 - 1) is np.int32
    assert numbers_of(2**31) is np.int64
