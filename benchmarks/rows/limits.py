"""Softmax rows and sparse products beside the bandwidth of memory, measured in the same run.

    python -m benchmarks.rows.limits > benchmarks/results/limits.md

The limit of what reads an array and writes another is NumPy's copy of it, by as many threads; of
what reads only, a sum. The arrays of a sparse product are X, weights and logits; gathered rows are
those of the weights or the logits, each as often as a non-zero names it.
"""

import time
from functools import partial
from statistics import median
from threading import Barrier, Thread

import numpy as np

from benchmarks.rows.bench import CASES
from benchmarks.sparse.problems import load
from benchmarks.support.checks import assert_close, rest
from fastsoftmax import _core, cross_entropy_value_and_grad, logsumexp, softmax
from fastsoftmax._engine.data import Batch, Point, SparseData, StoredLogits
from fastsoftmax._runtime.threads import team
from fastsoftmax._runtime.versions import processor

SECONDS = 0.3  # per measurement
LOGITS = (2, 5, 20, 64)


def seconds_of(call):
    """Median seconds per call."""
    rest()
    call()
    found, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return median(found)


def copy_seconds(x, out, n_threads):
    """Seconds in which so many threads copy x, a part each, again and again."""
    start, seconds = Barrier(n_threads), []

    def copy(source, to):
        start.wait()
        begin, times = time.perf_counter(), 0
        while time.perf_counter() < begin + SECONDS:
            np.copyto(to, source)
            times += 1
        seconds.append((time.perf_counter() - begin) / times)

    parts = zip(np.array_split(x, n_threads), np.array_split(out, n_threads), strict=True)
    threads = [Thread(target=copy, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(seconds)


def read_seconds(x, n_threads):
    """Seconds in which so many threads sum x."""
    apart = team(n_threads, 1 << 40)
    return seconds_of(partial(_core.kernels(x.dtype).machine.read, x.ravel(), apart))


def rows():
    rng = np.random.default_rng(0)
    print("| rows | threads | limit, ms | GB/s | fastsoftmax, ms | limit over time |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, n, k in CASES:
        x = rng.standard_normal((n, k), dtype=np.float32)
        out, y = x.copy(), rng.integers(0, k, n)
        for threads in (1, 2):
            calls = {
                "softmax": partial(softmax, x, out=out, n_threads=threads),
                "logsumexp": partial(logsumexp, x, n_threads=threads),
                "cross_entropy_value_and_grad": partial(
                    cross_entropy_value_and_grad, x, y, n_threads=threads
                ),
            }
            reads = name == "logsumexp"
            limit = read_seconds(x, threads) if reads else copy_seconds(x, out, threads)
            ours = seconds_of(calls[name])
            rate = (1 if reads else 2) * x.nbytes / limit / 1e9
            print(
                f"| {name} {n}×{k} | {threads} | {1e3 * limit:.3f} | {rate:.0f} | "
                f"{1e3 * ours:.3f} | {limit / ours:.2f} |",
                flush=True,
            )


def sparse():
    X, y = load("20newsgroups")
    X = X.astype(np.float32)
    (n, d), rng = X.shape, np.random.default_rng(0)
    large = np.ones(64 << 20, np.float32)
    print("| K | threads | | ms | GB/s of arrays | and of gathered rows | memory, GB/s |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    for k in LOGITS:
        W, z = rng.standard_normal((k, d)).astype(np.float32), np.empty((d, k), np.float32).T
        W = np.asfortranarray(W)
        arrays = X.data.nbytes + X.indices.nbytes + W.nbytes + 4 * n * k
        gathered = arrays + X.nnz * k * 4
        batch = Batch((y % k).astype(np.int32), None, 1 / n)
        for threads in (1, 2):
            memory = large.nbytes / read_seconds(large, threads) / 1e9
            data, logits = SparseData(X, threads), StoredLogits(n, k, X.dtype, threads)
            data.store_logits(W, None, logits)
            assert_close(data.logits(W, None), X @ W.T, 1, 1e-4)
            calls = {
                "logits": partial(data.store_logits, W, None, logits),
                "gradient": partial(data.penalised, Point(logits=logits), batch, 0.0, z),
            }
            for name, call in calls.items():
                ours = seconds_of(call)
                print(
                    f"| {k} | {threads} | {name} | {1e3 * ours:.2f} | {arrays / ours / 1e9:.1f} | "
                    f"{gathered / ours / 1e9:.1f} | {memory:.0f} |",
                    flush=True,
                )


def main():
    print("# Limits of memory\n")
    print(f"{processor()}, kernels {_core.level}, float32.\n")
    rows()
    print("\n20 Newsgroups, 11314×130107, one product:\n")
    sparse()


if __name__ == "__main__":
    main()
