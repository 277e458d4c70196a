"""A probe of the size of ImageNet, once: time, passes and share of the multiply-add peak.

    python -m benchmarks.probe.full 1281167 1024 1000 > benchmarks/results/probe.md

The rows are those of `examples/imagenet_probe.py`, and so is the memory that the solver may keep.
"""

import argparse
import resource
import statistics
import time

import numpy as np

from examples.imagenet_probe import MEMORY, made_rows, split
from fastsoftmax import SoftmaxRegression
from fastsoftmax._commands.roofline import measure
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

GAPS = 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6


def peak_memory():
    """Of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shape", type=int, nargs=3, metavar=("N", "D", "K"))
    parser.add_argument("--C", type=float, default=0.01)
    given = parser.parse_args()
    n, d, k = given.shape
    (X, y), held_out = split(*made_rows(n, d, k))
    before = peak_memory()
    peaks = [measure("float32", available_threads()).flops]
    start = time.perf_counter()
    model = SoftmaxRegression(C=given.C, max_memory=MEMORY).fit(X, y)
    seconds = time.perf_counter() - start
    peaks.append(measure("float32", available_threads()).flops)
    flops = 4.0 * X.size * k * model.n_passes_ / seconds
    last = model.history_[-1]
    least = model.objective_ - model.gap_bound_  # F* is no less

    print(f"# A probe of {n}×{d}, {k} classes\n")
    print(
        f"{processor()}, {available_threads()} threads, {time.strftime('%Y-%m-%d')}. Made rows in "
        f"float16, nine tenths of them to fit, C = {given.C:g}, at most {MEMORY >> 30} GiB kept "
        "beyond X. A pass is both products with all of X; other work is counted by its "
        "multiply-adds.\n"
    )
    print(
        f"- {seconds:.0f} s, {model.n_iter_} iterations, {model.n_passes_:.1f} passes, "
        f"{seconds / model.n_passes_:.2f} s each."
    )
    print(
        f"- {flops / 1e9:.0f} GFLOP/s, {flops / statistics.mean(peaks):.0%} of the peak of "
        f"multiply-adds in float32 ({peaks[0] / 1e9:.0f} before and {peaks[1] / 1e9:.0f} after)."
    )
    print(
        f"- {'Certified' if model.certified_ else 'Not certified'}: an objective of "
        f"{model.objective_:.8f}, at most {model.gap_bound_ / model.objective_:.1e} of it above "
        "the optimum."
    )
    print(
        f"- Right on held-out rows: {model.score(*held_out):.3f}, among the first five "
        f"{model.score(*held_out, top_k=5):.3f}."
    )
    print(f"- Memory: {peak_memory():.1f} GiB at most, {before:.1f} with X and before the fit.\n")
    print("| gap | passes | seconds |")
    print("|---:|---:|---:|")
    for gap in GAPS:
        reached = [at for at in model.history_ if at.objective <= (1 + gap) * least]
        at = reached[0] if reached else last._replace(n_passes=np.nan, seconds=np.nan)
        print(f"| {gap:.0e} | {at.n_passes:.1f} | {at.seconds:.0f} |")
    print(f"| certified | {model.n_passes_:.1f} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
