"""X in narrow dtypes: loss + gradient beside float32's and beside peers, fits, and memory.

    pytest benchmarks/dtypes/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.dtypes.report run.json > benchmarks/results/dtypes.md

Every result is compared with that of float32 first, to the bit where it is ours.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.dtypes import peers, problems
from benchmarks.dtypes.problems import BOUND, DTYPES, SHAPES
from benchmarks.support.checks import assert_close, ratio_in_turns, rest

MEMORY_BOUND = 100e6  # bytes beyond max_memory


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: shape.named("")[:-2])
def problem(request):
    """(shape, arrays, X by dtype, loss and gradient of float32): all dtypes held side by side."""
    X, *rest_of_it = problems.gradient_problem(request.param)
    held = {}
    for dtype in DTYPES:
        try:
            held[dtype] = problems.stored(X, dtype)
        except ImportError:
            continue
    right = peers.fastsoftmax(held["float32"], *rest_of_it)()
    return request.param, rest_of_it, held, right


@pytest.mark.parametrize("peer", peers.GRADIENTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient(problem, dtype, peer, benchmark, record, request):
    shape, arrays, held, (loss, gradient) = problem
    if dtype not in held:
        pytest.skip("ml_dtypes is missing")
    try:
        call = peers.GRADIENTS[peer](held[dtype], *arrays)
    except ImportError as error:
        pytest.skip(str(error))
    ours = peer == "fastsoftmax"
    actual_loss, actual = call()
    assert_close(actual_loss, loss, abs(loss), 1e-15 if ours else 1e-4)
    assert_close(actual, gradient, 1.0 if ours else 128.0, 1e-30 if ours else 1e-4)
    benchmark.group = shape.named(dtype)
    rest()
    flops = 4.0 * shape.n * shape.d * shape.k
    most = 100 if ours else 15
    rounds = int(np.clip(4e10 / flops, 5, most))
    benchmark.pedantic(call, rounds=rounds, warmup_rounds=2)
    if ours and not request.config.getoption("benchmark_disable"):
        single = peers.fastsoftmax(held["float32"], *arrays)
        record(ratio=ratio_in_turns(call, single, rounds), bound=BOUND)
    record(peer=peer, dtype=dtype)


@pytest.mark.parametrize("name", problems.fits())
@pytest.mark.parametrize("peer", peers.FITS)
def test_fit(name, peer, benchmark, record):
    try:
        fit = problems.fits()[name]()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    call = peers.FITS[peer](fit)
    model = call()
    total = model.objective_ * len(fit.y)
    assert total < fit.optimum * (1 + 1e-6) + 0.005  # the optimum is known to two decimals
    record(peer=peer, optimum=fit.optimum, total=total, bytes=fit.X.nbytes)
    benchmark.group = f"fit: {name}"
    rest()
    benchmark.pedantic(call, rounds=5)


FIT = """
import json, sys, threading, warnings
import numpy as np
from fastsoftmax import SoftmaxRegression

path, n, d, k, max_memory = json.loads(sys.argv[1])
X = np.memmap(path, np.float16, "r", shape=(n, d))
y = np.arange(n, dtype=np.int32) % k
anonymous = lambda: next(
    int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("RssAnon"))

def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], anonymous())

warnings.simplefilter("ignore")
SoftmaxRegression(max_iter=1).fit(np.eye(40), np.arange(40) % 3)  # what imports and threads take
peak, done = [anonymous()], threading.Event()
before = peak[0]
watcher = threading.Thread(target=watch)
watcher.start()
SoftmaxRegression(max_iter=10, max_memory=max_memory).fit(X, y)
done.set()
watcher.join()
print(peak[0] - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_memory_of_a_fit_on_a_mapped_file(tmp_path, benchmark, record):
    n, d, k, max_memory = 400_000, 512, 8, 32 << 20
    X = np.memmap(tmp_path / "X", np.float16, "w+", shape=(n, d))
    X[:] = np.random.default_rng(0).standard_normal(d, dtype=np.float32)
    X[:, 0] = np.arange(n) % 7
    X.flush()
    args = json.dumps([str(tmp_path / "X"), n, d, k, max_memory])
    command = [sys.executable, "-c", FIT, args]
    run = lambda: int(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: E731
    benchmark.group = "memory"
    taken = benchmark.pedantic(run, rounds=1)
    assert taken <= MEMORY_BOUND + max_memory
    record(peer="fastsoftmax", taken=taken, bound=MEMORY_BOUND + max_memory, bytes=X.nbytes)
