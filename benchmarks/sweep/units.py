"""A pass by the matrix units beside one by the registers of AVX-512, in turns, in one process.

    FASTSOFTMAX_ISA=v4_amx python -m benchmarks.sweep.units
    FASTSOFTMAX_ISA=v4_amx python -m benchmarks.sweep.units --shape 20000 1024 1000 --threads 1

A pass is loss and gradient, in memory that is there, as in a fit. Both ways must agree before they
are timed. Of five rounds of --seconds each the median ratio counts, with the lowest and highest.
"""

import argparse
import time
from statistics import median

import numpy as np

from fastsoftmax import _core
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import available_threads, team
from fastsoftmax._runtime.versions import processor

LEVELS = ("v4", "v4_amx")
ASKED = {"float32": 1.2, "float16": 1.5, "uint8": 2.2, "bfloat16": 2.2}  # of a pass, K = 1000
ROUNDS = 5


def problem(n, d, k, dtype):
    """X of that type, W and labels, with logits of unit size."""
    rng = np.random.default_rng(0)
    if dtype == "uint8":
        X = rng.integers(0, 256, (n, d), np.uint8)
    else:
        X = rng.standard_normal((n, d), np.float32)
        if dtype == "bfloat16":
            import ml_dtypes

            X = X.astype(ml_dtypes.bfloat16)
        X = X.astype(dtype) if dtype == "float16" else X
    size = np.sqrt(d * np.mean(np.square(X[:100], dtype=np.float32)))
    W = (rng.standard_normal((k, d)) / size).astype(np.float32)
    return X, W, rng.integers(k, size=n).astype(np.int32)


class Pass:
    """A level's loss and gradient, and the seconds that calls took."""

    def __init__(self, level, X, W, y, n_threads):
        self._kernel = _core.Groups(np.dtype(np.float32), _core.caches, level).linear
        self._problem, self._threads = (X, W, y), n_threads
        self._workspace, self.gradient = Workspace(), np.zeros(W.shape)
        self._bias = np.zeros(len(W))

    def __call__(self):
        X, W, y = self._problem
        self.gradient[:] = self._bias[:] = 0
        return self._kernel.value_and_grad(
            X, W, None, y, None, 1 / len(X), self.gradient, self._bias, None, self._workspace,
            self._threads,
        )  # fmt: skip

    def seconds(self, seconds, clock):
        """Median of calls for so long."""
        found, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(found) < 3:
            start = clock()
            self()
            found.append(clock() - start)
        return median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(20000, 1024, 1000))
    parser.add_argument("--threads", type=int, nargs="+", default=(1, available_threads()))
    parser.add_argument("--dtypes", nargs="+", default=tuple(ASKED))
    parser.add_argument("--seconds", type=float, default=1.5, help="per level and round")
    a = parser.parse_args()
    if _core.level != "v4_amx":  # by which the system is asked for the units
        parser.error("expected FASTSOFTMAX_ISA=v4_amx")
    n, d, k = a.shape
    print(f"\n{processor()}: loss and gradient of {n}×{d}, K = {k}, {ROUNDS} rounds in turns.\n")
    print("| X | threads | v4, ms | v4_amx, ms | GFLOP/s | ratio | lowest … highest | asked |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for dtype in a.dtypes:
        X, W, y = problem(n, d, k, dtype)
        for n_threads in a.threads:
            team(n_threads, n * d * k)
            clock = time.thread_time if n_threads == 1 else time.perf_counter
            passes = [Pass(level, X, W, y, n_threads) for level in LEVELS]
            values = [one() for one in passes]
            np.testing.assert_allclose(*values, rtol=1e-6)
            scale = abs(passes[0].gradient).max()
            np.testing.assert_allclose(*(p.gradient for p in passes), atol=1e-5 * scale)
            rounds = [[p.seconds(a.seconds, clock) for p in passes] for _ in range(ROUNDS)]
            old, new = map(median, zip(*rounds, strict=True))
            ratios = sorted(o / w for o, w in rounds)
            print(
                f"| {dtype} | {n_threads} | {1e3 * old:.1f} | {1e3 * new:.1f} | "
                f"{4e-9 * n * d * k / new:.0f} | {median(ratios):.2f} | "
                f"{ratios[0]:.2f} … {ratios[-1]:.2f} | {ASKED[dtype]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
