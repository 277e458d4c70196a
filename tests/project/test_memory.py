"""What a fit takes beyond X and the model, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

SCRATCH = 64 << 20  # of the kernels, which the default budget has room for
VECTORS = 24  # float64, of the size of the model
ROWS = 12  # float64, of the number of rows
REST = 12 << 20  # of Python's own, and of what the allocator does not give back

FIT = """
import json, re, sys, warnings
import numpy as np
from fastsoftmax import SoftmaxRegression
from support.sparse_rows import uniform

kind, (n, d, k), parameters = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
if kind == "sparse":
    X = uniform(n, d, min(1.0, 50 / d), rng)
    copies = 2 * (X.data.nbytes + X.indices.nbytes)  # by columns, and with merged features
else:
    X, copies = rng.standard_normal((n, d), dtype=kind), 0
y = np.arange(n) % k
warnings.simplefilter("ignore")
GROUPS = {"l1_ratio": 0.5, "l1_group": "classes"}
for few in ({}, {"l1_ratio": 0.5}, GROUPS, {"calibrate": 2}):  # what imports and threads take
    SoftmaxRegression(max_iter=1, **few).fit(rng.normal(size=(100, 3)), np.arange(100) % 2)

def resident(which):
    with open("/proc/self/status") as status:
        return int(re.search(which + r":\\s+(\\d+) kB", status.read())[1]) << 10

with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # it counts from now on
before = resident("VmRSS")
model = SoftmaxRegression(**parameters).fit(X, y)
print(json.dumps([resident("VmHWM") - before, model.n_iter_, 8 * n, 8 * k * d, copies]))
"""
MB = 1 << 20
TALL = "float32", (20_000, 200, 300)
FITS = {
    # neither logits nor full Gram matrices fit: both fallbacks
    "many rows": ("float32", (30_000, 240, 1000), {"max_iter": 3}),
    "many classes": (*TALL, {"max_iter": 40, "max_memory": 64 * MB}),
    "little memory": (*TALL, {"max_iter": 40, "max_memory": 16 * MB}),
    # a Gram matrix for each class, cheaper than blocks of low rank, would take more than there is
    "Gram matrices": ("float32", (8000, 300, 300), {"max_iter": 20, "max_memory": 64 * MB}),
    "many features": ("float32", (2000, 20_000, 10), {"max_iter": 4, "max_memory": 16 * MB}),
    "more features": ("float32", (200, 50_000, 3), {"max_iter": 10, "max_memory": 16 * MB}),
    "float64": ("float64", (500, 20_000, 5), {"max_iter": 4, "max_memory": 16 * MB}),
    "sparse": ("sparse", (2000, 50_000, 10), {"max_iter": 10, "max_memory": 16 * MB}),
    "sparse, many classes": (
        "sparse",
        (10_000, 1000, 1000),
        {"max_iter": 5, "max_memory": 64 * MB},
    ),
    "L1": ("float32", (1000, 20_000, 5), {"l1_ratio": 1.0, "max_iter": 4, "max_memory": 16 * MB}),
    "sparse L1": ("sparse", (2000, 20_000, 5), {"l1_ratio": 1.0, "max_memory": 16 * MB}),
    "groups": (
        *("float32", (1000, 20_000, 5)),
        {"l1_ratio": 1.0, "l1_group": "classes", "max_iter": 4, "max_memory": 16 * MB},
    ),
    "sparse groups": (
        *("sparse", (2000, 20_000, 5)),
        {"l1_ratio": 0.5, "l1_group": "classes", "max_memory": 16 * MB},
    ),
    "calibrated": ("float32", (3000, 2000, 10), {"calibrate": 3, "max_memory": 16 * MB}),
    "inference": (
        *("float64", (3000, 50, 20)),
        {"C": float("inf"), "reference_class": 0, "max_memory": 16 * MB},
    ),
    "Newton's method": ("float64", (200_000, 2, 16), {"solver": "newton", "max_memory": 16 * MB}),
}


LITTLE = {"max_memory": 32 * MB}
# with float64 arrays of shape (n, K), and matrices of the coefficients, that are not limited
BESIDE = {
    "no penalty": ("float64", (200_000, 20, 20), LITTLE | {"C": float("inf")}, 2, 0),
    "calibrated": ("float64", (200_000, 2, 20), LITTLE | {"calibrate": 2, "max_iter": 1}, 2, 0),
    "inference": (
        *("float64", (5000, 99, 21)),
        {"C": float("inf"), "reference_class": 0, "max_memory": 96 * MB},
        *(0, 9),
    ),
}


def measured(kind, shape, parameters):
    """Bytes at the peak, iterations, and bytes of a vector of rows, the model and copies of X."""
    run = subprocess.run(
        [sys.executable, "-c", FIT, json.dumps((kind, shape, parameters))],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("name", FITS)
def test_a_fit_keeps_to_its_memory(name):
    parameters = FITS[name][2]
    taken, iterations, rows, model, copies = measured(*FITS[name])
    # blocks by class were made, where there are any
    assert iterations > 2 or parameters.get("solver") == "newton"
    given = parameters.get("max_memory", 512 * MB - SCRATCH)
    assert taken <= given + SCRATCH + VECTORS * model + ROWS * rows + copies + REST
    if "max_memory" in parameters:
        assert taken > MB  # what is measured is the fit


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_taken_beside(name):
    """The guide says how much; if a fit no longer takes it, the guide has to change."""
    kind, shape, parameters, tables, matrices = BESIDE[name]
    taken, _, rows, model, _ = measured(kind, shape, parameters)
    n, d, k = shape
    square = 8 * ((d + 1) * (k - 1)) ** 2
    least = parameters["max_memory"] + VECTORS * model + ROWS * rows + REST
    assert least < taken <= least + SCRATCH + tables * 8 * n * k + matrices * square
