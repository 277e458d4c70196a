"""One pass over sparse X for 1 to 64 logits, against two products of SciPy with NumPy's softmax.

    python -m benchmarks.sparse.passes > benchmarks/results/sparse_passes.md

20 Newsgroups as TF-IDF. Calls take turns; the time of each is its least. Weights lie by feature, as
SciPy wants them. A call of the function includes every check of X; in a fit the logits are stored.
"""

import time
from functools import partial

import numpy as np

from benchmarks.sparse.problems import load
from benchmarks.support.checks import assert_close
from fastsoftmax import _core, linear_cross_entropy_value_and_grad
from fastsoftmax._engine.data import Batch, Point, SparseData, StoredLogits
from fastsoftmax._runtime.versions import processor

LOGITS = (1, 2, 3, 4, 5, 8, 20, 64)
TURNS = 25
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def scipy_pass(X, W, y):
    """Loss and gradient of logits X W, W of shape (d, K), or (d,) for one logit."""
    n, rows = len(y), np.arange(len(y))

    def softmax():
        z = X @ W
        z -= z.max(axis=1, keepdims=True)
        own = z[rows, y]
        np.exp(z, out=z)
        total = z.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - own).mean()
        z /= total
        z[rows, y] -= 1
        z /= n
        return loss, (X.T @ z).T

    def logistic():
        z = X @ W
        e = np.exp(-np.abs(z))
        loss = (np.log1p(e) + np.maximum(z, 0) - y * z).mean()
        p = (np.where(z > 0, 1, e) / (1 + e) - y).astype(X.dtype)
        p /= n
        return loss, X.T @ p

    return logistic if W.ndim == 1 else softmax


def calls(X, y, k):
    """Name -> function of no arguments, of what is compared, checked against each other."""
    n, d = X.shape
    rng = np.random.default_rng(0)
    W = (rng.standard_normal((d, k)) / 10).astype(X.dtype)
    table = rng.standard_normal((n, k)).astype(X.dtype)
    found = {"SciPy": scipy_pass(X, W[:, 0] if k == 1 else W, y)}
    if k == 1:  # as a table of one column, which SciPy takes another way
        found["SciPy, (D, 1)"] = lambda: ((z := X @ W), X.T @ z)
    found["SciPy's logits"] = lambda: X @ (W[:, 0] if k == 1 else W)
    found["SciPy's gradient"] = lambda: X.T @ (table[:, 0] if k == 1 else table)
    batch, out = Batch(y.astype(np.int32), None, 1 / n), np.empty((d, k), X.dtype).T
    function = partial(linear_cross_entropy_value_and_grad, X, W.T, None, y)
    for t in (1, 2):
        data, logits = SparseData(X, t), StoredLogits(n, k, X.dtype, t)
        found[f"call, {t}"] = partial(function, n_threads=t)
        found[f"logits, {t}"] = partial(data.store_logits, W.T, None, logits)
        found[f"gradient, {t}"] = partial(data.penalised, Point(logits=logits), batch, 0.0, out)
    loss, gradient = found["SciPy"]()
    ours, grads = found["call, 2"]()
    tolerance = TOLERANCE[str(X.dtype)]
    assert_close(ours, loss, loss, tolerance)
    assert_close(grads.W, np.reshape(gradient, (k, d)), abs(gradient).max(), tolerance)
    return found


def least(functions):
    """Milliseconds of each: the least of many turns."""
    seconds = dict.fromkeys(functions, np.inf)
    for turn in range(TURNS + 1):  # the first builds what a fit builds once
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return {name: s * 1e3 for name, s in seconds.items()}


def main():
    X, y = load("20newsgroups")
    n, d = X.shape
    print("# One pass over sparse X\n")
    print(
        f"{processor()}, kernels {_core.level}. 20 Newsgroups, {n}×{d}, {X.nnz} entries. "
        f"Milliseconds, the least of {TURNS} turns. `×` is SciPy's time over that of one thread, "
        "`2 threads` the time of one thread over that of two. *call* is "
        "`linear_cross_entropy_value_and_grad`, *logits* and *gradient* are those of a fit, the "
        "latter from stored logits.\n"
    )
    columns = ("", "SciPy", "call", "×", "2 threads")
    columns += ("SciPy's logits", "logits", "×", "SciPy's gradient", "gradient", "×", "2 threads")
    print(f"| {' | '.join(columns)} |\n|---|" + "---:|" * (len(columns) - 1))
    for dtype in ("float32", "float64"):
        for k in LOGITS:
            t = least(calls(X.astype(dtype), y % max(k, 2), k))
            row = [t["SciPy"], t["call, 1"], t["SciPy"] / t["call, 1"], t["call, 1"] / t["call, 2"]]
            row += [t["SciPy's logits"], t["logits, 1"], t["SciPy's logits"] / t["logits, 1"]]
            row += [t["SciPy's gradient"], t["gradient, 1"]]
            row += [t["SciPy's gradient"] / t["gradient, 1"], t["gradient, 1"] / t["gradient, 2"]]
            print(f"| {dtype}, K={k} | " + " | ".join(f"{x:.2f}" for x in row) + " |", flush=True)
            if k == 1:
                print(f"| its two products of (D, 1) | {t['SciPy, (D, 1)']:.2f} |" + " |" * 10)


if __name__ == "__main__":
    main()
