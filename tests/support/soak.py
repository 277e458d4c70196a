"""Many steps of everything in one process, whose memory is flat.

    PYTHONPATH=tests python tests/support/soak.py [steps]

The same is then done with a leak of a kilobyte per step, which has to be noticed.
"""

import gc
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from support.estimators import ESTIMATORS, LARGE, SMALL, second_data

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression

SETTLED = 0.3  # of the steps, after which memory grows no more
LEAST = 1 << 20  # bytes that count as growth, or
PER_STEP = 300  # so many for each step, whichever is more


def resident():
    """Bytes of this process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def steps(folder):
    """What is done in turn."""
    X, y = LARGE
    rows = sparse.csr_array(X * (X > 0))
    blocks = Blocks([(X[:50], y[:50]), (X[50:], y[50:])])
    online, path = SoftmaxRegression(), Path(folder, "model")
    model = SoftmaxRegression().fit(X, y)
    W = np.ones((4, X.shape[1]))

    def saved():
        model.save(path)
        fastsoftmax.load(path).predict(X)

    def refused():
        try:
            SoftmaxRegression(C=-1).fit(X, y)
        except ValueError:
            return
        raise AssertionError("a negative C")

    return [
        *(lambda make=make: make().fit(*SMALL) for make in ESTIMATORS.values()),
        *(
            lambda name=name, make=make: make().fit(*second_data(name))
            for name, make in ESTIMATORS.items()
        ),
        *(
            lambda solver=solver: SoftmaxRegression(solver=solver, max_iter=20).fit(X, y)
            for solver in ("preconditioned-lbfgs", "lbfgs", "newton", "gd")
        ),
        lambda: SoftmaxRegression().fit(rows, y),
        lambda: SoftmaxRegression().fit(blocks),
        lambda: online.partial_fit(X, y, np.arange(4)),
        lambda: model.predict_proba(X),
        lambda: model.certify(X, y),
        lambda: fastsoftmax.softmax(X, out=np.empty_like(X)),
        lambda: fastsoftmax.logsumexp(X.astype(np.float16)),
        lambda: fastsoftmax.linear_cross_entropy_value_and_grad(X, W, None, y, n_threads=2),
        saved,
        refused,
    ]


def growth(count, leak=0):
    """Bytes by which memory grew once it had settled."""
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        actions = steps(folder)
        for i in range(count):
            actions[i % len(actions)]()
            kept.append(bytes(leak) if leak else None)
            if i == int(SETTLED * count):
                settled = resident()
    return resident() - settled


def main(count):
    warnings.simplefilter("ignore")
    allowed = max(LEAST, PER_STEP * int((1 - SETTLED) * count))
    grown, leaked = growth(count), growth(count, leak=1024)
    print(
        f"{count} steps: {grown >> 10} KiB more, {leaked >> 10} KiB with a leak of 1 KiB per step"
    )
    print(f"allowed: {allowed >> 10} KiB")
    return grown > allowed or leaked <= allowed


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:] or [20_000])))
