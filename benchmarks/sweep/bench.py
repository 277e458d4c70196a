"""One loss + gradient of 200 random shapes against plain NumPy, whose products are BLAS's.

    python -m benchmarks.sweep.bench --seconds 100    (until it says that all are done)
    python -m benchmarks.sweep.report

Each shape appends a line to results/sweep.csv (or NAME.csv, with --name), and those that are there
are not run again; the smallest come first. N·D·K is log-uniform from 1e7 to 1e11, every fourth
shape in float64.
"""

import argparse
import csv
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from fastsoftmax import linear_cross_entropy_value_and_grad
from fastsoftmax._commands import plain_numpy
from fastsoftmax._commands.roofline import measure
from fastsoftmax._runtime.threads import available_threads

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = ("n", "d", "k", "dtype", "numpy", "fastsoftmax", "calls", "peak_flops")
SHAPES = 200
LEAST, MOST = 1e7, 1e11  # of N·D·K
FEWEST_ROWS = 100  # of a shape
LARGEST = 1e8  # numbers of X, and of NumPy's logits
DEAR = 1e10  # from here on one call each of some tenths of a second, else the median of 9
REST = 0.15  # seconds; the threads of OpenBLAS spin for 0.1 s after a call


class Shape(NamedTuple):
    n: int
    d: int
    k: int
    dtype: str

    @property
    def work(self):
        return self.n * self.d * self.k


def shapes():
    """The same at each call."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(SHAPES):
        work = np.exp(rng.uniform(np.log(LEAST), np.log(MOST)))
        n = d = k = 0
        while n < FEWEST_ROWS or n * max(d, k) > LARGEST:
            d, k = np.exp(rng.uniform(np.log((4, 2)), np.log((8192, 4096)))).astype(int).tolist()
            n = int(work / (d * k))
        found.append(Shape(n, d, k, "float64" if i % 4 == 3 else "float32"))
    return found


def problem(shape, pool):
    """X, W, b and labels; the numbers come from a pool, whose making would take longest."""
    rng = np.random.default_rng(shape[:3])
    X = pool[: shape.n * shape.d].reshape(shape.n, shape.d).astype(shape.dtype, copy=False)
    W = (rng.standard_normal((shape.k, shape.d)) / np.sqrt(shape.d)).astype(shape.dtype)
    b = rng.standard_normal(shape.k).astype(shape.dtype)
    return X, W, b, rng.integers(shape.k, size=shape.n)


def timed(arrays, turns, calls):
    """Median seconds per call of NumPy and of fastsoftmax, in turns."""
    ways = (plain_numpy.linear_cross_entropy_value_and_grad, linear_cross_entropy_value_and_grad)
    seconds = [], []
    for _ in range(turns):
        for way, found in zip(ways, seconds, strict=True):
            time.sleep(REST)
            if turns > 1:
                way(*arrays)
            for _ in range(calls):
                start = time.perf_counter()
                way(*arrays)
                found.append(time.perf_counter() - start)
    return [median(found) for found in seconds]


def assert_right(arrays):
    """Loss and gradient agree with NumPy's, in the shape's own precision."""
    X, W, b, y = arrays
    loss, gradient, _ = plain_numpy.linear_cross_entropy_value_and_grad(X, W, b, y)
    actual, grads = linear_cross_entropy_value_and_grad(X, W, b, y)
    error = max(abs(actual / loss - 1), np.abs(grads.W - gradient).max() / np.abs(X).max())
    assert error < (2e-4 if X.dtype == np.float32 else 1e-12), (X.shape, len(W), error)


def done(results):
    if not results.exists():
        return []
    with results.open() as file:
        return [
            (Shape(int(row["n"]), int(row["d"]), int(row["k"]), row["dtype"]), row)
            for row in csv.DictReader(file)
        ]


def parser(about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--name", default="sweep", help="of the results, one for each machine")
    return parser


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=100)
    given = arguments.parse_args()
    end, results = time.perf_counter() + given.seconds, RESULTS / f"{given.name}.csv"
    ready = {shape for shape, _ in done(results)}
    left = sorted((s for s in shapes() if s not in ready), key=lambda s: s.work)
    peaks = {dtype: measure(dtype, available_threads()) for dtype in ("float32", "float64")}
    pool = np.random.default_rng(1).standard_normal(int(LARGEST), np.float32) if left else None
    with results.open("a", newline="") as file:
        table = csv.writer(file)
        if not ready:
            table.writerow(COLUMNS)
        for i, shape in enumerate(left):
            if time.perf_counter() > end - 15 * shape.work / MOST:
                print(f"{len(left) - i} of {SHAPES} shapes are left")
                return
            arrays = problem(shape, pool)
            if shape.work < DEAR / 10:
                assert_right(arrays)
            turns, calls = (3, 3) if shape.work < DEAR else (1, 1)
            found = timed(arrays, turns, calls)
            peak = peaks[shape.dtype].flops
            table.writerow((*shape, *(f"{s:.4g}" for s in found), turns * calls, f"{peak:.4g}"))
            file.flush()
    print("all shapes are done")


if __name__ == "__main__":
    main()
