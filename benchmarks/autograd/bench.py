"""The losses of `fastsoftmax.torch` beside PyTorch's own, forward and backward.

    pytest benchmarks/autograd/bench.py --benchmark-only
    pytest benchmarks/autograd/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.autograd.report run.json > benchmarks/results/autograd.md

Every row is a group; each of its results is compared with float64 first.
"""

import numpy as np
import pytest
import scipy.special

from benchmarks.autograd import peers
from benchmarks.support.checks import assert_close, rest

CASES = [
    ("cross_entropy", 100_000, 10),
    ("cross_entropy", 10_000, 1000),
    ("cross_entropy", 1024, 32_000),
    ("linear_cross_entropy", 60_000, 784, 10),
    ("linear_cross_entropy", 10_000, 512, 1000),
    ("linear_cross_entropy", 1024, 512, 16_000),
]
CHECKED = 64  # rows


def name_of(case):
    return f"{case[0]} {'×'.join(map(str, case[1:]))}"


def exact_rows(function, arrays):
    """The gradient by the first rows of logits, or of X, in float64."""
    z, y = arrays[0], arrays[-1][:CHECKED]
    n, z = len(z), z[:CHECKED].astype(np.float64)
    if function == "linear_cross_entropy":
        z = z @ arrays[1].T.astype(np.float64) + arrays[2]
    p = scipy.special.softmax(z, axis=1)
    p[np.arange(CHECKED), y] -= 1
    return (p if function == "cross_entropy" else p @ arrays[1]) / n


@pytest.fixture(scope="module", params=CASES, ids=name_of)
def case(request):
    function, *shape = request.param
    arrays = peers.problem(function, *shape)
    return request.param, arrays, exact_rows(function, arrays)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("peer", peers.PEERS["linear_cross_entropy"])
def test_loss(case, peer, backward, benchmark, record):
    (function, *_), arrays, exact = case
    if peer not in peers.PEERS[function]:
        pytest.skip("PyTorch has it of linear layers only")
    try:
        call = peers.PEERS[function][peer](arrays, backward)
    except (ImportError, AttributeError) as error:
        pytest.skip(str(error))
    _, grads = call()
    if backward:
        assert_close(grads[0][:CHECKED], exact, abs(exact).max(), 1e-4)
    del grads
    record(peer=peer)
    benchmark.group = f"{name_of(case[0])}, {'forward and backward' if backward else 'forward'}"
    rest()
    benchmark.pedantic(call, rounds=9, warmup_rounds=1)
