"""Shares of the multiply-add peak and of BLAS's two products, by shape, in one run.

    python -m benchmarks.sweep.bounds --dtype float32 --threads 1
    OPENBLAS_CORETYPE=SkylakeX python -m benchmarks.sweep.bounds
    FASTSOFTMAX_ISA=v3 python -m benchmarks.sweep.bounds

The peak is measured beside each shape. A bound is met by the share of it that is asked, by a pass
that takes at most 1.05 times as long as BLAS's two products, or by one that reads X at nine tenths
of the bandwidth. One thread is timed by the time it computed, which other work changes little.
"""

import argparse
import time
from functools import partial
from statistics import median

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.sweep.bench import REST, Shape, problem
from fastsoftmax import _core, linear_cross_entropy_value_and_grad
from fastsoftmax._commands.roofline import PEAK_WORK, measure
from fastsoftmax._runtime.threads import available_threads, team
from fastsoftmax._runtime.versions import processor

SHAPES = (
    (20000, 1024, 1000), (20000, 1024, 256), (8000, 4096, 1000), (20000, 1024, 100),
    (60000, 784, 100), (50000, 512, 150), (10000, 512, 100), (3001, 507, 123), (50000, 256, 100),
    (30000, 384, 64), (60000, 784, 10),
)  # fmt: skip
PEAKS = 10  # runs, the best of which counts
READS = 3  # of memory, each the best of several
BLAS = 1.05  # of the time of its two products, at most
MEMORY = 0.9  # of the bandwidth, at least


def asked(d, k):
    """Share of the peak in float32, where one is asked: of AVX-512, or of AVX2."""
    if _core.level == "v3":
        return 0.75 if d >= 512 and k >= 96 else None
    if d >= 1024 and k >= 256:
        return 0.82
    if d >= 512 and k >= 96:
        return 0.80
    return 0.72 if k >= 64 else 0.70


def met_by(share, least, against_blas, against_memory):
    """Which of the bounds hold."""
    holds = {
        "share": least is not None and round(share, 2) >= least,
        "BLAS": against_blas <= BLAS,
        "memory": against_memory >= MEMORY,
    }
    return ", ".join(name for name, is_met in holds.items() if is_met) or "none"


def products(X, W, A):
    np.matmul(X, W.T, out=A)
    return A.T @ X


def seconds_of(call, seconds, clock):
    """Median seconds per call, after a rest and a call that is not counted."""
    time.sleep(REST)
    call()
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        start = clock()
        call()
        found.append(clock() - start)
    return median(found)


def peak(dtype, n_threads, clock):
    """Flops a second at most."""
    rates = []
    for _ in range(PEAKS):
        apart = team(n_threads, n_threads * PEAK_WORK)
        start = clock()
        done = _core.kernels(np.dtype(dtype)).machine.multiply_adds(PEAK_WORK // 4, apart)
        rates.append(done / (clock() - start))
    return max(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--seconds", type=float, default=1.5, help="per shape and way")
    a = parser.parse_args()
    clock = time.thread_time if a.threads == 1 else time.perf_counter
    bandwidth = max(measure(a.dtype, a.threads).bandwidth for _ in range(READS))
    (blas,) = (x["architecture"] for x in threadpool_info() if x["user_api"] == "blas")
    print(
        f"\n{processor()}, {a.threads} threads, kernels {_core.level}, {a.dtype}, "
        f"{bandwidth / 1e9:.0f} GB/s read from memory, OpenBLAS's kernels for {blas}.\n"
    )
    print(
        "| shape | ms | GFLOP/s | peak | share | asked | GB/s of X | BLAS, ms | ours over BLAS's "
        "| met by |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for n, d, k in SHAPES:
        pool = np.random.default_rng(1).standard_normal(n * d, np.float32)
        X, W, b, y = problem(Shape(n, d, k, a.dtype), pool)
        with threadpool_limits(a.threads):
            A = np.empty((n, k), X.dtype)
            blas = seconds_of(partial(products, X, W, A), a.seconds / 2, clock)
        most = peak(a.dtype, a.threads, clock)
        ours = seconds_of(
            partial(linear_cross_entropy_value_and_grad, X, W, b, y, n_threads=a.threads),
            a.seconds,
            clock,
        )
        share, read, least = 4.0 * n * d * k / ours / most, X.nbytes / ours, asked(d, k)
        print(
            f"| {n}×{d}, K={k} | {1e3 * ours:.2f} | {share * most / 1e9:.0f} | {most / 1e9:.0f} | "
            f"{share:.0%} | {'–' if least is None else format(least, '.0%')} | {read / 1e9:.1f} | "
            f"{1e3 * blas:.2f} | {ours / blas:.2f} | "
            f"{met_by(share, least, ours / blas, read / bandwidth)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
