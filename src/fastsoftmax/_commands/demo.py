"""``python -m fastsoftmax demo``: train on digits, and time the kernel against plain NumPy."""

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import datasets
from fastsoftmax._commands.gradient import compare
from fastsoftmax._commands.timing import disturbance, processor_share
from fastsoftmax._linear import SoftmaxRegression

HELP = "train softmax regression on handwritten digits and show what it cost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mnist",
        metavar="FOLDER",
        help="train on the four MNIST files there, not on the digits",
    )
    parser.add_argument("--C", type=float, default=1.0, help="inverse penalty (default: 1)")
    parser.add_argument("--tol", type=float, default=1e-6, help="relative gap (default: 1e-6)")


def digits() -> tuple[NDArray, ...]:
    """Embedded digits as (X_train, y_train, X_test, y_test), pixels 0..1, a quarter for test."""
    X, y = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[len(X) // 4 :], order[: len(X) // 4]
    X = X / np.float32(16)
    return X[train], y[train], X[test], y[test]


def mnist(folder: str) -> tuple[NDArray, ...]:
    """MNIST as (X_train, y_train, X_test, y_test), pixels 0..1."""
    X_train, y_train, X_test, y_test = datasets.load_mnist(folder)
    return X_train / np.float32(255), y_train, X_test / np.float32(255), y_test


def train(
    data: tuple[NDArray, ...], *, verbose: bool, **params: float
) -> tuple[SoftmaxRegression, float]:
    """The fitted model and the seconds its fit took."""
    X, y, *_ = data
    model = SoftmaxRegression(verbose=verbose, **params)
    start = time.perf_counter()
    model.fit(X, y)
    return model, time.perf_counter() - start


def report(model: SoftmaxRegression, data: tuple[NDArray, ...], seconds: float) -> None:
    X_train, y_train, X_test, y_test = data
    total = model.objective_ * model.C * len(X_train)
    print(
        f"accuracy      training {model.score(X_train, y_train):.4f}   "
        f"test {model.score(X_test, y_test):.4f}"
    )
    print(
        f"certificate   {'converged' if model.converged_ else 'NOT CONVERGED'}, "
        f"{'proved' if model.certified_ else 'not proved'}: at most {model.gap_bound_:.1e} above "
        f"the optimum   passes over X {model.n_passes_:.1f}"
    )
    print(f"objective     {model.objective_:.8f} per row,   {total:.4f} as C·ΣCE + ½‖W‖²")
    print(
        f"time          {seconds:.3f} s for the fit, "
        f"{1e3 * seconds / model.n_passes_:.2f} ms per pass"
    )


def run(arguments: argparse.Namespace) -> None:
    data = mnist(arguments.mnist) if arguments.mnist else digits()
    X, y, X_test, _ = data
    name = f"MNIST in {arguments.mnist}" if arguments.mnist else "embedded 8×8 digits"
    print(
        f"data          {name}: {X.shape[0]} rows for training, {len(X_test)} for test, "
        f"{X.shape[1]} features, {len(np.unique(y))} classes"
    )
    model, seconds = train(data, verbose=True, C=arguments.C, tol=arguments.tol)
    report(model, data, seconds)
    W, b = (a.astype(X.dtype) for a in (model.coef_, model.intercept_))
    share = processor_share()
    times = compare(X, W, b, np.searchsorted(model.classes_, y), seconds=1.0)
    print(
        f"one loss + gradient   fastsoftmax {times.fused.milliseconds(3)}   "
        f"plain NumPy {times.numpy.milliseconds(3)}   {times.ratio:.1f}× faster"
    )
    print("              the least time of many calls, in brackets what three of four stay below")
    if note := disturbance(min(share, processor_share())):
        print(note)
