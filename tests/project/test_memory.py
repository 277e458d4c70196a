"""What a fit takes beyond X and the model, in a process of its own."""

import json
import subprocess
import sys

import pytest

SCRATCH = 64 << 20  # of the kernels, which the default budget has room for

FIT = """
import json, resource, sys, warnings
import numpy as np
from fastsoftmax import SoftmaxRegression

n, d, k, n_iter, max_memory = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
X = rng.standard_normal((n, d), dtype=np.float32)
y = rng.integers(k, size=n)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
warnings.simplefilter("ignore")
SoftmaxRegression(max_iter=1).fit(X[:1000], y[:1000] % 2)  # what imports and threads take
before = peak()
model = SoftmaxRegression(max_iter=n_iter, max_memory=max_memory).fit(X, y)
print(json.dumps([peak() - before, model.n_iter_, model.coef_.nbytes]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize(
    ("shape", "n_iter", "max_memory"),
    [
        ((50_000, 340, 1000), 5, None),  # neither logits nor full Gram matrices fit: both fallbacks
        ((20_000, 200, 300), 40, 64 << 20),
        ((20_000, 200, 300), 40, 16 << 20),
    ],
)
def test_a_fit_keeps_to_its_memory(shape, n_iter, max_memory):
    args = json.dumps([*shape, n_iter, max_memory])
    run = subprocess.run(
        [sys.executable, "-c", FIT, args], capture_output=True, text=True, check=True
    )
    taken, iterations, model = json.loads(run.stdout)
    assert iterations > 4  # blocks by class were made
    budget = 512 << 20 if max_memory is None else max_memory + SCRATCH
    assert taken <= budget + model
