"""One loss + gradient of softmax regression, against NumPy, scikit-learn and PyTorch.

    pytest benchmarks/gradients/bench.py --benchmark-only
    pytest benchmarks/gradients/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.gradients.report run.json > benchmarks/results/gradients.md

Every row is a group; each of its results is compared with NumPy's in float64 first.
"""

from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.gradients import peers
from benchmarks.support.checks import assert_close, rest
from fastsoftmax._commands import plain_numpy
from fastsoftmax._commands.bench import CASES, problem
from fastsoftmax._commands.roofline import measure
from fastsoftmax._runtime.threads import available_threads

TOLERANCE = {"float32": 2e-5, "float64": 1e-13}  # of the largest |x|, times the largest share


class Row(NamedTuple):
    """A problem, and whether the gradient of X is wanted too."""

    n: int
    d: int
    k: int
    dtype: str
    wants_X: bool = False

    @property
    def name(self):
        grads = ", gradients of X and W" if self.wants_X else ""
        return f"{self.n}×{self.d}, K={self.k}, {self.dtype}{grads}"


ROWS = [Row(n, d, k, np.dtype(dtype).name) for n, d, k, dtype in CASES] + [
    Row(2048, 1024, 32000, "float32", wants_X=True)
]


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.name)
def row(request):
    """(row, arrays, expected loss and gradient in float64): made once for all peers."""
    X, W, b, y = problem(*request.param[:3], np.dtype(request.param.dtype).type)
    wide = (a.astype(np.float64) for a in (X, W, b))
    loss, gradient, _ = plain_numpy.linear_cross_entropy_value_and_grad(*wide, y)
    return request.param, (X, W, b, y), loss, gradient


@pytest.fixture(scope="module")
def machine():
    return {dtype: measure(dtype, available_threads()) for dtype in ("float32", "float64")}


@pytest.mark.parametrize("peer", peers.PEERS)
def test_gradient(row, peer, machine, benchmark, record):
    shape, arrays, loss, gradient = row
    if shape.wants_X and peer in ("numpy", "scikit-learn"):
        pytest.skip("computes no gradient of X")
    try:
        call = peers.PEERS[peer](*arrays, shape.wants_X)
    except ImportError as error:
        pytest.skip(str(error))
    tolerance = TOLERANCE[shape.dtype]
    actual_loss, actual, by_X = call()
    assert_close(actual_loss, loss, abs(loss), 1e-5 if shape.dtype == "float32" else 1e-12)
    assert_close(actual, gradient, np.abs(arrays[0]).max(), tolerance)
    if by_X is not None:
        assert_close(by_X[:64], gradient_of_X(arrays, 64), np.abs(arrays[1]).max() / shape.n, 1e-4)
    del actual, by_X
    flops = (6.0 if shape.wants_X else 4.0) * shape.n * shape.d * shape.k
    size = np.dtype(shape.dtype).itemsize
    record(
        peer=peer,
        flops=flops,
        limit=machine[shape.dtype].limit(flops, arrays[0].size * size),
        peak_flops=machine[shape.dtype].flops,
        peak_bandwidth=machine[shape.dtype].bandwidth,
    )
    benchmark.group = shape.name
    rest()
    benchmark.pedantic(call, rounds=int(np.clip(6e10 / flops, 7, 200)), warmup_rounds=2)


def gradient_of_X(arrays, rows):
    """(A - Y) W / N of the first rows, in float64."""
    X, W, b, y = arrays
    z = X[:rows].astype(np.float64) @ W.T.astype(np.float64) + b
    a = plain_numpy.softmax(z)
    a[np.arange(rows), y[:rows]] -= 1
    return a @ W / len(X)
