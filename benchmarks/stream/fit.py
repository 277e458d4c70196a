"""One fit of stream/bench.py, in a process of its own: prints what it took."""

import itertools
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from fastsoftmax import Blocks, SoftmaxRegression

D = 512
FEATURES = 50_000  # of sparse X
ROWS = 1 << 16  # of a block


def anonymous():
    """Bytes of memory that no file stands behind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def sparse_rows(folder, n, way):
    """Those of a fit of sparse X."""
    values, at = (np.load(folder / f"{part}.npy", "r") for part in ("values", "indices"))
    y = np.load(folder / "sparse_y.npy")

    def block(start, end):
        parts = np.array(values[start:end]).ravel(), np.array(at[start:end]).ravel()
        starts = np.arange(end - start + 1, dtype=np.int32) * values.shape[1]
        return csr_array((*parts, starts), (end - start, FEATURES)), y[start:end]

    if way == "in memory":
        return block(0, n)
    bounds = [*range(0, n, ROWS), n]
    return (Blocks(lambda: (block(*some) for some in itertools.pairwise(bounds))),)


def rows(folder, n, way):
    """The arguments of a fit."""
    X = np.memmap(folder / "X", np.float16, "r", shape=(n, D))
    y = np.load(folder / "y.npy")
    if way == "in memory":
        return np.array(X), y
    if way == "mapped":
        return X, y
    starts = range(0, n, ROWS)
    return (Blocks(lambda: ((X[s : s + ROWS], y[s : s + ROWS]) for s in starts)),)


def main(folder, n, group, way):
    arguments = (rows if group == "dense" else sparse_rows)(Path(folder), int(n), way)
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous())

    SoftmaxRegression(max_iter=2, tol=1).fit(np.eye(40), np.arange(40) % 3)  # what threads take
    before = anonymous() if way == "in memory" else 0
    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    model = SoftmaxRegression(tol=1e-5).fit(*arguments)
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    facts = {
        "seconds": seconds,
        "passes": model.n_passes_,
        "objective": model.objective_,
        "anonymous": peak[0] - before,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
