"""``python -m fastsoftmax bench``: the fused loss + gradient against plain NumPy, as a table."""

import argparse
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import _core
from fastsoftmax._commands import demo
from fastsoftmax._commands.gradient import compare
from fastsoftmax._commands.roofline import measure
from fastsoftmax._commands.timing import disturbance, processor_share
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

HELP = "time one loss + gradient against plain NumPy, and the fit of the demo"

Case = tuple[int, int, int, type]  # rows, features, classes, dtype

# the first two are those of --quick
CASES: list[Case] = [
    (60000, 784, 10, np.float32),
    (60000, 784, 10, np.float64),
    (100000, 64, 5, np.float32),
    (60000, 784, 100, np.float32),
    (20000, 1024, 1000, np.float32),
    (20000, 1024, 1000, np.float64),
]
SECONDS = 2.0  # for each row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="only the first two rows of the table, of 60000×784"
    )
    parser.add_argument("--mnist", metavar="FOLDER", help="also fit MNIST, from its four files")


def problem(n: int, d: int, k: int, dtype: type) -> tuple[NDArray, ...]:
    """Random X, W, b and labels, the same at each call."""
    random = np.random.default_rng(0)
    X = random.standard_normal((n, d), dtype=np.float32).astype(dtype, copy=False)
    W = (random.standard_normal((k, d)) / np.sqrt(d)).astype(dtype)
    return X, W, random.standard_normal(k).astype(dtype), random.integers(0, k, n)


def run(arguments: argparse.Namespace, cases: list[Case] = CASES, seconds: float = SECONDS) -> None:
    cases = cases[:2] if arguments.quick else cases
    fits = {"embedded digits": demo.digits()}
    if arguments.mnist:
        fits["MNIST"] = demo.mnist(arguments.mnist)
    say = partial(print, flush=True)  # each row as it comes, into files too
    say(f"{processor()}, {available_threads()} threads, kernels {_core.level}")
    say(f"{len(cases)} rows of at least {seconds:g} s each, then fits of {' and '.join(fits)}\n")
    peaks = {dtype: measure(dtype, available_threads()) for dtype in (np.float32, np.float64)}
    say(
        f"{'one loss + gradient of W and b':<40} {'plain NumPy':>26}   {'fastsoftmax':>24}     "
        "ratio   of the limit"
    )
    shares = []
    for i, (n, d, k, dtype) in enumerate(cases, 1):
        shares.append(processor_share())
        times = compare(*problem(n, d, k, dtype), seconds=seconds)
        name = f"{n}×{d}, K = {k}, {np.dtype(dtype)}"
        share = peaks[dtype].limit(times.flops, times.bytes) / times.fused.least
        say(
            f"{f'{i}/{len(cases)}':<6}{name:<34} {times.numpy.milliseconds(2):>26}   "
            f"{times.fused.milliseconds(2):>24}   {times.ratio:6.1f}×  {share:12.0%}"
        )
    say("the least time of many calls, in brackets what three of four stay below")
    if note := disturbance(min(shares)):
        say(note)
    for dtype, peak in peaks.items():
        say(
            f"limit {np.dtype(dtype)}: {peak.flops / 1e9:.0f} GFLOP/s of multiply-adds, "
            f"{peak.bandwidth / 1e9:.0f} GB/s read from memory"
        )
    for name, data in fits.items():
        say(f"\nfit of {name}, C = 1")
        model, time = demo.train(data, verbose=False)
        demo.report(model, data, time)
