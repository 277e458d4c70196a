"""Softmax, log-sum-exp and cross-entropy of rows of logits, against NumPy, SciPy and PyTorch.

    pytest benchmarks/rows/bench.py --benchmark-only
    pytest benchmarks/rows/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.rows.report run.json > benchmarks/results/rows.md

Every row is a group; each of its results is compared with float64 first.
"""

import numpy as np
import pytest
import scipy.special

from benchmarks.rows import peers
from benchmarks.support.checks import assert_close, rest

CASES = [
    ("softmax", 100_000, 10),
    ("softmax", 10_000, 1000),
    ("softmax", 1024, 32_000),
    ("softmax", 256, 128_256),
    ("logsumexp", 1024, 32_000),
    ("cross_entropy_value_and_grad", 10_000, 1000),
]
ARRAYS = {"softmax": 2, "logsumexp": 1, "cross_entropy_value_and_grad": 2}  # read and written
CHECKED = 64  # rows


def expected(function, x, y):
    z = x[:CHECKED].astype(np.float64)
    if function == "logsumexp":
        return scipy.special.logsumexp(z, axis=1)
    p = scipy.special.softmax(z, axis=1)
    if function == "softmax":
        return p
    p[np.arange(CHECKED), y[:CHECKED]] -= 1
    return p / len(x)


@pytest.fixture(scope="module")
def case(request):
    function, n, k = request.param
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, k), dtype=np.float32)
    y = rng.integers(0, k, n)
    return function, x, y, expected(function, x, y)


def pytest_generate_tests(metafunc):
    pairs = [(case, peer) for case in CASES for peer in peers.PEERS[case[0]]]
    ids = [f"{f} {n}×{k}-{peer}" for (f, n, k), peer in pairs]
    metafunc.parametrize(("case", "peer"), pairs, ids=ids, indirect=["case"], scope="module")


def test_rows(case, peer, benchmark, record):
    function, x, y, result = case
    try:
        call = peers.PEERS[function][peer](x, y)
    except ImportError as error:
        pytest.skip(str(error))
    if peer != "copy":
        assert_close(call()[:CHECKED], result, abs(result).max(), 1e-5)
    record(peer=peer, bytes=ARRAYS[function] * x.nbytes)
    benchmark.group = f"{function} {len(x)}×{x.shape[1]}"
    rest()
    benchmark.pedantic(call, rounds=30, warmup_rounds=3)
